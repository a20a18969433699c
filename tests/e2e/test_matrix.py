"""`condense matrix` as people run it: killed and continued, by two processes at once, with damage and wrong input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import condense, write_images
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.tasks import CellTask, cell_tasks

from condense.config import MatrixConfig

NETWORKS = ("MLP", "ConvNetW4")
WORDS = (
    *("matrix", "--dataset", "digits", "--learn", *NETWORKS, "--train", *NETWORKS),
    *("--iterations", "4", "--real-batch", "16", "--seeds", "2", "--threads", "1"),
)
CONFIG = MatrixConfig(dataset="digits", learn=NETWORKS, train=NETWORKS, iterations=4, real_batch=16, seeds=2)
CELLS = cell_tasks(CONFIG)


def started(out: Path) -> subprocess.Popen[str]:
    words = [*WORDS, "--out", str(out)]
    program = "from condense.cli.main import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", program, *words], env=environment, stdout=subprocess.PIPE, text=True)


def results(out: Path) -> dict[str, list[float]]:
    """Accuracies of every cell; each must have one record, with both seeds."""
    found = {}
    for task in CELLS:
        (record,) = MatrixFolder(out).tested(task)
        assert record.seeds == [0, 1]
        found[task.label] = record.accuracies
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matrix") / "whole"
    assert condense(*WORDS, "--out", out) == 0
    return out


def copied(uninterrupted: Path, tmp_path: Path, without: tuple[CellTask, ...] = ()) -> MatrixFolder:
    """A copy of the finished matrix, in which some cells are missing."""
    left_out = {MatrixFolder(uninterrupted).cell_records(task) for task in without}
    for path in uninterrupted.rglob("*"):
        if path.is_file() and path not in left_out:
            target = tmp_path / path.relative_to(uninterrupted)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return MatrixFolder(tmp_path)


def test_what_is_printed_and_written(uninterrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*WORDS, "--out", uninterrupted) == 0
    out = capsys.readouterr().out
    assert "4 of 4 cells done\n" in out and "Test accuracy: digits, 1 image per class, schedule published" in out
    assert "schedule published with iterations 4, real_batch 16, protocol published" in out
    assert "schedule published, protocol" not in out, "overridden settings do not stand under a published name"
    names = {path.name for path in uninterrupted.iterdir() if path.is_file()}
    assert names == {
        *("matrix.json", "tables.md", "page.html", "images.png"),
        *("accuracies-published-published.png", "networks-published-published.png"),
    }
    page = (uninterrupted / "page.html").read_text()
    assert "Mean wall time" in page and "made with" in page
    assert "4 of 4 cells" in page and "http" not in page.replace("http://www.w3.org", "")


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*WORDS, "--dry-run", "--out", tmp_path / "matrix") == 0
    assert "0 of 4 cells done, about " in capsys.readouterr().out
    assert not (tmp_path / "matrix").exists()


def test_killed_in_mid_run_and_continued(uninterrupted: Path, tmp_path: Path) -> None:
    process, folder = started(tmp_path / "m"), MatrixFolder(tmp_path / "m")
    deadline = time.monotonic() + 240
    while not any(folder.cell_records(task).exists() for task in CELLS) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not all(folder.cell_records(task).exists() for task in CELLS)
    assert condense(*WORDS, "--quiet", "--out", tmp_path / "m") == 0
    assert results(tmp_path / "m") == results(uninterrupted)
    for task in {task.of for task in CELLS}:
        assert folder.set_path(task).read_bytes() == MatrixFolder(uninterrupted).set_path(task).read_bytes()


def test_two_processes_share_the_work(uninterrupted: Path, tmp_path: Path) -> None:
    both = [started(tmp_path / "m") for _ in range(2)]
    outputs = [process.communicate(timeout=400)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert results(tmp_path / "m") == results(uninterrupted)


def test_tables_in_every_format(uninterrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for kind in ("text", "markdown", "latex", "html", "csv"):
        assert condense("table", uninterrupted, "--format", kind, "--published", "--bold", "best") == 0
        found[kind] = capsys.readouterr().out
    assert found["markdown"].count("**Test accuracy") == 1
    # After four iterations networks are at chance, and nothing stands out.
    marks = (r"\textbf{" in found["latex"], "<b>" in found["html"], "| **" in found["markdown"])
    assert marks == (False,) * 3 and "**" not in found["text"]
    assert all("Bold: the best of a column" in found[kind] for kind in ("text", "markdown", "latex", "html"))
    assert len(found["csv"].splitlines()) == 1 + len(CELLS) + 1  # header, cells, the line that print ends with


def test_a_record_changed_by_hand(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(uninterrupted, tmp_path, without=(CELLS[3],))
    damaged = folder.cell_records(CELLS[0])
    content = json.loads(damaged.read_text())
    content["config"]["network"] = "LeNet"
    damaged.write_text(json.dumps(content) + "\n")
    others = {task: folder.cell_records(task).read_bytes() for task in CELLS[1:3]}
    assert condense(*WORDS, "--quiet", "--out", tmp_path) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"{damaged}, line 1: the configuration does not match its hash" in err
    assert {task: folder.cell_records(task).read_bytes() for task in CELLS[1:3]} == others


def test_damage_is_found_before_the_work(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(uninterrupted, tmp_path, without=(CELLS[3],))
    damaged = folder.set_path(CELLS[0].of)  # of a cell that is done, so that nothing left to do would read it
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert condense(*WORDS, "--learn", CELLS[3].of.config.network, "--quiet", "--out", tmp_path) == 2
    assert str(damaged) in capsys.readouterr().err and not folder.cell_records(CELLS[3]).exists()


def test_tables_need_no_images(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(uninterrupted, tmp_path)
    content = json.loads(folder.description.read_text())
    for there in (content["settings"], *content["requests"]):
        if "dataset" in there:
            there["dataset"] = "images-that-were-moved"
    folder.description.write_text(json.dumps(content))
    assert [config.dataset for config in folder.asked()] == ["images-that-were-moved"]
    content["settings"].pop("dataset")
    folder.description.write_text(json.dumps(content))
    assert condense("table", tmp_path) == 2
    assert "is damaged: it does not say of which data set it is" in capsys.readouterr().err


def test_records_of_another_set(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(uninterrupted, tmp_path)
    folder.cell_records(CELLS[0]).write_bytes(folder.cell_records(CELLS[2]).read_bytes())
    assert condense("table", tmp_path) == 2
    assert "holds records that do not belong to" in capsys.readouterr().err


def test_wrong_input(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_images(tmp_path / "small.npz")
    cases = [
        ((*WORDS, "--learn", "MLP", "LeNett", "--out", tmp_path / "a"), "Unknown network 'LeNett'. Did you mean 'LeNet'?"),
        ((*WORDS, "--ipc", "2", "--out", uninterrupted), "other settings (ipc: 1 there, 2 now)"),
        (WORDS, "Missing: --out DIR."),
        (
            (*WORDS, "--dataset", small, "--train", "LeNet", "--out", tmp_path / "a"),
            "LeNet cannot take images of 8x8 pixels",
        ),
        (
            (*WORDS, "--init", "real", "--ipc", "200", "--out", tmp_path / "a"),
            "fewer than the 200 images per class asked for",
        ),
        (("table", tmp_path), "holds no results: there is no matrix.json, sweep.json or records.jsonl in it."),
        (("table", uninterrupted, uninterrupted), "name one folder alone"),
    ]
    for words, sentence in cases:
        assert condense(*words) == 2
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
    assert not (tmp_path / "a").exists()
