"""Verdicts of `condense parity`: what may pass, and what shows nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from condense import parity
from condense.studies.parity.comparison import differences, first_divergence
from condense.studies.parity.parts import Part, judge
from condense.studies.parity.trajectory import Trajectory


def losses(*values: float, program: str = "p") -> Trajectory:
    return Trajectory(program, np.array(values), np.zeros(0, dtype=np.int64), {})


def floor_part(expects: str) -> Part:
    return Part("float32", "t", "torch-float32", "twin", expects, ("torch-float32", "nudged"))  # type: ignore[arg-type]


@pytest.mark.parametrize("expects", ["tolerance", "floor", "apart"])
@pytest.mark.parametrize("last", [np.nan, np.inf])
@pytest.mark.parametrize("exploding", [("torch-float32",), ("nudged",), ("torch-float32", "twin", "nudged")])
def test_a_loss_that_is_not_finite_fails(expects: str, last: float, exploding: tuple[str, ...]) -> None:
    names = ("torch-float32", "twin", "nudged")
    sides = {name: losses(3.0, 2.0, last if name in exploding else 1.0, program=name) for name in names}
    found = judge(floor_part(expects), sides)
    assert found.status == "FAIL" and "not finite from step 3 of 3" in found.sentence and exploding[0] in found.sentence


@pytest.mark.parametrize(("expects", "other"), [("floor", 1.0), ("floor", 2.5), ("apart", 1.0), ("apart", 2.5)])
def test_a_floor_as_wide_as_the_loss_shows_nothing(expects: str, other: float) -> None:
    """The nudged run is 30 % off from the second step on: four times that is more than the loss itself."""
    run = {"torch-float32": losses(3.0, 2.0, 1.0), "nudged": losses(3.0, 2.6, 1.3), "twin": losses(3.0, 2 * other, other)}
    found = judge(floor_part(expects), run)
    assert found.status == "NOT RUN" and "from step 2 on" in found.sentence


@pytest.mark.parametrize(
    ("expects", "second", "status"),
    [("floor", 2.0, "PASS"), ("floor", 2.1, "FAIL"), ("apart", 2.0, "NOT RUN"), ("apart", 2.1, "PASS")],
)
def test_steps_before_the_floor_is_too_wide_are_judged(expects: str, second: float, status: str) -> None:
    run = {"torch-float32": losses(3.0, second, 9.0), "nudged": losses(3.0, second, 12.0), "twin": losses(3.0, 2.0, 1.0)}
    found = judge(floor_part(expects), run)
    assert found.status == status
    assert ("first 2 of 3 steps agree" in found.sentence) is (expects == "floor" and status == "PASS")


def test_the_rounding_of_the_very_run_is_in_its_floor() -> None:
    """No nudged run met the kink that float32 met here; the same program in float64 shows what rounding did."""
    sides = {"torch-float32": losses(3.0, 2.001), "nudged": losses(3.0, 2.001), "twin": losses(3.0, 2.0)}
    part = floor_part("floor")
    assert judge(part, sides).status == "FAIL"
    part = replace(part, exact=(("torch-float32", "torch-float64"),))
    assert judge(part, sides | {"torch-float64": losses(3.0, 2.0)}).status == "PASS"
    assert judge(part, sides | {"torch-float64": losses(3.0, 2.001)}).status == "FAIL"


def test_an_infinite_difference_is_above_any_limit() -> None:
    exploded = losses(3.0, np.inf, np.inf)
    first = first_divergence(differences(exploded, exploded), np.full(3, np.inf))
    assert first is not None and first.step == 2


def summed(order: torch.Tensor, nudge: int | None = None) -> Trajectory:
    """Linear regression in float32; the gradient is summed over the batch in the given order."""
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 5, generator=random), torch.randn(64, generator=random)
    model = nn.Linear(5, 1)
    with torch.no_grad():
        model.weight.copy_(torch.randn(1, 5, generator=random))
        model.bias.zero_()
    if nudge is not None:
        parity.nudge(model, nudge)
    recorder = parity.Recorder("p", range(1, 31))
    for _ in range(30):
        model.zero_grad()
        loss = (model(x[order]).squeeze(1) - y[order]).square().mean()
        loss.backward()
        arrays = {f"gradient/{name}": value.grad.numpy().copy() for name, value in model.named_parameters()}  # type: ignore[union-attr]
        with torch.no_grad():
            for value in model.parameters():
                value -= 0.1 * value.grad  # type: ignore[operator]
        arrays |= {f"weight/{name}": value.detach().numpy() for name, value in model.named_parameters()}
        recorder.record(loss.item(), arrays)
    return recorder.trajectory()


def test_check_holds_each_array_against_its_own_floor() -> None:
    mine, other = summed(torch.arange(64)), summed(torch.arange(63, -1, -1))
    nudged = [summed(torch.arange(64), nudge) for nudge in range(3)]
    assert parity.check(mine=mine, other=other).verdict == "FAIL"
    assert parity.check(mine=mine, other=other, nudged=nudged).verdict == "PASS"
    other.arrays["weight/bias"][5] *= 1.0001
    found = parity.check(mine=mine, other=other, nudged=nudged)
    assert found.verdict == "FAIL" and "step 6, weight of layer bias" in str(found)


def test_whole_numbers_as_values_are_warned_of() -> None:
    (warning,) = parity.check(nn.Linear(3, 1), inputs=torch.randn(8, 3), targets=torch.arange(8)).warnings
    assert "(8, 1) against targets (8,) broadcast to (8, 8)" in warning
    assert parity.check(nn.Linear(3, 4), inputs=torch.randn(8, 3), targets=torch.arange(8) % 4).warnings == ()


def test_check_passes_nothing_under_an_infinite_floor() -> None:
    mine, exploded = losses(3.0, 2.0, 1.0), losses(3.0, 2.0, np.inf)
    assert parity.check(mine=exploded, other=exploded, nudged=[exploded]).verdict == "FAIL"
    found = parity.check(mine=mine, other=mine, nudged=[exploded])
    assert found.verdict == "NOT RUN" and "from step 3 on" in str(found)
