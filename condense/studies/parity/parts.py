"""A proof in parts: two runs each, and what their difference must be for the part to hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from condense.studies.parity.comparison import (
    MARGIN,
    TOLERANCE,
    Differences,
    Divergence,
    differences,
    first_divergence,
    floor,
    not_finite,
    shown_steps,
    too_wide,
)
from condense.studies.parity.trajectory import Trajectory

Progress = Callable[[int, int], None]
PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"

LEAST = 2
"""Steps that must be judged at least: the first loss is that of the initial weights, before any update."""


@dataclass(frozen=True)
class Side:
    """One run of one program.

    name: of its file; label: for people; produce: makes it, given the problem with its initial weights and batches as the
    framework's file has them (`SimplennRuns`, `KerasRuns`), and whom to tell of its steps; images: how many it learns from,
    one counted as often as it is in a batch.
    """

    name: str
    label: str
    produce: Callable[[Any, Progress], Trajectory]
    images: int


@dataclass(frozen=True)
class Part:
    """A comparison of two sides, by name.

    expects: 'tolerance', every loss, gradient and weight within `TOLERANCE`; 'floor', every loss within `MARGIN` times the
    floor; 'apart', a deliberate mistake that must be seen: a loss above that limit, or above the tolerance without a floor.
    nudged, exact: what measures the floor: a run and the same from moved weights (`nudging`); pairs of a run that is
    compared and the same program's run in float64, whose difference is what rounding did to that very run.
    reason: why the part cannot be run, where it cannot.
    """

    name: str
    title: str
    run: str = ""
    reference: str = ""
    expects: Literal["tolerance", "floor", "apart"] = "tolerance"
    nudged: tuple[str, ...] = ()
    exact: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Judgement:
    """What a part came to.

    loss, gradient, weight: largest relative differences (None: not compared, or infinite); first: the first step above the
    limit, with kind, layer and size (None: never); limit: the limit at the last step.
    """

    status: str
    sentence: str
    loss: float | None = None
    gradient: float | None = None
    weight: float | None = None
    first: str | None = None
    limit: float | None = None


def judge(part: Part, sides: Mapping[str, Trajectory]) -> Judgement:
    """Compares the part's sides. Raises `CondenseError` when they cannot be compared.

    A part with a loss that is not finite fails. Steps from which on the limit is 1 or more show nothing and are not judged;
    a part that has no other steps than the first, whose losses are those of the initial weights, does not count as run.
    """
    if part.reason:
        return Judgement(NOT_RUN, part.reason)
    found, limit = compared(part, sides)
    first = first_divergence(found, limit)
    if first is not None and first.step > shown_steps(limit, len(found.loss)) and np.isfinite(first.difference):
        first = None
    status, sentence = _outcome(part, sides, found, limit, first)
    arrays = part.expects == "tolerance"
    return Judgement(
        status,
        sentence,
        _finite(found.largest("loss")),
        _finite(found.largest("gradient")) if arrays else None,
        _finite(found.largest("weight")) if arrays else None,
        None if first is None else str(first),
        _finite(float(np.broadcast_to(limit, found.loss.shape)[-1])),
    )


def compared(part: Part, sides: Mapping[str, Trajectory]) -> tuple[Differences, float | np.ndarray]:
    """The part's differences, and the limit they are held against: a number, or one for each step."""
    run, reference = sides[part.run], sides[part.reference]
    if part.expects == "tolerance":
        return differences(run, reference), TOLERANCE
    limit = MARGIN * measured_floor(part, sides) if part.nudged else TOLERANCE
    return differences(losses_only(run), losses_only(reference)), limit


def measured_floor(part: Part, sides: Mapping[str, Trajectory]) -> np.ndarray:
    """The floor (S,), at least one rounding, of a part with nudged runs."""
    base, *others = (losses_only(sides[name]) for name in part.nudged)
    pairs = [(losses_only(sides[exact]), losses_only(sides[run])) for run, exact in part.exact]
    rounding = np.finfo(np.float32 if "float32" in part.nudged[0] else np.float64).eps / 2
    found = [differences(replace(one, hashes={}), run) for one, run in [*((other, base) for other in others), *pairs]]
    return np.maximum(floor(found), rounding)


def names_of(part: Part) -> tuple[str, ...]:
    """All runs that a verdict depends on."""
    return tuple(dict.fromkeys((part.run, part.reference, *part.nudged, *(name for pair in part.exact for name in pair))))


def losses_only(run: Trajectory) -> Trajectory:
    """The run without arrays."""
    return replace(run, steps=np.zeros(0, dtype=np.int64), arrays={})


def _outcome(
    part: Part,
    sides: Mapping[str, Trajectory],
    found: Differences,
    limit: float | np.ndarray,
    first: Divergence | None,
) -> tuple[str, str]:
    """Status and sentence."""
    exploded = not_finite(sides[name] for name in names_of(part))
    if exploded:
        return FAIL, exploded
    shown, wide, apart = shown_steps(limit, len(found.loss)), too_wide(limit), part.expects == "apart"
    parted = first is not None and first.step <= shown
    if wide and not parted and (apart or shown < LEAST):
        return NOT_RUN, wide
    return PASS if parted is apart else FAIL, _sentence(part, shown, len(found.loss), first, parted, wide)


def _sentence(part: Part, shown: int, steps: int, first: object, parted: bool, wide: str) -> str:
    if part.expects == "apart":
        return f"As it must, it parts: {first}." if parted else f"A deliberate mistake was not seen in {steps} steps."
    held = f"{TOLERANCE:.0e}" if part.expects == "tolerance" else f"{MARGIN:.0f} times the rounding floor"
    if parted:
        return f"They part by more than {held}: {first}."
    return (
        f"The first {shown} of {steps} steps agree within {held}. {wide}"
        if wide
        else f"All {steps} steps agree within {held}."
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
