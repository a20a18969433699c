"""Statistics of test accuracies: what a table prints about n networks trained from scratch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from condense.errors import CondenseError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """Accuracies in numbers; all but `n` are fractions.

    std: over all n accuracies with ddof=0, as the published tables state it (0 for n=1).
    low, high: 95 % interval of the mean by Student's t with ddof=1; None where nothing can be said (n=1). It is not cut
    to [0, 1], so that it stays symmetric about the mean.
    """

    n: int
    mean: float
    std: float
    minimum: float
    maximum: float
    low: float | None
    high: float | None


def summarise(accuracies: Sequence[float]) -> Summary:
    """Summary of independent accuracies (fractions), such as those of networks trained on one set.

    Raises `CondenseError` when there are none or one is not a fraction.
    """
    return summarise_sets([[accuracy] for accuracy in accuracies])


def summarise_sets(groups: Sequence[Sequence[float]]) -> Summary:
    """Summary of accuracies (fractions) grouped by the set their networks were trained on.

    Networks of one set share its luck, so with several sets the interval of the mean treats the set as the independent
    unit: the cluster-robust variance of a pooled mean, G/(G-1) * sum_g (n_g/n * (mean_g - mean))^2, with G-1 degrees of
    freedom (Cochran, Sampling Techniques, 1977, section 9A). With G sets of one network each, or equally many networks
    on each set, that is the usual t interval of the G set means. With one set the interval covers the networks only,
    given that set.

    Raises `CondenseError` when there are no accuracies or one is not a fraction.
    """
    filled = [np.asarray(group, dtype=np.float64) for group in groups if len(group)]
    if not filled:
        raise CondenseError("There are no accuracies to summarise.")
    values = np.concatenate(filled)
    if not ((values >= 0) & (values <= 1)).all():
        raise CondenseError("Accuracies must be fractions between 0 and 1.")
    units = filled if len(filled) > 1 else [values[[index]] for index in range(len(values))]
    mean = float(values.mean())
    half = _half_width(units, mean)
    return Summary(
        n=len(values),
        mean=mean,
        std=float(values.std(ddof=0)),
        minimum=float(values.min()),
        maximum=float(values.max()),
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
    )


def _half_width(units: Sequence[np.ndarray], mean: float) -> float | None:
    count = len(units)
    if count < 2:
        return None
    total = sum(len(unit) for unit in units)
    spread = sum((len(unit) / total * (float(unit.mean()) - mean)) ** 2 for unit in units)
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * math.sqrt(count / (count - 1) * spread)


def spread(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """(Between sets, between networks): deviations (ddof = 0) of the set means and, pooled, of networks within sets.

    Their squares, each weighted by the number of networks, add up to the square of `Summary.std`.
    """
    sizes, means, variances = (np.array([f(group) for group in groups]) for f in (len, np.mean, np.var))
    weights = sizes / sizes.sum()
    mean = (weights * means).sum()
    return math.sqrt((weights * (means - mean) ** 2).sum()), math.sqrt((weights * variances).sum())
