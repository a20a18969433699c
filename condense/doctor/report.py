"""What an examination found, as text: tables, versions, and one line to paste."""

from pathlib import Path
from typing import Any

import torch

from condense.doctor.examination import Examination, Finding
from condense.execution import Execution
from condense.machine import describe
from condense.report.rendering import Table, render
from condense.versions import code_version, library_versions

NOTES = (
    "Checks: fast path against plain twin on random pixels. Largest: of all differences of two numbers; relative: length of "
    "all differences over that of the twin's result; cosine: of the angle between both.",
    "At most: the relative error that passes. In float64 only a fault exceeds it; in float32 gradients a ReLU that is all "
    "but tied may go either way; TF32 and mixed are on the real images alone.",
    "Not here: this machine does not compute in that way. Not reached: the time for new checks was over.",
)


def text(found: Examination) -> str:
    """All of it."""
    checks, speeds = _checks(found), _speeds(found)
    parts = [render(checks, "text"), *([render(speeds, "text")] if speeds.rows else [])]
    return "\n".join([*parts, render(_executions(found), "text"), *_facts(found), "", line(found)])


def line(found: Examination) -> str:
    """One line to paste into an issue."""
    facts = versions(found.device)
    named = ", ".join(f"{name} {value}" for name, value in facts.items())
    speeds = "; ".join(
        f"{finding.name.split(',')[0]} {finding.speed.ratio:.1f}x ({finding.speed.execution.path})"
        for finding in found.findings
        if finding.speed
    )
    failed = "; ".join(finding.name for finding in found.findings if finding.outcome == "FAIL")
    return f"condense doctor: {verdict(found)} | {named} | {speeds or 'no speeds'}{f' | failed: {failed}' if failed else ''}"


def verdict(found: Examination) -> str:
    """How many came out how."""
    counts = {"passed": "pass", "failed": "FAIL", "not here": "not here", "not reached": "not reached"}
    return ", ".join(f"{found.count(outcome)} {word}" for word, outcome in counts.items())  # type: ignore[arg-type]


def versions(device: torch.device) -> dict[str, str]:
    """Of the code, the libraries and the device."""
    libraries = {name: value for name, value in library_versions().items() if name in ("python", "torch")}
    own = {"condense": code_version(), "device": describe(device), "threads": str(torch.get_num_threads())}
    if device.type != "cuda":
        return {**own, **libraries}
    cudnn = str(torch.backends.cudnn.version())
    return {**own, **libraries, "CUDA": str(torch.version.cuda), "cuDNN": cudnn, "driver": _driver()}


def _driver() -> str:
    """The version of NVIDIA's driver, as the system says it."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text().split()
    except OSError:
        return "unknown"
    return next((word for word in words if word[0].isdigit() and word.count(".") >= 1), "unknown")


def _checks(found: Examination) -> Table:
    header = ("check", "result", "largest", "relative", "at most", "cosine", "seconds")
    rows = tuple(_row(finding) for finding in found.findings)
    reasons = [f"{one.name}: {one.reason}." for one in found.findings if one.reason]
    numeric = (False, False, True, True, True, True, True)
    title = f"Fast paths against plain twins, {describe(found.device)}: {verdict(found)}"
    return Table(title, header, rows, (*NOTES, *reasons, *(f"Said on the way: {one}" for one in found.remarks)), (), numeric)


def _row(finding: Finding) -> tuple[str, ...]:
    if finding.verdict is None:
        return finding.name, finding.outcome, "", "", "", "", f"{finding.seconds:.1f}" if finding.seconds else ""
    seen, most = finding.verdict.seen, finding.verdict.most
    numbers = f"{seen.largest:.1e}", f"{seen.relative:.1e}", f"{most:.0e}", f"{seen.cosine:.6f}"
    return finding.name, finding.outcome, *numbers, f"{finding.seconds:.1f}"


def _speeds(found: Examination) -> Table:
    header = ("work", "twin s", "fast s", "times as fast", "computed")
    rows = tuple(
        (one.name, f"{one.speed.twin:.3f}", f"{one.speed.fast:.3f}", f"{one.speed.ratio:.2f}", _how(one.speed.execution))
        for one in found.findings
        if one.speed
    )
    notes = ("Medians of up to three calls of each in turn; compiling is not counted.",)
    return Table("Speed", header, rows, notes, (), (False, True, True, True, False))


def _executions(found: Examination) -> Table:
    rows = tuple((name, _how(execution)) for name, execution in found.decisions.executions.items())
    return Table("How long runs are computed here", ("work", "computed"), rows, (), (), (False, False))


def _how(execution: Execution) -> str:
    """An execution in words."""
    switches = {"channels last": execution.channels_last, "Winograd": execution.winograd, "together": execution.together}
    numbers = (
        f"{execution.part} images at once, {execution.stack} stacked" if execution.stack > 1 else f"{execution.part} at once"
    )
    return ", ".join([execution.path, execution.precision, numbers, *(name for name, on in switches.items() if on)])


def _facts(found: Examination) -> list[str]:
    measured: dict[str, Any] = found.calibration or {"calibration": "nothing had to be measured"}
    facts = {
        **versions(found.device),
        "--precision auto may take": ", ".join([*found.decisions.reduced, "fp32"]),
        **{f"measured: {name}" if found.calibration else name: value for name, value in measured.items()},
        "peak memory": f"{found.memory / 2**20:,.0f} MiB",
        "time": f"{found.seconds:.0f} s",
    }
    return [f"{name:<28} {value}" for name, value in facts.items()]
