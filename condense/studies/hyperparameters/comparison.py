"""Which rows differ: paired t-tests over seeds, corrected for their number after Holm."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from condense.statistics import holm, paired
from condense.studies.hyperparameters.results import RowResult

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Two rows: mean difference of the accuracy they are compared by (`RowResult.compared`) over the seeds they share
    (fraction), p corrected for all pairs compared.

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
    """The row of the highest mean (`highest`) against every other, which a large grid has room for.

    Their p are corrected for all pairs of rows: which row is best was found in the same data, so any pair could have been
    among these.
    """
    best = highest(results).row.name
    with_best = [one for one in differences(results) if best in (one.first, one.second)]
    return [one if one.first == best else replace(one, first=best, second=one.first, mean=-one.mean) for one in with_best]


def highest(results: Sequence[RowResult]) -> RowResult:
    """The row of the highest mean, among those without a diverged network where there is one: chance would decide else.

    Results must be such as have a score.
    """
    whole = [result for result in results if not result.diverged] or results
    return max(whole, key=lambda result: result.score.mean if result.score else -1.0)


@dataclass(frozen=True)
class Choice:
    """What can be said of the rows of a grid: the row of the highest mean, and the others by whether they are really worse.

    level: names of rows that cannot be told from it; worse: those that are worse beyond chance; real, pairs: how many of the
    differences between all rows are.
    """

    best: RowResult
    level: tuple[str, ...]
    worse: tuple[str, ...]
    real: int
    pairs: int


def choice(results: Sequence[RowResult]) -> Choice:
    """The choice among results that have a score; at least one is needed."""
    every, best = differences(results), highest(results)
    name = best.row.name
    others = {one.second if one.first == name else one.first: one for one in every if name in (one.first, one.second)}
    worse = tuple(other for other, one in others.items() if one.real and (one.mean > 0) is (one.first == name))
    level = tuple(other for other in others if other not in worse)
    return Choice(best, level, worse, sum(one.real for one in every), len(every))


def _tested(pairs: Sequence[tuple[RowResult, RowResult]]) -> list[Difference]:
    found = []
    for first, second in pairs:
        one, other = first.compared, second.compared
        shared = sorted(one.keys() & other.keys())
        tested = paired([other[seed] for seed in shared], [one[seed] for seed in shared])
        found.append((first.row.name, second.row.name, tested))
    ps = holm([tested.p for *_, tested in found])
    return [Difference(a, b, tested.mean, tested.n, p) for (a, b, tested), p in zip(found, ps, strict=True)]
