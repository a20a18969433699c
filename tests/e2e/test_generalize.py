"""`condense generalize` as people run it: results, killed and continued, shared, in shards; wrong input; old folders."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import condense, write_images

from condense.errors import RunFailed
from condense.records import Record, read_records
from condense.report.rendering import render
from condense.studies import opened
from condense.studies.generalization import cells
from condense.studies.generalization.fit import fit
from condense.studies.generalization.runs import Run
from condense.studies.generalization.study import Generalization

RELEASED = sorted((Path(__file__).parents[2] / "artifacts" / "generalization").iterdir())
SIZES = ("--train-size", "20", "--networks", "mlp-1x512", "--seeds", "2", "--threads", "1")
FILES = {"study.json", "runs", "tables.md", "page.html", "fig1b.png", "fig1b-capped.png", "fig1c.png"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz", (40, 40), side=28)


def outcomes(folder: Path) -> dict[str, tuple[list[float], list[str], dict[str, list[float]]]]:
    """What every run came to, to the last bit."""
    records = [record for path in sorted((folder / "runs").glob("*.jsonl")) for record in read_records(path)]
    found = {record.config_hash: (record.accuracies, record.notes, record.series) for record in records}
    assert len(found) == len(records)
    return found


def words(images: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("generalize", "fig1b", "--dataset", images, *SIZES, "--quiet", "--out", out, *more)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert condense(*words(images, out)) == 0
    return out


def test_what_is_written_and_not_done_again(
    images: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {path.name for path in whole.glob("[!.]*")} == FILES
    shutil.copytree(whole, tmp_path / "copy")
    before = {path: path.read_bytes() for path in (tmp_path / "copy" / "runs").iterdir()}
    assert len(before) == 3 and len(outcomes(whole)) == 6
    passed_on = [*whole.glob("[!.]*.*"), *before]
    assert not any(str(images.parent).encode() in path.read_bytes() for path in passed_on)
    assert condense("generalize", "fig1c", "--dataset", images, *SIZES, "--out", tmp_path / "copy") == 0
    assert before == {path: path.read_bytes() for path in (tmp_path / "copy" / "runs").iterdir()}
    out = capsys.readouterr().out
    assert "3 of 3 cells done" in out and "fig1c, 20 training and 16 test images of noise" in out and "2 fitted" in out
    page = (whole / "page.html").read_text()
    assert "fig1b: time to fit" in page and "6 runs on 20 training images of noise" in page
    assert "fig2a" not in page  # only what is there is shown
    assert "The report" in page and "http" not in page.replace("http://www.w3.org", "")


def test_its_folder_is_shown_by_the_commands_of_all_studies(
    images: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    (folder / "page.html").unlink()
    gone = sorted((folder / "runs").iterdir())[1]
    gone.unlink()
    assert condense("status", folder) == 0
    assert re.fullmatch(r"2 of 3 cells done; about .* to go\n", capsys.readouterr().out)
    assert condense("status", folder, "--all") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if gone.stem in line)
    assert re.search(r"fig1b: mlp-1x512, p = 0\.5, seeds 0-1 +ready", line)
    assert condense("cell", folder, f"runs/{gone.stem}", "--threads", "1", "--quiet") == 0
    assert outcomes(folder) == outcomes(whole)
    assert condense("page", folder) == 0 and (folder / "page.html").exists()
    capsys.readouterr()
    assert condense("table", folder, "--format", "csv") == 0
    header, *lines = capsys.readouterr().out.strip().splitlines()
    assert header.startswith("experiment,network,setting,seed,dataset,train_images") and len(lines) == 12
    assert condense("table", folder, "--format", "markdown") == 0
    assert capsys.readouterr().out.strip() == (whole / "tables.md").read_text().strip()
    assert condense("cell", folder, "runs/none") == 2
    assert "has no cell 'runs/none'" in capsys.readouterr().err


def test_a_plan_writes_nothing(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words(images, tmp_path / "out", "--dry-run", "--seeds-per-cell", "1")) == 0
    assert not (tmp_path / "out").exists()
    out = capsys.readouterr().out
    assert "0 of 6 cells done" in out and "fig1b: mlp-1x512, p = 0.5, seed 1" in out


def test_shards_give_the_same_runs(images: Path, whole: Path, tmp_path: Path) -> None:
    assert condense(*words(images, tmp_path, "--seeds-per-cell", "1")) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 6
    assert outcomes(tmp_path) == outcomes(whole)
    assert (tmp_path / "tables.md").read_bytes() == (whole / "tables.md").read_bytes()


@pytest.mark.long
def test_processes_give_the_same_runs(images: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    for path in sorted((tmp_path / "copy" / "runs").iterdir())[:2]:
        path.unlink()
    assert condense(*words(images, tmp_path / "copy", "--processes", "2")) == 0
    assert outcomes(tmp_path / "copy") == outcomes(whole)


def test_more_seeds_are_added(images: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    assert condense(*words(images, tmp_path / "copy", "--seeds", "3")) == 0
    more = outcomes(tmp_path / "copy")
    assert len(more) == 9 and more.items() >= outcomes(whole).items()
    names = {path.stem.rpartition("-seed")[2] for path in (tmp_path / "copy" / "runs").iterdir()}
    assert names == {"s0-1", "2"}


SAVING = (
    # Of every epoch, so that a run goes on from its middle.
    "import condense.studies.generalization.fit as f; f.SECONDS = 0.0\nfrom condense.cli.main import main; main()"
)


def started(images: Path, out: Path) -> "subprocess.Popen[str]":
    """fig1b in a process of its own."""
    command = [sys.executable, "-c", SAVING, *map(str, words(images, out))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_several_processes_share_the_runs(images: Path, whole: Path, tmp_path: Path) -> None:
    processes = [started(images, tmp_path) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert outcomes(tmp_path) == outcomes(whole)
    assert {path.name for path in tmp_path.glob("[!.]*")} == FILES


@pytest.mark.long
@pytest.mark.parametrize("until", ["checkpoint/*-cpu", "checkpoint/seed0.jsonl"])
def test_killed_in_a_cell_and_continued(until: str, images: Path, whole: Path, tmp_path: Path) -> None:
    process = started(images, tmp_path)
    while not list(tmp_path.glob(f".study/runs/*/{until}")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(tmp_path.glob(".study/runs/*/checkpoint/*"))
    assert kept and len(list(tmp_path.glob("runs/*.jsonl"))) < 3
    assert condense(*words(images, tmp_path)) == 0
    assert outcomes(tmp_path) == outcomes(whole)
    assert not list(tmp_path.glob(".study/runs/*/checkpoint"))


def test_what_fails_is_recorded_and_tried_again_and_the_rest_goes_on(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(runs: Sequence[Run], *others: Any) -> list[Record]:
        if runs[0].p == 0.5:
            raise RunFailed("It cannot be.")
        return fit(runs, *others)

    with monkeypatch.context() as patch:
        patch.setattr(cells, "fit", failing)
        assert condense(*words(images, tmp_path, "--retries", "2")) == 1
    said = capsys.readouterr().err
    assert said == "condense: fig1b: mlp-1x512, p = 0.5, seeds 0-1: It cannot be.\n"
    assert len(outcomes(tmp_path)) == 4
    assert condense("status", tmp_path) == 0
    said = capsys.readouterr().out
    assert "2 of 3 cells done, 1 failed" in said and "It cannot be. (3 times" in said
    assert condense(*words(images, tmp_path)) == 0
    assert outcomes(tmp_path) == outcomes(whole)


def test_wrong_input(images: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_images(tmp_path / "small.npz")
    out = ("--out", tmp_path / "out")
    cases = [
        (("fig1d", *out), "Unknown experiment 'fig1d'. Did you mean 'fig1"),
        (("fig1b",), "Missing: --out DIR."),
        (
            ("fig1b", "--dataset", images, "--train-size", "21", *out),
            "--train-size 21 cannot be balanced over the 2 classes",
        ),
        (("fig1b", "--dataset", images, "--train-size", "100", *out), "needs 50 images per class"),
        (("fig1b", "--dataset", small, "--train-size", "20", "--networks", "mlp-1x512", *out), "take 28x28 or more"),
        (("fig2a", "--dataset", images, "--train-size", "20", "--networks", "MLP", *out), "it takes no other networks"),
        (("fig1b", "--dataset", images, "--train-size", "20", "--networks", "mlq", *out), "Unknown network 'mlq'"),
        (("fig1b", "--dataset", images, "--seeds-per-cell", "0", *out), "--seeds-per-cell"),
    ]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").touch()
    cases.append((("fig1b", "--out", foreign), "holds other files (notes.txt) and no study 'generalization'"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "study.json").write_text(json.dumps({"format": "condense study 1", "kind": "generalization", "requests": 3}))
    cases.append((("fig1b", "--out", other), "study.json is damaged: requests"))
    for given, sentence in cases:
        assert condense("generalize", *given) == 2
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
    assert not list((tmp_path / "out").glob("[!.]*"))
    again = write_images(tmp_path / "noise.npz", (40, 40), side=28, seed=1)
    assert condense(*words(again, whole)) == 2
    assert "holds experiments on other images that are called 'noise.npz'" in capsys.readouterr().err


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_the_tables_of_version_0_1_are_what_they_were(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, files = opened(folder)
    assert isinstance(study, Generalization) and all(files.is_done(cell.key) for cell in study.cells())
    tables = "\n".join(render(table, "markdown") for table in study.tables(files, published=True))
    assert tables == (folder / "tables.md").read_text()
    assert condense("status", folder) == 0
    cells_there = len(study.cells())
    assert capsys.readouterr().out == f"{cells_there} of {cells_there} cells done\n"


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_the_pages_of_version_0_1_are_made_anew_as_they_were(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes((folder / "records.jsonl").read_bytes())
    assert condense("page", tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()}
    for name in ("page.html", "tables.md"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("small", ("all",)),
        ("small-fig2", ("fig2b", "--seeds", "8")),
        ("full-mlp", ("table1", "--scale", "full", "--networks", "mlp-1x512", "--seeds", "1")),
    ],
)
def test_released_folders_are_continued(
    name: str, given: tuple[str, ...], real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever order the images are read in now, all that was asked for is there; nothing is left to do."""
    folder = tmp_path / name
    shutil.copytree(next(path for path in RELEASED if path.name == name), folder)
    before = (folder / "tables.md").read_bytes()
    assert condense("generalize", *given, "--data-root", real_data, "--threads", "1", "--out", folder) == 0
    out = capsys.readouterr().out
    done, of = re.search(r"(\d+) of (\d+) cells done", out).groups()  # type: ignore[union-attr]
    assert done == of and not (folder / "runs").exists()
    assert (folder / "study.json").exists() and (folder / "tables.md").read_bytes() == before
