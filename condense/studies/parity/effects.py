"""Runs one cause with paired seeds: where its trajectory leaves the floor, and what it does to the result."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from condense.errors import CondenseError
from condense.sealed import load_sealed, save_sealed
from condense.studies.parity import members as training
from condense.studies.parity.comparison import MARGIN
from condense.studies.parity.members import Members, Task
from condense.studies.parity.npz import read_npz, write_npz
from condense.studies.parity.setting import Setting

FORMAT = "condense parity checkpoint 2"

SAVED_EVERY = 60.0
"""Seconds between two checkpoints."""

TESTED = 5
"""How often, evenly spaced, networks are tested in a run."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What E networks came to; a network whose loss was no longer finite has NaN results.

    losses: float64 (S, E) of each step's batch in the setting's own loss; test_loss: (E,) on the test data in the base's
    loss; printed_loss: (E,) in the setting's own, a sum as of one batch;
    accuracy: (T, E) at the epochs `tested`, NaN for a regression.
    """

    losses: np.ndarray
    test_loss: np.ndarray
    printed_loss: np.ndarray
    accuracy: np.ndarray
    tested: np.ndarray

    def save(self, path: Path) -> None:
        """Writes an `.npz` file atomically."""
        write_npz(path, vars(self))

    @staticmethod
    def load(path: Path) -> "Outcome":
        """Reads what `save` wrote. Raises `CondenseError` for a file that is damaged or something else."""
        content = read_npz(path)
        names = {field.name for field in fields(Outcome)}
        if content.keys() != names or not Outcome(**content)._fits:
            raise CondenseError(f"{path}: is not what a cause came to; delete it, and the cause is measured anew.")
        return Outcome(**content)

    @property
    def _fits(self) -> bool:
        """Whether the arrays are numbers of the shapes that they must have."""
        members = self.losses.shape[1:]
        shapes = (
            self.test_loss.shape == self.printed_loss.shape == members and self.accuracy.shape == self.tested.shape + members
        )
        numbers = all(array.dtype.kind == "f" for array in (self.losses, self.test_loss, self.printed_loss, self.accuracy))
        return self.losses.ndim == 2 and self.tested.ndim == 1 and self.tested.dtype.kind == "i" and shapes and numbers


@dataclass(frozen=True)
class Run:
    """What all runs of a cause table share."""

    seeds: tuple[int, ...]
    epochs: int


def run(
    setting: Setting,
    base: Setting,
    task: Task,
    shared: Run,
    checkpoint: Path,
    progress: Progress,
    nudge: int | None = None,
) -> Outcome:
    """What networks come to that are trained now, from the checkpoint on where there is one; it is left where it is.

    nudge: of their initial weights, as of `nudging`. Raises `CondenseError` where the checkpoint is damaged.
    """
    order = np.stack([training.orders(setting, len(task.x), task.y, shared.epochs, seed) for seed in shared.seeds])
    steps = order.shape[1]
    members, tests = _resumed(checkpoint)
    if members is None:
        members, tests = training.fresh_members(setting, task, shared.seeds, nudge), []
    saved = time.monotonic()

    def tick(now: Members) -> None:
        nonlocal saved
        progress(now.step, steps)
        if time.monotonic() - saved > SAVED_EVERY:
            _save(checkpoint, now, tests)
            saved = time.monotonic()

    ends = _tested_epochs(shared.epochs)
    for epoch in ends[len(tests) :]:
        training.train(setting, task, members, order, until=round(epoch * steps / shared.epochs), tick=tick)
        tests.append(accuracies(setting, task, members) if epoch != ends[-1] else None)
    test_loss, printed, final = tested(setting, base, task, members)
    tests[-1] = final
    return Outcome(np.array(members.losses), test_loss, printed, np.array(tests), np.array(ends))


def tested(setting: Setting, base: Setting, task: Task, members: Members) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Loss of the base, loss of the setting, accuracy) of each member on the test data; NaN where not finite."""
    with torch.no_grad():
        z, y = _test_outputs(setting, task, members)
        own = training.losses(setting, z, y, task.outputs)
        own = own * setting.batch / y.shape[1] if setting.loss in ("sum", "sum of squares") else own
        true = training.losses(base, z, y, task.outputs)
        accuracy = (z.argmax(2) == y).double().mean(1) if task.outputs > 1 else torch.full_like(true, torch.nan)
    finite = torch.isfinite(true) & torch.isfinite(torch.from_numpy(members.losses[-1]))
    return tuple(torch.where(finite, value, torch.nan).double().numpy() for value in (true, own, accuracy))  # type: ignore[return-value]


def accuracies(setting: Setting, task: Task, members: Members) -> np.ndarray:
    """(E,) accuracies on the test data; NaN where outputs are not finite, and for a regression."""
    with torch.no_grad():
        z, y = _test_outputs(setting, task, members)
    accuracy = (z.argmax(2) == y).double().mean(1)
    keep = torch.isfinite(z).all(2).all(1) & torch.tensor(task.outputs > 1)
    return torch.where(keep, accuracy, torch.nan).numpy()


def first_steps(changed: np.ndarray, base: np.ndarray, nudged: Sequence[np.ndarray]) -> list[int | None]:
    """For each member the first step (from 1) at which its loss leaves the floor; None where it never does.

    Losses are (S, E). The floor of a step is the largest relative difference of the nudged runs' losses up to it, over
    all members, but at least half a unit in the last place of float32; leaving it means exceeding `MARGIN` times that.
    """
    steps = min(len(changed), len(base))
    limit = MARGIN * floor(base, nudged)[:steps, None]
    apart = relative(changed[:steps], base[:steps])
    above = ~(apart <= limit) | ~np.isfinite(apart)
    return [int(column.argmax()) + 1 if column.any() else None for column in above.T]


def floor(base: np.ndarray, nudged: Sequence[np.ndarray]) -> np.ndarray:
    """(S,): the largest relative difference of any nudged run and member up to each step."""
    largest = np.max([relative(one, base).max(1) for one in nudged], axis=0)
    return np.maximum(np.maximum.accumulate(largest), np.finfo(np.float32).eps / 2)


def relative(losses: np.ndarray, base: np.ndarray) -> np.ndarray:
    """|a - b| / |b|, infinite where one is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(losses == base, 0.0, np.abs(losses - base) / np.abs(base))
    return np.where(np.isfinite(found) & np.isfinite(losses) & np.isfinite(base), found, np.inf)


def _tested_epochs(epochs: int) -> list[int]:
    return sorted({max(1, round(epochs * part / TESTED)) for part in range(1, TESTED + 1)})


def _test_outputs(setting: Setting, task: Task, members: Members) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs (E, N, count) and targets (E, N) in chunks of 500."""
    count, dtype = len(members.parameters[0]), members.parameters[0].dtype
    x = torch.from_numpy(task.test_x).to(dtype)
    y = torch.from_numpy(task.test_y) if task.outputs > 1 else torch.from_numpy(task.test_y).to(dtype)
    parts = [chunk.expand(count, *chunk.shape) for chunk in x.split(500)]
    z = torch.cat([training.outputs(setting, task, members, part, training=False) for part in parts], 1)
    return z, y.expand(count, len(y))


def _save(path: Path, members: Members, tests: list) -> None:
    save_sealed(path, FORMAT, {"members": members.state(), "tests": torch.from_numpy(np.array(tests))})


def _resumed(path: Path) -> tuple[Members | None, list]:
    if not path.exists():
        return None, []
    content = load_sealed(path, FORMAT)
    return Members.of_state(content["members"]), list(content["tests"].numpy())
