"""Several processes on this machine, one cell each: on devices in turn, and timed cells alone on theirs."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from condense.errors import Interrupted, shortened
from condense.study.cell import Cell
from condense.study.engine import Attempts, State, in_order, possible, states
from condense.study.folder import StudyFolder

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0
"""After asking a process to stop, so long until it is killed: it writes a checkpoint first."""


@dataclass
class Process:
    """A process that computes a cell; failures: how often the cell had failed before."""

    cell: Cell
    device: str
    popen: "subprocess.Popen[bytes]"
    failures: int


def _silent(cells_done: int, cells: int, running: Sequence[Cell]) -> None:
    pass


@dataclass(frozen=True)
class LocalLauncher:
    """Has cells computed by so many processes at once.

    devices: that they run on, one for each process at once; words: options that every `condense cell` gets; told: of cells
    done, of all, and of those that are being computed here.
    """

    folder: StudyFolder
    devices: Sequence[str]
    words: Sequence[str] = ()
    told: Callable[[int, int, Sequence[Cell]], None] = _silent
    processes: list[Process] = field(default_factory=list)

    def run(self, cells: Sequence[Cell], seconds: Mapping[str, float], attempts: Attempts) -> None:
        """Returns when every cell is done, here or elsewhere; fails as `engine.run_cells` does."""
        with self._stopping():
            while True:
                self._collect(attempts)
                state = states(cells, self.folder, attempts)
                left = [cell for cell in possible(cells, attempts) if state[cell.key] is not State.DONE]
                if not left and not self.processes:
                    break
                ready = [cell for cell in left if state[cell.key] is State.READY and not self._has(cell)]
                for cell in in_order(ready, cells, seconds):
                    if (device := self._device_for(cell)) is not None:
                        self._start(cell, device)
                done = sum(value is State.DONE for value in state.values())
                self.told(done, len(cells), [process.cell for process in self.processes])
                time.sleep(POLL_SECONDS)
        self.told(sum(self.folder.is_done(cell.key) for cell in cells), len(cells), ())
        attempts.raise_failed(cells)

    def _has(self, cell: Cell) -> bool:
        return any(process.cell.key == cell.key for process in self.processes)

    def _device_for(self, cell: Cell) -> str | None:
        """A device that may take the cell now; None where there is none."""
        busy = [process.device for process in self.processes]
        free = list(self.devices)
        for device in busy:
            free.remove(device)
        timed_on = {process.device for process in self.processes if process.cell.exclusive}
        return next((d for d in free if d not in timed_on and not (cell.exclusive and d in busy)), None)

    def command(self, cell: Cell, device: str) -> list[str]:
        """What computes a cell on a device, as words."""
        condense = [sys.executable, "-m", "condense"]
        return [*condense, "cell", str(self.folder.path), cell.key, "--device", device, *self.words]

    def _start(self, cell: Cell, device: str) -> None:
        log = self.folder.log(cell.key)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            popen = subprocess.Popen(
                self.command(cell, device), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self.processes.append(Process(cell, device, popen, self._failures(cell)))

    def _collect(self, attempts: Attempts) -> None:
        """Takes leave of the processes that have ended; what failed is counted, and recorded where its process could not."""
        for process in list(self.processes):
            code = process.popen.poll()
            if code is None:
                continue
            self.processes.remove(process)
            if code:
                attempts.add(process.cell.key, self._reason(process, code))

    def _reason(self, process: Process, code: int) -> str:
        if code < 0:  # a signal, of which it could say nothing: most often memory ran out
            reason = f"Its process was ended by {signal.Signals(-code).name}."
            self.folder.fail(process.cell.key, reason)
            return reason
        failure = self.folder.failure(process.cell.key)
        if failure is not None and failure.times > process.failures:  # it has said itself why
            return failure.reason
        lines = self.folder.log(process.cell.key).read_text(errors="replace").strip().splitlines()
        reason = shortened(lines[-1].removeprefix("condense: "), 400) if lines else f"Its process ended with code {code}."
        self.folder.fail(process.cell.key, reason)
        return reason

    def _failures(self, cell: Cell) -> int:
        failure = self.folder.failure(cell.key)
        return failure.times if failure else 0

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stops what is running however the work within ends; raises `Interrupted` for Ctrl-C and SIGTERM."""
        try:
            yield
        except KeyboardInterrupt as error:
            raise Interrupted("Stopped.") from error
        finally:
            for process in self.processes:
                process.popen.terminate()
            until = time.monotonic() + STOP_SECONDS
            for process in self.processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(max(until - time.monotonic(), 0.0))
                process.popen.kill()
                process.popen.wait()
