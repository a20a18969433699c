"""Progress bars as they come out on a terminal."""

import re
import sys
import time
from contextlib import closing

import pytest

from condense.cli.progress import Bars

LINE_UP = "\x1b[A"


def test_bars_of_work_that_ends_before_its_last_step_stay_on_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Bars(quiet=False)) as bars:
        for name in ("first", "second"):
            bars.begin(name, "epoch")
            bars.update(1, 10, loss=0.5)
    shown = capsys.readouterr().err
    assert "first:  10%" in shown and "second:  10%" in shown and "loss=0.5" in shown
    assert LINE_UP not in shown


def test_the_time_left_of_resumed_work_counts_the_steps_done_now_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with closing(Bars(quiet=False)) as bars:
        bars.begin("work", "step")
        bars.update(581, 1000)
        time.sleep(0.3)
        bars.update(582, 1000)
    shown = [60 * int(minutes) + int(seconds) for minutes, seconds in re.findall(r"<(\d+):(\d+)", capsys.readouterr().err)]
    assert shown and all(30 <= left <= 600 for left in shown), shown


def test_waiting_is_said_once_until_other_work_begins(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Bars(quiet=False)) as bars:
        for _ in range(2):
            bars.wait("2 runs")
            bars.wait("2 runs")
            bars.begin("work", "epoch")
    assert capsys.readouterr().err.count("Waiting for other processes: 2 runs are left.") == 2


def test_quiet_bars_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Bars(quiet=True)) as bars:
        bars.begin("work", "epoch")
        bars.update(1, 10)
        bars.wait("2 runs")
    assert capsys.readouterr().err == ""
