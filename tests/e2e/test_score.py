"""`condense score` as people run it: from end to end, planned, continued, on sets of other programs, with wrong input."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import condense, write_images

from condense.records import read_records
from condense.synthetic_set import SyntheticSet

SHORT = 'name = "short"\nepochs = 4\nlearning_rate = 0.05\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small set of digits, a set of noise, a protocol, and records of networks on all digits."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "short.toml").write_text(SHORT)
    images = write_images(folder / "noise.npz")
    drawn = ("learn", "--network", "MLP", "--method", "random", "--quiet")
    assert condense(*drawn, "--dataset", "digits", "--ipc", 1, "--seed", 9, "--out", folder / "digits.h5") == 0
    assert condense(*drawn, "--dataset", images, "--ipc", 2, "--out", folder / "noise.h5") == 0
    whole = ("evaluate", "--whole", "--network", "MLP", "--quiet", "--dataset")
    assert condense(*whole, "digits", "--seeds", 3, "--out", folder / "whole.jsonl") == 0
    assert condense(*whole, images, "--seeds", 1, "--out", folder / "noise.jsonl") == 0
    return folder


def words(made: Path, out: Path, *more: object) -> list[object]:
    fixed = ("score", made / "digits.h5", "--protocol", made / "short.toml", "--seeds", 3, "--threads", 1)
    return [*fixed, "--whole", made / "whole.jsonl", "--out", out, *more]


@pytest.fixture(scope="module")
def scored(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score") / "s"
    assert condense(*words(made, folder, "--quiet")) == 0
    return folder


def accuracies(folder: Path) -> dict[str, list[float]]:
    """In the order of seeds, by cell."""
    paths = sorted((folder / "networks").glob("*.jsonl"))
    return {path.stem: [one for record in read_records(path) for one in record.accuracies] for path in paths}


def test_what_comes_out(scored: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: np.array(values) for name, values in accuracies(scored).items()}
    assert found["whole"].tolist() == read_records(made / "whole.jsonl")[0].accuracies and found["whole"].min() > 0.9
    hlr = found["whole"].mean() - found["set-short"].mean()
    ior = (found["set-short"] - found["random-short"]).mean()
    alpha, beta = (ior - hlr) / 2, (ior + (found["set-short-siamese"] - found["random-short-siamese"]).mean()) / 2
    lrs, ars = (np.exp([alpha, beta]) - np.exp(-1)) / (np.exp(1) - np.exp(-1))
    (record,) = read_records(scored / "score.jsonl")
    measures = {name: one["value"] for name, one in record.results["measures"].items()}
    right = {"hlr": hlr, "ior": ior, "alpha": alpha, "lrs": lrs, "beta": beta, "ars": ars}
    assert measures == pytest.approx(right)
    assert record.config["set"]["sha256"] == SyntheticSet.load(made / "digits.h5").sha256
    assert condense("table", scored, "--format", "csv") == 0
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert {name: float(rows[name]["value"]) for name in right} == pytest.approx(right)
    assert rows["accuracy: random real images, hard labels, short"]["n"] == "3"
    page, tables = (scored / "page.html").read_text(), (scored / "tables.md").read_text()
    assert all(f"{lrs:.3f}" in text and "LRS" in text and "lower" in text for text in (page, tables))
    assert condense("table", scored) == 0
    assert (
        f"With hard labels the set stays {100 * hlr:.1f} percentage points below all real images." in capsys.readouterr().out
    )
    (scored / "page.html").unlink()
    assert condense("page", scored) == 0 and (scored / "page.html").read_text() == page
    capsys.readouterr()
    assert condense("status", scored) == 0 and capsys.readouterr().out == "5 of 5 cells done\n"


def test_the_same_command_does_nothing_twice(scored: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in scored.rglob("*.*") if path.is_file()}
    assert condense(*words(made, scored)) == 0
    assert "5 of 5 cells done" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_a_plan_writes_nothing(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words(made, tmp_path / "s", "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 of 5 cells done, about ") and not (tmp_path / "s").exists()
    assert [line.split()[-2:] for line in lines if line.startswith("networks/whole")] == [["done", "–"]]


def test_a_torn_folder_is_mended(scored: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(scored, tmp_path / "s")
    for name in ("set.h5", "score.jsonl", "networks/random-short.jsonl"):
        (folder / name).unlink()
    cell = ("cell", folder, "networks/random-short", "--threads", 1, "--quiet")
    assert condense(*cell) == 2
    assert "the set that is scored is not in its folder: give the same command once more" in capsys.readouterr().err
    assert condense(*words(made, folder, "--quiet")) == 0
    assert accuracies(folder) == accuracies(scored)
    results = [read_records(path / "score.jsonl")[0].results for path in (folder, scored)]
    assert results[0] == results[1]
    (folder / "networks" / "set-short.jsonl").write_text('{"task": "evaluate"')
    for command in (("table", folder), words(made, folder, "--quiet")):
        assert condense(*command) == 2
        assert "set-short.jsonl, line 1: not a complete line of JSON" in capsys.readouterr().err


def test_a_set_of_another_program(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = SyntheticSet.load(made / "digits.h5")
    torch.save([own.images, own.labels], tmp_path / "pair.pt")
    torch.save({"data": [[own.images, own.labels], [own.images + 0.1, own.labels]]}, tmp_path / "vico.pt")
    short = ("--protocol", made / "short.toml", "--network", "MLP", "--out", tmp_path / "s", "--dry-run")
    assert condense("score", tmp_path / "pair.pt", "--dataset", "digits", "--pixels", "normalised", *short) == 0
    assert "0 of 5 cells done" in capsys.readouterr().out
    for given, said in (
        (("pair.pt",), "so it does not say what it was made from: name it with --dataset."),
        (("vico.pt", "--dataset", "digits"), "holds 2 sets, and a score is of one: --only says which."),
    ):
        assert condense("score", tmp_path / given[0], *given[1:], *short) == 2
        assert said in capsys.readouterr().err
    assert condense("score", tmp_path / "vico.pt", "--dataset", "digits", "--only", 2, *short) == 0


def test_images_of_ones_own_a_network_a_cell(made: Path, tmp_path: Path) -> None:
    given = ("score", made / "noise.h5", "--dataset", made / "noise.npz", "--protocol", made / "short.toml", "--quiet")
    counts = ("--seeds", 2, "--whole-seeds", 1, "--seeds-per-cell", 1, "--threads", 1)
    assert condense(*given, *counts, "--out", tmp_path / "s") == 0
    assert len(list((tmp_path / "s" / "networks").glob("random-short-seeds*.jsonl"))) == 2
    (record,) = read_records(tmp_path / "s" / "score.jsonl")
    assert record.results["measures"]["lrs"]["low"] is None and 0 < record.results["measures"]["lrs"]["value"] < 1
    content = json.loads((tmp_path / "s" / "study.json").read_text())
    assert content["source"] == "noise.npz" and str(made) not in json.dumps(content)


def test_wrong_input(scored: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "s")
    digits, short = made / "digits.h5", ("--dataset", made / "noise.npz", "--protocol", made / "short.toml")
    other = scored / "networks" / "set-short.jsonl"
    (tmp_path / "no-whole.jsonl").write_text("")
    cases = [
        (("score",), ["Missing: SET.h5, --out DIR."]),
        (("score", made / "no.h5", *out), [f"There is no synthetic set at {made / 'no.h5'}."]),
        (("score", made / "short.toml", *out), [f"{made / 'short.toml'} is no set of condense, so it does not say"]),
        (("score", digits, "--pixels", "unit", *out), ["--pixels is for sets of other programs, not for"]),
        (("score", digits, "--dataset", made / "noise.npz", *out), ["The set has 10 classes, but the noise.npz given here"]),
        (("score", digits, "--protocol", "dsaa", *out), ["--protocol: Unknown protocol 'dsaa'. Did you mean 'dsa'?"]),
        (
            ("score", digits, "--seeds", 0, "--whole-seeds", -1, *out),
            ["--seeds = '0': Input", "--whole-seeds = '-1': Input"],
        ),
        (("score", digits, "--network", "MLPP", *out), ["--network: Unknown network 'MLPP'."]),
        (words(made, made), [f"{made} holds other files ("]),
        (words(made, scored, "--seeds", 4), [f"{scored} holds a score with other settings (seeds: 3 there, 4 now)."]),
        (("score", made / "noise.h5", *short, "--out", scored), [f"{scored} holds the score of another set (digits.h5)."]),
        (("score", digits, "--whole", made / "none.jsonl", *out), [f"Cannot read records from {made / 'none.jsonl'}"]),
        (
            ("score", digits, "--whole", tmp_path / "no-whole.jsonl", *out),
            [f"{tmp_path / 'no-whole.jsonl'} holds no records."],
        ),
        (
            ("score", digits, "--whole", other, *out),
            [f"--whole {other}: it holds no networks trained on all real images, as condense evaluate --whole"],
        ),
        (
            ("score", digits, "--whole", made / "noise.jsonl", *out),
            [f"--whole {made / 'noise.jsonl'}: its networks were trained or tested on other real images (noise.npz)"],
        ),
        (
            ("score", digits, "--network", "LeNet", "--whole", made / "whole.jsonl", *out),
            [f"--whole {made / 'whole.jsonl'}: it holds no networks of LeNet on digits, but of MLP."],
        ),
    ]
    for given, sentences in cases:
        assert condense(*given) == 2, given
        found = [line.removeprefix("condense: ") for line in capsys.readouterr().err.splitlines()]
        assert len(found) == len(sentences), found
        for line, sentence in zip(sorted(found), sorted(sentences), strict=True):
            assert line.startswith(sentence), (line, sentence)
    assert not (tmp_path / "s").exists()
