"""Statistics of accuracies: what n networks say of a mean, which differences are real, how far two rankings agree."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy  # its parts are imported where they are used, which a second is saved by

from condense.errors import CondenseError
from condense.randomness import derived_seed

CONFIDENCE = 0.95
ENDS = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
"""The quantiles an interval reaches to."""
LEAST_UNITS = 3
"""Independent values from which on an interval of their mean is stated."""
RESAMPLES = 2000
FEWEST_RANKED = 8
"""Pairs below which a rank correlation has no interval: too few distinct resamples, many with all ranks equal, and the ends
jump."""


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
    variances = [(_variance(part, mean), len(part) - 1.0) for part in parts if len(part) > 1]
    total = sum(variance for variance, _ in variances)
    if total:
        variances.append((total, total**2 / sum(variance**2 / freedom for variance, freedom in variances)))
    return max(_reach(freedom) * math.sqrt(variance) for variance, freedom in variances)


def _variance(clusters: Sequence[Sequence[float]], mean: float) -> float:
    """Cluster-robust variance of the mean of all values."""
    count, total = len(clusters), sum(map(len, clusters))
    squares = sum((len(cluster) / total * (float(np.mean(cluster)) - mean)) ** 2 for cluster in clusters)
    return count / (count - 1) * squares


def _reach(freedom: float) -> float:
    """Half width of a mean's interval, in standard errors (Student's t)."""
    # scipy.stats.t says the same in many times as long a call, and 720 rows have 260,000 pairs.
    return float(scipy.special.stdtrit(freedom, ENDS[1]))


def spread(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """(Between sets, between networks): deviations (ddof = 0) of the set means and, pooled, of networks within sets.

    Their squares, each weighted by the number of networks, add up to the square of `Summary.std`.
    """
    sizes, means, variances = (np.array([f(group) for group in groups]) for f in (len, np.mean, np.var))
    weights = sizes / sizes.sum()
    mean = (weights * means).sum()
    return math.sqrt((weights * (means - mean) ** 2).sum()), math.sqrt((weights * variances).sum())


def best_by_chance(counts: Sequence[int]) -> float:
    """What always naming the most frequent class scores on images of so many a class, and three standard deviations more."""
    total = sum(counts)
    share = max(counts) / total
    return share + 3 * math.sqrt(share * (1 - share) / total)


@dataclass(frozen=True)
class Paired:
    """n pairs: mean and standard error (ddof = 1) of their differences, half width of the mean's 95 % interval, and the
    two-sided p of Student's paired test.

    With fewer than two pairs there is neither error nor p, with fewer than three no interval, and the mean of none is NaN.
    Where all differences are equal (but for rounding) the error is 0; p is 1 where they are 0, and else None: the test
    divides by the error, and that a few values of limited resolution agree does not make it infinitely sure.
    """

    n: int
    mean: float
    error: float | None
    half_width: float | None
    p: float | None


def paired(first: Sequence[float | None], second: Sequence[float | None]) -> Paired:
    """The differences second - first of values that belong together by their place (a seed), but pairs with a None."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    differences = np.array([b - a for a, b in pairs], dtype=np.float64)
    count, mean = len(pairs), float(differences.mean()) if pairs else float("nan")
    if count < 2:
        return Paired(count, mean, None, None, None)
    # scipy.stats.ttest_rel would call equal differences infinitely sure.
    if np.ptp(differences) <= 4 * np.finfo(np.float64).eps * np.abs(pairs).max():
        return Paired(count, mean, 0.0, 0.0 if count >= LEAST_UNITS else None, 1.0 if mean == 0 else None)
    error = float(differences.std(ddof=1)) / count**0.5
    half = _reach(count - 1) * error if count >= LEAST_UNITS else None
    return Paired(count, mean, error, half, float(2 * scipy.special.stdtr(count - 1, -abs(mean) / error)))


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of means with its 95 % interval; low, high: None where a mean is of fewer than `LEAST_UNITS` values."""

    value: float
    low: float | None
    high: float | None


def contrast(samples: Sequence[tuple[float, Sequence[float]]]) -> Contrast:
    """The sum of weight times mean over independent samples, each (weight, values), as 1 and -1 are of a difference.

    Its variance is the sum of w^2 s^2 / n (s^2 with ddof = 1), its degrees of freedom are Satterthwaite's (Welch, 1947), so
    that of a single sample it is Student's interval. Raises `CondenseError` for a sample without values.
    """
    if not all(len(values) for _, values in samples):
        raise CondenseError("There are no values to take the mean of.")
    value = sum(weight * float(np.mean(values)) for weight, values in samples)
    if min(len(values) for _, values in samples) < LEAST_UNITS:
        return Contrast(value, None, None)
    parts = [(weight**2 * float(np.var(values, ddof=1)) / len(values), len(values) - 1) for weight, values in samples]
    total = sum(variance for variance, _ in parts)
    if not total:
        return Contrast(value, value, value)
    freedom = total**2 / sum(variance**2 / own for variance, own in parts)
    half = _reach(freedom) * math.sqrt(total)
    return Contrast(value, value - half, value + half)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number (Holm, 1979), in their order; those that are None stay so."""
    known = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        corrected[index] = largest
    return corrected


