"""`condense parity` as people run it: verdicts, exit codes, stopping and going on, real Keras and Octave where they are."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from command_line import condense, write_images

from condense.errors import RunFailed
from condense.records import Record, read_records
from condense.studies import opened
from condense.studies.parity import effects, keras_process, octave, simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.comparison import TOLERANCE, differences
from condense.studies.parity.octave import check_octave, train_octave
from condense.studies.parity.simplenn_parts import SimplennRuns
from condense.studies.parity.simplenn_twin import Convolution, Network, Sgd
from condense.studies.parity.study import Parity
from condense.studies.parity.trajectory import Recorder
from condense.study.machine import Machine, Source

SHORT = ("--train-size", "60", "--epochs", "2", "--batch", "20", "--seeds", "2", "--quiet", "--threads", "1")
CHECKOUT = os.environ.get("CONDENSE_SIMPLENN")


@pytest.fixture(scope="module")
def simplenn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on small images, with a cause."""
    folder = tmp_path_factory.mktemp("parity")
    write_images(folder / "noise.npz", counts=(30,) * 10, side=10)
    assert condense(*words(folder, folder / "out"), "--cause", "last-batch") == 0
    return folder


def words(folder: Path, out: Path) -> tuple[object, ...]:
    """The command on the images of a folder."""
    return ("parity", "simplenn", "--dataset", folder / "noise.npz", *SHORT, "--out", out)


