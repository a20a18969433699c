"""Cells of a sweep: a row on the real images, or on a small set, and some of its networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from condense.errors import CondenseError, Interrupted, shortened
from condense.files import write_atomically
from condense.machine import Surroundings, reproducible
from condense.networks.layers import Shape
from condense.networks.network import Network
from condense.records import Record, config_hash, read_records
from condense.studies.hyperparameters.asked import TrainingImages, in_file_names
from condense.studies.hyperparameters.estimate import Speed, Work, training_seconds
from condense.studies.hyperparameters.materials import Materials
from condense.studies.hyperparameters.row_records import check_complete
from condense.studies.hyperparameters.rows import Row
from condense.studies.hyperparameters.trial import Trial
from condense.study.cell import Cell, Place, Progress
from condense.versions import release_of

STEP_SECONDS, PARAMETER_SECONDS, RATE = 1e-4, 2e-9, 5e10
"""Of a usual core, for work in seconds of it: of a step, of a step for each parameter, multiply-adds a second."""


def row_name(row: Row, on: TrainingImages) -> str:
    """A row on its images in names of files."""
    return f"{in_file_names(row.name)}-{config_hash(row.settings)[:8]}-on-{on.name}"


@dataclass(frozen=True)
class RowCell(Cell):
    """Networks of these seeds of a row; they are timed, so alone on their device.

    shape: (C, H, W) of an image; None where version 0.1, which did not say it, wrote the folder.
    """

    row: Row
    on: TrainingImages
    seeds: tuple[int, ...]
    shape: Shape | None
    classes: int

    @property
    def key(self) -> str:
        """Readable, and none other's."""
        first, last = self.seeds[0], self.seeds[-1]
        return f"rows/{row_name(self.row, self.on)}-seed{first if first == last else f's{first}-{last}'}"

    @property
    def label(self) -> str:
        """As the progress bar and tables have it."""
        first, last = self.seeds[0], self.seeds[-1]
        return f"row {self.row.name} on {self.on.label}, seed{f' {first}' if first == last else f's {first} to {last}'}"

    @property
    def exclusive(self) -> bool:
        """It is timed."""
        return True

    @property
    def pace(self) -> str:
        """The kind of the network."""
        return self.row.network.partition("-")[0].partition("W")[0]

    @property
    def unit(self) -> str:
        """Of each network."""
        return "epoch"

    @property
    def work(self) -> float:
        """Seconds it would take a usual core; 0 where the size of the images is not known."""
        if self.shape is None:
            return 0.0
        network, recipe = _network(self.row, self.shape, self.classes), self.row.recipe(self.classes, epochs_factor=1)
        usual = Speed(STEP_SECONDS + PARAMETER_SECONDS * network.parameter_count, RATE)
        work = Work.of(network, recipe, len(self.seeds), self.on.images, 1)
        return self.on.epochs_factor * training_seconds(work, usual)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains its networks, group by group; stopped at any moment, it goes on after the last one that is kept."""
        trial = materials.trial(self.row, self.on)
        with reproducible(materials.data.test.device):
            try:
                return self._trained(trial, materials, place.checkpoint, progress)
            except KeyboardInterrupt as error:
                raise Interrupted(f"Stopped in {self.label}.") from error

    def _trained(self, trial: Trial, materials: Materials, checkpoint: Path, progress: Progress) -> Sequence[Record]:
        """One record; one more for those networks that were trained before under another device, threads or versions."""
        records = self._kept(checkpoint, trial)
        missing = [seed for seed in self.seeds if not any(seed in record.seeds for record in records)]
        if not missing:
            return records
        now = Surroundings.of(materials.data.test.device)
        if records and _made_in(records[-1], now):
            *records, begun = records
        else:
            begun = trial.begin(len(missing), materials.calibrated(trial, len(missing)), now)
        whole = records
        for longer in trial.train(begun, [*begun.seeds, *missing], progress):
            whole = [*records, longer]
            write_atomically(checkpoint, "".join(f"{record.to_json()}\n" for record in whole))
        return whole

    def _kept(self, checkpoint: Path, trial: Trial) -> list[Record]:
        """The records of the networks that are trained already. Raises `CondenseError` where they are not of this cell."""
        records = read_records(checkpoint) if checkpoint.exists() else []
        for number, record in enumerate(records, 1):
            check_complete(record, f"{checkpoint}, line {number}")
        seeds = [seed for record in records for seed in record.seeds]
        of_this = all(record.config == trial.config for record in records)
        if not of_this or len(set(seeds)) < len(seeds) or not set(seeds) <= set(self.seeds):
            raise CondenseError(f"The checkpoint {shortened(checkpoint)} is not of this row and these images; delete it.")
        return records


@cache
def _network(row: Row, shape: Shape, classes: int) -> Network:
    return row.build(shape, classes)


def _made_in(record: Record, surroundings: Surroundings) -> bool:
    """Whether a record's networks were trained where the last digits of others come out the same."""
    there = {name: getattr(record, name) for name in surroundings.arithmetic}
    return surroundings.arithmetic == there | {"code_version": release_of(record.code_version)}
