"""Training one row: all its networks, with their fit to what they were trained on, their test accuracy, and the cost."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import torch

from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError
from condense.execution import Execution, for_few
from condense.machine import Surroundings, peak_memory_bytes
from condense.memory import Peak, in_use, start_peak
from condense.networks.network import Network
from condense.records import Cost, Record, config_hash
from condense.studies.hyperparameters.estimate import Memory, Speed, Work, group_size, memory, training_seconds
from condense.studies.hyperparameters.rows import Row
from condense.training.accuracy import accuracies, accuracies_and_losses
from condense.training.engine import AfterEpoch, MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe
from condense.training.sources import Source

LARGEST = 10**18
"""No count of a record is as large."""


METRICS = ("accuracy", "held_out_accuracy", "training_accuracy", "training_loss")
ESTIMATED = ("estimated_seconds", "estimated_memory_bytes")
TERMS = ("members", "steps", "images", "multiply_adds", "step_seconds", "multiply_adds_per_second")
"""What an estimate must state, to be made anew for another number of networks."""


@dataclass(frozen=True)
class SweepRecord(Record):
    """The networks of one row, trained on one set of images.

    metrics: 'accuracy' on the test images; 'held_out_accuracy' on the training images that were held out, by which rows are
    compared (not there in records of versions that compared rows on the test images); 'training_accuracy', 'training_loss'
    (mean cross-entropy per image, without any penalty): of the trained networks on all they were trained on, losses None
    where training diverged. cost: training_seconds of training alone, all networks, and the estimate of it; wall_seconds
    with tests; peak_memory_bytes of training and testing this row.
    """

    @staticmethod
    def of(record: Record) -> "SweepRecord":
        """A record that was read, as one of a sweep."""
        return SweepRecord(**{one.name: getattr(record, one.name) for one in fields(Record)})

    @property
    def held_out_accuracies(self) -> list[float]:
        """On the training images that were held out; empty where rows were compared on the test images."""
        return cast(list[float], self.metrics.get("held_out_accuracy", []))

    @property
    def training_accuracies(self) -> list[float]:
        """On all that the networks were trained on."""
        return cast(list[float], self.metrics["training_accuracy"])

    @property
    def training_losses(self) -> list[float | None]:
        """On the same; None where training diverged."""
        return self.metrics["training_loss"]

    @property
    def training_seconds(self) -> float:
        """Of training alone, all networks."""
        return self.cost.training_seconds or 0.0

    @property
    def estimated_seconds(self) -> float:
        """Said of it before it began."""
        return self.cost.estimate["estimated_seconds"]

    @property
    def estimated_memory_bytes(self) -> int:
        """Said of the peak of memory before it began."""
        return int(self.cost.estimate["estimated_memory_bytes"])

    @property
    def estimate(self) -> dict[str, int | float]:
        """The terms of both, too."""
        return self.cost.estimate

    def with_own_estimate(self) -> "SweepRecord":
        """The record with its estimated seconds for the networks it holds, which after an interruption may be fewer or more
        than were asked for when it began; from the terms said then.
        """
        terms = self.estimate
        groups = -(-len(self.seeds) // int(terms["members"]))
        work = Work(groups, *(int(terms[name]) for name in ("members", "steps", "images", "multiply_adds")))
        seconds = training_seconds(work, Speed(terms["step_seconds"], terms["multiply_adds_per_second"]))
        estimate = {**terms, "groups": groups, "estimated_seconds": seconds}
        return replace(self, cost=replace(self.cost, estimate=estimate))


@dataclass(frozen=True)
class TrainedOn:
    """What rows are trained on: images with labels, what identifies them in records, and epochs for each of the grid's."""

    label: str
    source: Source
    described: dict[str, Any]
    epochs_factor: int = 1

    @property
    def images(self) -> int:
        """How many there are."""
        return len(self.source.labels)


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
    """One row on one set of images: what is to be done, and what it will take; held_out: images to compare rows on."""

    row: Row
    on: TrainedOn
    data: DataSet
    held_out: LabelledImages

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

    @cached_property
    def config_hash(self) -> str:
        """Hash of the configuration, as in its records."""
        return config_hash(self.config)

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

    def begin(self, seeds: int, calibration: Calibration, surroundings: Surroundings) -> SweepRecord:
        """The record before anything is trained: the estimates of all its networks, and no results."""
        expected, speed = self.estimated_memory(seeds, calibration), calibration.speeds[self.speed_key(seeds)]
        terms = {f"{name}_bytes": value for name, value in asdict(expected).items()}
        work = Work.of(self.network, self.recipe, seeds, self.on.images, self.together(seeds))
        terms |= asdict(work) | {"step_seconds": speed.constant, "multiply_adds_per_second": speed.rate}
        said = {"estimated_seconds": self.estimated_seconds(seeds, calibration), "estimated_memory_bytes": expected.total}
        return SweepRecord(
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
        self, record: SweepRecord, seeds: Sequence[int], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[SweepRecord]:
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
            *(network, members, self.on.source, self.recipe, draws),
            execution=execution,
            in_proportion=self.row.in_proportion,
            after_epoch=after_epoch,
        )
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return members

    def _with_results(
        self, record: SweepRecord, seeds: Sequence[int], members: Members, seconds: float, began: float, peak: Peak
    ) -> SweepRecord:
        tested = accuracies(self.network, members, self.data.test)
        compared = accuracies(self.network, members, self.held_out)
        fitted, losses = accuracies_and_losses(self.network, members, self.on.source)
        finite = [loss if loss == loss and abs(loss) != float("inf") else None for loss in losses]
        diverged = [seed for seed, loss in zip(seeds, finite, strict=True) if loss is None]
        most = peak.bytes() or peak_memory_bytes(self.data.test.device)
        return replace(
            record,
            seeds=[*record.seeds, *seeds],
            metrics={
                name: [*record.metrics[name], *values]
                for name, values in zip(METRICS, (tested, compared, fitted, finite), strict=True)
            },
            cost=replace(
                record.cost,
                training_seconds=record.training_seconds + seconds,
                wall_seconds=record.wall_seconds + time.perf_counter() - began,
                peak_memory_bytes=max(record.peak_memory_bytes or 0, most),
            ),
            notes=[*record.notes, *(f"seed {seed}: training diverged" for seed in diverged)],
            diverged=[*record.diverged, *diverged],
        ).with_own_estimate()


