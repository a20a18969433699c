"""Where a study stands, from its files alone: done, running (where, since when), failed (why), and the time left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from condense.report.numbers import NONE, duration
from condense.report.rendering import Table
from condense.study.cell import Cell
from condense.study.engine import Attempts, State, states
from condense.study.estimates import estimated_seconds
from condense.study.folder import Failure, Running, StudyFolder


@dataclass(frozen=True)
class Status:
    """By the cells' keys: their states, what is known of those that run or failed, estimated seconds of the missing ones."""

    cells: Sequence[Cell]
    states: Mapping[str, State]
    running: Mapping[str, Running]
    failures: Mapping[str, Failure]
    seconds: Mapping[str, float]

    @property
    def left(self) -> list[Cell]:
        """The cells that are not done."""
        return [cell for cell in self.cells if self.states[cell.key] is not State.DONE]

    @property
    def seconds_left(self) -> float | None:
        """Of all that is not done, were it computed one after the other; None where that of some is not known."""
        known = [self.seconds.get(cell.key) for cell in self.left]
        return None if None in known else sum(second for second in known if second is not None)


def status_of(cells: Sequence[Cell], folder: StudyFolder) -> Status:
    """The status of these cells. Raises `CondenseError` where a file of the folder is damaged."""
    found = states(cells, folder, Attempts())
    running, failures = dict[str, Running](), dict[str, Failure]()
    for cell in cells:
        if found[cell.key] is State.RUNNING and (what := folder.running(cell.key)):
            running[cell.key] = what
        elif found[cell.key] is not State.DONE and (failure := folder.failure(cell.key)):
            failures[cell.key] = failure
            found[cell.key] = State.FAILED
    return Status(cells, found, running, failures, estimated_seconds(cells, folder))


def headline(status: Status) -> str:
    """'3 of 12 cells done, 2 running, 1 failed; about 2 h to go'."""
    counts = Counter(status.states.values())
    said = [f"{counts[State.DONE]} of {len(status.cells)} cells done"]
    said += [f"{counts[state]} {state.value}" for state in (State.RUNNING, State.FAILED) if counts[state]]
    if not status.left:
        return said[0]
    seconds = status.seconds_left
    return f"{', '.join(said)}; {'time left not known yet' if seconds is None else f'about {duration(seconds)} to go'}"


def status_table(status: Status) -> Table:
    """A line for each cell that is running or has failed, under the headline."""
    lines = [(cell.key, cell.label, *_said(cell, status)) for cell in status.left]
    shown = [line for line in lines if line[2] in (State.RUNNING.value, State.FAILED.value)]
    return Table(
        title=headline(status),
        header=("key", "cell", "state", "what is known"),
        rows=tuple(shown),
        notes=(),
        data=tuple(dict(zip(("key", "cell", "state", "said"), line, strict=True)) for line in lines),
        numeric=(False,) * 4,
    )


def _said(cell: Cell, status: Status) -> tuple[str, str]:
    state = status.states[cell.key]
    if (running := status.running.get(cell.key)) is not None:
        far = f", {running.done:,} of {running.total:,} {cell.unit}s" if running.total else ""
        where = f"process {running.process} on {running.host} ({running.device})"
        return state.value, f"{where}, since {running.started_at}{far}"
    if (failure := status.failures.get(cell.key)) is not None:
        times = "once" if failure.times == 1 else f"{failure.times} times"
        return state.value, f"{failure.reason} ({times}, last at {failure.at})"
    return state.value, NONE


def plan_table(cells: Sequence[Cell], folder: StudyFolder, seconds: Mapping[str, float]) -> Table:
    """One line a cell: what it is, its state, and how long it will take."""
    found = states(cells, folder, Attempts())
    lines = [(cell.key, cell.label, found[cell.key].value, seconds.get(cell.key)) for cell in cells]
    done = sum(state is State.DONE for state in found.values())
    left = f", about {duration(sum(seconds.values()))} to go" if seconds else ""
    return Table(
        title=f"{done} of {len(cells)} cells done{left}",
        header=("key", "cell", "state", "time"),
        rows=tuple((key, label, state, NONE if time is None else duration(time)) for key, label, state, time in lines),
        notes=(),
        data=tuple(dict(zip(("key", "cell", "state", "seconds"), line, strict=True)) for line in lines),
        numeric=(False, False, False, True),
    )
