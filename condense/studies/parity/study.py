"""The study of parity: does another framework compute the same, and what does each default do that may differ?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from condense.data.images import DataSet
from condense.data.naming import stored_name
from condense.errors import CondenseError, quoted, shortened
from condense.records import Record
from condense.report.rendering import Table
from condense.studies.parity import earlier, report
from condense.studies.parity.cause_table import REGRESSION_EPOCHS
from condense.studies.parity.causes import Cause, chosen_causes
from condense.studies.parity.cells import RUNS, Comparison, Effect, Materials, SideRun, Training, Verdict, digests_in, holds
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.keras_parts import keras_parts, keras_sides
from condense.studies.parity.nudging import NUDGES
from condense.studies.parity.parts import FAIL, Part, Side
from condense.studies.parity.perceptron import SINE_ROWS
from condense.studies.parity.records import check
from condense.studies.parity.simplenn_parts import NO_CHECKOUT, OCTAVE, simplenn_parts, simplenn_sides
from condense.study.cell import Cell
from condense.study.folder import StudyFolder
from condense.study.machine import Machine, load_sources
from condense.study.study import Study

CHECKOUT = "checkout of simpleNN"
"""What the sources of a machine have it under."""


@dataclass(frozen=True, kw_only=True)
class Parity(ParityConfig, Study):
    """A parity run: what it compares on which images, and what of it is asked for.

    Of the configuration, `cause` has the names of all causes asked for, in order, and `dataset` the name that results have.
    """

    kind: ClassVar[str] = "parity"
    title: ClassVar[str] = "whether another framework computes the same as PyTorch, step by step, and what defaults do"

    dataset: str = "mnist"
    data: str | None = None
    """Fingerprint of the training images; None for records of version 0.1 that are without the runs they were made of."""
    images: int = 0
    """Training images; 0 where version 0.1 did not say."""
    proof: bool = True
    """Whether the programs are compared step by step."""
    octave: bool = False
    """Whether the real simpleNN is one of them."""

    @classmethod
    def asked(cls, config: ParityConfig, data: DataSet, *, proof: bool, octave: bool) -> Self:
        """What a command asks for; data: all images of the configuration's data set.

        Raises `CondenseError` for an unknown cause, where nothing is asked for, and for images that cannot be taken.
        """
        config = config.resolved()
        causes = tuple(cause.name for cause in chosen_causes(config.framework or "", config.cause))
        if not proof and not causes:
            raise CondenseError("--causes-only needs --cause NAME or all.")
        values = {field.name: getattr(config, field.name) for field in fields(ParityConfig)}
        values |= {"dataset": stored_name(config.dataset), "cause": causes}
        train = config.subset(data).train
        facts = {"data": train.former_fingerprint, "images": len(train)}  # batches depend on the order of the images
        return cls(**values, **facts, proof=proof, octave=octave and proof)

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str) -> Self:
        """The study with this content, whose settings are complete."""
        found = super().of(content, where)
        if found.framework is None:
            raise CondenseError(f"{where}: framework: It must be given.")
        try:
            chosen_causes(found.framework, found.cause)
        except CondenseError as error:
            raise CondenseError(f"{where}: cause: {error}") from error
        return found.resolved()

    def joined(self, before: Self, where: str) -> Self:
        """With the causes, the comparison and the real program that were asked for before."""
        if before.data is None:
            raise CondenseError(f"{where} holds records without the runs they were made of. Choose another --out.")
        if before.proof and self.octave and not before.octave:
            raise CondenseError(f"{where} holds runs from other initial weights than Octave's. Choose another --out.")
        causes = tuple(dict.fromkeys((*before.cause, *self.cause)))
        whole = replace(self, cause=causes, proof=before.proof or self.proof, octave=before.octave or self.octave)
        requests = {name: getattr(whole, name) for name in ("cause", "proof", "octave")}
        return super(Parity, whole).joined(replace(before, **requests, images=before.images or self.images), where)

    @classmethod
    def earlier(cls, path: Path) -> Self | None:
        """Of parity.json, or of records alone, as they are passed on."""
        content = earlier.content(path)
        return None if content is None else cls.of(content, shortened(path))

    def earlier_records(self, path: Path) -> Mapping[str, Sequence[Record]]:
        """Of records.jsonl, and of dumps, which version 0.1 kept without records."""
        return earlier.records(path, self.settings, alone=self.data is None)

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as records have it: all but which causes were asked for."""
        return {field.name: getattr(self, field.name) for field in fields(ParityConfig) if field.name != "cause"}

    def outdated(self, folder: StudyFolder) -> frozenset[str]:
        """Verdicts on dumps that were changed since, or by an earlier rule; runs whose dumps are gone but needed again."""
        if self.data is None:
            return frozenset()
        cells, digest_of = self.cells(), digests_in(folder.path / RUNS)
        done = {cell.key for cell in cells if folder.is_done(cell.key)}
        found = {cell.key: self._checked(cell.key, folder) for cell in cells if isinstance(cell, Comparison)}
        stale = {key for key, record in found.items() if record and not holds(record, digest_of)}
        needed = {key for cell in cells if cell.key not in done - stale for key in cell.needs}
        gone = {key for key in done & needed if not (folder.path / f"{key}.npz").exists()}
        return frozenset(stale | gone)

    def sides(self) -> list[Side]:
        """The runs that are compared step by step."""
        images = self.images * (self.epochs or 0)
        return keras_sides(self, images) if self.framework == "keras" else simplenn_sides(images, octave=self.octave)

    def parts(self) -> list[Part]:
        """Their comparisons."""
        return keras_parts() if self.framework == "keras" else simplenn_parts(octave=self.octave)

    def cells(self) -> list[Cell]:
        """The runs, their comparisons, the networks behind causes, the causes."""
        sides = [SideRun(side, self.octave) for side in self.sides()] if self.proof else []
        verdicts = [Verdict(part) for part in self.parts()] if self.proof else []
        effects = [Effect(cause, self._trainings(cause)) for cause in chosen_causes(self.framework or "", self.cause)]
        if self.data is None:
            return [*verdicts, *(replace(effect, runs=()) for effect in effects)]
        trainings = {run.key: run for effect in effects for run in effect.runs}
        return [*sides, *verdicts, *trainings.values(), *effects]

    def materials(self, machine: Machine, folder: StudyFolder) -> Materials:
        """The images, and where the real simpleNN lies on this machine."""
        data = self.subset(machine.load(self.dataset).to("cpu"))
        if data.train.former_fingerprint != self.data:
            raise CondenseError(
                f"The images {quoted(self.dataset)} are others than those that {shortened(folder.path)} is of."
            )
        sources = {**load_sources(folder.images), **machine.sources}
        checkout = Path(sources[CHECKOUT].path) if CHECKOUT in sources else None
        if self.octave and checkout is None and not folder.is_done(f"{RUNS}/{OCTAVE}"):
            raise CondenseError(NO_CHECKOUT)
        start = folder.path / earlier.OCTAVE_START if self.octave else None
        return Materials(self, self.settings, data, start, checkout)

    def report(self, folder: StudyFolder) -> Path:
        """Tables, figures as far as their runs are there, and the page."""
        done = [cell for cell in self.cells() if folder.is_done(cell.key)]
        parts = [cell.part for cell in done if isinstance(cell, Verdict)]
        records = [record for cell in done for record in folder.records(cell.key)]
        costs = [record for record in records if record.library_versions]  # of runs of version 0.1 they are not known
        found, missing = self.results(folder), self._missing(folder)
        return report.write_report(folder.path, self.settings, found, parts, missing, costs)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """What was compared and measured; published numbers stand in a table of their own."""
        return report.tables(self.results(folder), self._missing(folder))

    def data_table(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> Table:
        """A row a verdict, and a row a cause; their columns are told apart by their names."""
        data = tuple(row for table in self.tables(folder) for row in table.data)
        return Table(title=self.title, header=(), rows=(), notes=(), data=data, numeric=())

    def headline(self, folder: StudyFolder) -> str:
        """The verdict in a sentence or two."""
        return report.headline(self.results(folder), self._missing(folder))

    def has_failed(self, folder: StudyFolder) -> bool:
        """Whether some comparison says that the programs do not agree."""
        return report.overall(self.results(folder)) == FAIL

    def results(self, folder: StudyFolder) -> list[Record]:
        """The records of verdicts and causes that are there and hold, in the order they are shown."""
        found = [self._checked(cell.key, folder) for cell in self.cells() if isinstance(cell, Comparison)]
        return [record for record in found if record is not None]

    def _missing(self, folder: StudyFolder) -> list[str]:
        """Titles of comparisons without a verdict."""
        return [cell.label for cell in self.cells() if isinstance(cell, Verdict) and not folder.is_done(cell.key)]

    def _checked(self, key: str, folder: StudyFolder) -> Record | None:
        """The record of a verdict or a cause; None where there is none."""
        records = folder.records(key)
        for record in records:
            check(record, str(folder.records_path(key)))
        return records[-1] if records else None

    def _trainings(self, cause: Cause) -> tuple[Training, ...]:
        """What a cause takes: aligned networks, their floor, changed ones and, where something closes it, closed ones."""
        regression = cause.base == "regression"
        images = REGRESSION_EPOCHS * SINE_ROWS if regression else self.images * (self.epochs or 0)
        aligned = Training(cause.base, self.seeds, images)
        return (
            aligned,
            *(replace(aligned, nudge=nudge) for nudge in range(NUDGES)),
            *(replace(aligned, cause=cause, closed=closed) for closed in (False, True) if cause.closing or not closed),
        )
