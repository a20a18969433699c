"""Several processes at once: devices in turn, timed cells alone, and processes that die or fail."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from study_samples import Toy, made

from condense.errors import Interrupted, RunFailed
from condense.study.cell import Cell
from condense.study.engine import Attempts
from condense.study.folder import StudyFolder
from condense.study.launchers import local
from condense.study.launchers.local import LocalLauncher

PROGRAM = """
import os, sys, time
seconds, code, text, record, path = sys.argv[1:]
print(text)
time.sleep(float(seconds))
if int(code):
    sys.exit(int(code))
os.makedirs(os.path.dirname(path), exist_ok=True)
with open(path + ".new", "w") as file:
    file.write(record + "\\n")
os.replace(path + ".new", path)
"""


@dataclass(frozen=True)
class Quick(LocalLauncher):
    """Starts programs that do nothing but wait and write the record; codes: what they end with, by the cell's name."""

    seconds: float = 0.1
    codes: dict[str, list[int]] = field(default_factory=dict)
    started: list[tuple[str, str]] = field(default_factory=list)

    def command(self, cell: Cell, device: str) -> list[str]:
        name = cell.key.removeprefix("toys/")
        self.started.append((name, device))
        code = self.codes[name].pop(0) if self.codes.get(name) else 0
        words = [str(self.seconds), str(code), f"condense: {name} went wrong.", made(name).to_json()]
        return [sys.executable, "-c", PROGRAM, *words, str(self.folder.records_path(cell.key))]


def test_cells_run_on_all_devices_after_what_they_need(tmp_path: Path) -> None:
    folder, told = StudyFolder(tmp_path), list[tuple[int, int, int]]()
    cells = (Toy("a"), Toy("b"), Toy("c", after=("a",)), Toy("d", after=("a", "b")))
    launcher = Quick(
        folder, ["cuda:0", "cuda:1"], told=lambda done, total, running: told.append((done, total, len(running)))
    )
    launcher.run(cells, {}, Attempts())
    assert all(folder.is_done(cell.key) for cell in cells)
    names = [name for name, _ in launcher.started]
    assert sorted(names) == ["a", "b", "c", "d"] and names.index("a") < names.index("c")
    assert {device for _, device in launcher.started[:2]} == {"cuda:0", "cuda:1"}
    assert max(running for _, _, running in told) == 2 and told[-1] == (4, 4, 0)


def test_timed_cells_are_alone_on_their_device(tmp_path: Path) -> None:
    most = dict[str, int]()

    def told(done: int, total: int, running: Sequence[Cell]) -> None:
        timed = [cell for cell in running if cell.exclusive]
        if timed:
            most["beside"] = max(most.get("beside", 0), len(running))

    cells = (Toy("a"), Toy("t1", timed=True), Toy("t2", timed=True), Toy("b"))
    launcher = Quick(StudyFolder(tmp_path), ["cpu", "cpu", "cpu"], told=told)
    launcher.run(cells, {}, Attempts())
    assert most["beside"] == 1
    two = Quick(StudyFolder(tmp_path / "two"), ["cuda:0", "cuda:1"], told=told)
    two.run(cells, {}, Attempts())
    assert most["beside"] == 2  # one on each device


def test_a_killed_process_costs_its_cell_one_try(tmp_path: Path) -> None:
    folder, killed = StudyFolder(tmp_path), list[int]()
    cells = tuple(Toy(name) for name in "abcdef")
    launcher = Quick(folder, ["cpu"] * 4, seconds=0.6)

    def told(done: int, total: int, running: Sequence[Cell]) -> None:
        if not killed:
            killed.append(launcher.processes[0].popen.pid)
            os.kill(killed[0], signal.SIGKILL)

    launcher = Quick(folder, ["cpu"] * 4, seconds=0.6, told=told)
    launcher.run(cells, {}, Attempts(retries=1))
    assert killed and len(launcher.started) == 7
    assert all(folder.records(cell.key)[0].config == {"network": cell.name} for cell in cells)


def test_what_fails_is_given_up_after_its_retries_with_the_reason(tmp_path: Path) -> None:
    folder, cells = StudyFolder(tmp_path), (Toy("a"), Toy("b", after=("a",)), Toy("c"))
    launcher = Quick(folder, ["cpu"] * 2, seconds=0.01, codes={"a": [1, 1, 1], "c": [1]})
    with pytest.raises(RunFailed, match=r"^toy a: a went wrong\.$"):
        launcher.run(cells, {}, Attempts(retries=2))
    assert [name for name, _ in launcher.started].count("a") == 3
    assert folder.is_done("toys/c") and not folder.is_done("toys/b")
    failure = folder.failure("toys/a")
    assert failure is not None and (failure.reason, failure.times) == ("a went wrong.", 3)


def test_a_signal_is_named_where_its_process_could_say_nothing(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)

    class Dying(Quick):
        def command(self, cell: Cell, device: str) -> list[str]:
            return [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]

    with pytest.raises(RunFailed, match="toy a: Its process was ended by SIGKILL"):
        Dying(folder, ["cpu"]).run([Toy("a")], {}, Attempts())


def test_stopping_stops_what_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = list[subprocess.Popen[bytes]]()

    def told(done: int, total: int, cells: Sequence[Cell]) -> None:
        running.extend(process.popen for process in launcher.processes)
        raise KeyboardInterrupt

    launcher = Quick(StudyFolder(tmp_path), ["cpu"] * 2, seconds=60.0, told=told)
    began = time.monotonic()
    with pytest.raises(Interrupted):
        launcher.run([Toy("a"), Toy("b")], {}, Attempts())
    assert len(running) == 2 and all(popen.poll() is not None for popen in running)
    assert time.monotonic() - began < local.STOP_SECONDS / 2
