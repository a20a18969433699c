"""The generalization experiments as a study: requests, their cells, and the records of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from condense.errors import CondenseError, quoted, shortened
from condense.records import Record
from condense.report.rendering import Table
from condense.studies.generalization.cells import Fits, Materials, configuration
from condense.studies.generalization.earlier import recorded, requests_of
from condense.studies.generalization.report import runs_table, section_tables, write_report
from condense.studies.generalization.request import Request
from condense.studies.generalization.results import Recorded, check_complete
from condense.studies.generalization.shown import shown_of
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.study import Study


@dataclass(frozen=True)
class Generalization(Study):
    """What was asked for, in order: what comes later has cells for what is not there yet."""

    kind: ClassVar[str] = "generalization"
    title: ClassVar[str] = "what networks fit, and what they learn (Zhang et al., 2017)"

    requests: tuple[Request, ...]

    def joined(self, before: Self, where: str) -> Self:
        """What was asked for before, and what of this is new."""
        for request in self.requests:
            _check_images(request, before.requests, where)
        new = [request for request in self.requests if not any(other.holds(request) for other in before.requests)]
        return replace(before, requests=(*before.requests, *new))

    @classmethod
    def earlier(cls, path: Path) -> Self | None:
        """The experiments that are complete in a folder of version 0.1."""
        records = recorded(path)
        return cls(tuple(requests_of(records))) if records else None

    def earlier_records(self, path: Path) -> Mapping[str, Sequence[Record]]:
        """The records of version 0.1, of cells all of whose runs are there."""
        if not (records := recorded(path)):
            return {}
        known = Recorded(records)
        found = {cell.key: [known.of(run, cell.subset) for run in cell.runs] for cell in self.cells()}
        return {key: [one for one in of_cell if one] for key, of_cell in found.items() if None not in of_cell}

    def cells(self) -> list[Fits]:
        """One for each configuration and range of seeds, whichever experiments it is of; those with quick epochs first."""
        if not self.requests:
            raise CondenseError(
                "The records of version 0.1 in this folder make up no whole experiment on a published data set; the "
                "'condense generalize' command that they are of goes on with them."
            )
        cells, seeds_of = list[Fits](), dict[str, int]()
        for request in self.requests:
            for experiment in request.names:
                for line in request.lines(experiment):
                    settings, subset = line.runs[0], request.subset(line)
                    called = f"{experiment}: {line.group}, {line.label}"
                    identity = configuration(settings, subset)
                    for seeds in _shards(range(seeds_of.get(identity, 0), request.seeds), request.seeds_per_cell):
                        cells.append(Fits(called, settings, seeds, request.dataset, subset))
                    seeds_of[identity] = max(seeds_of.get(identity, 0), request.seeds)
        return sorted(cells, key=lambda cell: cell.work_of_epoch)

    def materials(self, machine: Machine, folder: StudyFolder) -> Materials:
        """The images of what is missing, and all records."""
        missing = {cell.subset: cell.dataset for cell in self.cells() if not folder.is_done(cell.key)}
        images = {subset: subset.drawn_from(machine.load(dataset)) for subset, dataset in missing.items()}
        return Materials(images, self.known(folder))

    def known(self, folder: StudyFolder) -> Recorded:
        """The records of all runs that are there, those of version 0.1 too."""
        records = recorded(folder.path)
        for cell in self.cells():
            for record in folder.records(cell.key):
                check_complete(record, shortened(folder.records_path(cell.key)))
                records.append(record)
        return Recorded(records)

    def fingerprints(self, path: Path) -> tuple[list[str], list[str]]:
        """Those of training and test images that the folder has."""
        configs = [subset.config for request in self.requests for subset in request.subsets.values()]
        configs += [record.config for record in recorded(path)]
        names = ("dataset_fingerprint", "test_fingerprint")
        train, test = (sorted({str(config.get(name)) for config in configs}) for name in names)
        return train, test

    def report(self, folder: StudyFolder) -> Path:
        """Tables, figures and the page of the experiments asked for, and of others whose runs are all there."""
        return write_report(shown_of(self.requests, self.known(folder)), folder.path)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """The tables of the same."""
        shown = shown_of(self.requests, self.known(folder))
        return [table for one in shown for table in section_tables(one, published=published)]

    def data_table(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> Table:
        """A row for each run."""
        return runs_table(shown_of(self.requests, self.known(folder)))


def _check_images(request: Request, others: Sequence[Request], where: str) -> None:
    """Raises `CondenseError` where the images of a request are others than those before, under the same name."""
    before = {subset for other in others if other.dataset == request.dataset for subset in other.subsets.values()}
    for subset in request.subsets.values():
        same_size = (other for other in before if other.train_images == subset.train_images)
        if any(other.dataset_fingerprint != subset.dataset_fingerprint for other in same_size):
            raise CondenseError(
                f"{where} holds experiments on other images that are called {quoted(request.dataset)}. Choose another --out."
            )


def _shards(seeds: range, size: int | None) -> list[range]:
    """The seeds in ranges of so many."""
    step = size or max(1, len(seeds))
    return [seeds[first : first + step] for first in range(0, len(seeds), step)]
