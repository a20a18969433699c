"""A proof in parts: two runs each, and what their difference must be for the part to hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from condense.experiments.framework_parity.comparison import (
    MARGIN,
    TOLERANCE,
    Differences,
    Divergence,
    differences,
    first_divergence,
    floor,
    not_finite,
    too_wide,
)
from condense.experiments.framework_parity.trajectory import Trajectory

Progress = Callable[[int, int], None]
PASS, FAIL, NOT_RUN = "PASS", "FAIL", "NOT RUN"


@dataclass(frozen=True)
class Side:
    """One run of one program: a file name, what the user is told, and how it is made."""

    name: str
    label: str
    produce: Callable[[Progress], Trajectory]


@dataclass(frozen=True)
class Part:
    """A comparison of two sides, by name.

    expects: 'tolerance', every loss, gradient and weight within `TOLERANCE`; 'floor', every loss within `MARGIN` times the
    floor, which the nudged sides measure; 'apart', a deliberate mistake that must be seen: a loss above that limit.
    reason: why the part cannot be run, where it cannot.
    """

    name: str
    title: str
    run: str = ""
    reference: str = ""
    expects: Literal["tolerance", "floor", "apart"] = "tolerance"
    nudged: tuple[str, ...] = ()
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

    A part with a loss that is not finite fails, and one whose limit comes to 1 or more shows nothing: it does not count as
    run unless its runs have parted.
    """
    if part.reason:
        return Judgement(NOT_RUN, part.reason)
    found, limit = compared(part, sides)
    first = first_divergence(found, limit)
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
    limit = MARGIN * measured_floor(part.nudged, sides) if part.nudged else TOLERANCE
    return differences(losses_only(run), losses_only(reference)), limit


def measured_floor(nudged: Sequence[str], sides: Mapping[str, Trajectory]) -> np.ndarray:
    """The floor (S,), at least one rounding: the first of the names is the run the others repeat from nudged weights."""
    base, *others = (losses_only(sides[name]) for name in nudged)
    single = "float32" in nudged[0]
    rounding = np.finfo(np.float32 if single else np.float64).eps / 2
    return np.maximum(floor([differences(one, base) for one in others]), rounding)


def losses_only(run: Trajectory) -> Trajectory:
    """The run without arrays."""
    return replace(run, steps=np.zeros(0, dtype=np.int64), arrays={})


def verdict(judgements: Sequence[Judgement]) -> str:
    """FAIL if a part failed, else PASS if one passed, else NOT RUN."""
    found = {judgement.status for judgement in judgements}
    return next((status for status in (FAIL, PASS) if status in found), NOT_RUN)


def _outcome(
    part: Part,
    sides: Mapping[str, Trajectory],
    found: Differences,
    limit: float | np.ndarray,
    first: Divergence | None,
) -> tuple[str, str]:
    """Status and sentence."""
    exploded = not_finite(sides[name] for name in (part.run, part.reference, *part.nudged))
    if exploded:
        return FAIL, exploded
    ok = (first is None) is (part.expects != "apart")
    wide = too_wide(limit)
    if wide and (ok or part.expects == "apart"):
        return NOT_RUN, wide
    return PASS if ok else FAIL, _sentence(part, found, first, ok)


def _sentence(part: Part, found: Differences, first: object, ok: bool) -> str:
    steps = len(found.loss)
    if part.expects == "apart":
        return f"As it must, it parts: {first}." if ok else f"A deliberate mistake was not seen in {steps} steps."
    held = f"{TOLERANCE:.0e}" if part.expects == "tolerance" else f"{MARGIN:.0f} times the rounding floor"
    return f"All {steps} steps agree within {held}." if ok else f"They part by more than {held}: {first}."


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
