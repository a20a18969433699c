"""The cells of a parity study: runs of one program, verdicts on them, networks with one default changed, what that does."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch

from condense.data.images import DataSet
from condense.records import Record
from condense.studies.parity import effects
from condense.studies.parity.cause_table import CauseTable
from condense.studies.parity.causes import Cause
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.effects import Outcome
from condense.studies.parity.keras_parts import KerasRuns
from condense.studies.parity.npz import digest
from condense.studies.parity.nudging import UNITS
from condense.studies.parity.parts import Part, Side, judge, names_of
from condense.studies.parity.preparation import prepared
from condense.studies.parity.records import recorded
from condense.studies.parity.simplenn_parts import OCTAVE, SimplennRuns
from condense.studies.parity.trajectory import load_trajectory
from condense.study.cell import Cell, Place, Progress

RUNS, PARTS, CAUSES = "runs", "parts", "causes"
"""Folders of the cells' records."""


@dataclass(frozen=True, eq=False)
class Materials:
    """What cells need.

    settings: the configuration as records have it; data: with the training images that are asked for;
    start: the file of initial weights and batches of the real simpleNN's run, None where it is not asked for; checkout: of
    simpleNN, None where none is known.
    """

    config: ParityConfig
    settings: dict[str, Any]
    data: DataSet
    start: Path | None = None
    checkout: Path | None = None

    @cached_property
    def runs(self) -> KerasRuns | SimplennRuns:
        """What makes the runs that are compared step by step."""
        problem = prepared(self.data, self.config.preparation or "unit")
        if self.config.framework == "keras":
            return KerasRuns(self.config, problem)
        return SimplennRuns(self.config, problem, self.start, self.checkout)

    @cached_property
    def causes(self) -> CauseTable:
        """What makes the runs behind the causes."""
        return CauseTable(self.config, self.data)


@dataclass(frozen=True)
class SideRun(Cell):
    """One run of one program, of which a dump is kept; needs_octave: it starts as the real simpleNN's run did."""

    side: Side
    needs_octave: bool = False

    @property
    def key(self) -> str:
        """By the run's name."""
        return f"{RUNS}/{self.side.name}"

    @property
    def label(self) -> str:
        """The program, and what is special."""
        return self.side.label

    @property
    def needs(self) -> tuple[str, ...]:
        """The run whose start it shares."""
        return (f"{RUNS}/{OCTAVE}",) if self.needs_octave and self.side.name != OCTAVE else ()

    @property
    def pace(self) -> str:
        """The program with its precision, or with the regression."""
        return "-".join(self.side.name.split("-")[:2])

    @property
    def work(self) -> float:
        """In images."""
        return float(self.side.images)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Makes the dump."""

        def computed() -> dict[str, Any]:
            run, path = self.side.produce(materials.runs, progress), dump(place.products, self.side.name)
            run.save(path)
            return {"digest": digest(path), "program": run.program, "hashes": run.hashes}

        return [recorded("side", self.side.name, self.side.label, materials.settings, computed)]


class Comparison(Cell):
    """Of runs that are there, which takes a moment."""

    @property
    def pace(self) -> str:
        """They all take equally long."""
        return "comparison"

    @property
    def work(self) -> float:
        """One of them."""
        return 1.0


@dataclass(frozen=True)
class Verdict(Comparison):
    """A comparison of two runs."""

    part: Part

    @property
    def key(self) -> str:
        """By the part's name."""
        return f"{PARTS}/{self.part.name}"

    @property
    def label(self) -> str:
        """What is compared."""
        return self.part.title

    @property
    def needs(self) -> tuple[str, ...]:
        """The runs that it depends on."""
        return () if self.part.reason else tuple(f"{RUNS}/{name}" for name in names_of(self.part))

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Judges the dumps as they lie there."""
        return [
            recorded(
                *("part", self.part.name, self.part.title, materials.settings),
                lambda: judged(self.part, place.products.parent / RUNS),
            )
        ]


@dataclass(frozen=True)
class Training(Cell):
    """Networks trained at once, each with its own seed: aligned ones of a base, also moved ones, or with a default changed.

    seeds: how many; images: that each of them learns from in all.
    """

    base: str
    seeds: int
    images: int
    cause: Cause | None = None
    closed: bool = False
    nudge: int | None = None

    @property
    def name(self) -> str:
        """Of its file."""
        moved = "aligned" if self.nudge is None else f"moved{self.nudge}"
        changed = moved if self.cause is None else self.cause.name
        return f"{self.base}-{changed}{'-closed' if self.closed else ''}"

    @property
    def key(self) -> str:
        """By its name."""
        return f"{CAUSES}/{self.name}"

    @property
    def label(self) -> str:
        """The setting, and how many networks have it."""
        return f"{self.name.replace('-', ' ')}, {self.seeds} networks"

    @property
    def pace(self) -> str:
        """Networks of one base take equally long."""
        return f"{CAUSES} {self.base}"

    @property
    def work(self) -> float:
        """In images, of all networks together; float64 counts double."""
        twice = self.cause is not None and self.cause.changes.get("float64", False)
        return float(self.seeds * self.images * (2 if twice else 1))

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains them, resumed from a checkpoint where there is one."""
        former = place.products / f"{self.name}.checkpoint"  # where version 0.1 has it
        if former.exists():
            former.replace(place.checkpoint)
        table = materials.causes
        base, path = table.setting(self.base), place.products / f"{self.name}.npz"
        setting = table.changed(base, self.cause, closed=self.closed)

        def computed() -> dict[str, Any]:
            shared = table.shared(base)
            outcome = effects.run(setting, base, table.task(setting), shared, place.checkpoint, progress, self.nudge)
            outcome.save(path)
            return {"digest": digest(path), "program": f"PyTorch {torch.__version__}"}

        seeds = table.shared(base).seeds
        return [recorded("side", self.name, self.label, materials.settings, computed, seeds)]


