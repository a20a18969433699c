"""For one's own use: two dumps from any two programs compared, and two common mistakes looked for in a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from condense.errors import CondenseError
from condense.studies.parity.comparison import (
    MARGIN,
    TOLERANCE,
    Differences,
    Divergence,
    differences,
    first_divergence,
    floors,
    shown_steps,
    too_wide,
)
from condense.studies.parity.nudging import moved
from condense.studies.parity.parts import FAIL, LEAST, NOT_RUN, PASS
from condense.studies.parity.trajectory import Trajectory, load_trajectory

Dump = Trajectory | Path | str
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Check:
    """What `check` found.

    verdict: PASS, FAIL, or NOT RUN where no dumps were given, or the floor is so wide that they could not part; warnings:
    sentences about the model, its loss, and from which step on the floor is so wide;
    divergence: the first place above the limit; differences: all of them.
    """

    verdict: str
    warnings: tuple[str, ...]
    divergence: Divergence | None = None
    differences: Differences | None = None

    def __str__(self) -> str:
        place = f": they part at {self.divergence}" if self.divergence else ""
        return "\n".join([f"{self.verdict}{place}", *(f"Warning: {text}" for text in self.warnings)])


def check(
    model: nn.Module | None = None,
    mine: Dump | None = None,
    other: Dump | None = None,
    *,
    inputs: Tensor | None = None,
    targets: Tensor | None = None,
    loss: Loss | None = None,
    tolerance: float = TOLERANCE,
    nudged: Sequence[Dump] = (),
) -> Check:
    """Compares the runs `mine` and `other` (dumps, see `trajectory`), and the shapes of a model with its loss.

    inputs, targets, loss: one batch and the loss it is trained with; with a model they are looked at for predictions (N, 1)
    against targets (N,), and for a softmax before a loss that takes logits. tolerance: relative difference that may be
    between losses, gradients and weights; nudged: dumps of `mine` from initial weights that `nudge` has moved, in pairs
    (seeds 0 and 1, 2 and 3), and of `mine` in float64 where that can be: losses, gradients and weights are then held against
    `MARGIN` times the floor they measure for each, instead of the tolerance, up to the step at which that is 1 or more.
    Raises `CondenseError` for dumps that are damaged or cannot be compared, and where only one of a pair is given.
    """
    if (mine is None) != (other is None):
        raise CondenseError("Two dumps are needed for a comparison, mine and other; only one was given.")
    warnings = () if model is None else _warnings(model, inputs, targets, loss)
    if mine is None or other is None:
        return Check(NOT_RUN, warnings)
    own = _loaded(mine)
    found = differences(own, _loaded(other))
    limits = _limits([_loaded(one) for one in nudged], own, tolerance) if nudged else tolerance
    first = first_divergence(found, limits)
    if isinstance(limits, Differences) and (wide := too_wide(limits.loss)):
        shown, warnings = shown_steps(limits.loss, len(own.loss)), (*warnings, wide)
        if first and first.step > shown and np.isfinite(first.difference):
            first = None
        if not first and (shown < LEAST or not np.isfinite(limits.loss).all()):
            return Check(NOT_RUN, warnings, None, found)
    return Check(FAIL if first else PASS, warnings, first, found)


def nudge(model: nn.Module, seed: int = 0) -> None:
    """Moves every parameter by 256 units in the last place, in place, up or down; zeros stay.

    The directions are drawn with `seed`; those of seeds 0 and 1 are opposite, of 2 and 3, and so on, so that of two such
    runs one goes to the other side of any kink of the loss: give `check` runs of whole pairs.
    """
    with torch.no_grad():
        for index, value in enumerate(model.parameters()):
            value.copy_(moved(value.detach().cpu(), seed, index))


def _limits(nudged: Sequence[Trajectory], own: Trajectory, tolerance: float) -> Differences:
    """`MARGIN` times the floors, at least the tolerance."""
    measured = floors(nudged, own)
    arrays = {name: np.maximum(MARGIN * values, tolerance) for name, values in measured.arrays.items()}
    return Differences(np.maximum(MARGIN * measured.loss, tolerance), measured.steps, arrays)


def _loaded(dump: Dump) -> Trajectory:
    return dump if isinstance(dump, Trajectory) else load_trajectory(Path(dump))


def _warnings(model: nn.Module, inputs: Tensor | None, targets: Tensor | None, loss: Loss | None) -> tuple[str, ...]:
    if inputs is None or targets is None:
        raise CondenseError("With a model, inputs and targets of one batch are needed too.")
    was_training = model.training
    model.eval()
    with torch.no_grad():
        outputs = model(inputs)
    model.train(was_training)
    return tuple(text for text in (_broadcast(outputs, targets), _softmax_twice(outputs, targets, loss)) if text)


def _broadcast(outputs: Tensor, targets: Tensor) -> str:
    """Targets of whole numbers against (N, classes) are labels, and no mistake; against (N, 1) they are values."""
    labels = not targets.is_floating_point() and outputs.dim() == targets.dim() + 1 and outputs.shape[1] > 1
    if outputs.shape == targets.shape or labels:
        return ""
    try:
        shape = tuple(torch.broadcast_shapes(outputs.shape, targets.shape))
    except RuntimeError:
        return f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} do not fit each other."
    return (
        f"outputs {tuple(outputs.shape)} against targets {tuple(targets.shape)} broadcast to {shape}: every prediction "
        "meets every target, and the model learns their mean. Flatten the outputs, or give the targets the same shape."
    )


def _softmax_twice(outputs: Tensor, targets: Tensor, loss: Loss | None) -> str:
    """A loss that takes logits does not change when a constant is added to them; one on probabilities does."""
    if outputs.dim() < 2 or outputs.shape[1] < 2 or loss is None:
        return ""
    sums = outputs.sum(1)
    probabilities = bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
    if not probabilities:
        return ""
    try:
        shifted, plain = loss(outputs + 1, targets), loss(outputs, targets)
    except (RuntimeError, ValueError) as error:
        raise CondenseError(f"The loss cannot take outputs {tuple(outputs.shape)} and this target: {error}.") from error
    if not torch.allclose(shifted, plain, rtol=1e-5):
        return ""
    return (
        "the model's outputs are probabilities, but the loss takes logits and applies a softmax of its own: the softmax is "
        "applied twice. Leave the model's out, or give nll_loss the logarithm of the probabilities."
    )
