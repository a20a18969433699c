"""An examination: every check and timing within the time there is, each caught by itself."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import torch

from condense import calibration
from condense.doctor import gradients, steps, training
from condense.doctor.agreement import Check, NotHereError, Verdict
from condense.doctor.scope import Scope, scope_for
from condense.doctor.speed import EVALUATION_STEPS, LONG, Speed, Timing, timings
from condense.errors import shortened
from condense.execution import Execution, for_learning, for_testing, for_training, reduced_precisions
from condense.machine import peak_memory_bytes, reproducible
from condense.networks.registry import build

Outcome = Literal["pass", "FAIL", "not here", "not reached"]
Tell = Callable[[str], None]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Finding:
    """What came of a check or timing: verdict or speed where it came to one, else the reason why not."""

    name: str
    outcome: Outcome
    seconds: float = 0.0
    verdict: Verdict | None = None
    speed: Speed | None = None
    reason: str = ""


@dataclass(frozen=True)
class Decisions:
    """How some usual work is computed on a device, by what it is, and what less than float32 `--precision auto` may take."""

    executions: dict[str, Execution] = field(default_factory=dict)
    reduced: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examination:
    """All that was found of a device. memory: the peak, in bytes; remarks: warnings on the way, each once."""

    device: torch.device
    findings: list[Finding]
    decisions: Decisions
    calibration: dict[str, Any]
    memory: int
    seconds: float
    remarks: list[str]

    def count(self, outcome: Outcome) -> int:
        """How many findings came out so."""
        return sum(finding.outcome == outcome for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.count("FAIL")


def examine(device: torch.device, scope: Scope | None = None, tell: Tell = lambda line: None) -> Examination:
    """Runs every check; none of them can end it. tell: is told each before it begins."""
    scope, began = scope or scope_for(device), time.perf_counter()
    with reproducible(device), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        findings = list(_findings(scope, device, tell))
        decisions, failure = _caught("how usual work is computed", lambda: decided(scope, device))
        return Examination(
            device=device,
            findings=[*findings, *([failure] if failure else [])],
            decisions=decisions or Decisions(),
            calibration=calibration.calibration(device),
            memory=peak_memory_bytes(device),
            seconds=time.perf_counter() - began,
            remarks=list(dict.fromkeys(shortened(str(one.message), 200) for one in caught)),
        )


def _findings(scope: Scope, device: torch.device, tell: Tell) -> Iterator[Finding]:
    """In an order in which what is left out for want of time is what matters least."""
    began, works = time.perf_counter(), list[Check | Timing]()
    kinds = (gradients.checks, steps.checks, training.checks, gradients.other_checks, timings, gradients.compiled_checks)
    for kind in kinds:
        found, failure = _caught(f"{kind.__module__}.{kind.__name__} begins", lambda kind=kind: [*kind(scope, device)])
        works += found or []
        if failure:
            yield failure
    for number, work in enumerate(works, 1):
        elapsed = time.perf_counter() - began
        if elapsed > scope.seconds:
            yield Finding(work.name, "not reached")
            continue
        tell(f"{number} of {len(works)}, {elapsed:.0f} s: {work.name}")
        yield _finding(work)


def _finding(work: Check | Timing) -> Finding:
    began = time.perf_counter()
    found, failure = _caught(work.name, work.work)
    if found is None:
        return failure or Finding(work.name, "FAIL")
    speed, verdict = (found, found.verdict) if isinstance(found, Speed) else (None, found)
    outcome = "pass" if verdict.passed else "FAIL"
    return Finding(work.name, outcome, time.perf_counter() - began, verdict=verdict, speed=speed)


def _caught(name: str, work: Callable[[], Found]) -> tuple[Found | None, Finding | None]:
    """What work gives, or the finding that it gives nothing, under this name."""
    began = time.perf_counter()
    try:
        return work(), None
    except NotHereError as error:
        return None, Finding(name, "not here", reason=str(error))
    except Exception as error:  # whatever a library or a driver may raise: that it does is what was to be found out
        lines = str(error).splitlines()
        reason = shortened(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200)
        return None, Finding(name, "FAIL", time.perf_counter() - began, reason=reason)


def decided(scope: Scope, device: torch.device) -> Decisions:
    """How long runs of the networks would be computed, on images of the timed shape."""
    found: dict[str, Execution] = {}
    for name in scope.networks:
        network = build(name, scope.timed_shape, scope.timed_classes)
        found[f"learning with {name}"] = for_learning(network, device, LONG)
        found[f"training {name}"] = for_training(network, device, batch=network.classes, steps=EVALUATION_STEPS)
    network = build(scope.networks[0], scope.timed_shape, scope.timed_classes)
    found[f"testing {network.name}"] = for_testing(network, device)
    return Decisions(found, reduced_precisions(network, found[f"learning with {network.name}"], LONG))
