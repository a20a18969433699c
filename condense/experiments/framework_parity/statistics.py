"""Paired differences, their standard errors, and p values corrected for how many were looked at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Paired:
    """n pairs that both have a value; mean and standard error (ddof = 1) of the differences; p of Student's paired test.

    With fewer than two pairs there is no error and no p; where all differences are equal, p is 1 (all 0) or 0.
    """

    n: int
    mean: float
    error: float | None
    p: float | None


def paired(changed: Sequence[float | None], base: Sequence[float | None]) -> Paired:
    """The differences changed - base, of pairs without None."""
    pairs = [(a, b) for a, b in zip(changed, base, strict=True) if a is not None and b is not None]
    differences = np.array([a - b for a, b in pairs])
    if len(differences) < 2:
        return Paired(len(differences), float(differences.mean()) if len(differences) else math.nan, None, None)
    error = float(differences.std(ddof=1) / math.sqrt(len(differences)))
    mean = float(differences.mean())
    p = float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1)) if error else float(mean == 0)
    return Paired(len(differences), mean, error, p)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for their number (Holm: A simple sequentially rejective multiple test procedure, 1979)."""
    known = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        corrected[index] = largest
    return corrected
