"""Set, records and checkpoint of a run: never in disagreement, never replaced unasked."""

from dataclasses import replace
from pathlib import Path

import pytest

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.errors import CondenseError, Interrupted
from condense.events import Step
from condense.pipeline import learn_and_save

QUICK = LearnConfig(network="MLP", iterations=2, real_batch=8)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


def interrupt(event: Step) -> None:
    raise KeyboardInterrupt


def test_resuming_a_finished_run_gives_the_set_that_is_there(digits: DataSet, tmp_path: Path) -> None:
    files = tmp_path / "set.h5", tmp_path / "records.jsonl"
    first = learn_and_save(QUICK, digits, *files)
    before = [path.read_bytes() for path in files]
    assert learn_and_save(QUICK, digits, *files, resume=True).sha256 == first.sha256
    assert [path.read_bytes() for path in files] == before
    with pytest.raises(CondenseError, match="another configuration"):
        learn_and_save(replace(QUICK, seed=1), digits, *files, resume=True)


def test_a_set_with_another_sets_record_is_refused(digits: DataSet, tmp_path: Path) -> None:
    files = tmp_path / "set.h5", tmp_path / "records.jsonl"
    other = tmp_path / "other.h5", tmp_path / "other.jsonl"
    learn_and_save(QUICK, digits, *files)
    learn_and_save(replace(QUICK, seed=1), digits, *other)
    files[1].write_bytes(other[1].read_bytes())
    with pytest.raises(CondenseError, match="does not begin with the record of"):
        learn_and_save(QUICK, digits, *files, resume=True)


def test_resuming_does_not_replace_records_of_other_work(digits: DataSet, tmp_path: Path) -> None:
    out, records = tmp_path / "set.h5", tmp_path / "records.jsonl"
    with pytest.raises(Interrupted):
        learn_and_save(QUICK, digits, out, records, progress=interrupt)
    records.write_text("somebody's evaluations\n")
    with pytest.raises(CondenseError):
        learn_and_save(QUICK, digits, out, records, resume=True)
    assert records.read_text() == "somebody's evaluations\n"
    records.unlink()
    learn_and_save(QUICK, digits, out, records, resume=True)
    assert out.exists() and records.exists()
