"""An examination: every check and timing within the time there is, each caught by itself."""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from condense import calibration
from condense.doctor import gradients, steps, training
from condense.doctor.agreement import Check, NotHereError, Verdict
from condense.doctor.scope import Scope, scope_for
from condense.doctor.speed import EVALUATION_STEPS, LONG, Speed, timings
from condense.errors import shortened
from condense.execution import Execution, for_learning, for_testing, for_training
from condense.machine import peak_memory_bytes, reproducible
from condense.networks.registry import build

Outcome = Literal["pass", "FAIL", "not here", "not reached"]
Tell = Callable[[str], None]


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
class Examination:
    """All that was found of a device. executions: how some usual work would be computed on it, by what it is; memory: the
    peak, in bytes; remarks: warnings of the libraries on the way, each once.
    """

    device: torch.device
    findings: list[Finding]
    executions: dict[str, Execution]
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
        executions = usual_executions(scope, device) if findings else {}
        return Examination(
            device=device,
            findings=findings,
            executions=executions,
            calibration=calibration.calibration(device),
            memory=peak_memory_bytes(device),
            seconds=time.perf_counter() - began,
            remarks=list(dict.fromkeys(shortened(str(one.message), 200) for one in caught)),
        )


def _findings(scope: Scope, device: torch.device, tell: Tell) -> Iterator[Finding]:
    """In an order in which what is left out for want of time is what matters least."""
    works: list[tuple[str, Callable[[], Verdict | Speed]]] = []
    for kind in (steps.checks, gradients.checks, training.checks):
        works += _named(kind(scope, device))
    works += [(timing.name, timing.work) for timing in timings(scope, device)]
    works += _named(gradients.compiled_checks(scope, device))
    began = time.perf_counter()
    for number, (name, work) in enumerate(works, 1):
        elapsed = time.perf_counter() - began
        if elapsed > scope.seconds:
            yield Finding(name, "not reached", reason=f"after {scope.seconds:.0f} s nothing more is begun")
            continue
        tell(f"{number} of {len(works)}, {elapsed:.0f} s: {name}")
        yield _finding(name, work)


def _named(checks: Iterator[Check]) -> list[tuple[str, Callable[[], Verdict | Speed]]]:
    return [(check.name, check.work) for check in checks]


def _finding(name: str, work: Callable[[], Verdict | Speed]) -> Finding:
    began = time.perf_counter()
    try:
        found = work()
    except NotHereError as error:
        return Finding(name, "not here", reason=str(error))
    except Exception as error:  # whatever a library or a driver may raise: that it does is what was to be found out
        lines = str(error).splitlines()
        reason = shortened(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200)
        return Finding(name, "FAIL", time.perf_counter() - began, reason=reason)
    speed, verdict = (found, found.verdict) if isinstance(found, Speed) else (None, found)
    outcome = "pass" if verdict.passed else "FAIL"
    return Finding(name, outcome, time.perf_counter() - began, verdict=verdict, speed=speed)


def usual_executions(scope: Scope, device: torch.device) -> dict[str, Execution]:
    """How long runs of the networks would be computed, on images of the timed shape."""
    found: dict[str, Execution] = {}
    for name in scope.networks:
        network = build(name, scope.timed_shape, scope.timed_classes)
        found[f"learning with {name}"] = for_learning(network, device, LONG)
        found[f"training {name}"] = for_training(network, device, batch=network.classes, steps=EVALUATION_STEPS)
    network = build(scope.networks[0], scope.timed_shape, scope.timed_classes)
    return {**found, f"testing {network.name}": for_testing(network, device)}
