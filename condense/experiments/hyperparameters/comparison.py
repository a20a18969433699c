"""Which rows differ: paired t-tests over seeds, corrected for their number after Holm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from condense.experiments.hyperparameters.results import RowResult
from condense.experiments.statistics import holm, paired

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Two rows: mean difference of test accuracy over the seeds they share (fraction), p corrected for all pairs compared.

    p is None where nothing can be tested: fewer than two seeds are shared, or all their differences are equal but not 0.
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
    """The row of the highest mean accuracy against every other, which a large grid has room for.

    Their p are corrected for all pairs of rows: which row is best was found in the same data, so any pair could have been
    among these.
    """
    best = max(results, key=lambda result: result.summary.mean).row.name
    with_best = [one for one in differences(results) if best in (one.first, one.second)]
    return [one if one.first == best else replace(one, first=best, second=one.first, mean=-one.mean) for one in with_best]


def _tested(pairs: Sequence[tuple[RowResult, RowResult]]) -> list[Difference]:
    found = []
    for first, second in pairs:
        one, other = first.accuracies, second.accuracies
        shared = sorted(one.keys() & other.keys())
        tested = paired([other[seed] for seed in shared], [one[seed] for seed in shared])
        found.append((first.row.name, second.row.name, tested))
    ps = holm([tested.p for *_, tested in found])
    return [Difference(a, b, tested.mean, tested.n, p) for (a, b, tested), p in zip(found, ps, strict=True)]
