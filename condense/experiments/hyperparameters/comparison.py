"""Which rows differ: paired t-tests over seeds, corrected for their number after Holm."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from condense.experiments.hyperparameters.results import RowResult

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Two rows: mean difference of test accuracy over the seeds they share (fraction), p corrected for all pairs compared.

    p is None where fewer than two seeds are shared, so that nothing can be tested.
    """

    first: str
    second: str
    mean: float
    seeds: int
    p: float | None

    @property
    def real(self) -> bool:
        """Whether the difference can be told from chance."""
        return self.p is not None and self.p < LEVEL


def differences(results: Sequence[RowResult]) -> list[Difference]:
    """Every pair of rows. Seeds pair them: networks of one seed see their batches in the same order where sizes allow."""
    return _tested([(first, second) for first, second in combinations(results, 2)])


def against_best(results: Sequence[RowResult]) -> list[Difference]:
    """The row of the highest mean accuracy against every other: fewer tests, which a large grid needs."""
    best = max(results, key=lambda result: result.summary.mean)
    return _tested([(best, other) for other in results if other is not best])


def _tested(pairs: Sequence[tuple[RowResult, RowResult]]) -> list[Difference]:
    found = []
    for first, second in pairs:
        one, other = first.accuracies, second.accuracies
        shared = sorted(one.keys() & other.keys())
        gaps = np.array([one[seed] - other[seed] for seed in shared])
        found.append((first.row.name, second.row.name, float(gaps.mean()) if shared else float("nan"), gaps))
    raw = [_paired_p(gaps) for *_, gaps in found]
    corrected = iter(holm([p for p in raw if p is not None]))
    ps = [None if p is None else next(corrected) for p in raw]
    return [Difference(a, b, mean, len(gaps), p) for (a, b, mean, gaps), p in zip(found, ps, strict=True)]


def _paired_p(gaps: np.ndarray) -> float | None:
    """Two-sided p of a paired t-test on the differences (Student, 1908); equal differences leave no doubt."""
    if len(gaps) < 2:
        return None
    if np.ptp(gaps) == 0:
        return 1.0 if gaps[0] == 0 else 0.0
    result: Any = stats.ttest_1samp(gaps, 0.0)
    return float(result.pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """The p values, corrected: the chance of any false discovery stays at its level, in their order (Holm, 1979)."""
    order = np.argsort(ps, kind="stable")
    corrected, running = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order.tolist()):
        running = max(running, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = running
    return corrected