@dataclass(frozen=True)
class Correlation:
    """A rank correlation of n pairs with its 95 % percentile bootstrap interval over them (Efron, 1979).

    All None where either's ranks are all equal; without interval below `FEWEST_RANKED` pairs. Resamples whose ranks are all
    equal have no correlation and are left out; the draws are the same at every call.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rank correlation."""
    return _correlation(x, y, scipy.stats.spearmanr, _spearman_of_resamples)


def kendall(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Kendall's tau-b, which allows for ties."""
    return _correlation(x, y, scipy.stats.kendalltau, _kendall_of_resamples)


def rank_agreement(rows: np.ndarray) -> list[float]:
    """For every row of values (R, C), NaN where one is missing, the mean Spearman correlation with each other row over the
    columns both have; NaN where it has three with none.
    """
    agreements: list[list[float]] = [[] for _ in rows]
    for a, b in combinations(range(len(rows)), 2):
        both = ~np.isnan(rows[a]) & ~np.isnan(rows[b])
        if both.sum() >= 3 and min(np.ptp(rows[a][both]), np.ptp(rows[b][both])) > 0:
            correlation = float(scipy.stats.spearmanr(rows[a][both], rows[b][both]).statistic)  # pyright: ignore[reportAttributeAccessIssue]
            agreements[a].append(correlation)
            agreements[b].append(correlation)
    return [sum(values) / len(values) if values else math.nan for values in agreements]


def _correlation(
    x: Sequence[float],
    y: Sequence[float],
    statistic: Callable,
    of_resamples: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> Correlation:
    if len(set(x)) == 1 or len(set(y)) == 1:
        return Correlation(None)
    value, count = float(statistic(x, y).statistic), len(x)
    if count < FEWEST_RANKED:
        return Correlation(value)
    random = np.random.default_rng(derived_seed(0, "bootstrap over configurations"))
    places = random.integers(count, size=(RESAMPLES, count))
    # All resamples at once: one by one, as scipy.stats.bootstrap calls a statistic, takes a hundred times as long.
    with np.errstate(invalid="ignore"):
        values = of_resamples(np.asarray(x), np.asarray(y), places)
    low, high = np.nanquantile(values, ENDS)
    return Correlation(value, float(low), float(high))


def _spearman_of_resamples(x: np.ndarray, y: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(R,) correlations of the ranks of resamples that are given by their places (R, n); NaN where ranks are all equal."""
    a, b = (scipy.stats.rankdata(values[places], axis=1) - (places.shape[1] + 1) / 2 for values in (x, y))
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def _kendall_of_resamples(x: np.ndarray, y: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(R,) of resamples likewise: sums over pairs of values, each as often as both are in the resample."""
    times = np.stack([np.bincount(row, minlength=len(x)) for row in places]).astype(np.float64)
    a, b = (np.sign(values[:, None] - values) for values in (x, y))
    both, of_x, of_y = (((times @ (one * other)) * times).sum(1) for one, other in ((a, b), (a, a), (b, b)))
    return both / np.sqrt(of_x * of_y)
