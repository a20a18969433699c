"""How real images are read, from the command line to the stored set and back."""

from pathlib import Path

import numpy as np
import pytest
from command_line import LEARN, condense

from condense.records import read_records
from condense.synthetic_set import SyntheticSet

LABELS = np.arange(40) % 2


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of 12 bits, of which the bright ones are of class 1."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 2048, (40, 8, 8)) + 2047 * LABELS[:, None, None]
    np.savez(tmp_path / "camera.npz", images=images.astype(np.uint16), labels=LABELS)
    return tmp_path / "camera.npz"


def test_a_stated_range_is_stored_and_used_again(camera: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn = ("learn", "--dataset", camera, *LEARN, "--out", "a.h5")
    assert condense(*learn) == 2
    assert "pixels are uint16 from 0 to 40" in (err := capsys.readouterr().err)
    assert err.count("\n") == 1
    assert not Path("a.h5").exists()
    assert condense(*learn, "--pixel-range", "0,4095") == 0
    config = SyntheticSet.load("a.h5").provenance.config
    assert (config["pixel_range"], config["reading"]) == (
        "0,4095",
        {"pixel_range": "0,4095", "image_shape": "1x8x8", "remarks": []},
    )
    assert condense(*learn, "--pixel-range", "0,4095", "--resume") == 0  # the same set, as far as its configuration goes
    assert condense("evaluate", "a.h5", "--seeds", "1", "--quiet", "--out", "r.jsonl") == 0
    assert len(read_records(Path("r.jsonl"))) == 1
    assert condense("evaluate", "a.h5", "--seeds", "1", "--quiet", "--out", "r.jsonl", "--pixel-range", "0,65535") == 2
    assert "learned from other images" in capsys.readouterr().err


def test_what_was_assumed_is_printed_once_and_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).random((40, 64))
    np.savez("rows.npz", X=images, y=LABELS + 1)
    words = ("--dataset", "rows.npz", "--method", "random", "--network", "MLP", "--out")
    assert condense("learn", *words, "a.h5") == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("condense: rows.npz: ")]
    assert [line.partition("rows.npz: ")[2][:20] for line in said] == [
        "rows of values were ",
        "pixels are float64 f",
        "labels run from 1 to",
    ]
    found = SyntheticSet.load("a.h5").provenance
    assert found.config["reading"]["remarks"] == [line.removeprefix("condense: ") for line in said]
    assert found.class_names == ["1", "2"]
    assert condense("learn", *words, "b.h5", "--quiet") == 0
    assert "rows.npz" not in capsys.readouterr().err
    assert condense("evaluate", "a.h5", "--seeds", "1", "--quiet", "--out", "r.jsonl") == 0


def test_options_that_cannot_be_meant(camera: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        (("--pixel-range", "9"), "--pixel-range: a pixel range is LOW,HIGH, two numbers, the lower one first"),
        (("--image-shape", "8"), "--image-shape: an image shape is HxW, CxHxW or HxWxC"),
        (("--image-size", "8"), "--image-size cannot be used with a file of arrays"),
        (("--skip-bad",), "--skip-bad cannot be used with a file of arrays"),
        (("--dataset", "digits", "--image-shape", "8x8"), "--image-shape cannot be used with digits"),
    ):
        assert condense("learn", "--dataset", camera, *LEARN, "--out", "a.h5", *words) == 2
        assert sentence in capsys.readouterr().err


def test_a_range_below_zero_is_a_value_and_no_flag(camera: Path) -> None:
    images = np.random.default_rng(0).random((40, 8, 8)) * 2 - 1
    np.savez("tanh.npz", images=images, labels=LABELS)
    words = ("learn", "--dataset", "tanh.npz", "--method", "random", "--network", "MLP", "--quiet", "--out", "a.h5")
    assert condense(*words, "--pixel-range", "-1,1") == 0