@dataclass(frozen=True)
class Effect(Comparison):
    """What one changed default does, from the networks that were trained."""

    cause: Cause
    runs: tuple[Training, ...]

    @property
    def key(self) -> str:
        """By the cause's name."""
        return f"{CAUSES}/{self.cause.name}"

    @property
    def label(self) -> str:
        """The change."""
        return self.cause.text

    @property
    def needs(self) -> tuple[str, ...]:
        """The networks with and without the change, and those that measure the floor."""
        return tuple(run.key for run in self.runs)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Compares what they came to."""
        table, cause = materials.causes, self.cause

        def computed() -> dict[str, Any]:
            return table.results(cause, {run.name: Outcome.load(place.products / f"{run.name}.npz") for run in self.runs})

        seeds = table.shared(table.setting(cause.base)).seeds
        return [recorded("cause", cause.name, cause.text, materials.settings, computed, seeds)]


def dump(folder: Path, name: str) -> Path:
    """The file of a run."""
    return folder / f"{name}.npz"


def judged(part: Part, folder: Path) -> dict[str, Any]:
    """The results of a part: its verdict on the dumps of a folder, and on which ones it was given."""
    if part.reason:
        return asdict(judge(part, {})) | {"judged": {}, "floor_units": UNITS}
    digests = {name: digest(dump(folder, name)) for name in names_of(part)}
    runs = {name: load_trajectory(dump(folder, name)) for name in names_of(part)}
    return asdict(judge(part, runs)) | {
        "judged": digests,
        "floor_units": UNITS,
        "programs": [runs[name].program for name in (part.run, part.reference)],
        "hashes": runs[part.run].hashes,
    }


def holds(record: Record, digest_of: Callable[[str], str]) -> bool:
    """Whether a verdict or an effect was found by the rule of today and, as far as the runs are there, of them.

    digest_of: of the dump of a run, '' where there is none.
    """
    if record.results.get("floor_units") != UNITS:
        return False
    verdict = record.results.get("judged") if record.task == "part" else {}
    return verdict is not None and all(digest_of(name) in (said, "") for name, said in verdict.items())


def digests_in(folder: Path) -> Callable[[str], str]:
    """The digest of a run's dump in a folder by the run's name; each is computed once."""
    return cache(lambda name: digest(dump(folder, name)))
