"""Statistics of test accuracies: what a table prints about n networks trained from scratch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from condense.errors import CondenseError

CONFIDENCE = 0.95
LEAST_UNITS = 3
"""Independent values from which on an interval of their mean is stated."""


@dataclass(frozen=True)
class Summary:
    """Accuracies in numbers; all but `n` are fractions.

    std: over all n accuracies with ddof=0, as the published tables state it (0 for n=1).
    half: half width of the 95 % interval of the mean by Student's t with ddof=1; low, high: the interval, within [0, 1]. All
    None with fewer than `LEAST_UNITS` independent values (networks of one set; sets, where there are several, and seeds of
    networks, where sets share some), whose spread says next to nothing.
    """

    n: int
    mean: float
    std: float
    minimum: float
    maximum: float
    low: float | None
    high: float | None
    half: float | None = None


def summarise(accuracies: Sequence[float]) -> Summary:
    """Summary of independent accuracies (fractions), such as those of networks trained on one set.

    Raises `CondenseError` when there are none or one is not a fraction.
    """
    return summarise_sets([dict(enumerate(accuracies))])


def summarise_sets(groups: Sequence[Mapping[int, float]]) -> Summary:
    """Summary of accuracies (fractions) by the seeds of networks, one group for each set they were trained on.

    With one set the interval of the mean covers the networks only, given that set. With several sets, networks of one set
    share its luck, and networks of one seed, which begin alike on every set, share theirs. So the variance of the mean is
    the sum of two cluster-robust ones, each G/(G-1) * sum_g (n_g/n * (mean_g - mean))^2 over G clusters (Cochran, Sampling
    Techniques, 1977, section 9A): of sets, and of seeds where sets share any (two-way clustering as in Cameron, Gelbach and
    Miller, 2011, but what is special to a pair of set and seed is counted in both, so that the interval is rather too
    wide). Its degrees of freedom are Satterthwaite's; it is never narrower than either part alone would make it.

    Raises `CondenseError` when there are no accuracies or one is not a fraction.
    """
    filled = [group for group in groups if group]
    if not filled:
        raise CondenseError("There are no accuracies to summarise.")
    values = np.concatenate([list(group.values()) for group in filled])
    if not ((values >= 0) & (values <= 1)).all():
        raise CondenseError("Accuracies must be fractions between 0 and 1.")
    mean = float(values.mean())
    half = _half_width(filled, mean)
    return Summary(
        n=len(values),
        mean=mean,
        std=float(values.std(ddof=0)),
        minimum=float(values.min()),
        maximum=float(values.max()),
        low=None if half is None else max(mean - half, 0.0),
        high=None if half is None else min(mean + half, 1.0),
        half=half,
    )


def _half_width(groups: Sequence[Mapping[int, float]], mean: float) -> float | None:
    by_seed: dict[int, list[float]] = {}
    for group in groups:
        for seed, accuracy in group.items():
            by_seed.setdefault(seed, []).append(accuracy)
    seeds, sets = list(by_seed.values()), [list(group.values()) for group in groups]
    shared = len(seeds) < sum(map(len, sets))
    units = [*([sets] if len(sets) > 1 else []), *([seeds] if shared or len(sets) == 1 else [])]
    if min(map(len, units)) < LEAST_UNITS:
        return None
    parts = [sets, seeds] if shared or len(sets) == 1 else [sets]
    found = [(_variance(part, mean), len(part) - 1.0) for part in parts if len(part) > 1]
    if not found:
        return None
    total = sum(variance for variance, _ in found)
    if total:
        found.append((total, total**2 / sum(variance**2 / freedom for variance, freedom in found)))
    return max(_reach(variance, freedom) for variance, freedom in found)


def _variance(clusters: Sequence[Sequence[float]], mean: float) -> float:
    """Cluster-robust variance of the mean of all values."""
    count, total = len(clusters), sum(map(len, clusters))
    spread = sum((len(cluster) / total * (float(np.mean(cluster)) - mean)) ** 2 for cluster in clusters)
    return count / (count - 1) * spread


def _reach(variance: float, freedom: float) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance)


def spread(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """(Between sets, between networks): deviations (ddof = 0) of the set means and, pooled, of networks within sets.

    Their squares, each weighted by the number of networks, add up to the square of `Summary.std`.
    """
    sizes, means, variances = (np.array([f(group) for group in groups]) for f in (len, np.mean, np.var))
    weights = sizes / sizes.sum()
    mean = (weights * means).sum()
    return math.sqrt((weights * (means - mean) ** 2).sum()), math.sqrt((weights * variances).sum())
