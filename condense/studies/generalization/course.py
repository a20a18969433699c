"""How one run gets on: its series by epoch, and how it ends."""

import math
from dataclasses import dataclass, field

import torch

from condense.statistics import best_by_chance
from condense.studies.generalization.images import Standardised
from condense.studies.generalization.runs import BATCH, FITTED_LOSS, Run
from condense.training.engine import Members

LAST_EPOCHS = 5
"""Epochs at chance before the limit that make a run one that does not train."""


@dataclass
class Course:
    """What is known of a run so far.

    epochs_at_chance: the last so many; seconds: its share of the time its stack has taken.
    """

    outcome: str = "censored"
    left_chance: bool = False
    epochs_at_chance: int = 0
    series: dict[str, list[float]] = field(default_factory=lambda: {"train_loss": [], "train_accuracy": []})
    ended: bool = False
    final_test: float = 0.0
    seconds: float = 0.0


def stuck_epoch(epochs: int, steps: int) -> int:
    """The epoch after which a run that has never left chance is given up; there are `epochs` at most, of `steps` steps.

    Ten epochs and 400 steps, but no later than three quarters of the run, and never before 100 steps.
    """
    return max(10, -(-100 // steps), min(-(-400 // steps), 3 * epochs // 4))


def add_epoch(
    course: Course, run: Run, epoch: int, loss: float, accuracy: float, alone: Members, seen: Standardised
) -> None:
    """Adds an epoch to a run's course, and ends it where there is reason to."""
    finite = math.isfinite(loss) and bool(torch.isfinite(alone.vector).all())
    if finite:
        course.series["train_loss"].append(loss)
        course.series["train_accuracy"].append(accuracy)
        course.epochs_at_chance = course.epochs_at_chance + 1 if _at_chance(loss, accuracy, seen) else 0
        course.left_chance |= not course.epochs_at_chance
    fitted = accuracy == 1.0 and loss < FITTED_LOSS
    late = epoch >= stuck_epoch(run.epochs, -(-len(seen.labels) // BATCH))
    # One lucky epoch is enough to have left chance, so the end is looked at too.
    ended_at_chance = epoch == run.epochs and course.epochs_at_chance >= LAST_EPOCHS
    if not finite or (late and not course.left_chance) or ended_at_chance:
        course.outcome = "diverged"
    elif fitted:
        course.outcome = "fitted"
    course.ended = course.outcome == "diverged" or (fitted and run.stops) or epoch == run.epochs


def add_test(course: Course, run: Run, epoch: int, accuracy: float) -> None:
    """Adds the accuracy on the test images after an epoch; the last one counts."""
    course.final_test = accuracy
    if run.test_every:
        course.series.setdefault("test_accuracy", []).append(accuracy)
        course.series.setdefault("tested_at", []).append(float(epoch))


def _at_chance(loss: float, accuracy: float, seen: Standardised) -> bool:
    """No better than always naming the most frequent class: in accuracy, within three deviations, and in loss."""
    counts = torch.bincount(seen.labels)
    shares = counts.double() / len(seen.labels)
    entropy = -float(torch.special.xlogy(shares, shares).sum())
    return accuracy < best_by_chance(counts.tolist()) and loss > 0.98 * entropy
