"""Cells: the pieces of work that a study consists of."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from condense.events import Epoch, NetworkTested, OfSteps, OfTraining, Step
from condense.records import Record


class Progress(Protocol):
    """Who is told how a cell gets on: steps (or epochs) done, of how many, and the latest loss where there is one."""

    def __call__(self, done: int, total: int, loss: float | None = None) -> None:
        """So many of so many."""


def in_steps(progress: Progress) -> OfSteps:
    """What has a cell's progress told in steps of stage C, with the loss."""

    def tell(event: Step) -> None:
        progress(event.step, event.steps, event.loss)

    return tell


def in_epochs(progress: Progress) -> OfTraining:
    """What has a cell's progress told in epochs, over all networks that are trained."""

    def tell(event: Epoch | NetworkTested) -> None:
        if isinstance(event, Epoch):
            progress(event.done, event.total)

    return tell


@dataclass(frozen=True)
class Place:
    """Where a cell finds and leaves files.

    products: the folder of its key, for what is kept beside its records; checkpoint: what the cell writes to be resumed,
    removed once its records are there.
    """

    products: Path
    checkpoint: Path


class Cell(ABC):
    """One piece of work: done once its records are in the study's folder; computed again, it gives the same bytes.

    All that is said of a cell follows from what was asked for, without any image being read.
    """

    @property
    @abstractmethod
    def key(self) -> str:
        """What tells it apart in its study: the path of its file of records in the folder, without the suffix."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is called for people."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the cells that must be done before it can begin."""
        return ()

    @property
    def exclusive(self) -> bool:
        """Whether it is timed, so that nothing of its study may run beside it on its device."""
        return False

    @property
    def pace(self) -> str:
        """Cells of one pace take equally long for equal work."""
        return ""

    @property
    def unit(self) -> str:
        """What its progress counts."""
        return "step"

    @property
    @abstractmethod
    def work(self) -> float:
        """How much there is to do, in any unit that is the same for all cells of its pace (multiply-adds, as a rule)."""

    @abstractmethod
    def run(self, materials: Any, place: Place, progress: Progress) -> Sequence[Record]:
        """Computes it; returns its records, at least one. materials: what `Study.materials` gave.

        Products are written before it returns, as it counts as done with its records. Raises `CondenseError` where it fails.
        """
