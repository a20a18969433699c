"""`condense sweep` as people run it: killed and continued, planned, shown again, with wrong input."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images
from condense.studies.hyperparameters.folder import SweepFolder

from condense.studies.hyperparameters.trial import SweepRecord

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
    fixed = (
        "sweep",
        "digits",
        "--grid",
        made / "grid.toml",
        "--seeds",
        2,
        "--proxy",
        made / "digits.h5",
        "--proxy-epochs",
        2,
    )
    return [str(word) for word in (*fixed, "--threads", 1, "--out", out, *more)]


def results(folder: SweepFolder) -> list[tuple]:
    """What does not depend on when and how fast a sweep ran."""
    return [(r.config, r.seeds, r.accuracies, r.training_accuracies, r.training_losses) for r in folder.finished()]


@pytest.fixture(scope="module")
def uninterrupted(made: Path) -> SweepFolder:
    assert condense(*words(made, made / "whole")) == 0
    return SweepFolder(made / "whole")


def test_what_is_printed_and_written(uninterrupted: SweepFolder, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = uninterrupted.records.read_bytes()
    assert condense(*words(made, uninterrupted.path)) == 0
    out = capsys.readouterr().out
    assert "Digits: accuracy\n" in out and "Digits: small sets as proxies" in out and "Page:   file://" in out
    assert uninterrupted.records.read_bytes() == before and len(before.splitlines()) == 6
    names = {path.name for path in uninterrupted.path.glob("[!.]*")}
    assert names == {"sweep.json", "records.jsonl", "tables.md", "page.html", "accuracies.png", "proxies.png"}
    assert condense("table", uninterrupted.path, "--format", "csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 3 + 1
    assert condense("table", uninterrupted.path) == 0
    assert "Time within" not in (text := capsys.readouterr().out) and "time within 25 % in" in text


def test_a_plan_changes_nothing(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words(made, tmp_path / "s", "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "6 of 6 rows are left, about " in out and "random, 2 per class, seed 0" in out and not (tmp_path / "s").exists()


def test_killed_in_mid_row_and_continued(uninterrupted: SweepFolder, made: Path, tmp_path: Path) -> None:
    folder, program = SweepFolder(tmp_path / "s"), "from condense.cli.main import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    kills = [folder.unfinished, folder.records]
    for waited_for in kills:
        command = [sys.executable, "-c", program, *words(made, folder.path, "--quiet")]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 240
        while not waited_for.exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(folder.finished()) < 6
    assert condense(*words(made, folder.path, "--quiet")) == 0
    assert results(folder) == results(uninterrupted) and not folder.unfinished.exists()


def test_interrupted_it_says_where_it_goes_on(made: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def stop(*told: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("condense.studies.hyperparameters.trial.train", stop)
    assert condense(*words(made, tmp_path / "s", "--quiet")) == 130
    assert f"Stopped in row 1; the same command goes on in {tmp_path / 's'}." in capsys.readouterr().err


def test_wrong_input(made: Path, uninterrupted: SweepFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        (words(made, made), [f"{made} holds other files (digits.h5) and no sweep. Choose another --out."]),
        (
            ("sweep", "digits", "--grid", other, "--out", uninterrupted.path),
            [f"{uninterrupted.path} holds a sweep with other rows. Choose another --out."],
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


def test_a_damaged_record_is_found(uninterrupted: SweepFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = SweepFolder(tmp_path)
    folder.description.write_bytes(uninterrupted.description.read_bytes())
    folder.records.write_text(uninterrupted.records.read_text().replace('"epochs": 4', '"epochs": 5', 1))
    assert condense("table", tmp_path) == 2
    assert f"{folder.records}, line 1: the configuration does not match its hash" in capsys.readouterr().err
    assert isinstance(uninterrupted.finished()[0], SweepRecord)
