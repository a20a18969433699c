"""Which differences between runs are real: paired tests over seeds, corrected for their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from condense.stage_t.statistics import CONFIDENCE


@dataclass(frozen=True)
class Paired:
    """Mean of paired differences, the half width of its 95 % interval, and the two-sided p of the paired t-test.

    half_width and p are None for fewer than two pairs; where all differences are equal, the half width is 0 and p 0 or 1.
    """

    mean: float
    half_width: float | None
    p: float | None


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """The differences second - first of values that belong together by their place (the same seed)."""
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return Paired(mean, None, None)
    error = float(differences.std(ddof=1)) / count**0.5
    if error == 0:
        return Paired(mean, 0.0, 0.0 if mean else 1.0)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Paired(mean, half, float(2 * stats.t.sf(abs(mean) / error, count - 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979): none falls below that of a smaller one, and none exceeds 1."""
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
