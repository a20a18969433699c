"""Which differences between runs are real: paired tests over seeds, corrected for their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from condense.stage_t.statistics import CONFIDENCE, LEAST_UNITS


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
    if np.ptp(differences) <= 4 * np.finfo(np.float64).eps * np.abs(pairs).max():
        return Paired(count, mean, 0.0, 0.0 if count >= LEAST_UNITS else None, 1.0 if mean == 0 else None)
    error = float(differences.std(ddof=1)) / count**0.5
    # Student's t as functions: scipy.stats.t takes many times as long a call, and 720 rows have 260,000 pairs.
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * error if count >= LEAST_UNITS else None
    return Paired(count, mean, error, half, float(2 * stdtr(count - 1, -abs(mean) / error)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number (Holm, 1979), in their order; those that are None stay so."""
    known = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        corrected[index] = largest
    return corrected