def start(folder: Path, out: Path) -> "subprocess.Popen[bytes]":
    """The command of the fixture as a process."""
    command = [sys.executable, "-m", "condense", *map(str, words(folder, out)), "--cause", "last-batch"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def copied(simplenn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(simplenn / "out", tmp_path / "out")


def dumps(out: Path) -> dict[str, bytes]:
    """What all runs of a folder came to."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob("*/*.npz"))}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not keras_process.has_keras():
        pytest.skip("Keras or JAX is not installed: tests against real Keras are skipped")
    folder = tmp_path_factory.mktemp("keras")
    # At the default rate rounding alone moves the float32 losses of digits by a tenth and more in the last of 1,260 steps.
    words = ("--dataset", "digits", "--train-size", "1000", "--learning-rate", "0.0003", "--quiet", "--threads", "1")
    assert condense("parity", "keras", *words, "--epochs", "8", "--batch", "16", "--out", folder / "out") == 0
    return folder / "out"


def results(folder: Path, task: str) -> dict[str, Record]:
    """The records of verdicts or causes by name."""
    study, found = opened(folder)
    assert isinstance(study, Parity)
    return {record.results["name"]: record for record in study.results(found) if record.task == task}


def statuses(folder: Path) -> dict[str, str]:
    return {name: record.results["status"] for name, record in results(folder, "part").items()}


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
        assert len(free["loss"]) == 6 and free["steps"][-1] == 6  # as many as with regularisation
    page = (simplenn / "out" / "page.html").read_text()
    assert "PASS: 5 PASS, 1 NOT RUN" in page and "http" not in page.replace("http://www.w3.org", "")
    assert "computing time" in page and "NumPy twin of simpleNN" in page and "made with" in page
    assert "no --simplenn DIR was given" in (simplenn / "out" / "tables.md").read_text()
    assert {"losses.png", "differences.png"} <= {path.name for path in (simplenn / "out").iterdir()}


def test_a_record_states_what_its_cell_took(simplenn: Path) -> None:
    (run,) = read_records(simplenn / "out" / "runs" / "torch-float64.jsonl")
    assert run.task == "side" and run.cost.wall_seconds > 0 and run.cost.peak_memory_bytes and run.cost.device == "cpu"
    dump = (simplenn / "out" / "runs" / "torch-float64.npz").read_bytes()
    assert run.results["digest"] == hashlib.sha256(dump).hexdigest() and set(run.results["hashes"]) >= {"data", "initial"}


def test_a_finished_run_is_not_done_again(simplenn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = simplenn / "out"
    before = {path: path.stat().st_mtime_ns for path in [*out.glob("*/*.npz"), *out.glob("*/*.jsonl")]}
    assert condense(*words(simplenn, out)) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(before) == 39
    assert "PASS: 5 PASS, 1 NOT RUN" in capsys.readouterr().out


def test_missing_pieces_are_made_as_before(simplenn: Path, tmp_path: Path) -> None:
    out = copied(simplenn, tmp_path)
    lost = out / "runs" / "torch-float64.npz"
    lost.unlink()
    shutil.rmtree(out / "parts")
    assert condense(*words(simplenn, out)) == 0
    assert dumps(out) == dumps(simplenn / "out") and statuses(out) == statuses(simplenn / "out")


def test_a_folder_that_was_passed_on_without_its_runs(
    simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copied(simplenn, tmp_path)
    shutil.rmtree(out / ".study")
    for path in out.glob("*/*.npz"):
        path.unlink()
    assert condense("status", out) == 0 and capsys.readouterr().out == "23 of 23 cells done\n"
    assert condense("table", out, "--format", "markdown") == 0
    assert capsys.readouterr().out.strip() == (out / "tables.md").read_text().strip()
    assert condense("page", out) == 0
    page = (out / "page.html").read_text()
    assert (
        page.count("data:image/png") == 2
        and (out / "tables.md").read_bytes() == (simplenn / "out" / "tables.md").read_bytes()
    )


def test_a_run_that_differs_fails_with_exit_code_1(
    simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copied(simplenn, tmp_path)
    changed = out / "runs" / "torch-float64.npz"
    before = changed.read_bytes()
    change(changed, "weight/2.bias", 1 + 1e-9)
    assert condense("status", out) == 0 and "20 of 23 cells done" in capsys.readouterr().out
    assert condense("table", out) == 0
    assert "Not judged yet, or only on runs that have changed since: PyTorch float64 against" in capsys.readouterr().out
    assert condense(*words(simplenn, out)) == 1
    output = capsys.readouterr()
    assert "FAIL: 1 FAIL, 4 PASS" in output.out and "weight of layer 2.bias" in output.out
    assert "condense: The runs do not agree" in output.err
    changed.write_bytes(before)
    assert condense(*words(simplenn, out)) == 0


def test_no_file_tells_where_the_images_lie(simplenn: Path) -> None:
    """They are passed on; a path has the user's name in it."""
    files = [path for path in (simplenn / "out").rglob("*") if path.suffix in (".json", ".jsonl", ".md", ".html")]
    passed_on = [path for path in files if ".study" not in path.parts]
    assert len(passed_on) == 26 and not [path for path in passed_on if str(simplenn) in path.read_text()]
    assert json.loads((simplenn / "out" / "study.json").read_text())["dataset"] == "noise.npz"


def test_a_changed_floor_is_judged_again(simplenn: Path, tmp_path: Path) -> None:
    out = copied(simplenn, tmp_path)
    for number in range(3):
        change(out / "runs" / f"torch-float32-moved{number}.npz", "loss", 1.2)
    before = results(simplenn / "out", "part")["float32"].results["limit"]
    assert condense(*words(simplenn, out)) == 0
    assert statuses(out) == statuses(simplenn / "out")
    assert results(out, "part")["float32"].results["limit"] > 100 * before


def test_a_verdict_by_an_earlier_rule_is_given_again(simplenn: Path, tmp_path: Path) -> None:
    out = copied(simplenn, tmp_path)
    record = out / "parts" / "float32.jsonl"
    record.write_text(record.read_text().replace('"floor_units": 256', '"floor_units": 1'))
    assert "float32" not in statuses(out)
    assert condense(*words(simplenn, out)) == 0 and statuses(out) == statuses(simplenn / "out")


def test_runs_that_explode_pass_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--dataset", "digits", "--train-size", "60", "--epochs", "1", "--batch", "20", "--learning-rate", "30")
    out = tmp_path / "out"
    assert condense("parity", "simplenn", *chosen, "--quiet", "--threads", "1", "--out", out) == 1
    found = statuses(out)
    assert {name for name, status in found.items() if status == "FAIL"} == {"float32", "mean"}
    assert "is not finite from step" in capsys.readouterr().out


def test_causes_with_paired_seeds(simplenn: Path, tmp_path: Path) -> None:
    out = copied(simplenn, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (out / "causes").iterdir()}
    assert condense(*words(simplenn, out), "--cause", "reduction-mean", "reduction-sum") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before  # the aligned networks are those of all causes
    causes = results(out, "cause")
    assert list(causes) == ["last-batch", "reduction-mean", "reduction-sum"]
    mean = causes["reduction-mean"]
    assert mean.seeds == [0, 1] and mean.results["first_steps"] == [2, 2] and len(mean.results["test_loss"]) == 2
    assert mean.results["closing"]["first_steps"] == [None] * 2
    assert causes["reduction-sum"].results["first_steps"] == [2] * 2  # the unit of a loss is no part of the trajectory
    assert causes["reduction-sum"].results["closing"]["largest"] < 1e-3
    page = (out / "page.html").read_text()
    assert "2 paired seeds" in page and "rate times the outputs" in page and (out / "effects.png").exists()


def test_causes_only(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert condense(*words(simplenn, out), "--causes-only") == 2
    assert "--causes-only needs --cause NAME or all." in capsys.readouterr().err and not out.exists()
    assert condense(*words(simplenn, out), "--causes-only", "--cause", "last-batch") == 0
    assert "Causes only: 1 measured" in capsys.readouterr().out and statuses(out) == {}
    assert not list((out / "runs").glob("*")) and "Causes only" in (out / "page.html").read_text()
    assert condense(*words(simplenn, out)) == 0  # the comparison can be added
    assert set(statuses(out).values()) == {"PASS", "NOT RUN"} and dumps(out) == dumps(simplenn / "out")


def test_a_dry_run_leaves_nothing(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words(simplenn, tmp_path / "out"), "--dry-run") == 0
    assert "0 of 16 cells done" in capsys.readouterr().out and not (tmp_path / "out").exists()


@pytest.mark.long
def test_killed_in_mid_cell_the_others_finish_it(simplenn: Path, tmp_path: Path) -> None:
    """Two processes on one folder, one of them killed: nothing is lost, nothing doubled, and every byte is the same."""
    out = tmp_path / "out"
    first, second = start(simplenn, out), start(simplenn, out)
    while first.poll() is None and not any(f'"process": {first.pid}' in text for text in running(out)):
        time.sleep(0.01)
    first.kill()
    assert first.wait() == -signal.SIGKILL and second.wait(300) == 0
    assert dumps(out) == dumps(simplenn / "out") and statuses(out) == statuses(simplenn / "out")
    assert all(len(path.read_text().splitlines()) == 1 for path in out.glob("*/*.jsonl"))
    assert (out / "tables.md").read_bytes() == (simplenn / "out" / "tables.md").read_bytes()


def running(out: Path) -> list[str]:
    """What the processes say of the cells that they compute."""
    texts = []
    for path in (out / ".study").glob("*/*/running.json"):
        with contextlib.suppress(OSError):  # it is done since
            texts.append(path.read_text())
    return texts


def test_networks_that_were_killed_go_on_from_their_checkpoint(simplenn: Path, tmp_path: Path, monkeypatch) -> None:
    out, run = tmp_path / "out", effects.run
    monkeypatch.setattr(effects, "SAVED_EVERY", 0.0)

    def stopped(setting, base, task, shared, checkpoint, progress, nudge=None):
        def until(done: int, total: int) -> None:
            if done == 4:
                raise KeyboardInterrupt
            progress(done, total)

        return run(setting, base, task, shared, checkpoint, until, nudge)

    monkeypatch.setattr(effects, "run", stopped)
    causes = (*words(simplenn, out), "--causes-only", "--cause", "last-batch")
    assert condense(*causes) == 130
    kept = out / ".study" / "causes" / "convolution-aligned" / "checkpoint"
    assert kept.exists()
    monkeypatch.setattr(effects, "run", run)
    assert condense(*causes) == 0 and not kept.exists()
    expected = dumps(simplenn / "out")
    assert dumps(out) == {name: expected[name] for name in expected if name.startswith("causes")}


@pytest.mark.long
def test_several_processes(simplenn: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert condense(*words(simplenn, out), "--causes-only", "--cause", "last-batch", "--processes", "2") == 0
    expected = dumps(simplenn / "out")
    assert dumps(out) == {name: expected[name] for name in expected if name.startswith("causes")}
    assert results(out, "cause")["last-batch"].results == results(simplenn / "out", "cause")["last-batch"].results


def test_a_cell_that_fails_does_not_stop_the_others(
    simplenn: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, torch_run = tmp_path / "out", SimplennRuns.torch

    def failing(self, name, *others, **more):
        if name == "torch-float32-mean":
            raise RunFailed("The machine has moths.")
        return torch_run(self, name, *others, **more)

    monkeypatch.setattr(SimplennRuns, "torch", failing)
    assert condense(*words(simplenn, out)) == 1
    assert "PyTorch, float32 mean: The machine has moths." in capsys.readouterr().err
    assert set(statuses(out)) == {"octave", "twin", "twin-free", "float32", "no-decay"}
    assert condense("status", out) == 0
    assert "14 of 16 cells done, 1 failed" in (said := capsys.readouterr().out) and "moths. (2 times, last at" in said
    monkeypatch.setattr(SimplennRuns, "torch", torch_run)
    assert condense(*words(simplenn, out)) == 0 and statuses(out) == statuses(simplenn / "out")


def test_one_cell(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = copied(simplenn, tmp_path)
    for name in ("parts/twin.jsonl", "runs/torch-float64.jsonl", "runs/torch-float64.npz"):
        (out / name).unlink()
    options = ("--quiet", "--threads", "1")
    assert condense("cell", out, "parts/twin", *options) == 2
    assert "needs others first: runs/torch-float64." in capsys.readouterr().err
    assert condense("cell", out, "runs/torch-float65", *options) == 2
    assert "no cell 'runs/torch-float65'" in capsys.readouterr().err
    assert condense("cell", out, "runs/torch-float64", *options) == 0
    assert condense("cell", out, "parts/twin", *options) == 0
    assert dumps(out) == dumps(simplenn / "out") and statuses(out) == statuses(simplenn / "out")


def test_keras_agrees_for_504_steps(keras: Path) -> None:
    found = {name: record.results for name, record in results(keras, "part").items()}
    assert {name: result["status"] for name, result in found.items()} == dict.fromkeys(found, "PASS")
    aligned = found["float64"]
    assert max(aligned["loss"], aligned["gradient"], aligned["weight"]) <= TOLERANCE
    with np.load(keras / "runs" / "keras-float64.npz") as run:
        assert len(run["loss"]) == 504 and str(run["program"]).startswith("Keras 3") and run["loss"].dtype == np.float64
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
        (("parity", "simplenn", "--dataset", simplenn / "noise.npz", "--out", out), "with other settings (train_size: 60 "),
        (("parity", "keras", "--dataset", simplenn / "noise.npz", *SHORT, "--out", out), "framework: 'simplenn' there"),
        (("parity", "simplenn", "--dataset", simplenn / "noise.npz", "--out", simplenn), "holds other files (noise.npz)"),
    ]
    for chosen, sentence in cases:
        if "keras" in chosen and not keras_process.has_keras():
            continue
        assert condense(*chosen) == 2, chosen
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
    assert not (tmp_path / "out").exists()


SEALED = effects.FORMAT.encode()


class Code:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("name", "content", "sentence", "code"),
    [
        ("study.json", b"[]", "study.json is damaged", 2),
        ("study.json", b'{"format": "condense study 1", "kind": "parity"}', "framework: It must be given", 2),
        ("study.json", {"framework": "keras", "cause": ["sortd"]}, "Did you mean 'sorted'?", 2),
        ("study.json", {"framework": "cntk"}, "Unknown framework 'cntk'", 2),
        ("study.json", {"epochs": "two"}, "epochs = 'two'", 2),
        ("parts/twin.jsonl", b"[]\n", "line 1: not a record of condense", 2),
        ("parts/twin.jsonl", {"results": {}}, "not a complete record of condense parity", 2),
        ("causes/last-batch.jsonl", {"seeds": [0]}, "not a complete record of condense parity", 2),
        ("runs/torch-float64.npz", b"PK", "is no NumPy .npz archive", 1),
        ("causes/convolution-aligned.npz", b"PK", "is no NumPy .npz archive", 1),
        (".study/causes/convolution-decay-none/checkpoint", b"", "is not a checkpoint of this version", 1),
        (".study/causes/convolution-decay-none/checkpoint", SEALED + b" 0\nPK", "is damaged", 1),
        (".study/causes/convolution-decay-none/checkpoint", None, "is not a checkpoint of this version", 1),
    ],
)
def test_damaged_files(
    simplenn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: object,
    sentence: str,
    code: int,
) -> None:
    out = copied(simplenn, tmp_path)
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        torch.save(Code(tmp_path / "code-was-run"), path)
    assert condense(*words(simplenn, out), "--cause", "decay-none", "--retries", "0") == code
    err = capsys.readouterr().err
    lines = [line for line in err.splitlines() if sentence in line]
    assert lines and (code == 1 or err.count("\n") == 1) and not (tmp_path / "code-was-run").exists()


def test_missing_programs(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    data = ("--dataset", simplenn / "noise.npz", "--out", tmp_path / "out")
    monkeypatch.setattr(keras_process, "find_spec", lambda name: None)
    assert condense("parity", "keras", *data) == 2
    assert "pip install 'dataset-condensation[keras]'" in capsys.readouterr().err
    for name in octave.NEEDED:
        (tmp_path / "simpleNN" / "MATLAB" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "simpleNN" / "MATLAB" / name).touch()
    monkeypatch.setattr(octave, "PROGRAM", "no-octave-here")
    assert condense("parity", "simplenn", *data, "--simplenn", tmp_path / "simpleNN") == 2
    assert "needs GNU Octave, but there is no no-octave-here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_runs_of_other_data_in_the_folder(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "noise.npz", counts=(30,) * 10, side=10, seed=1)
    assert condense(*words(tmp_path, simplenn / "out")) == 2
    assert "holds a parity with other settings (data: " in capsys.readouterr().err


def as_version_0_1(out: Path) -> None:
    """Makes a folder what version 0.1 would have left."""
    settings = json.loads((out / "study.json").read_text())
    facts = {name: settings.pop(name) for name in ("format", "kind", "data", "images", "proof", "octave", "cause")}
    description = {"format": "condense parity 1", "data": facts["data"], "settings": settings}
    (out / "parity.json").write_text(json.dumps(description))
    lines = []
    for path in (
        *(out / "parts").iterdir(),
        *[each for each in (out / "causes").glob("*.jsonl") if "tion-" not in each.name],
    ):
        (record,) = read_records(path)
        outcome = {name: record.results[name] for name in record.results if name not in ("name", "title")}
        outcome |= {"seeds": record.seeds} if record.task == "cause" else {}
        line = {"kind": record.task, "name": record.results["name"], "title": record.results["title"], "results": outcome}
        line |= {name: getattr(record.cost, name) for name in ("wall_seconds", "threads", "started_at")}
        line |= {"code_version": record.code_version, "library_versions": record.library_versions}
        lines.append(json.dumps({**line, "config": record.config, "config_hash": record.config_hash}))
    (out / "records.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for path in (*out.glob("*/*.jsonl"), out / "study.json"):
        path.unlink()
    shutil.rmtree(out / ".study")


def test_a_folder_of_version_0_1_goes_on(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = copied(simplenn, tmp_path)
    as_version_0_1(out)
    assert condense("status", out) == 0 and capsys.readouterr().out == "23 of 23 cells done\n"
    assert condense("table", out, "--format", "markdown") == 0
    assert capsys.readouterr().out.strip() == (out / "tables.md").read_text().strip()
    before = {path: path.stat().st_mtime_ns for path in [*out.glob("*/*.npz"), out / "records.jsonl", out / "parity.json"]}
    assert condense(*words(simplenn, out), "--cause", "decay-none") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert statuses(out) == statuses(simplenn / "out") and list(results(out, "cause")) == ["last-batch", "decay-none"]
    change(out / "runs" / "torch-float64.npz", "weight/2.bias", 1 + 1e-9)
    assert "twin" not in statuses(out)
    assert condense(*words(simplenn, out)) == 1 and statuses(out)["twin"] == "FAIL"


def test_what_version_0_1_had_not_finished_goes_on(simplenn: Path, tmp_path: Path, monkeypatch) -> None:
    out = copied(simplenn, tmp_path)
    as_version_0_1(out)
    (out / "records.jsonl").unlink()
    (out / "runs" / "twin-float64.npz").unlink()
    (out / "causes" / "convolution-aligned.npz").unlink()
    steps = list[int]()
    load = effects._resumed
    monkeypatch.setattr(effects, "_resumed", lambda path: steps.append(path.exists()) or load(path))
    study, found = opened(out)
    table = study.materials(machine(simplenn), found).causes
    base, run = table.setting("convolution"), effects.run
    monkeypatch.setattr(effects, "SAVED_EVERY", 0.0)
    with contextlib.suppress(KeyboardInterrupt):
        run(base, base, table.task(base), table.shared(base), out / "causes" / "convolution-aligned.checkpoint", stop_at_4)
    steps.clear()
    assert condense(*words(simplenn, out), "--cause", "last-batch") == 0
    assert steps == [True] and not (out / "causes" / "convolution-aligned.checkpoint").exists()
    assert dumps(out) == dumps(simplenn / "out") and statuses(out) == statuses(simplenn / "out")


def stop_at_4(done: int, total: int) -> None:
    if done == 4:
        raise KeyboardInterrupt


def machine(simplenn: Path) -> Machine:
    return Machine(torch.device("cpu"), sources={"noise.npz": Source(str(simplenn / "noise.npz"))})


def test_what_of_version_0_1_cannot_be_read(simplenn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = copied(simplenn, tmp_path)
    as_version_0_1(out)
    description = (out / "parity.json").read_text()
    for name, content, sentence in (
        ("parity.json", description.replace("parity 1", "parity 0"), "was written by another version"),
        ("parity.json", description[:-3], "is damaged"),
        ("records.jsonl", "[]\n", "line 1: not a record of condense"),
        ("runs/torch-float64.npz", "PK", "is no NumPy .npz archive"),
        ("causes/convolution-aligned.npz", "PK", "is no NumPy .npz archive"),
    ):
        before = (out / name).read_bytes()
        (out / name).write_text(content)
        assert condense("status", out) == 2
        err = capsys.readouterr().err
        assert sentence in err and err.count("\n") == 1, err
        (out / name).write_bytes(before)
