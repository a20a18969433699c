"""`condense parity simplenn --simplenn CHECKOUT`, the twin in place of the real program, whose start all others share."""

from pathlib import Path

import numpy as np
import pytest
from command_line import condense, write_images
from test_parity import dumps, results, statuses, words

from condense.studies import opened
from condense.studies.parity import octave
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.npz import write_npz
from condense.studies.parity.octave import OctaveRun
from condense.studies.parity.trajectory import Recorder, load_trajectory, sha256

SEED = 7


def train_as_octave(code, network, x, y, sgd, epochs, seed, kept, progress) -> OctaveRun:
    """Draws others than ours, and trains by simpleNN's algorithm."""
    weights = twin.initial_weights(network, SEED)
    batches = twin.draw_batches(len(x), sgd.batch, epochs, SEED)
    initial = twin.as_torch(network, weights)
    hashes = {"data": sha256(x, y), "batches": sha256(batches), "initial": sha256(*initial.values())}
    recorder = Recorder("simpleNN on GNU Octave 0, float64", kept, hashes)
    for step in twin.train(network, weights, x, y, batches, sgd):
        named = {"gradient": twin.as_torch(network, step.gradients), "weight": twin.as_torch(network, step.weights)}
        arrays = {f"{kind}/{name}": value for kind, values in named.items() for name, value in values.items()}
        recorder.record(step.loss, arrays if recorder.wants else None)
    return OctaveRun(recorder.trajectory(), weights, batches, 0.0)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, and what looks like a checkout beside them."""
    write_images(tmp_path / "noise.npz", counts=(30,) * 10, side=10)
    for name in octave.NEEDED:
        (tmp_path / "simpleNN" / "MATLAB" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "simpleNN" / "MATLAB" / name).touch()
    monkeypatch.setattr(octave, "PROGRAM", "true")
    monkeypatch.setattr(octave, "train_octave", train_as_octave)
    return tmp_path / "simpleNN"


def test_all_runs_start_as_octaves_did(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert condense(*words(tmp_path, out), "--simplenn", checkout) == 0
    assert set(statuses(out)) >= {"octave", "twin-octave"} and set(statuses(out).values()) == {"PASS"}
    hashes = {name: load_trajectory(out / name).hashes for name in dumps(out)}
    assert len({str(found) for name, found in hashes.items() if "octave-start" not in name}) == 1
    passed_on = [path for path in out.rglob("*.json*") if ".study" not in path.parts]
    assert passed_on and not [path for path in passed_on if str(checkout) in path.read_text()]
    for name in ("runs/twin-float64.jsonl", "runs/twin-float64.npz", "parts/twin.jsonl"):
        (out / name).unlink()
    before = dict(hashes)["runs/twin-float64.npz"]
    assert condense(*words(tmp_path, out)) == 0  # the checkout is known, and not needed
    assert load_trajectory(out / "runs" / "twin-float64.npz").hashes == before
    assert set(statuses(out).values()) == {"PASS"} and results(out, "part")["octave"].results["programs"][1].startswith(
        "simpleNN"
    )


def test_a_start_that_is_not_octaves_is_refused(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert condense(*words(tmp_path, out), "--simplenn", checkout) == 0
    capsys.readouterr()
    for content in (b"PK", {"batches": np.zeros((2, 3), np.int64)}):
        for name in ("runs/twin-float64.jsonl", "runs/twin-float64.npz"):
            (out / name).unlink(missing_ok=True)
        path = out / "octave-start.npz"
        path.write_bytes(content) if isinstance(content, bytes) else write_npz(path, content)
        assert condense(*words(tmp_path, out), "--retries", "0") == 1
        sentence = "is no NumPy .npz archive" if isinstance(content, bytes) else "is not the start of an Octave run"
        assert f"NumPy twin: {path}: {sentence}" in capsys.readouterr().err


def test_octave_is_asked_for_at_once_or_never(checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, causes = tmp_path / "out", ("--causes-only", "--cause", "decay-none", "--dry-run")
    assert condense(*words(tmp_path, out), *causes, "--simplenn", checkout) == 0
    assert "octave" not in capsys.readouterr().out and not out.exists()
    assert condense(*words(tmp_path, out)) == 0
    assert condense(*words(tmp_path, out), "--simplenn", checkout) == 2
    assert "holds runs from other initial weights than Octave's" in capsys.readouterr().err


def test_a_checkout_that_is_not_known_here(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(octave, "train_octave", interrupted)
    assert condense(*words(tmp_path, out), "--simplenn", checkout) == 130
    study, folder = opened(out)
    assert {cell.key for cell in study.cells() if not cell.needs} == {"runs/octave-float64"}
    (out / ".study" / "images.json").unlink()  # as on another machine
    assert condense(*words(tmp_path, out)) == 2
    assert "name a checkout with --simplenn DIR" in capsys.readouterr().err
    monkeypatch.setattr(octave, "train_octave", train_as_octave)
    assert condense(*words(tmp_path, out), "--simplenn", checkout) == 0
    assert folder.is_done("parts/twin-octave")
