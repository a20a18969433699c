"""A set learned from a published set in a file of one's own, evaluated on the published one."""

from pathlib import Path

import numpy as np
import pytest
from command_line import LEARN, condense

from condense.data.catalog import load
from condense.records import read_records


def test_it_needs_neither_the_file_nor_how_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = load("digits")
    arrays = {
        f"{part}_{what}": values
        for part, images in (("train", digits.train), ("test", digits.test))
        for what, values in (("images", images.pixels.numpy() / 255), ("labels", images.labels.numpy()))
    }
    np.savez("own.npz", allow_pickle=False, **arrays)
    assert condense("learn", "--dataset", "own.npz", "--pixel-range", "0,1", *LEARN, "--out", "set.h5") == 0
    Path("own.npz").unlink()
    for dataset in ((), ("--dataset", "digits")):
        words = ("evaluate", "set.h5", *dataset, "--protocol", "report", "--seeds", 1, "--quiet", "--out", "r.jsonl")
        assert condense(*words, *(("--resume",) if dataset else ())) == 0, capsys.readouterr().err
    assert [record.config["set"]["dataset"] for record in read_records(Path("r.jsonl"))] == ["digits"]
