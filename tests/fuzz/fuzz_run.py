"""Has thousands of mutated inputs read in a process of their own, started anew where one ends it; prints what failed.

    python tests/fuzz/fuzz_run.py [--inputs N] [--kind KIND ...] [--seed SEED]

Inputs are drawn from seeds SEED, SEED + 1, ... (another SEED at every run, unless given), kind after kind in turn. What is
printed for a failure repeats it: --kind KIND --seed SEED.
"""

import argparse
import json
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS = 25.0
"""From which on an input hangs."""
START_SECONDS = 300.0
SHOWN = 8
"""Failures of a kind and outcome that are printed."""


@dataclass
class Tally:
    """What came of all inputs: outcomes by kind, and (kind, seed, outcome, detail) of what failed."""

    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[tuple[str, int, str, str]] = field(default_factory=list)

    def add(self, kind: str, seed: int, outcome: str, detail: str) -> None:
        """Counts one input."""
        failed = outcome not in ("accepted", "refused")
        self.outcomes[kind]["failed" if failed else outcome] += 1
        if failed:
            self.failures.append((kind, seed, outcome, detail))

    @property
    def tried(self) -> int:
        """How many inputs there were."""
        return sum(sum(each.values()) for each in self.outcomes.values())


class Worker:
    """A process that reads inputs."""

    def __init__(self, module: str = "fuzz_kinds") -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fuzz_worker.py"), str(self.scratch), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        if self._answer(START_SECONDS) != "ready":
            raise RuntimeError(f"The worker does not start:\n{self._written()}")

    def try_input(self, kind: str, seed: int) -> tuple[str, str]:
        """(Outcome, detail) of an input; after 'crash' and 'hang' the process is gone."""
        _pipe(self.process.stdin).write(f"{kind} {seed}\n".encode())
        _pipe(self.process.stdin).flush()
        answer = self._answer(SECONDS)
        if answer:
            outcome, detail = json.loads(answer)
            return outcome, detail
        if answer is None:
            self.process.kill()
            self.process.wait()
            return "hang", f"more than {SECONDS:.0f} s"
        code = self.process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "crash", f"the process ended with {name}: {self._written()[:400]!r}"

    def close(self) -> None:
        """Ends the process and removes its folder."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            _pipe(pipe).close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _answer(self, seconds: float) -> str | None:
        """A line, '' where the process ended, None where none came in time."""
        ready, _, _ = select.select([_pipe(self.process.stdout)], [], [], seconds)
        return _pipe(self.process.stdout).readline().decode().strip() if ready else None

    def _written(self) -> str:
        path = self.scratch / "output"
        return path.read_text(errors="replace") if path.exists() else ""


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def try_inputs(kinds: list[str], inputs: int, first_seed: int, module: str = "fuzz_kinds") -> Tally:
    """Has so many inputs read, of the kinds in turn."""
    tally, worker = Tally(), Worker(module)
    try:
        for index in range(inputs):
            kind, seed = kinds[index % len(kinds)], first_seed + index // len(kinds)
            outcome, detail = worker.try_input(kind, seed)
            tally.add(kind, seed, outcome, detail)
            if outcome in ("crash", "hang"):
                worker.close()
                worker = Worker(module)
    finally:
        worker.close()
    return tally


def report(tally: Tally, seconds: float) -> str:
    """How many inputs of each kind there were, and what failed, each with what repeats it."""
    lines = [f"{'kind':<16}{'tried':>7}{'accepted':>10}{'refused':>9}{'failed':>8}"]
    for kind, found in sorted(tally.outcomes.items()):
        lines.append(f"{kind:<16}{sum(found.values()):>7}{found['accepted']:>10}{found['refused']:>9}{found['failed']:>8}")
    shown: Counter[tuple[str, str, str]] = Counter()
    for kind, seed, outcome, detail in tally.failures:
        what = kind, outcome, detail.rpartition(" at ")[2] if outcome == "traceback" else ""
        shown[what] += 1
        if shown[what] <= (2 if outcome == "traceback" else SHOWN):
            lines.append(f"FAILED --kind {kind} --seed {seed}: {outcome}: {detail}")
    hidden = len(tally.failures) - sum(line.startswith("FAILED") for line in lines)
    if hidden:
        lines.append(f"and {hidden} more that failed in the same places")
    rate = tally.tried / seconds * 60
    lines.append(f"{tally.tried} inputs, {len(tally.failures)} failures, {seconds:.0f} s ({rate:.0f} a minute)")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    from fuzz_kinds import KINDS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, help="how many inputs; 10,000 unless one kind and seed are named")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="of these kinds only")
    parser.add_argument("--seed", type=int, help="of the first input of each kind")
    chosen = parser.parse_args()
    kinds: list[str] = chosen.kind or list(KINDS)
    repeats = chosen.kind is not None and chosen.seed is not None
    inputs = chosen.inputs or (len(kinds) if repeats else 10_000)
    seed = secrets.randbits(31) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    tally = try_inputs(kinds, inputs, seed)
    print(report(tally, time.monotonic() - began))
    raise SystemExit(bool(tally.failures))


if __name__ == "__main__":
    main()
