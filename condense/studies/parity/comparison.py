"""Two trajectories side by side: relative differences of every step, the first step where they part, the rounding floor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from condense.errors import CondenseError
from condense.studies.parity.trajectory import Trajectory

TOLERANCE = 1e-11
"""Relative difference that aligned float64 runs may have at any step."""

MARGIN = 4.0
"""How many times the floor a float32 difference may be: the floor is the largest of a few nudged runs, not a bound. What
guards against chance is how far these are moved (`nudging`), not this factor."""


@dataclass(frozen=True, eq=False)
class Differences:
    """Relative differences of one run to another.

    loss: float64 (S,), |a - b| / |b|; steps: int64 (K,); arrays: {'KIND/LAYER': float64 (K,)}, ||a - b|| / ||b|| over all
    entries of an array. 0/0 is 0; a number against 0, or not finite against finite, is infinite.
    """

    loss: np.ndarray
    steps: np.ndarray
    arrays: dict[str, np.ndarray]

    def largest(self, kind: str) -> float:
        """The largest difference of a kind ('loss', 'output', 'gradient', 'weight') at any step; 0 where there is none."""
        if kind == "loss":
            return float(self.loss.max())
        return max((float(values.max()) for name, values in self.arrays.items() if name.startswith(f"{kind}/")), default=0.0)


@dataclass(frozen=True)
class Divergence:
    """The first place above tolerance: step (from 1), kind (output, loss, gradient or weight), layer ('' for the loss)."""

    step: int
    kind: str
    layer: str
    difference: float

    def __str__(self) -> str:
        place = f"{self.kind} of layer {self.layer}" if self.layer else self.kind
        return f"step {self.step}, {place}, relative difference {self.difference:.1e}"


def differences(run: Trajectory, reference: Trajectory) -> Differences:
    """How far `run` is from `reference`.

    Raises `CondenseError` when they cannot be compared: another number of steps, other kept steps, layers or shapes, or
    hashes that say that data, batches or initial weights were not the same.
    """
    _check_comparable(run, reference)
    with np.errstate(invalid="ignore"):
        apart = np.abs(run.loss - reference.loss)
    return Differences(
        loss=_relative(apart, np.abs(reference.loss)),
        steps=reference.steps,
        arrays={name: _array_differences(run.arrays[name], array) for name, array in reference.arrays.items()},
    )


def first_divergence(found: Differences, tolerance: float | np.ndarray | Differences = TOLERANCE) -> Divergence | None:
    """The first place where a difference is above `tolerance`, as computed: a number, one a step (S,), or one for each
    loss and array, as of `floors`.

    An infinite difference, as one of a number that is not finite, is above every limit, also an infinite one.
    Within a step: outputs from the first layer on, the loss, gradients from the last layer back, weights.
    """
    if not isinstance(tolerance, Differences):
        limits = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), found.loss.shape)
        tolerance = Differences(limits, found.steps, dict.fromkeys(found.arrays, limits[found.steps - 1]))
    names = list(found.arrays)
    kinds = {kind: [name for name in names if name.startswith(f"{kind}/")] for kind in ("output", "gradient", "weight")}
    order = [*kinds["output"], "loss", *reversed(kinds["gradient"]), *kinds["weight"]]
    first: Divergence | None = None
    for name in order:
        whole = name == "loss"
        values, limits = (one.loss if whole else one.arrays[name] for one in (found, tolerance))
        at = np.arange(1, len(values) + 1) if whole else found.steps
        above = np.flatnonzero(~(values <= limits) | ~np.isfinite(values))
        if len(above) and (first is None or at[above[0]] < first.step):
            kind, _, layer = name.partition("/")
            first = Divergence(int(at[above[0]]), kind, layer, float(values[above[0]]))
    return first


def floor(nudged: Sequence[Differences]) -> np.ndarray:
    """float64 (S,): the largest relative loss difference of nudged runs up to each step; it never falls."""
    return np.maximum.accumulate(np.max([one.loss for one in nudged], axis=0))


def floors(nudged: Sequence[Trajectory], base: Trajectory) -> Differences:
    """The largest difference of nudged runs to `base` up to each step, of the loss and of each array by itself.

    Each is at least half a unit in the last place of float32, or of float64 where `base` holds what float32 cannot.
    """
    found = [differences(replace(one, hashes={}), base) for one in nudged]

    def grown(each: list[np.ndarray], values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            single = np.array_equal(values, values.astype(np.float32), equal_nan=True)
        rounding = np.finfo(np.float32 if single else np.float64).eps / 2
        return np.maximum(np.maximum.accumulate(np.max(each, axis=0)), rounding)

    arrays = {name: grown([one.arrays[name] for one in found], array) for name, array in base.arrays.items()}
    return Differences(grown([one.loss for one in found], base.loss), base.steps, arrays)


def not_finite(runs: Iterable[Trajectory]) -> str:
    """A sentence naming the first of the runs whose loss does not stay finite, and the step (from 1); '' where all do."""
    for run in runs:
        bad = np.flatnonzero(~np.isfinite(run.loss))
        if len(bad):
            return f"The loss of {run.program} is not finite from step {bad[0] + 1} of {len(run.loss)}: nothing is shown."
    return ""


def shown_steps(limit: float | np.ndarray, steps: int) -> int:
    """How many steps come before the first at which the limit is 1 or more; all of them where none is."""
    wide = np.flatnonzero(~(np.broadcast_to(limit, (steps,)) < 1))
    return int(wide[0]) if len(wide) else steps


def too_wide(limit: float | np.ndarray) -> str:
    """A sentence naming the first step at which a limit (one number, or one a step) is 1 or more; '' where none is."""
    wide = np.flatnonzero(~(np.atleast_1d(limit) < 1))
    if not len(wide):
        return ""
    return f"Rounding alone moves the loss so far that from step {wide[0] + 1} on any loss would be within the limit."


def _check_comparable(run: Trajectory, reference: Trajectory) -> None:
    pair = f"{run.program} and {reference.program}"
    if len(run.loss) != len(reference.loss):
        raise CondenseError(f"{pair} cannot be compared: {len(run.loss)} steps against {len(reference.loss)}.")
    for name in run.hashes.keys() & reference.hashes.keys():
        if run.hashes[name] != reference.hashes[name]:
            what = {"initial": "initial weights"}.get(name, name)
            raise CondenseError(
                f"{pair} cannot be compared: their {what} differ (hashes {_short(run, name)}, {_short(reference, name)})."
            )
    if not np.array_equal(run.steps, reference.steps):
        raise CondenseError(f"{pair} cannot be compared: arrays were kept at other steps.")
    lacking = run.arrays.keys() ^ reference.arrays.keys()
    if lacking:
        raise CondenseError(f"{pair} cannot be compared: only one of them has {', '.join(sorted(lacking)[:3])}.")
    for name, array in reference.arrays.items():
        if run.arrays[name].shape != array.shape:
            raise CondenseError(
                f"{pair} cannot be compared: {name} is {run.arrays[name].shape[1:]} against {array.shape[1:]}."
            )


def _short(run: Trajectory, name: str) -> str:
    return run.hashes[name][:12]


def _array_differences(run: np.ndarray, reference: np.ndarray) -> np.ndarray:
    flat, other = (array.reshape(len(array), -1).astype(np.float64) for array in (run, reference))
    with np.errstate(invalid="ignore", over="ignore"):
        return _relative(np.linalg.norm(flat - other, axis=1), np.linalg.norm(other, axis=1))


def _relative(difference: np.ndarray, size: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(difference == 0, 0.0, difference / size)
    return np.where(np.isnan(relative), np.inf, relative)
