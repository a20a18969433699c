"""A cell of the generalization experiments: runs of one configuration with several seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from condense.data.images import DataSet
from condense.files import write_atomically
from condense.networks.registry import build
from condense.records import Record, config_hash, read_records
from condense.studies.generalization.fit import fit
from condense.studies.generalization.images import SIDE
from condense.studies.generalization.results import Recorded
from condense.studies.generalization.runs import Run
from condense.studies.generalization.subset import Subset
from condense.study.cell import Cell, Place, Progress


@dataclass(frozen=True)
class Materials:
    """The images of the cells that are not done, and the records of the folder, in which some of their runs may be."""

    images: Mapping[Subset, DataSet]
    known: Recorded


@dataclass(frozen=True)
class Fits(Cell):
    """Runs that differ in their seed alone: those of a line, or some of them.

    called: the line, as people know it; settings: of a run, whatever its seed; dataset: the name its images are loaded by.
    """

    called: str
    settings: Run
    seeds: range
    dataset: str
    subset: Subset

    @property
    def runs(self) -> list[Run]:
        """One for each seed."""
        return [replace(self.settings, seed=seed) for seed in self.seeds]

    @property
    def key(self) -> str:
        """Such as runs/mlp-1x512-p0.5-1a2b3c4d-seeds0-2."""
        one = self.settings
        images = f"p{one.p:g}" if one.corruption == "labels" else one.corruption.replace(" ", "-")
        return f"runs/{one.network}-{images}-{configuration(one, self.subset)[:8]}-{''.join(self._span)}"

    @property
    def label(self) -> str:
        """Such as 'fig1b: mlp-1x512, p = 0.5, seeds 0-2'."""
        return f"{self.called}, {' '.join(self._span)}"

    @property
    def _span(self) -> tuple[str, str]:
        first, last = self.seeds[0], self.seeds[-1]
        return ("seed", f"{first}") if first == last else ("seeds", f"{first}-{last}")

    @property
    def pace(self) -> str:
        """By network and by how runs end, as the work of those that stop is known from above only."""
        return f"{self.settings.network}, {'until fitted' if self.settings.stops else 'every epoch'}"

    @property
    def unit(self) -> str:
        """What its progress counts."""
        return "epoch"

    @property
    def work(self) -> float:
        """Multiply-adds, if no run fits its images before the last epoch."""
        return float(self.settings.epochs * len(self.seeds)) * self.work_of_epoch

    @property
    def work_of_epoch(self) -> float:
        """Multiply-adds of one epoch of one run, forwards."""
        network, channels, classes = self.settings.network, self.subset.shape[0], self.subset.classes
        return float(self.subset.train_images) * _multiply_adds(network, channels, classes)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains the runs that no record is of; a run that ends is kept at once, and a long one in its middle."""
        found = {run.seed: _kept(place.checkpoint, run) or materials.known.of(run, self.subset) for run in self.runs}
        records = {seed: record for seed, record in found.items() if record is not None}
        if missing := [run for run in self.runs if run.seed not in records]:
            data = materials.images[self.subset]
            fitted = fit(missing, data, progress, partial(_keep, place.checkpoint), place.checkpoint)
            records |= {record.seeds[0]: record for record in fitted}
        return [records[seed] for seed in self.seeds]


def configuration(run: Run, subset: Subset) -> str:
    """What tells runs on images apart, whatever their seed: a hash."""
    return config_hash({name: value for name, value in run.config(subset).items() if name != "seed"})


@lru_cache(maxsize=256)
def _multiply_adds(network: str, channels: int, classes: int) -> int:
    return build(network, (channels, SIDE, SIDE), classes).multiply_adds


def _path(folder: Path, seed: int) -> Path:
    return folder / f"seed{seed}.jsonl"


def _keep(folder: Path, record: Record) -> None:
    """A file for each run, as one that is appended to can lose its last line."""
    write_atomically(_path(folder, record.seeds[0]), f"{record.to_json()}\n")


def _kept(folder: Path, run: Run) -> Record | None:
    path = _path(folder, run.seed)
    return read_records(path)[0] if path.exists() else None
