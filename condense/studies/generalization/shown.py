"""What a folder's page is made of: experiments of one setting each, with the records of their runs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from condense.studies.generalization.plan import EXPERIMENTS
from condense.studies.generalization.request import Request
from condense.studies.generalization.results import Recorded, Result, gathered
from condense.studies.generalization.subset import Subset


@dataclass(frozen=True)
class Shown:
    """An experiment with its results.

    file: how its figures' files begin; called: how its tables and captions do; request: its settings, with its seeds.
    """

    experiment: str
    request: Request
    results: Sequence[Result]
    file: str
    called: str

    def subset(self, result: Result) -> Subset:
        """The images of a line."""
        return self.request.subset(result.line)

    @property
    def runs(self) -> frozenset[str]:
        """The keys of all its runs, those not done yet too."""
        return frozenset(run.key(self.subset(result)) for result in self.results for run in result.line.runs)

    @property
    def complete(self) -> bool:
        """Whether all its runs are there."""
        return all(len(result.records) == len(result.line.runs) for result in self.results)


def shown_of(requests: Sequence[Request], known: Recorded) -> list[Shown]:
    """The experiments asked for, and all others of the same settings whose runs are all there, setting by setting.

    What is part of the same experiment with more networks or seeds is left out.
    """
    by_setting: dict[tuple[Any, ...], list[Request]] = defaultdict(list)
    for request in requests:
        by_setting[request.setting].append(request)
    found = [one for alike in by_setting.values() for one in _of_setting(alike, known)]
    runs = [one.runs for one in found]
    kept = list[Shown]()
    for place, one in enumerate(found):
        same = [other for other, of in enumerate(found) if of.experiment == one.experiment and other != place]
        if any(runs[place] < runs[other] or (runs[place] == runs[other] and other < place) for other in same):
            continue
        number = 1 + sum(other.experiment == one.experiment for other in kept)
        if number > 1:
            one = replace(one, file=f"{one.experiment}-{number}", called=f"{one.experiment} ({one.request.described})")
        kept.append(one)
    return kept


def _of_setting(requests: Sequence[Request], known: Recorded) -> list[Shown]:
    """In the order of `EXPERIMENTS`; with as many seeds as an experiment was asked for with, or any of them."""
    sizes = {one.size: one for request in requests for one in request.images}
    most = max(request.seeds for request in requests)
    found = list[Shown]()
    for name in EXPERIMENTS:
        asked = [request.seeds for request in requests if name in request.names]
        request = replace(requests[0], experiment=name, seeds=max(asked, default=most), images=tuple(sizes.values()))
        lines = request.lines(name)
        if {line.train_size for line in lines} <= sizes.keys():
            one = Shown(name, request, gathered(lines, known, request.subsets), file=name, called=name)
            found += [one] if asked or one.complete else []
    return found
