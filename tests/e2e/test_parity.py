"""`condense parity` as people run it: verdicts, exit codes, stopping and going on, real Keras and Octave where they are."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from command_line import condense, write_images

from condense.studies.parity import keras_process, octave, simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.comparison import TOLERANCE, differences
from condense.studies.parity.octave import check_octave, train_octave
from condense.studies.parity.records import read
from condense.studies.parity.simplenn_twin import Convolution, Network, Sgd
from condense.studies.parity.trajectory import Recorder

SHORT = ("--train-size", "100", "--epochs", "3", "--batch", "20", "--quiet", "--threads", "1")
CHECKOUT = os.environ.get("CONDENSE_SIMPLENN")


@pytest.fixture(scope="module")
def simplenn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on small images."""
    folder = tmp_path_factory.mktemp("parity")
    images = write_images(folder / "noise.npz", counts=(30,) * 10, side=10)
    assert condense("parity", "simplenn", "--dataset", images, *SHORT, "--out", folder / "out") == 0
    return folder


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not keras_process.has_keras():
        pytest.skip("Keras or JAX is not installed: tests against real Keras are skipped")
    folder = tmp_path_factory.mktemp("keras")
    # At the default rate rounding alone moves the float32 losses of digits by a tenth and more in the last of 1,260 steps.
    words = ("--dataset", "digits", "--train-size", "1000", "--learning-rate", "0.0003", "--quiet", "--threads", "1")
    assert condense("parity", "keras", *words, "--epochs", "20", "--batch", "16", "--out", folder / "out") == 0
    return folder / "out"


def statuses(folder: Path) -> dict[str, str]:
    return {record.name: record.results["status"] for record in read(folder / "records.jsonl") if record.kind == "part"}


def change(dump: Path, name: str, factor: float) -> None:
    """Multiplies an array of a dump."""
    with np.load(dump) as archive:
        content = {found: archive[found] for found in archive.files}
    np.savez(dump, **content | {name: factor * content[name]})  # type: ignore[arg-type]


def test_simplenn_passes_and_says_what_was_not_run(simplenn: Path) -> None:
    found = statuses(simplenn / "out")
    assert found.pop("octave") == "NOT RUN" and set(found.values()) == {"PASS"}
    assert {"twin", "twin-free", "float32", "no-decay", "mean"} == set(found)
    with np.load(simplenn / "out" / "runs" / "torch-float64-free.npz") as free:
        assert len(free["loss"]) == 15 and free["steps"][-1] == 15  # as many as with regularisation
    page = (simplenn / "out" / "page.html").read_text()
    assert "PASS: 5 PASS, 1 NOT RUN" in page and "http" not in page.replace("http://www.w3.org", "")
    assert "time of causes and comparisons" in page and "NumPy twin of simpleNN" in page and "made with" in page
    assert "no --simplenn DIR was given" in (simplenn / "out" / "tables.md").read_text()
    assert {"losses.png", "differences.png"} <= {path.name for path in (simplenn / "out").iterdir()}


