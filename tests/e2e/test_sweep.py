"""`condense sweep` as people run it: killed and continued, planned, shown again, with wrong input."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images

from condense.errors import RunFailed
from condense.records import read_records
from condense.studies.hyperparameters.trial import Trial
from condense.synthetic_set import SyntheticSet

GRID = """
title = "Digits"
[defaults]
learning_rate = 0.05
batch_size = 64
[[rows]]
network = "mlp"
width = 16
epochs = 4
[[rows]]
network = "mlp"
width = 128
epochs = 4
objective = "summed"
weight_decay = 0.001
[[rows]]
network = "ConvNet"
width = 8
depth = 2
epochs = 6
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid and a small set of digits, and one of other images."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "grid.toml").write_text(GRID)
    images = write_images(folder / "noise.npz")
    words = ("learn", "--network", "MLP", "--method", "random", "--ipc", "2", "--quiet")
    assert condense(*words, "--dataset", "digits", "--out", folder / "digits.h5") == 0
    assert condense("learn", "--dataset", images, *LEARN, "--out", folder / "noise.h5") == 0
    return folder


def words(made: Path, out: Path, *more: object) -> list[str]:
    of_sets = ("--proxy", made / "digits.h5", "--proxy-epochs", 2)
    fixed = ("sweep", "digits", "--grid", made / "grid.toml", "--seeds", 2, *of_sets)
    return [str(word) for word in (*fixed, "--threads", 1, "--out", out, *more)]


def results(folder: Path) -> dict[str, list[tuple]]:
    """What does not depend on when and how fast a sweep ran, by the file of the cell."""
    files = {path.name: read_records(path) for path in sorted((folder / "rows").glob("*.jsonl"))}
    return {name: [(record.config, record.seeds, record.metrics) for record in own] for name, own in files.items()}


