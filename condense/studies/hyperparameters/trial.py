"""Training one row: all its networks, with their fit to what they were trained on, their test accuracy, and the cost."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch

from condense.data.images import DataSet, LabelledImages
from condense.execution import Execution, for_few
from condense.machine import Surroundings, peak_memory_bytes
from condense.memory import Peak, in_use, start_peak
from condense.networks.network import Network
from condense.records import Cost, Record
from condense.studies.hyperparameters.asked import TrainingImages
from condense.studies.hyperparameters.estimate import Memory, Speed, Work, group_size, memory, training_seconds
from condense.studies.hyperparameters.row_records import METRICS, with_own_estimate
from condense.studies.hyperparameters.rows import Row
from condense.training.accuracy import accuracies, accuracies_and_losses
from condense.training.engine import AfterEpoch, MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe
from condense.training.sources import Source


class SpeedKey(NamedTuple):
    """What the speed of a step depends on: network, dropout, how many together, whether it has momentum."""

    network: str
    dropout: float
    together: int
    momentum: bool


@dataclass(frozen=True)
class Calibration:
    """What the estimates are made from: the speed of each row's network, the context, and the data's bytes."""

    speeds: dict[SpeedKey, Speed]
    context: int
    data: int


@dataclass(frozen=True)
class Trial:
    """One row on one set of images: what is to be done, and what it will take.

    load: gives the images themselves, when they are trained on; held_out: images to compare rows on.
    """

    row: Row
    on: TrainingImages
    load: Callable[[], Source]
    data: DataSet
    held_out: LabelledImages

    @cached_property
    def source(self) -> Source:
        """What is trained on."""
        return self.load()

    @property
    def network(self) -> Network:
        """The row's network for these images."""
        return self.row.build(self.data.test.shape, self.data.test.classes)

    @property
    def recipe(self) -> Recipe:
        """How it is trained, in the engine's terms."""
        return self.row.recipe(self.data.test.classes, epochs_factor=self.on.epochs_factor)

    @property
    def batch(self) -> int:
        """Images in a full batch."""
        return min(self.row.batch_size, self.on.images)

    @property
    def config(self) -> dict[str, Any]:
        """All that its results depend on."""
        return {
            **self.on.described,
            "row": self.row.settings,
            "parameters": self.network.parameter_count,
            "recipe": {**self.recipe.facts(), "in_proportion": self.row.in_proportion},
            "epochs_factor": self.on.epochs_factor,
            "train_images": self.on.images,
            "held_out_images": len(self.held_out),
            "test_images": len(self.data.test),
            "test_fingerprint": self.data.test.fingerprint,
        }

    def together(self, seeds: int) -> int:
        """How many networks are trained together."""
        return group_size(self.network, seeds, self.batch, self.data.test.device)

    def execution(self, seeds: int) -> Execution:
        """How so many networks are trained."""
        found = for_few(self.network, self.data.test.device, batch=self.batch)
        return replace(found, stack=self.together(seeds))

    def speed_key(self, seeds: int) -> SpeedKey:
        """What its speed depends on."""
        return SpeedKey(self.row.network, self.row.dropout, self.together(seeds), self.row.momentum > 0)

    def estimated_seconds(self, seeds: int, calibration: Calibration) -> float:
        """Seconds of training so many networks."""
        work = Work.of(self.network, self.recipe, seeds, self.on.images, self.together(seeds))
        return training_seconds(work, calibration.speeds[self.speed_key(seeds)])

    def estimated_memory(self, seeds: int, calibration: Calibration) -> Memory:
        """Bytes at the peak."""
        return memory(
            *(self.network, self.batch, self.on.images, self.together(seeds)),
            *(calibration.data, calibration.context, self.data.test.device),
        )

    def begin(self, seeds: int, calibration: Calibration, surroundings: Surroundings) -> Record:
        """The record before anything is trained: the estimates of all its networks, and no results."""
        expected, speed = self.estimated_memory(seeds, calibration), calibration.speeds[self.speed_key(seeds)]
        terms = {f"{name}_bytes": value for name, value in asdict(expected).items()}
        work = Work.of(self.network, self.recipe, seeds, self.on.images, self.together(seeds))
        terms |= asdict(work) | {"step_seconds": speed.constant, "multiply_adds_per_second": speed.rate}
        said = {"estimated_seconds": self.estimated_seconds(seeds, calibration), "estimated_memory_bytes": expected.total}
        return Record(
            task="sweep",
            config=self.config,
            seeds=[],
            metrics={name: [] for name in METRICS},
            cost=Cost.of(
                surroundings, wall_seconds=0.0, training_seconds=0.0, peak_memory_bytes=0, estimate={**terms, **said}
            ),
            code=surroundings.code,
            execution=self.execution(seeds).facts(),
        )

    def train(
        self, record: Record, seeds: Sequence[int], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[Record]:
        """Trains the networks of these seeds that `record` lacks; gives the record after each group of them."""
        missing = [seed for seed in seeds if seed not in record.seeds]
        execution, epochs = self.execution(len(seeds)), self.recipe.epochs
        peak = start_peak(self.data.test.device)
        if not peak.fresh:
            record = replace(record, notes=[*record.notes, "peak memory is of the whole process so far"])
        for first in range(0, len(missing), execution.stack):
            group, before = missing[first : first + execution.stack], len(record.seeds) * epochs
            began = time.perf_counter()
            members = self._trained(group, execution, partial(_tell, progress, before, len(group), len(seeds) * epochs))
            trained = time.perf_counter()
            record = self._with_results(record, group, members, trained - began, began, peak)
            del members  # or they, and what the allocator keeps in pieces, would live beside the next group's
            in_use(self.data.test.device)
            yield record

    def _trained(self, seeds: Sequence[int], execution: Execution, after_epoch: AfterEpoch) -> Members:
        device, network = self.data.test.device, self.network
        members = fresh_members(network, seeds, "sweep network", device)
        draws = [MemberDraws.of(seed, "sweep", device=device) for seed in seeds]
        members = train(
            *(network, members, self.source, self.recipe, draws),
            execution=execution,
            in_proportion=self.row.in_proportion,
            after_epoch=after_epoch,
        )
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return members

    def _with_results(
        self, record: Record, seeds: Sequence[int], members: Members, seconds: float, began: float, peak: Peak
    ) -> Record:
        tested = accuracies(self.network, members, self.data.test)
        compared = accuracies(self.network, members, self.held_out)
        fitted, losses = accuracies_and_losses(self.network, members, self.source)
        finite = [loss if loss == loss and abs(loss) != float("inf") else None for loss in losses]
        diverged = [seed for seed, loss in zip(seeds, finite, strict=True) if loss is None]
        most = peak.bytes() or peak_memory_bytes(self.data.test.device)
        longer = replace(
            record,
            seeds=[*record.seeds, *seeds],
            metrics={
                name: [*record.metrics[name], *values]
                for name, values in zip(METRICS, (tested, compared, fitted, finite), strict=True)
            },
            cost=replace(
                record.cost,
                training_seconds=(record.cost.training_seconds or 0.0) + seconds,
                wall_seconds=record.wall_seconds + time.perf_counter() - began,
                peak_memory_bytes=max(record.peak_memory_bytes or 0, most),
            ),
            notes=[*record.notes, *(f"seed {seed}: training diverged" for seed in diverged)],
            diverged=[*record.diverged, *diverged],
        )
        return with_own_estimate(longer)


def _tell(progress: Callable[[int, int], None], before: int, members: int, total: int, epoch: int, trained: Members) -> None:
    progress(before + epoch * members, total)
