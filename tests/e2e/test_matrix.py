"""`condense matrix` as people run it: killed and continued, by several processes at once, with damage and wrong input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import condense, write_images

from condense.report.rendering import render
from condense.studies import opened
from condense.studies.matrix.cells import NetworksCell, SetCell
from condense.studies.matrix.results import networks_of, sets_of, trained
from condense.study.folder import StudyFolder

NETWORKS = ("MLP", "ConvNetW4")
WORDS = (
    *("matrix", "--dataset", "digits", "--learn", *NETWORKS, "--train", *NETWORKS),
    *("--iterations", "4", "--real-batch", "16", "--seeds", "2", "--threads", "1"),
)


def started(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "condense", *map(str, words)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True)


def cells_of(out: Path) -> tuple[list[SetCell], list[NetworksCell], StudyFolder]:
    study, folder = opened(out)
    return sets_of(study.cells()), networks_of(study.cells()), folder


def results(out: Path) -> dict[str, dict[int, float]]:
    """Accuracies by seed of every network on every set; each cell must have one record."""
    found: dict[str, dict[int, float]] = {}
    _, cells, folder = cells_of(out)
    for cell in cells:
        (record,) = trained(cell, folder)
        found.setdefault(cell.base, {}).update(zip(record.seeds, record.accuracies, strict=True))
    return found


def check_same(out: Path, whole: Path) -> None:
    """The same accuracies, sets of the same bytes, and nothing left of the computation."""
    assert results(out) == results(whole)
    for cell in cells_of(out)[0]:
        assert (out / cell.name / "set.h5").read_bytes() == (whole / cell.name / "set.h5").read_bytes()
    left = {path.name for path in (out / ".study").rglob("*") if path.is_file()}
    assert left == {"lock", "images.json", "study.lock"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matrix") / "whole"
    assert condense(*WORDS, "--quiet", "--out", out) == 0
    return out


def copied(uninterrupted: Path, tmp_path: Path, *without: NetworksCell) -> StudyFolder:
    """A copy of the finished matrix, in which some cells are missing."""
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    for cell in without:
        StudyFolder(tmp_path).records_path(cell.key).unlink()
    return StudyFolder(tmp_path)


def test_what_is_printed_and_written(uninterrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*WORDS, "--out", uninterrupted) == 0
    out = capsys.readouterr().out
    assert "4 of 4 cells done\n" in out and "Test accuracy: digits, 1 image per class, schedule published" in out
    assert "schedule published with iterations 4, real_batch 16, protocol published" in out
    assert "schedule published, protocol" not in out, "overridden settings do not stand under a published name"
    names = {path.name for path in uninterrupted.iterdir() if path.is_file()}
    assert names == {
        *("study.json", "tables.md", "page.html", "images.png"),
        *("accuracies-published-published.png", "networks-published-published.png"),
    }
    page = (uninterrupted / "page.html").read_text()
    assert "Mean wall time" in page and "made with" in page
    assert "4 of 4 cells" in page and "http" not in page.replace("http://www.w3.org", "")
    before = (uninterrupted / "tables.md").read_bytes()
    (uninterrupted / "tables.md").unlink()
    assert condense("page", uninterrupted) == 0
    assert (uninterrupted / "tables.md").read_bytes() == before


def test_where_it_stands(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, (first, *_), _ = cells_of(uninterrupted)
    folder = copied(uninterrupted, tmp_path, first)
    folder.fail(first.key, "The loss is not finite.")
    assert condense("status", tmp_path) == 0
    out = capsys.readouterr().out
    assert "5 of 6 cells done, 1 failed; about " in out and first.key in out and "The loss is not finite. (once" in out
    assert condense("cell", tmp_path, first.key, "--quiet", "--threads", "1") == 0
    assert str(folder.records_path(first.key)) in capsys.readouterr().out
    assert results(tmp_path) == results(uninterrupted)
    assert condense("cell", tmp_path, "MLP/none") == 2
    assert "has no cell 'MLP/none'" in capsys.readouterr().err


def test_a_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*WORDS, "--dry-run", "--out", tmp_path / "matrix") == 0
    assert "0 of 4 cells done, about " in capsys.readouterr().out
    assert not (tmp_path / "matrix").exists()


def test_killed_in_mid_cell_and_continued(uninterrupted: Path, tmp_path: Path) -> None:
    """Killed when the first network of a cell is kept, of two."""
    out = tmp_path / "m"
    process, deadline = started(*WORDS, "--quiet", "--out", out), time.monotonic() + 240
    while not list(out.glob(".study/*/*-published/checkpoint")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 0 < len(list(out.glob("*/*-published.jsonl"))) + len(list(out.glob(".study/*/*-published/checkpoint"))) < 4
    assert condense(*WORDS, "--quiet", "--out", out) == 0
    check_same(out, uninterrupted)


@pytest.mark.long
def test_two_commands_share_the_work_and_one_of_them_is_killed(uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    both = [started(*WORDS, "--quiet", "--out", out) for _ in range(2)]
    deadline = time.monotonic() + 240
    while not list(out.glob("*/set.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.01)
    both[1].kill()
    both[1].communicate()
    assert both[0].communicate(timeout=400)[0] and both[0].returncode == 0
    check_same(out, uninterrupted)


@pytest.mark.long
def test_networks_of_one_cell_are_shared_out_among_processes(uninterrupted: Path, tmp_path: Path) -> None:
    words = ["matrix", "--learn", "MLP", "--train", "MLP", *WORDS[WORDS.index("--iterations") :]]
    assert condense(*words, "--seeds-per-cell", "1", "--processes", "2", "--quiet", "--out", tmp_path) == 0
    ((place, accuracies),) = results(tmp_path).items()
    assert accuracies == results(uninterrupted)[place]
    names = {path.name for path in (tmp_path / place).parent.iterdir()}
    assert names == {"set.h5", "set.jsonl", "MLP-published-seeds0-0.jsonl", "MLP-published-seeds1-1.jsonl"}


def test_a_set_that_fails_is_tried_again_and_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("matrix", "--learn", "MLP", "--train", "MLP", "--seeds", "1", "--threads", "1", "--quiet")
    diverging = ("--iterations", "2", "--image-learning-rate", "1e30")
    assert condense(*words, *diverging, "--retries", "2", "--out", tmp_path) == 1
    err = capsys.readouterr().err
    assert err.startswith("condense: learning with MLP (published with ") and "no longer finite" in err
    (of,), _, folder = cells_of(tmp_path)
    failure = folder.failure(of.key)
    assert failure is not None and failure.times == 3 and (tmp_path / "page.html").exists()
    assert condense(*words, "--method", "random", "--out", tmp_path) == 1, "the one that failed is tried again with others"
    assert [len(found) for found in (trained(cell, folder) for cell in cells_of(tmp_path)[1])] == [0, 1]


def test_several_data_sets_sizes_and_methods(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, out = write_images(tmp_path / "own.npz", side=28), tmp_path / "m"
    words = (
        "matrix",
        "--learn",
        "MLP",
        "--train",
        "MLP",
        "--seeds",
        "1",
        "--protocol",
        "report",
        "--threads",
        "1",
        "--quiet",
    )
    several = ("--dataset", "digits", own, "--ipc", "1", "2", "--method", "random", "herding")
    assert condense(*words, *several, "--dry-run", "--out", out) == 0
    assert "Matrix of digits, own.npz: 0 of 8 cells done" in capsys.readouterr().out
    assert condense(*words, *several, "--out", out) == 0
    capsys.readouterr()
    assert condense("table", out, "--format", "csv") == 0
    lines = capsys.readouterr().out.split()
    assert len(lines) == 1 + 8 and sorted({line.split(",")[0] for line in lines[1:]}) == ["digits", "own.npz"]
    content = (out / "study.json").read_text() + (out / "page.html").read_text()
    assert str(tmp_path) not in content and str(tmp_path) in (out / ".study" / "images.json").read_text()
    page = (out / "page.html").read_text()
    assert "own.npz, 2 images per class, method herding, schedule published" in page
    assert (out / "networks-own.npz-ipc2-herding-published-report.png").exists()
    # What is missing of all is done whatever is asked for now, with images where they lay then.
    missing = next(path for path in out.glob("own.npz-*/MLP-report.jsonl"))
    missing.unlink()
    assert condense(*words, "--method", "random", "--out", out) == 0 and missing.exists()


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
    assert len(found["csv"].splitlines()) == 1 + 4 + 1  # header, cells, the line that print ends with
    study, folder = opened(uninterrupted)
    assert found["csv"] == render(study.data_table(folder, published=True, bold_best=True), "csv") + "\n"


def test_a_record_changed_by_hand(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, cells, _ = cells_of(uninterrupted)
    folder = copied(uninterrupted, tmp_path, cells[3])
    damaged = folder.records_path(cells[0].key)
    content = json.loads(damaged.read_text())
    content["config"]["network"] = "LeNet"
    damaged.write_text(json.dumps(content) + "\n")
    others = {cell.key: folder.records_path(cell.key).read_bytes() for cell in cells[1:3]}
    assert condense(*WORDS, "--quiet", "--out", tmp_path) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"{damaged}, line 1: the configuration does not match its hash" in err
    assert {key: folder.records_path(key).read_bytes() for key in others} == others


def test_damage_is_found_before_the_work(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets, cells, _ = cells_of(uninterrupted)
    folder = copied(uninterrupted, tmp_path, cells[3])
    damaged = tmp_path / sets[0].name / "set.h5"  # of cells that are done, so that nothing left to do would read it
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert condense(*WORDS, "--learn", sets[1].network, "--quiet", "--out", tmp_path) == 2
    assert str(damaged) in capsys.readouterr().err and not folder.is_done(cells[3].key)


def test_tables_need_no_images(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(uninterrupted, tmp_path)
    text = folder.description.read_text().replace('"digits"', '"images-that-were-moved"')
    folder.description.write_text(text)
    for words in (("table", tmp_path), ("status", tmp_path), ("page", tmp_path)):
        assert condense(*words) == 0
    capsys.readouterr()
    folder.images.unlink()
    sets, *_ = cells_of(tmp_path)
    folder.records_path(sets[0].key).unlink(missing_ok=True)
    assert condense("cell", tmp_path, sets[0].key) == 2
    err = capsys.readouterr().err
    assert "The images 'images-that-were-moved' are not at images-that-were-moved" in err and err.count("\n") == 1


def test_records_of_another_set(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, (first, _, other, _) = copied(uninterrupted, tmp_path), cells_of(uninterrupted)[1]
    folder.records_path(first.key).write_bytes(folder.records_path(other.key).read_bytes())
    assert condense("table", tmp_path) == 2
    assert "holds records that do not belong to" in capsys.readouterr().err


def test_wrong_input(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_images(tmp_path / "small.npz")
    out = ("--out", tmp_path / "a")
    cases = [
        ((*WORDS, "--learn", "MLP", "LeNett", *out), "Unknown network 'LeNett'. Did you mean 'LeNet'?"),
        ((*WORDS, "--iterations", "2", "--out", uninterrupted), "other settings (iterations: 4 there, 2 now)"),
        (WORDS, "Missing: --out DIR."),
        ((*WORDS, "--dataset", small, "--train", "LeNet", *out), "LeNet cannot take images of 8x8 pixels"),
        ((*WORDS, "--init", "real", "--ipc", "1", "200", *out), "fewer than the 200 images per class asked for"),
        ((*WORDS, "--ipc", "0", *out), "--ipc.0 = '0': Input should be greater than or equal to 1."),
        ((*WORDS, "--method", "dc", "dm", "--distance", "cos", *out), "--distance: The method dm has no such setting"),
        ((*WORDS, "--method", "dc", "dcc", *out), "Unknown method 'dcc'. Did you mean 'dc'?"),
        ((*WORDS, "--seeds-per-cell", "0", *out), "--seeds-per-cell = '0': Input should be greater than or equal to 1."),
        (("table", tmp_path), "holds no results: there is no study.json or records.jsonl in it."),
        (("status", tmp_path), "holds no study: there is no study.json."),
    ]
    for words, sentence in cases:
        assert condense(*words) == 2, words
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
    assert not (tmp_path / "a").exists()