def _tell(progress: Callable[[int, int], None], before: int, members: int, total: int, epoch: int, trained: Members) -> None:
    progress(before + epoch * members, total)


def check_complete(record: SweepRecord, where: str) -> None:
    """Raises `CondenseError` unless a record is one of a sweep with all that tables read."""
    if record.task != "sweep":
        raise CondenseError(f"{where}: a record of task '{record.task}' is none of a sweep.")
    needed = [name for name in METRICS if name != "held_out_accuracy" or "held_out_images" in record.config]
    if not all(name in record.metrics for name in needed):
        raise CondenseError(f"{where}: a record is damaged: it does not hold one training accuracy and loss for each seed.")
    accuracies = [value for name in needed[:-1] for value in record.metrics[name]]
    losses = [loss for loss in record.training_losses if loss is not None]
    if None in accuracies or not all(0 <= loss < math.inf for loss in losses):
        raise CondenseError(f"{where}: a record is damaged: accuracies must lie between 0 and 1, losses from 0 on.")
    _check_read(record, where)


def _check_read(record: SweepRecord, where: str) -> None:
    """What tables read of a record's configuration and estimate must be there, and be what it is taken for."""
    measured = {name: getattr(record.cost, name) for name in ("training_seconds", "peak_memory_bytes")}
    whole = {name: record.config.get(name) for name in ("train_images", "parameters", "epochs_factor")}
    numbers = {name: record.estimate.get(name) for name in (*TERMS, *ESTIMATED)}
    wrong = [name for name, value in whole.items() if type(value) is not int or not 1 <= value < LARGEST]
    wrong += [name for name, value in {**numbers, **measured}.items() if value is None or not _measurable(name, value)]
    wrong += [name for name in ("members", "steps") if name not in wrong and record.estimate[name] < 1]
    wrong += [name for name in ("row", "set") if name not in record.config]
    if wrong or not isinstance(record.config["row"], dict):
        raise CondenseError(f"{where}: a record is damaged ({', '.join(wrong) or 'row'}).")


def _measurable(name: str, value: float) -> bool:
    """The constant of a step may come out as 0, where arithmetic is all that takes time."""
    return 0 < value < LARGEST or (name == "step_seconds" and value == 0)
