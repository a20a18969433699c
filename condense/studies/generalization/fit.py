"""Training runs until they have fitted their images, diverge, or reach the last epoch."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from condense.data.images import DataSet
from condense.execution import Execution, for_few
from condense.machine import Surroundings, reproducible
from condense.memory import Peak, start_peak
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.networks.registry import build
from condense.records import Cost, Record
from condense.studies.generalization.checkpoint import SECONDS, Saved, checkpoint_path, load, save
from condense.studies.generalization.course import Course, add_epoch, add_test
from condense.studies.generalization.images import SIDE
from condense.studies.generalization.runs import BATCH, DECAY, DECAY_IMAGES, Run
from condense.studies.generalization.subset import Subset
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, Members, Seen, Standing, fresh_members, train
from condense.training.recipe import Recipe, Stage

TOGETHER = 8
"""Runs in one stack, at most: a run that has ended is carried along until all of its stack have."""

Progress = Callable[[int, int, float], None]


@dataclass
class _Epoch:
    """What the steps of one epoch saw: sums of losses and of images that were right, each (E,) for the runs of a stack."""

    losses: Tensor | float = 0.0
    right: Tensor | float = 0.0
    images: int = 0

    def add(self, seen: Seen) -> None:
        """Adds a step. The images of a step count as they were before its update."""
        count = seen.labels.shape[1]
        self.losses = self.losses + seen.losses.double() * count
        self.right = self.right + (seen.logits.argmax(dim=2) == seen.labels).sum(dim=1).double()
        self.images += count

    def take(self) -> list[tuple[float, float]]:
        """(Mean loss, accuracy) of each run; the next epoch starts from nothing."""
        losses, shares = (torch.as_tensor(total / self.images).tolist() for total in (self.losses, self.right))
        self.losses, self.right, self.images = 0.0, 0.0, 0
        return list(zip(losses, shares, strict=True))


def fit(
    runs: Sequence[Run],
    data: DataSet,
    progress: Progress = lambda epoch, epochs, loss: None,
    ended: Callable[[Record], None] = lambda record: None,
    checkpoints: Path | None = None,
) -> list[Record]:
    """Trains runs that differ in seed, corruption and p alone, as many at once as pays; returns a record each, in order.

    Loss and accuracy of an epoch are those of its training steps, each image as it was just before the step it led to.
    `ended` is told each record as soon as its run ends. A record's note is the outcome: 'fitted' (every training image
    right and the mean loss below 0.1, in some epoch), 'diverged' (a loss or weight that is not finite, or accuracy and loss
    those of chance in every epoch up to `stuck_epoch`, or in the last five before the limit) or 'censored' (neither, up to
    the limit). Its accuracy is that on the test images when the run ended, its series are by epoch.

    checkpoints: a folder for what runs of more than a minute depend on; a run that is found there goes on from it.
    """
    network, device = network_of(runs[0], data), data.train.device
    paths = [checkpoint_path(checkpoints, ordered_key(run, data), device) if checkpoints else None for run in runs]
    starts = [path and load(path, network, _recipe(runs[0], data), device) for path in paths]
    stacks = _stacks([start.epoch if start else 0 for start in starts], at_once(runs, data))
    records: dict[int, Record] = {}
    for number, places in enumerate(stacks):
        parts = [(runs[place], starts[place], paths[place]) for place in places]
        tell = partial(_tell, progress, number, len(stacks))
        with reproducible(device):
            records |= zip(places, _Stack(parts, network, data, tell, ended).train(), strict=True)
    return [records[place] for place in range(len(runs))]


def ordered_key(run: Run, data: DataSet) -> str:
    """The key of a run on the images in just this order, which its batches depend on, as its checkpoint does."""
    return run.key(Subset.of(data.as_recorded([data.train.former_fingerprint], [data.test.former_fingerprint])))


def _stacks(epochs: Sequence[int], most: int) -> list[list[int]]:
    """Places of runs that have trained for equally many epochs, no more than `most` in one stack."""
    same = [[place for place, there in enumerate(epochs) if there == epoch] for epoch in sorted(set(epochs))]
    return [places[first : first + most] for places in same for first in range(0, len(places), most)]


def at_once(runs: Sequence[Run], data: DataSet) -> int:
    """How many of these runs, which may be trained as one stack, are: one on a CPU, so that a run does not
    depend, by rounding, on which others are left to do.
    """
    return min(TOGETHER, len(runs), execution_of(runs[0], data).stack)


def execution_of(run: Run, data: DataSet) -> Execution:
    """How a run is trained, alone or in a stack."""
    return for_few(network_of(run, data), data.train.device, batch=min(BATCH, len(data.train)))


def network_of(run: Run, data: DataSet) -> Network:
    """The network of a run, for the images as they are cropped."""
    return build(run.network, (data.train.shape[0], SIDE, SIDE), data.train.classes)


def _tell(progress: Progress, before: int, groups: int, epoch: int, epochs: int, loss: float) -> None:
    progress(before * epochs + epoch, groups * epochs, loss)


class _Stack:
    """Runs that are trained as one, from the epoch that all of them have got to."""

    def __init__(
        self,
        parts: Sequence[tuple[Run, Saved | None, Path | None]],
        network: Network,
        data: DataSet,
        progress: Progress,
        ended: Callable[[Record], None],
    ) -> None:
        self.runs, self.starts, self.paths = zip(*parts, strict=True)
        self.network, self.data, self.progress, self.ended = network, data, progress, ended
        self.sources = [run.sources(data.train, data.test) for run in self.runs]
        self.courses = [start.course if start else Course() for start in self.starts]
        self.records: dict[int, Record] = {}
        self.passed, device = _Epoch(), data.train.device
        self.execution = replace(execution_of(self.runs[0], data), stack=len(self.runs))
        self.draws = [MemberDraws.of(run.seed, "generalization", device=device) for run in self.runs]
        self.surroundings, self.peak = Surroundings.of(device), start_peak(device)
        self.looked = self.saved = time.perf_counter()

    def train(self) -> list[Record]:
        """Trains until all runs have ended; their records in order."""
        train(
            *(self.network, self._start(), [seen for seen, _ in self.sources], _recipe(self.runs[0], self.data), self.draws),
            execution=self.execution,
            after_epoch=self._look,
            after_step=self.passed.add,
            keep=self._keep,
        )
        return [self.records[place] for place in range(len(self.runs))]

    def _start(self) -> Members | Standing:
        starts = [start for start in self.starts if start]
        if not starts:
            seeds = [run.seed for run in self.runs]
            return fresh_members(self.network, seeds, "generalization network", self.data.train.device)
        for draw, start in zip(self.draws, starts, strict=True):
            draw.restore(start.draws)
        members = Members(torch.stack([start.vector for start in starts]), _stacked([start.statistics for start in starts]))
        return Standing(starts[0].epoch, members, _stacked([start.optimiser for start in starts]))

    @property
    def _active(self) -> list[int]:
        return [place for place, course in enumerate(self.courses) if not course.ended]

    def _look(self, epoch: int, members: Members) -> bool:
        """Adds an epoch to the runs that go on, and records those that end with it; True once all have."""
        active, measured = self._active, self.passed.take()
        for place in active:
            run, course, alone = self.runs[place], self.courses[place], members[place : place + 1]
            seen, tested = self.sources[place]
            add_epoch(course, run, epoch, *measured[place], alone, seen)
            if course.ended or (run.test_every and epoch % run.test_every == 0):
                add_test(course, run, epoch, accuracies(self.network, alone, tested)[0])
        now = time.perf_counter()
        for place in active:
            self.courses[place].seconds += (now - self.looked) / len(active)
            if self.courses[place].ended:
                self._end(place)
        self.looked = now
        self.progress(epoch, self.runs[0].epochs, (self.courses[0].series["train_loss"] or [math.nan])[-1])
        return len(self.records) == len(self.runs)

    def _end(self, place: int) -> None:
        course, around = self.courses[place], self.surroundings
        self.records[place] = _record(self.runs[place], course, self.data, self.execution, around, self.peak)
        self.ended(self.records[place])
        if path := self.paths[place]:
            path.unlink(missing_ok=True)

    def _keep(self, standing: Standing) -> None:
        """Saves the runs that go on, where the last time is long enough ago."""
        if time.perf_counter() - self.saved < SECONDS:
            return
        for place in self._active:
            if path := self.paths[place]:
                vector, course, draws = standing.members.vector[place].clone(), self.courses[place], self.draws[place].states
                state, statistics = (_of_one(each, place) for each in (standing.optimiser, standing.members.statistics))
                save(path, Saved(standing.epoch, vector, state, statistics, draws, course))
        self.saved = time.perf_counter()


def _stacked(each: Sequence[Tensors]) -> Tensors:
    """Tensors of several members by name, stacked along a new first dimension."""
    return {name: torch.stack([own[name] for own in each]) for name in each[0]}


def _of_one(tensors: Tensors, place: int) -> Tensors:
    """Copies of the tensors of the member at a place."""
    return {name: value[place].clone() for name, value in tensors.items()}


def _recipe(run: Run, data: DataSet) -> Recipe:
    # The paper's decay is that of an epoch of 50,000 images; in an epoch of fewer the rate falls by as much less.
    decay = DECAY ** (len(data.train) / DECAY_IMAGES)
    stages = (Stage(run.epochs, run.learning_rate),)
    return Recipe(stages, BATCH, momentum=0.9, weight_decay=run.weight_decay, decay=decay)


def _record(run: Run, course: Course, data: DataSet, execution: Execution, surroundings: Surroundings, peak: Peak) -> Record:
    """The record of a run that has ended; peak: of the stack it was trained in."""
    return Record(
        task="fit",
        config=run.config(Subset.of(data)),
        seeds=[run.seed],
        metrics={"accuracy": [course.final_test]},
        cost=Cost.of(surroundings, wall_seconds=course.seconds, peak_memory_bytes=peak.bytes()),
        code=surroundings.code,
        notes=[course.outcome],
        series=course.series,
        execution=execution.facts(),
    )
