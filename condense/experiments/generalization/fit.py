"""Training runs until they have fitted their images, diverge, or reach the last epoch."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import torch

from condense.data.images import DataSet
from condense.experiments.generalization.images import Standardised
from condense.experiments.generalization.runs import BATCH, DECAY, DECAY_IMAGES, FITTED_LOSS, Run
from condense.machine import Surroundings, peak_memory_bytes, prepare
from condense.networks.network import Network
from condense.networks.registry import build
from condense.records import Record
from condense.training.accuracy import accuracies_and_losses
from condense.training.engine import MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.stacking import members_at_once
from condense.versions import CODE_VERSION, library_versions

STUCK_EPOCHS, STUCK_STEPS = 10, 400
"""After so many of both a run whose training accuracy is still that of chance, at a loss no lower, is given up."""

Progress = Callable[[int, int, float], None]


@dataclass
class _Course:
    """How one run has got on."""

    outcome: str = "censored"
    epochs: int = 0
    series: dict[str, list[float]] = field(default_factory=lambda: {"train_loss": [], "train_accuracy": []})
    ended: bool = False
    final_test: float = 0.0


def fit(runs: Sequence[Run], data: DataSet, progress: Progress = lambda epoch, epochs, loss: None) -> Iterator[Record]:
    """Trains runs that agree in `Run.together`, as many at once as pays; a record each, in order.

    A record's note is the outcome: 'fitted' (every training image right and the mean loss below 0.1), 'censored' (not fitted
    at the last epoch) or 'diverged' (a loss that is not finite, or that of
    chance after ten epochs and 400 steps). Its accuracy is that on the
    test images when the run ended, its series are by epoch.
    """
    sources = [run.sources(data.train, data.test) for run in runs]
    network = build(runs[0].network, sources[0][0].shape, data.train.classes)
    group = members_at_once(network, len(runs), BATCH, data.train.device)
    for first in range(0, len(runs), group):
        chosen = slice(first, first + group)
        tell = partial(_tell, progress, first // group, -(-len(runs) // group))
        yield from _fit_together(runs[chosen], sources[chosen], network, data, tell)


def _tell(progress: Progress, before: int, groups: int, epoch: int, epochs: int, loss: float) -> None:
    progress(before * epochs + epoch, groups * epochs, loss)


def _fit_together(
    runs: Sequence[Run],
    sources: Sequence[tuple[Standardised, Standardised]],
    network: Network,
    data: DataSet,
    progress: Progress,
) -> list[Record]:
    device = data.train.device
    prepare(device)
    surroundings, began = Surroundings.of(device), time.perf_counter()
    run, courses = runs[0], [_Course() for _ in runs]
    members = fresh_members(network, [run.seed for run in runs], "generalization network", device)
    draws = [MemberDraws.of(run.seed, "generalization", device=device) for run in runs]
    stages = (Stage(run.epochs, run.learning_rate),)
    # The paper's decay is that of an epoch of 50,000 images; in an epoch of fewer the rate falls by as much less.
    decay = DECAY ** (len(data.train) / DECAY_IMAGES)
    recipe = Recipe(stages, BATCH, momentum=0.9, weight_decay=run.weight_decay, decay=decay)

    def look(epoch: int, members: Members) -> bool:
        for index, course in enumerate(courses):
            if not course.ended:
                _look_at(course, run, network, members, index, sources[index], epoch)
        progress(epoch, run.epochs, (courses[0].series["train_loss"] or [math.nan])[-1])
        return all(course.ended for course in courses)

    train(network, members, [source for source, _ in sources], recipe, draws, after_epoch=look)
    seconds = time.perf_counter() - began
    return [
        Record(
            kind="fit",
            config=run.config(data.train, data.test),
            seeds=[run.seed],
            accuracies=[course.final_test],
            wall_seconds=seconds / len(runs),
            peak_memory_bytes=peak_memory_bytes(device),
            code_version=CODE_VERSION,
            library_versions=library_versions(),
            notes=[course.outcome],
            series=course.series,
            **asdict(surroundings),
        )
        for run, course in zip(runs, courses, strict=True)
    ]


def _look_at(
    course: _Course,
    run: Run,
    network: Network,
    members: Members,
    index: int,
    sources: tuple[Standardised, Standardised],
    epoch: int,
) -> None:
    """Adds an epoch to a run's course, and ends it where there is reason to."""
    seen, tested = sources
    alone = members[index : index + 1]
    (accuracy,), (loss,) = accuracies_and_losses(network, alone, seen)
    finite = math.isfinite(loss) and bool(torch.isfinite(members.vector[index]).all())
    course.epochs = epoch
    if finite:
        course.series["train_loss"].append(loss)
        course.series["train_accuracy"].append(accuracy)
    fitted = accuracy == 1.0 and loss < FITTED_LOSS
    late = epoch >= STUCK_EPOCHS and epoch * -(-len(seen.labels) // BATCH) >= STUCK_STEPS
    if not finite or (late and _at_chance(loss, accuracy, seen)):
        course.outcome = "diverged"
    elif fitted:
        course.outcome = "fitted"
    course.ended = course.outcome == "diverged" or (fitted and run.stops) or epoch == run.epochs
    if course.ended or (run.test_every and epoch % run.test_every == 0):
        course.final_test = accuracies_and_losses(network, alone, tested)[0][0]
        if run.test_every:
            course.series.setdefault("test_accuracy", []).append(course.final_test)
            course.series.setdefault("tested_at", []).append(float(epoch))


def _at_chance(loss: float, accuracy: float, seen: Standardised) -> bool:
    """No better than always naming the most frequent class: in accuracy, within three deviations, and in loss."""
    counts = torch.bincount(seen.labels).double() / len(seen.labels)
    share, entropy = float(counts.max()), -float(torch.special.xlogy(counts, counts).sum())
    return accuracy < share + 3 * math.sqrt(share * (1 - share) / len(seen.labels)) and loss > 0.98 * entropy
