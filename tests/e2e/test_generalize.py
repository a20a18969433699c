"""`condense generalize` as people run it: results, killed and continued, wrong input."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import condense, write_images

from condense.records import read_records

SIZES = ("--train-size", "20", "--networks", "mlp-1x512", "--seeds", "2", "--threads", "1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz", (40, 40), side=28)


def outcomes(folder: Path) -> dict[str, tuple[list[float], list[str], list[float]]]:
    records = read_records(folder / "records.jsonl")
    found = {record.config_hash: (record.accuracies, record.notes, record.series["train_loss"]) for record in records}
    assert len(found) == len(records)
    return found


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert condense("generalize", "fig1b", "--dataset", images, *SIZES, "--out", out) == 0
    return out


def test_what_is_written_and_not_done_again(images: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {path.name for path in whole.glob("[!.]*")}
    assert names == {"records.jsonl", "tables.md", "page.html", "fig1b.png", "fig1b-capped.png", "fig1c.png"}
    before = (whole / "records.jsonl").read_bytes()
    assert condense("generalize", "fig1c", "--dataset", images, *SIZES, "--out", whole) == 0
    assert (whole / "records.jsonl").read_bytes() == before and len(before.splitlines()) == 6
    out = capsys.readouterr().out
    assert "fig1c, 20 training and 16 test images of noise" in out and "2 fitted" in out
    page = (whole / "page.html").read_text()
    assert "fig1b: time to fit" in page and "6 runs on 20 training images of noise" in page
    assert (
        "fig1b, " not in out and "fig2a" not in page
    )  # only what was asked for is printed, and only what is there is shown
    assert "The report" in page and "http" not in page.replace("http://www.w3.org", "")


ALONE = (
    # Runs one by one, so that there is a middle to be killed in, and work to be shared.
    "import condense.studies.generalization.fit as f; f.members_at_once = lambda *a: 1\n"
    "from condense.cli.main import main; main()"
)


def started(images: Path, out: Path) -> subprocess.Popen[str]:
    """fig1b in a process of its own, one run after the other."""
    words = ["generalize", "fig1b", "--dataset", str(images), *SIZES, "--quiet", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", ALONE, *words], env=environment, stderr=subprocess.PIPE, text=True)


def test_several_processes_share_the_runs(images: Path, whole: Path, tmp_path: Path) -> None:
    processes = [started(images, tmp_path) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert outcomes(tmp_path).keys() == outcomes(whole).keys()  # each run once
    assert {path.name for path in tmp_path.glob("[!.]*")} == {path.name for path in whole.glob("[!.]*")}


def test_killed_and_continued(images: Path, whole: Path, tmp_path: Path) -> None:
    process = started(images, tmp_path)
    records = tmp_path / "records.jsonl"
    while not (records.exists() and records.stat().st_size) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= len(records.read_bytes().splitlines()) < len(outcomes(whole))
    assert condense("generalize", "fig1b", "--dataset", images, *SIZES, "--quiet", "--out", tmp_path) == 0
    found, expected = outcomes(tmp_path), outcomes(whole)
    assert found.keys() == expected.keys()
    for key, (accuracies, notes, losses) in found.items():
        assert (accuracies, notes) == expected[key][:2]
        np.testing.assert_allclose(losses, expected[key][2], rtol=1e-3)


def test_wrong_input(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    ]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "matrix.json").touch()
    cases.append((("fig1b", "--out", foreign), "holds other files (matrix.json) and no generalization experiments"))
    for words, sentence in cases:
        assert condense("generalize", *words) == 2
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
