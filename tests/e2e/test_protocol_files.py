"""A protocol from a TOML file, through every command that takes one."""

import json
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images

from condense.records import read_records

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "protocol.toml"
OWN = 'name = "own"\nepochs = 3\nlearning_rate = 0.05\noptimiser = "adamw"\nschedule = "cosine"\nwarm_up = 1\ncutmix = 0.5\n'


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def test_the_example_trains(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned, out = tmp_path / "set.h5", tmp_path / "r.jsonl"
    assert condense("learn", "--dataset", images, *LEARN, "--out", learned) == 0
    words = ("evaluate", learned, "--dataset", images, "--seeds", 2, "--protocol", EXAMPLE, "--out", out)
    assert condense(*words) == 0
    (record,) = read_records(out)
    assert record.config["protocol"] == "patient" and record.config["recipe"]["stages"][0]["epochs"] == 200
    assert not record.diverged and len(set(record.accuracies)) >= 1
    printed = capsys.readouterr().out
    assert "Protocol 'patient': 200 epochs at 0.001; augmentation color, crop, flip, scale, rotate; " in printed
    assert condense(*words, "--quiet") == 2 and condense(*words, "--resume", "--quiet") == 0
    assert read_records(out) == [record]


def test_run_and_go_on(images: Path, own: Path, tmp_path: Path) -> None:
    words = ("run", "--dataset", images, *LEARN, "--seeds", 2, "--protocol", own, "--out", tmp_path / "run")
    assert condense(*words) == 0
    own.write_text(OWN.replace("epochs = 3", "epochs = 4"))
    assert condense(*words, "--resume") == 0
    found = [
        record.config["recipe"] for record in read_records(tmp_path / "run" / "records.jsonl") if record.task != "learn"
    ]
    assert [recipe["stages"][0]["epochs"] for recipe in found] == [3, 4]
    assert found[0]["cosine"] == {"warm_up": 1, "end": 0.0} and found[0]["optimiser"] == "adamw"
    assert condense(*words, "--resume") == 0
    assert len(read_records(tmp_path / "run" / "records.jsonl")) == 3
    assert "own" in (tmp_path / "run" / "page.html").read_text()


def test_a_file_of_options_may_name_one(images: Path, own: Path, tmp_path: Path) -> None:
    options = tmp_path / "options.toml"
    options.write_text(f"dataset = {json.dumps(str(images))}\nprotocol = {json.dumps(str(own))}\nseeds = 1\n")
    assert condense("run", "--config", options, *LEARN, "--out", tmp_path / "run") == 0
    assert read_records(tmp_path / "run" / "records.jsonl")[1].config["protocol"] == "own"


def test_a_matrix_under_several(images: Path, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("matrix", "--dataset", images, "--learn", "MLP", "--train", "MLP", "LeNet", "--iterations", 1, "--seeds", 1)
    words = (*words, "--protocol", own, "report", "--out", tmp_path / "matrix")
    small = write_images(images.with_name("larger.npz"), side=28)
    words = tuple(small if word is images else word for word in words)
    assert condense(*words) == 0
    own.unlink()  # the folder holds it whole
    capsys.readouterr()
    assert condense("table", tmp_path / "matrix", "--format", "markdown") == 0
    printed = capsys.readouterr().out
    assert "protocol own**" in printed and "protocol report**" in printed and "Protocol 'own': 3 epochs at 0.05; " in printed
    names = {path.name for path in (tmp_path / "matrix").rglob("*.jsonl")}
    assert names == {"set.jsonl", "MLP-own.jsonl", "LeNet-own.jsonl", "MLP-report.jsonl", "LeNet-report.jsonl"}
    assert (tmp_path / "matrix" / "accuracies-published-own.png").exists()
    own.write_text(OWN.replace("epochs = 3", "epochs = 4"))
    assert condense(*words) == 2
    assert "Two protocols with different settings are called 'own': rename one." in capsys.readouterr().err