def start(*given: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "condense", *map(str, given)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_once_there(process: "subprocess.Popen[str]", folder: Path, pattern: str) -> None:
    """Kills a process once it has written a file."""
    deadline = time.monotonic() + 240
    while not any(folder.glob(pattern)) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def uninterrupted(made: Path) -> Path:
    assert condense(*words(made, made / "whole")) == 0
    return made / "whole"


def test_what_is_printed_and_written(uninterrupted: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (uninterrupted / "rows").iterdir()}
    assert condense(*words(made, uninterrupted)) == 0
    out = capsys.readouterr().out
    assert "0 of 6 rows are left" in out
    assert "Digits: accuracy\n" in out and "Digits: small sets as proxies" in out and "Page:   file://" in out
    assert {path: path.read_bytes() for path in (uninterrupted / "rows").iterdir()} == before and len(before) == 6
    names = {path.name for path in uninterrupted.glob("[!.]*")}
    assert names == {"study.json", "rows", "sets", "tables.md", "page.html", "accuracies.png", "proxies.png"}
    assert condense("table", uninterrupted, "--format", "csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3 + 1
    assert condense("table", uninterrupted) == 0
    assert "Time within" not in (text := capsys.readouterr().out) and "time within 25 % in" in text
    assert condense("status", uninterrupted) == 0
    assert capsys.readouterr().out == "6 of 6 cells done\n"
    (uninterrupted / "page.html").unlink()
    assert condense("page", uninterrupted) == 0
    assert (uninterrupted / "page.html").exists()


def test_a_plan_changes_nothing(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words(made, tmp_path / "s", "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "6 of 6 rows are left, about " in out and "random, 2 per class, seed 0" in out and not (tmp_path / "s").exists()


@pytest.mark.long
def test_killed_in_mid_row_and_continued(uninterrupted: Path, made: Path, tmp_path: Path) -> None:
    """Once a network of a row is kept, and once a row is done; what was there is neither lost nor trained again."""
    folder = tmp_path / "s"
    for pattern in (".study/rows/*/checkpoint", "rows/*.jsonl"):
        killed_once_there(start(*words(made, folder, "--quiet")), folder, pattern)
    there = {path: path.read_bytes() for path in (folder / "rows").glob("*.jsonl")}
    assert 0 < len(there) < 6
    assert condense(*words(made, folder, "--quiet")) == 0
    assert results(folder) == results(uninterrupted) and not any(folder.glob(".study/rows/*/checkpoint"))
    assert all(path.read_bytes() == data for path, data in there.items())


@pytest.mark.long
def test_two_processes_on_one_folder_of_which_one_is_killed(uninterrupted: Path, made: Path, tmp_path: Path) -> None:
    """Timed rows wait for each other; the one that is left does what is missing."""
    folder = tmp_path / "s"
    first, second = (start(*words(made, folder, "--quiet")) for _ in range(2))
    killed_once_there(first, folder, ".study/rows/*/running.json")
    _, errors = second.communicate(timeout=300)
    assert second.returncode == 0, errors
    assert results(folder) == results(uninterrupted)


@pytest.mark.long
def test_by_processes_of_their_own_in_cells_of_one_network(
    uninterrupted: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same numbers, whichever process trains a network; no set is needed but those in the folder."""
    folder, own = tmp_path / "s", tmp_path / "own"
    shutil.copytree(made, own, ignore=lambda *_: ["whole"])
    one = GRID[: GRID.index("[[rows]]", GRID.index("width = 16"))]
    (own / "grid.toml").write_text(one)
    assert condense(*words(own, folder, "--seeds-per-cell", 1, "--processes", 2, "--quiet")) == 0
    sha256 = SyntheticSet.load(own / "digits.h5").sha256
    shutil.rmtree(own)
    found, whole = results(folder), results(uninterrupted)
    of_set = f"random-{sha256[:8]}-x2"
    assert [name.rpartition("-on-")[2] for name in found] == [
        *(f"{of_set}-seed0.jsonl", f"{of_set}-seed1.jsonl", "real-images-seed0.jsonl", "real-images-seed1.jsonl")
    ]
    for name, ((_, seeds, metrics),) in found.items():
        ((_, _, expected),) = whole[f"{name.rpartition('-seed')[0]}-seeds0-1.jsonl"]
        assert metrics == {metric: [values[seed] for seed in seeds] for metric, values in expected.items()}
    capsys.readouterr()
    assert condense("status", folder, "--all") == 0
    keys = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("rows/")]
    (folder / f"{keys[-1]}.jsonl").unlink()
    assert condense("status", folder) == 0
    assert "3 of 4 cells done; about " in capsys.readouterr().out
    assert condense("cell", folder, keys[-1], "--threads", 1, "--quiet") == 0
    assert results(folder) == found
    assert condense("cell", folder, "rows/none") == 2
    assert "has no cell 'rows/none'" in capsys.readouterr().err


def test_a_row_that_fails_is_tried_again_and_the_rest_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[str] = []
    trained = Trial.train

    def fails(self: Trial, *given: object) -> object:
        tried.append(self.row.name)
        if self.row.name == "2":
            raise RunFailed("Not enough memory.")
        return trained(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Trial, "train", fails)
    given = ["sweep", "digits", "--grid", made / "grid.toml", "--seeds", 1, "--threads", 1, "--out", tmp_path / "s"]
    assert condense(*given, "--quiet", "--retries", 2) == 1
    assert "condense: row 2 on 1,157 of 1,442 training images, seed 0: Not enough memory." in capsys.readouterr().err
    assert sorted(tried) == ["1", "2", "2", "2", "3"]
    assert condense("status", tmp_path / "s") == 0
    out = capsys.readouterr().out
    assert "2 of 3 cells done, 1 failed" in out and "Not enough memory. (3 times, last at " in out
    assert (tmp_path / "s" / "page.html").exists()


def test_interrupted_it_says_how_it_goes_on(made: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def stop(*told: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("condense.studies.hyperparameters.trial.train", stop)
    assert condense(*words(made, tmp_path / "s", "--quiet")) == 130
    said = "Stopped in row 1 on random, 2 per class, seed 0, seeds 0 to 1. The same command continues."
    assert said in capsys.readouterr().err


def test_wrong_input(made: Path, uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, wrong, none = (tmp_path / f"{name}.toml" for name in ("empty", "wrong", "none"))
    empty.write_text("")
    wrong.write_text(GRID.replace("epochs = 6", "epochs = 0\nlr = 1").replace("batch_size = 64", "batch_size = -1"))
    other = tmp_path / "other.toml"
    other.write_text(GRID.replace("0.05", "0.01"))
    large = tmp_path / "large.toml"
    large.write_text(GRID.replace("batch_size = 64", "batch_size = 5000").replace("depth = 2", "depth = 7"))
    out = ("--out", tmp_path / "s")
    cases = [
        (("sweep",), ["Missing: DATASET, --out DIR."]),
        (("sweep", "digits", *out), ["There is no report's grid for digits: name one by --grid (report-fashion-mnist, "]),
        (("sweep", "fashion-mnst", *out), ["DATASET: Unknown data set 'fashion-mnst'. Did you mean 'fashion-mnist'?"]),
        (("sweep", "digits", "--grid", "convnet", *out), ["Unknown grid 'convnet'. Did you mean 'convnets'?"]),
        (("sweep", "digits", "--grid", none, *out), [f"Cannot read the grid {none}: No such file or directory."]),
        (("sweep", "digits", "--grid", empty, *out), [f"{empty}: the grid is empty: it needs [[rows]], or a [space] of"]),
        (
            ("sweep", "digits", "--grid", wrong, *out),
            [
                f"{wrong}: defaults.batch_size = -1: Input should be greater than or equal to 1.",
                f"{wrong}: rows[2].epochs = 0: Input should be greater than or equal to 1.",
                f"{wrong}: rows[2].lr: Unknown key 'lr'. Known: activation, ",
            ],
        ),
        (
            ("sweep", "digits", "--grid", large, *out),
            [
                f"{large}: row 3 (ConvNetW8D7): the network cannot take images of 28x28 pixels",
                f"{large}: rows 1, 2, 3: batch_size = 5000: digits has 1157 training images besides the 285 held out.",
            ],
        ),
        (
            ("sweep", "digits", "--grid", large, "--sample", 1, *out),  # only of the rows drawn
            [f"{large}: row 2: batch_size = 5000: digits has 1157 training images besides the 285 held out."],
        ),
        ((*words(made, tmp_path / "s"), "--proxy", made / "no.h5"), [f"There is no synthetic set at {made / 'no.h5'}."]),
        (
            (*words(made, tmp_path / "s"), "--proxy", made / "noise.h5"),
            [f"--proxy {made / 'noise.h5'}: The set has 2 classes, but the digits given here has 10."],
        ),
        (words(made, tmp_path / "s", "--sample", 9), ["--sample 9: the grid has only 3 rows."]),
        (words(made, made), [f"{made} holds other files (digits.h5) and no study 'sweep'. Choose another --out."]),
        (
            ("sweep", "digits", "--grid", other, "--out", uninterrupted),
            [f"{uninterrupted} holds a sweep with other rows. Choose another --out."],
        ),
    ]
    for given, sentences in cases:
        assert condense(*given) == 2, given
        lines = capsys.readouterr().err.splitlines()
        found = [line.removeprefix("condense: ") for line in lines]
        assert len(found) == len(sentences), found
        for line, sentence in zip(sorted(found), sorted(sentences), strict=True):
            assert line.startswith(sentence), (line, sentence)
    assert not (tmp_path / "s").exists()


def test_a_damaged_record_is_found(uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(uninterrupted, tmp_path / "s")
    path = next((tmp_path / "s" / "rows").iterdir())
    path.write_text(path.read_text().replace('"epochs": ', '"epochs": 1', 1))
    assert condense("table", tmp_path / "s") == 2
    assert f"{path}, line 1: the configuration does not match its hash" in capsys.readouterr().err
