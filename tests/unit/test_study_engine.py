"""The engine of studies: what is done, in which order, what fails, and what a kill leaves."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from study_samples import Toy, made

from condense import files
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.study import engine
from condense.study.engine import Attempts, Listener, State, Worker, in_order, run_cells, states
from condense.study.estimates import estimated_seconds, measured_paces
from condense.study.folder import Running, StudyFolder, begun
from condense.study.status import headline, plan_table, status_of, status_table

CELLS = (Toy("a"), Toy("b"), Toy("c", after=("a",)), Toy("d", after=("c", "b")))


def worker(folder: StudyFolder, begun_cells: list[str] | None = None, **does: Any) -> Worker:
    told: list[str] = [] if begun_cells is None else begun_cells
    return Worker(folder, does, "cpu", Listener(begins=lambda cell: told.append(cell.key)))


def fail(*_: object) -> None:
    raise RunFailed("The loss is not finite.")


def test_every_cell_is_computed_once_after_what_it_needs(tmp_path: Path) -> None:
    folder, began = StudyFolder(tmp_path), list[str]()
    run_cells(CELLS, worker(folder, began), {}, Attempts())
    assert sorted(began) == [cell.key for cell in CELLS]
    assert began.index("toys/a") < began.index("toys/c") < began.index("toys/d") > began.index("toys/b")
    assert all(folder.records(cell.key)[0].config == {"network": cell.name} for cell in CELLS)
    assert {path.name for path in (tmp_path / ".study").rglob("*") if path.is_file()} == {"lock"}
    run_cells(CELLS, worker(folder, began), {}, Attempts())
    assert len(began) == 4


def test_what_is_soonest_done_begins_first() -> None:
    cells = (Toy("set1"), Toy("set2"), Toy("long", after=("set1",)), Toy("short", after=("set2",)), Toy("alone"))
    seconds = {"toys/set1": 1.0, "toys/set2": 2.0, "toys/long": 90.0, "toys/short": 3.0, "toys/alone": 6.0}
    ready = [cells[0], cells[1], cells[4]]
    assert [cell.key for cell in in_order(ready, cells, seconds)] == ["toys/set2", "toys/alone", "toys/set1"]


def test_a_cell_that_fails_is_recorded_and_tried_again_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder, began = StudyFolder(tmp_path), list[str]()
    with pytest.raises(RunFailed, match=r"^toy a: The loss is not finite\.$"):
        run_cells(CELLS, worker(folder, began, a=fail), {}, Attempts(retries=2))
    assert began.count("toys/a") == 3 and "toys/c" not in began and "toys/d" not in began
    failure = folder.failure("toys/a")
    assert failure is not None and (failure.reason, failure.times) == ("The loss is not finite.", 3)
    assert folder.is_done("toys/b") and not folder.is_done("toys/a")

    found = status_of(CELLS, folder)
    assert found.states == {
        "toys/a": State.FAILED,
        "toys/b": State.DONE,
        "toys/c": State.WAITING,
        "toys/d": State.WAITING,
    }
    assert headline(found).startswith("1 of 4 cells done, 1 failed; ")
    assert status_table(found).rows == (
        ("toys/a", "toy a", "failed", f"The loss is not finite. (3 times, last at {failure.at})"),
    )
    run_cells(CELLS, worker(folder, began), {}, Attempts())  # what was wrong is mended
    assert headline(status_of(CELLS, folder)) == "4 of 4 cells done"


def test_a_cell_that_fails_once_is_done_with_the_second_try(tmp_path: Path) -> None:
    tries = list[int]()

    def once(place: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError

    run_cells(CELLS, worker(StudyFolder(tmp_path), a=once), {}, Attempts(retries=1))
    assert len(tries) == 2 and StudyFolder(tmp_path).failure("toys/a") is None


def test_a_fault_of_ours_is_not_taken_for_a_failing_cell(tmp_path: Path) -> None:
    def wrong(place: object) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        run_cells(CELLS, worker(StudyFolder(tmp_path), a=wrong), {}, Attempts())


def test_an_interruption_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    folder, seen = StudyFolder(tmp_path), list[str]()

    def stopped(place: Any) -> None:
        place.checkpoint.write_text("half")
        raise Interrupted("Stopped.")

    def resumed(place: Any) -> None:
        seen.append(place.checkpoint.read_text())

    with pytest.raises(Interrupted):
        run_cells(CELLS[:1], worker(folder, a=stopped), {}, Attempts(retries=5))
    assert folder.failure("toys/a") is None and not folder.is_done("toys/a")
    run_cells(CELLS[:1], worker(folder, a=resumed), {}, Attempts())
    assert seen == ["half"] and not folder.place(CELLS[0]).checkpoint.exists()


def test_what_another_process_has_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.01)
    folder, began, waited = StudyFolder(tmp_path), list[str](), list[int]()
    taken = threading.Event()

    def other() -> None:
        with folder.claimed("toys/a") as free:
            assert free
            taken.set()
            while not waited:
                time.sleep(0.01)
            folder.finish("toys/a", [made("a")])

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait()
    assert states(CELLS, folder, Attempts())["toys/a"] is State.RUNNING
    listener = Listener(begins=lambda cell: began.append(cell.key), waits=waited.append)
    run_cells(CELLS, Worker(folder, {}, "cpu", listener), {}, Attempts())
    thread.join()
    assert "toys/a" not in began and sorted(began) == ["toys/b", "toys/c", "toys/d"]
    assert waited[0] == 3  # a, c and d were left when b was done


def test_timed_cells_keep_others_off_their_device(tmp_path: Path) -> None:
    folder, timed = StudyFolder(tmp_path), Toy("t", timed=True)
    with folder.alone("cpu") as free:
        assert free
        assert not worker(folder).attempt(timed)
        assert worker(folder).attempt(Toy("a"))
        assert Worker(folder, {}, "cuda:0").attempt(timed)


class Kill(BaseException):
    """As SIGKILL: nothing is tidied up."""


def test_killed_at_any_write_nothing_is_lost_or_done_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, counts = files.os.replace, [0, -1]

    def counting(source: object, target: object) -> None:
        counts[0] += 1
        if counts[0] == counts[1]:
            raise Kill
        replace(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(files.os, "replace", counting)
    run_cells(CELLS, worker(StudyFolder(tmp_path / "whole")), {}, Attempts())
    writes, counts[0] = counts[0], 0
    assert writes >= 8
    for number in range(1, writes + 1):
        folder, counts[:] = StudyFolder(tmp_path / str(number)), [0, number]
        with pytest.raises(Kill):
            run_cells(CELLS, worker(folder), {}, Attempts())
        done = [cell.key for cell in CELLS if folder.is_done(cell.key)]
        again = list[str]()
        run_cells(CELLS, worker(folder, again), {}, Attempts())
        assert sorted(again) == sorted({cell.key for cell in CELLS} - set(done))
        for cell in CELLS:
            assert [record.config for record in folder.records(cell.key)] == [{"network": cell.name}]


def test_estimates_are_by_the_pace_of_what_is_done(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    cells = (Toy("a1", cost=4.0), Toy("a2", cost=8.0), Toy("b1", cost=3.0), Toy("c1"))
    assert estimated_seconds(cells, folder) == {}
    assert estimated_seconds(cells, folder, {"a": 2.0}) == {"toys/a1": 8.0, "toys/a2": 16.0}
    folder.finish("toys/a1", [made("a1", seconds=2.0)])
    assert measured_paces(cells, folder) == {"a": 0.5}
    assert estimated_seconds(cells, folder) == {"toys/a2": 4.0}
    # Where the probe said 0.25, what it says of others is doubled.
    assert estimated_seconds(cells, folder, {"a": 0.25, "b": 1.0}) == {"toys/a2": 4.0, "toys/b1": 6.0}
    assert headline(status_of(cells, folder)) == "1 of 4 cells done; time left not known yet"
    assert headline(status_of(cells[:2], folder)) == "1 of 2 cells done; about 4.0 s to go"
    assert [row[2:] for row in plan_table(cells, folder, {"toys/a2": 4.0}).rows] == [
        ("done", "–"),
        ("ready", "4.0 s"),
        ("ready", "–"),
        ("ready", "–"),
    ]


def test_status_says_who_computes_what(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    with folder.claimed("toys/a"):
        folder.tell("toys/a", Running("host", 7, "2026-01-01T00:00:00+00:00", "cuda:1", 5, 20))
        found = status_of(CELLS, folder)
    assert status_table(found).rows == (
        ("toys/a", "toy a", "running", "process 7 on host (cuda:1), since 2026-01-01T00:00:00+00:00, 5 of 20 steps"),
    )
    assert status_of(CELLS, folder).states["toys/a"] is State.READY  # killed: what it said is no claim
    assert begun("cpu").started_at <= begun("cpu").started_at


@pytest.mark.parametrize("name", ["failed.json", "running.json"])
@pytest.mark.parametrize("text", ["", "[]", '{"reason": 1}', "\x00", '{"reason": "a", "times": 1'])
def test_a_damaged_file_of_a_cell_is_said_in_a_sentence(tmp_path: Path, name: str, text: str) -> None:
    folder = StudyFolder(tmp_path)
    path = tmp_path / ".study" / "toys" / "a" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(CondenseError, match="is damaged; delete it"):
        folder.failure("toys/a") if name == "failed.json" else folder.running("toys/a")
