"""`condense doctor`: what it finds on a sound machine, and that it finds what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from condense.cli import doctor as command
from condense.cli import options
from condense.doctor import examination, gradients, report, training
from condense.doctor.agreement import Check, NotHereError, Verdict, agreement
from condense.doctor.examination import Examination, examine
from condense.doctor.scope import Scope
from condense.errors import CondenseError, RunFailed
from condense.execution import Execution, for_training
from condense.stage_c.matching import GradientMatcher
from condense.training import engine

CPU = torch.device("cpu")
TINY = Scope(
    networks=("ConvNetW8", "mlp-1x8"),
    seconds=600.0,
    shape=(1, 8, 8),
    timed_shape=(1, 8, 8),
    timed_classes=2,
    timed_real=4,
    seeds=2,
    epochs=1,
)


@pytest.fixture(autouse=True)
def _without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condense.execution.can_compile", lambda device: False)


def outcomes(found: Examination) -> dict[str, str]:
    return {finding.name: finding.outcome for finding in found.findings}


def test_a_sound_machine_passes() -> None:
    told: list[str] = []
    found = examine(CPU, TINY, told.append)
    result = outcomes(found)
    assert found.passed and set(result.values()) == {"pass", "not here"}
    assert [name for name, outcome in result.items() if outcome == "not here"] == [
        "ConvNetW8, image gradients, Winograd",
        "ConvNetW8, image gradients, TF32",
    ]
    for wanted in ("dc, 2 outer", "dsa, 2 outer", "dm, 2", "classes together", "mixed", "3 stacked", "logits"):
        assert any(wanted in name for name in result)
    assert len(told) == len(result) and told[0].startswith(f"1 of {len(result)}, 0 s: ")
    for finding in found.findings:
        if finding.verdict and "float64" in finding.name:
            assert finding.verdict.most == 1e-8 and finding.verdict.seen.relative < 1e-10
    assert len([finding for finding in found.findings if finding.speed]) == 2 and found.memory > 0
    text = report.text(found)
    assert "learning with ConvNetW8" in text and "peak memory" in text
    line = text.splitlines()[-1]
    assert line.startswith(f"condense doctor: {len(result) - 2} passed, 0 failed, 2 not here, 0 not reached | condense 0.")
    assert "torch" in line and "outer step of dc" in line


def test_a_wrong_factor_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = GradientMatcher.match

    def match(self: GradientMatcher, *arguments: Any) -> tuple[Tensor, Tensor]:
        distance, gradient = right(self, *arguments)
        return distance, 1.001 * gradient

    monkeypatch.setattr(GradientMatcher, "match", match)
    result = outcomes(examine(CPU, TINY))
    assert result["ConvNetW8, image gradients, float64, class by class"] == "FAIL"
    assert result["mlp-1x8, image gradients, float64, class by class"] == "FAIL"
    assert result["ConvNetW8, dc, 2 outer steps, float64"] == "FAIL"
    assert result["ConvNetW8, image gradients, float64, classes together"] == "pass"
    assert result["ConvNetW8, dm, 2 steps, float64"] == "pass"


def test_wrong_training_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = engine.optimiser_step

    def step(vector: Tensor, state: Any, gradient: Tensor, rate: float, recipe: Any) -> None:
        right(vector, state, gradient, rate * 1.0001, recipe)

    monkeypatch.setattr(engine, "optimiser_step", step)
    checks = {check.name: check.work() for check in training.checks(TINY, CPU)}
    assert not checks["MLP, training, 3 stacked, float64"].passed
    assert not checks["ConvNetW8, training, in turn, float64"].passed
    assert checks["ConvNetW8, logits, float32"].passed


def test_a_check_that_raises_fails_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(self: GradientMatcher, *arguments: Any) -> tuple[Tensor, Tensor]:
        raise RuntimeError("no kernel image is available\nmore of it")

    monkeypatch.setattr(GradientMatcher, "match_all", raising)
    found = examine(CPU, TINY)
    failed = [finding for finding in found.findings if finding.outcome == "FAIL"]
    assert {finding.name for finding in failed} == {
        f"ConvNetW8, image gradients, {dtype}, classes together" for dtype in ("float64", "float32")
    }
    assert {finding.reason for finding in failed} == {"RuntimeError: no kernel image is available"}
    assert outcomes(found)["mlp-1x8, logits, float32"] == "pass" and not found.passed
    assert "failed: ConvNetW8, image gradients, float64, classes together;" in report.line(found)


def test_a_device_that_takes_nothing_fails_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*arguments: Any, **how: Any) -> Any:
        raise RuntimeError("an illegal memory access was encountered")

    for module in ("gradients", "steps", "speed", "training", "examination"):
        for name in ("for_learning", "for_training"):
            monkeypatch.setattr(f"condense.doctor.{module}.{name}", raising, raising=False)
    found = examine(CPU, TINY)
    failed = {finding.name for finding in found.findings if finding.outcome == "FAIL"}
    assert {"condense.doctor.steps.checks begins", "condense.doctor.gradients.checks begins"} <= failed
    assert "how usual work is computed" in failed
    assert "RuntimeError: an illegal memory access was encountered" in report.text(found)


def test_what_there_is_no_time_for_is_said() -> None:
    found = examine(CPU, Scope(networks=("mlp-1x8",), seconds=-1.0, shape=(1, 8, 8), timed_shape=(1, 8, 8)))
    assert set(outcomes(found).values()) == {"not reached"} and found.passed
    assert "0 passed, 0 failed, 0 not here," in report.line(found)


def test_numbers_that_are_not_finite_agree_with_nothing() -> None:
    same = torch.tensor([3.0, 4.0])
    assert Verdict(agreement(same, same), 0.0).passed
    assert agreement(same, torch.tensor([3.0, 0.0])) == pytest.approx((4.0, 4 / 3, 0.6))
    assert not Verdict(agreement(torch.tensor([3.0, torch.nan]), same), 1.0).passed
    assert not Verdict(agreement(same, torch.zeros(2)), 1.0).passed


def test_reduced_precision_and_winograd_are_looked_at_where_they_are() -> None:
    scope = Scope(networks=("ConvNetW32",), shape=(1, 16, 16))
    found = gradients.ImageGradients(scope.network(), CPU, classes=2, real=3)
    mixed = gradients._mixed(found, found.plainly())
    assert mixed.passed and mixed.most == 0.2 and mixed.seen.relative > 1e-4
    with pytest.raises(NotHereError, match="no TF32"):
        gradients._tf32(found, found.plainly())
    perceptron = gradients.ImageGradients(Scope(networks=("MLP",)).network(), CPU, classes=1, real=1)
    with pytest.raises(NotHereError, match="no convolutions"):
        gradients._mixed(perceptron, perceptron.plainly())


@pytest.mark.slow
def test_winograd_is_looked_at_at_width_128() -> None:
    found = gradients.ImageGradients(Scope(shape=(1, 28, 28)).network(), CPU, classes=1, real=1)
    verdict = gradients._winograd(found)
    assert verdict.passed and 1e-15 < verdict.seen.relative < 1e-10


@pytest.mark.parametrize("outcome", [True, False])
def test_the_command_ends_with_the_result(
    outcome: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = torch.ones(1)

    def few(scope: Scope, device: torch.device, tell: Callable[[str], None]) -> Any:
        tell("a check")
        seen = Verdict(agreement(one, one if outcome else 2 * one), 0.1)
        yield examination._finding(Check("a check", lambda: seen))

    monkeypatch.setattr(examination, "_findings", few)
    monkeypatch.setattr(examination, "scope_for", lambda device: TINY)
    chosen = options.Doctor(device="cpu", threads=1)
    if outcome:
        command.doctor(chosen)
    else:
        with pytest.raises(RunFailed, match="0 passed, 1 failed"):
            command.doctor(chosen)
    told = capsys.readouterr()
    assert "a check" in told.err and "Fast paths against plain twins, cpu" in told.out
    command_line = told.out.splitlines()[-1]
    assert command_line.startswith("condense doctor: ") and ("failed: a check" in command_line) is not outcome


def test_executions_are_those_that_runs_take() -> None:
    found = examination.decided(TINY, CPU).executions
    assert found["training ConvNetW8"] == for_training(TINY.network(), CPU, batch=2, steps=1_000)
    assert all(isinstance(execution, Execution) and json.dumps(execution.facts()) for execution in found.values())


@pytest.mark.parametrize(
    ("device", "sentence"), [("foo", "Unknown device 'foo'"), ("cuda:99", "is not there: PyTorch sees")]
)
def test_a_device_that_is_not_there_is_refused(device: str, sentence: str) -> None:
    with pytest.raises(CondenseError, match=sentence):
        command.doctor(options.Doctor(device=device))