def test_a_finished_run_is_not_done_again(simplenn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = simplenn / "out"
    before = {path: path.stat().st_mtime_ns for path in [*(out / "runs").iterdir(), out / "records.jsonl"]}
    assert condense("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "PASS: 5 PASS, 1 NOT RUN" in capsys.readouterr().out


def test_missing_pieces_are_made_as_before(simplenn: Path, tmp_path: Path) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    lost = out / "runs" / "torch-float64.npz"
    whole = lost.read_bytes()
    lost.unlink()
    (out / "records.jsonl").unlink()
    assert condense("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out) == 0
    assert lost.read_bytes() == whole and statuses(out) == statuses(simplenn / "out")


def test_a_run_that_differs_fails_with_exit_code_1(
    simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    changed = out / "runs" / "torch-float64.npz"
    before = changed.read_bytes()
    change(changed, "weight/2.bias", 1 + 1e-9)
    assert condense("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out) == 1
    output = capsys.readouterr()
    assert "FAIL: 1 FAIL, 4 PASS" in output.out and "weight of layer 2.bias" in output.out
    assert "condense: The runs do not agree" in output.err
    changed.write_bytes(before)
    assert condense("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out) == 0


def test_no_file_tells_where_the_images_lie(simplenn: Path) -> None:
    """They are passed on; a path has the user's name in it."""
    for path in ("parity.json", "records.jsonl", "tables.md", "page.html"):
        text = (simplenn / "out" / path).read_text()
        assert str(simplenn) not in text, path
    assert json.loads((simplenn / "out" / "parity.json").read_text())["settings"]["dataset"] == "noise.npz"


def test_a_changed_floor_is_judged_again(simplenn: Path, tmp_path: Path) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    for number in range(3):
        change(out / "runs" / f"torch-float32-moved{number}.npz", "loss", 1.2)
    assert condense("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out) == 0
    assert statuses(out) == statuses(simplenn / "out") | {"float32": "PASS"}


def test_runs_that_explode_pass_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--dataset", "digits", "--train-size", "60", "--epochs", "1", "--batch", "20", "--learning-rate", "30")
    out = tmp_path / "out"
    assert condense("parity", "simplenn", *words, "--quiet", "--threads", "1", "--out", out) == 1
    found = statuses(out)
    assert {name for name, status in found.items() if status == "FAIL"} == {"float32", "mean"}
    assert "is not finite from step" in capsys.readouterr().out


def test_causes_with_paired_seeds(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    words = ("parity", "simplenn", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out)
    assert condense(*words, "--cause", "reduction-mean", "reduction-sum") == 0
    assert condense(*words, "--cause", "reduction-sum") == 0
    causes = {record.name: record for record in read(out / "records.jsonl") if record.kind == "cause"}
    assert len([line for line in (out / "records.jsonl").read_text().splitlines() if '"kind": "cause"' in line]) == 2
    mean = causes["reduction-mean"].results
    assert mean["first_steps"] == [2] * 8 and len(mean["test_loss"]) == 8 and mean["closing"]["first_steps"] == [None] * 8
    assert causes["reduction-sum"].results["first_steps"] == [2] * 8  # the unit of a loss is no part of the trajectory
    assert causes["reduction-sum"].results["closing"]["largest"] < 1e-3
    page = (out / "page.html").read_text()
    assert "8 paired seeds" in page and "rate times the outputs" in page and (out / "effects.png").exists()


def test_causes_only(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = ("--dataset", simplenn / "noise.npz", *SHORT, "--seeds", "2"), tmp_path / "out"
    assert condense("parity", "simplenn", *data, "--causes-only", "--out", out) == 2
    assert "--causes-only needs --cause NAME or all." in capsys.readouterr().err and not out.exists()
    assert condense("parity", "simplenn", *data, "--causes-only", "--cause", "last-batch", "--out", out) == 0
    assert "Causes only: 1 measured" in capsys.readouterr().out and statuses(out) == {}
    assert not list((out / "runs").glob("*")) and "Causes only" in (out / "page.html").read_text()
    assert condense("parity", "simplenn", *data, "--out", out) == 0  # the comparison can be added
    assert set(statuses(out).values()) == {"PASS", "NOT RUN"}


def test_keras_agrees_for_1260_steps(keras: Path) -> None:
    found = {record.name: record.results for record in read(keras / "records.jsonl")}
    assert {name: result["status"] for name, result in found.items()} == dict.fromkeys(found, "PASS")
    aligned = found["float64"]
    assert max(aligned["loss"], aligned["gradient"], aligned["weight"]) <= TOLERANCE
    with np.load(keras / "runs" / "keras-float64.npz") as run:
        assert len(run["loss"]) == 1260 and str(run["program"]).startswith("Keras 3") and run["loss"].dtype == np.float64
    assert found["epsilon-naive"]["loss"] > 1e-4 and found["epsilon-naive"]["first"].startswith("step 2, loss")
    assert max(found["decay"][kind] for kind in ("loss", "gradient", "weight")) <= TOLERANCE  # decoupled in both
    assert found["decay-coupled"]["first"].startswith("step 2, loss")
    assert found["batch-norm-default"]["first"].startswith("step 1, loss")
    assert found["batch-norm"]["limit"] < 1  # so that every step is judged
    assert found["broadcast"]["first"].startswith("step 1, loss")
    assert found["regression"]["loss"] <= TOLERANCE


NETWORK = Network((1, 12, 12), (Convolution(4, 5, 2), Convolution(5, 3, 1)), (3,))


@pytest.mark.skipif(not CHECKOUT, reason="CONDENSE_SIMPLENN names no checkout of simpleNN: the real program is not run")
@pytest.mark.skipif(shutil.which(octave.PROGRAM) is None, reason="octave-cli is not here: the real program is not run")
@pytest.mark.parametrize("c", [0.01, float("inf")])
def test_the_real_simplenn_agrees(c: float) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(48, 1, 12, 12)), np.arange(48) % 3
    sgd, kept = Sgd(lr=0.01, C=c, batch=16, decay=0.02), [1, 5, 96]
    assert CHECKOUT
    run = train_octave(check_octave(Path(CHECKOUT)), NETWORK, x, y, sgd, 32, 7, kept, lambda done, total: None)
    assert run.farthest == 0 and len(run.trajectory.loss) == 96
    recorder = Recorder("torch", kept, run.trajectory.hashes)
    simplenn_torch.train(NETWORK, twin.as_torch(NETWORK, run.initial), x, y, run.batches, sgd, recorder)
    found = differences(recorder.trajectory(), run.trajectory)
    assert max(found.largest(kind) for kind in ("loss", "gradient", "weight")) <= TOLERANCE
    losses = [step.loss for step in twin.train(NETWORK, run.initial, x, y, run.batches, sgd)]
    np.testing.assert_allclose(losses, run.trajectory.loss, rtol=TOLERANCE)


def test_a_mat_file_of_bytes_in_simplenns_layout(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = random.integers(0, 256, (120, 64), dtype=np.uint8)
    labels = (np.arange(120) % 3 + 1.0)[:, None]
    scipy.io.savemat(tmp_path / "small.mat", {"Z": rows, "y": labels})
    words = ("--epochs", "1", "--batch", "16", "--quiet", "--preparation", "minmax")
    assert condense("parity", "simplenn", "--dataset", tmp_path / "small.mat", *words, "--out", tmp_path / "out") == 0


def test_wrong_input(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    scipy.io.savemat(tmp_path / "other.mat", {"images": np.zeros((4, 64), np.uint8)})
    data = ("--dataset", simplenn / "noise.npz", "--out", tmp_path / "out")
    out = simplenn / "out"
    cases = [
        (("parity", *data), "Name the framework: condense parity simplenn or keras."),
        (("parity", "kers", *data), "Unknown framework 'kers'. Did you mean 'keras'?"),
        (("parity", "simplenn"), "Missing: --out DIR."),
        (("parity", "simplenn", *data, "--cause", "reduction-meen"), "Did you mean 'reduction-mean'?"),
        (
            ("parity", "simplenn", *data, "--simplenn", tmp_path),
            "no checkout of simpleNN, for there is no MATLAB/cnn_train.m",
        ),
        (("parity", "simplenn", *data, "--batch", "9999"), "--batch 9999 is more than the 240 training images"),
        (("parity", "keras", *data, "--simplenn", tmp_path), "--simplenn belongs to condense parity simplenn"),
        (
            ("parity", "simplenn", "--dataset", tmp_path / "other.mat", "--out", tmp_path / "out"),
            "It holds images uint8 (4, 64)",
        ),
        (("parity", "simplenn", "--dataset", simplenn / "noise.npz", "--out", out), "with other settings (train_size: 100 "),
        (("parity", "simplenn", "--dataset", simplenn / "noise.npz", "--out", simplenn), "holds other files (noise.npz)"),
    ]
    for words, sentence in cases:
        if "keras" in words and not keras_process.has_keras():
            continue
        assert condense(*words) == 2, words
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
    assert not (tmp_path / "out").exists()


class Code:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("records.jsonl", b"[]\n", "line 1: not a complete record"),
        ("records.jsonl", b"\xff\xfe\n", "line 1: not a complete record"),
        ("runs/torch-float64.npz", b"PK", "is no NumPy .npz archive"),
        ("octave-start.npz", b"PK", "is no NumPy .npz archive"),
        ("octave-start.npz", {"batches": np.zeros((2, 3), np.int64)}, "is not the start of an Octave run"),
        ("causes/convolution-aligned.npz", b"PK", "is no NumPy .npz archive"),
        ("causes/convolution-aligned.npz", {"losses": np.zeros((2, 3))}, "is not what a cause came to"),
        ("causes/convolution-aligned.checkpoint", b"", "is not a checkpoint of this version"),
        ("causes/convolution-aligned.checkpoint", b"condense parity checkpoint 2 0\nPK", "is damaged"),
        ("causes/convolution-aligned.checkpoint", None, "is not a checkpoint of this version"),
    ],
)
def test_damaged_files(
    simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: object, sentence: str
) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    (out / "causes").mkdir(exist_ok=True)
    if isinstance(content, bytes):
        (out / name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(out / name, **content)
    else:
        torch.save(Code(tmp_path / "code-was-run"), out / name)
    data = ("--dataset", simplenn / "noise.npz", *SHORT)
    assert condense("parity", "simplenn", *data, "--cause", "last-batch", "--out", out) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1 and not (tmp_path / "code-was-run").exists()


def test_missing_programs(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    data = ("--dataset", simplenn / "noise.npz", "--out", tmp_path / "out")
    monkeypatch.setattr(keras_process, "find_spec", lambda name: None)
    assert condense("parity", "keras", *data) == 2
    assert "pip install 'condense[keras]'" in capsys.readouterr().err
    for name in octave.NEEDED:
        (tmp_path / "simpleNN" / "MATLAB" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "simpleNN" / "MATLAB" / name).touch()
    monkeypatch.setattr(octave, "PROGRAM", "no-octave-here")
    assert condense("parity", "simplenn", *data, "--simplenn", tmp_path / "simpleNN") == 2
    assert "needs GNU Octave, but there is no no-octave-here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_runs_of_other_data_in_the_folder(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shutil.copytree(simplenn / "out", tmp_path / "out")
    other = write_images(tmp_path / "noise.npz", counts=(30,) * 10, side=10, seed=1)
    content = json.loads((out / "parity.json").read_text())
    content["settings"]["dataset"] = str(other)
    (out / "parity.json").write_text(json.dumps(content))
    assert condense("parity", "simplenn", "--dataset", other, *SHORT, "--out", out) == 2
    assert "data: " in capsys.readouterr().err
