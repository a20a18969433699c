"""The engine: which cells are done, ready, waiting or running, and computing them one after the other, until none is left.

Any number of processes may work on one study: each takes what no other has taken, and waits for what others are doing.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from condense.errors import CondenseError, Interrupted, RunFailed
from condense.machine import is_out_of_memory
from condense.study.cell import Cell, Progress
from condense.study.folder import Running, StudyFolder, begun

WAIT_SECONDS = 1.0
TOLD_SECONDS = 2.0
"""Between two times that a cell's progress is written for others."""


class State(Enum):
    """Of a cell: its records are there; some process has it; it can begin; it needs others first; it failed (this time)."""

    DONE = "done"
    RUNNING = "running"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass
class Attempts:
    """What failed since a command began: reasons and counts by key; each cell is tried again so many times."""

    retries: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, reason: str) -> None:
        """A failure more."""
        self.counts[key], self.reasons[key] = self.counts.get(key, 0) + 1, reason

    def is_over(self, key: str) -> bool:
        """Whether it is not tried again."""
        return self.counts.get(key, 0) > self.retries

    def raise_failed(self, cells: Iterable[Cell]) -> None:
        """Raises `RunFailed` with the reason of every cell that was given up."""
        lines = [f"{cell.label}: {self.reasons[cell.key]}" for cell in cells if self.is_over(cell.key)]
        if lines:
            raise RunFailed("\n".join(lines))


def states(cells: Sequence[Cell], folder: StudyFolder, attempts: Attempts) -> dict[str, State]:
    """The state of every cell, by key."""
    done = {cell.key for cell in cells if folder.is_done(cell.key)}
    return {cell.key: _state(cell, done, folder, attempts) for cell in cells}


def _state(cell: Cell, done: set[str], folder: StudyFolder, attempts: Attempts) -> State:
    if cell.key in done:
        return State.DONE
    if attempts.is_over(cell.key):
        return State.FAILED
    if folder.is_claimed(cell.key):
        return State.RUNNING
    return State.READY if done.issuperset(cell.needs) else State.WAITING


def possible(cells: Sequence[Cell], attempts: Attempts) -> list[Cell]:
    """Those that have not failed, and need none that has."""
    lost = {cell.key for cell in cells if attempts.is_over(cell.key)}
    kept = list[Cell]()
    for cell in cells:  # needs stand before what needs them
        if cell.key in lost or lost.intersection(cell.needs):
            lost.add(cell.key)
        else:
            kept.append(cell)
    return kept


def _no_progress(done: int, total: int, loss: float | None = None) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """Who is told how it gets on: of a cell as it begins, of its progress, and of waiting for so many cells of others."""

    begins: Callable[[Cell], None] = lambda cell: None
    progress: Progress = _no_progress
    waits: Callable[[int], None] = lambda cells: None


@dataclass(frozen=True)
class Worker:
    """Computes cells in this process. materials: what they need, from the study; device: what it is called."""

    folder: StudyFolder
    materials: Any
    device: str
    listener: Listener = Listener()

    def attempt(self, cell: Cell) -> bool:
        """Takes and computes a cell; False where another process has it, or has done it.

        What fails is recorded in the folder, and raised as `CondenseError`.
        """
        alone: AbstractContextManager[bool] = self.folder.alone(self.device) if cell.exclusive else _free()
        with self.folder.claimed(cell.key) as free:
            if not free or self.folder.is_done(cell.key):
                return False
            with alone as quiet:
                if not quiet:
                    return False
                self.listener.begins(cell)
                self._compute(cell)
                return True

    def _compute(self, cell: Cell) -> None:
        beat = _Beat(self.folder, cell.key, begun(self.device), self.listener.progress)
        try:
            records = cell.run(self.materials, self.folder.place(cell), beat)
            self.folder.finish(cell.key, list(records))
        except (Interrupted, KeyboardInterrupt):
            raise
        except (CondenseError, MemoryError, RuntimeError) as error:
            if not (isinstance(error, CondenseError) or is_out_of_memory(error)):
                raise
            failure = error if isinstance(error, CondenseError) else RunFailed("Not enough memory.")
            self.folder.fail(cell.key, str(failure))
            raise failure from error


@contextmanager
def _free() -> Iterator[bool]:
    yield True


class _Beat:
    """Passes a cell's progress on, and writes it down every now and then for other processes to read."""

    def __init__(self, folder: StudyFolder, key: str, running: Running, progress: Progress) -> None:
        self.folder, self.key, self.running, self.progress = folder, key, running, progress
        self.told = time.monotonic()
        folder.tell(key, running)

    def __call__(self, done: int, total: int, loss: float | None = None) -> None:
        self.progress(done, total, loss)
        if time.monotonic() - self.told >= TOLD_SECONDS:
            self.told = time.monotonic()
            self.folder.tell(self.key, replace(self.running, done=done, total=total))


def run_cells(cells: Sequence[Cell], worker: Worker, seconds: Mapping[str, float], attempts: Attempts) -> None:
    """Does in this process what is missing; returns when every cell is done, here or elsewhere.

    seconds: estimates by key; what brings a cell's end nearest begins first. A cell that fails does not stop the others; it
    is tried again as often as `attempts` says, and `RunFailed` is raised in the end.
    """
    while True:
        state = states(cells, worker.folder, attempts)
        left = [cell for cell in possible(cells, attempts) if state[cell.key] is not State.DONE]
        if not left:
            break
        ready = [cell for cell in left if state[cell.key] is State.READY]
        if not any(_attempted(cell, worker, attempts) for cell in in_order(ready, cells, seconds)):
            worker.listener.waits(len(left))
            time.sleep(WAIT_SECONDS)
    for cell in cells:
        if worker.folder.is_done(cell.key):
            worker.folder.tidy(cell.key)
    attempts.raise_failed(cells)


def _attempted(cell: Cell, worker: Worker, attempts: Attempts) -> bool:
    """Whether a cell was computed here, well or not."""
    try:
        return worker.attempt(cell)
    except Interrupted:
        raise
    except CondenseError as error:
        attempts.add(cell.key, str(error))
        return True


def in_order(ready: Sequence[Cell], cells: Sequence[Cell], seconds: Mapping[str, float]) -> list[Cell]:
    """Ready cells, those first that are done soonest; a cell that others need counts with the cheapest of these."""
    needed_by: dict[str, float] = {}
    for cell in cells:
        for key in cell.needs:
            needed_by[key] = min(needed_by.get(key, float("inf")), seconds.get(cell.key, 0.0))
    return sorted(ready, key=lambda cell: seconds.get(cell.key, 0.0) + needed_by.get(cell.key, 0.0))
