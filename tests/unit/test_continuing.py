"""Results of an earlier version, gone on with: the same images under whatever fingerprint, and no others."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from condense import pipeline
from condense.config import EvaluateConfig, LearnConfig
from condense.data.images import DataSet, LabelledImages
from condense.records import read_records
from condense.report.tables import accuracy_table
from condense.stage_t import evaluate as stage_t
from condense.training.recipe import Recipe, Stage

QUICK = LearnConfig(network="MLP", iterations=1, inner_loop=1)


@pytest.fixture
def data(small_images: Callable[..., LabelledImages], monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Own images; training takes two epochs."""
    monkeypatch.setattr(stage_t, "recipe", lambda *case: Recipe((Stage(2, 0.05),)))
    return DataSet("noise", small_images(counts=(9, 9)), small_images(seed=1))


def as_before(path: Path, data: DataSet) -> None:
    """Rewrites records as an earlier version has them: test images under their former fingerprint."""
    records = read_records(path)
    changed = [
        replace(record, config={**record.config, "test_fingerprint": data.test.former_fingerprint})
        if record.task == "evaluate"
        else record
        for record in records
    ]
    path.write_text("".join(record.to_json() + "\n" for record in changed))


def test_a_run_of_an_earlier_version_goes_on_in_the_same_row(data: DataSet, tmp_path: Path) -> None:
    outputs = pipeline.run(QUICK, EvaluateConfig(seeds=3), data, tmp_path / "run")
    as_before(outputs.records, data)
    pipeline.run(QUICK, EvaluateConfig(seeds=4), data, tmp_path / "run", resume=True)
    assert [len(record.seeds) for record in read_records(outputs.records)[1:]] == [3, 4]
    (row,) = accuracy_table(read_records(outputs.records)).rows
    assert "4" in row


def test_what_is_recorded_of_other_test_images_is_not_taken_for_done(data: DataSet, tmp_path: Path) -> None:
    outputs = pipeline.run(QUICK, EvaluateConfig(seeds=3), data, tmp_path / "run")
    test = LabelledImages.from_arrays(data.test.pixels, 1 - data.test.labels, mean=data.test.mean, std=data.test.std)
    pipeline.run(QUICK, EvaluateConfig(seeds=3), replace(data, test=test), tmp_path / "run", resume=True)
    records = read_records(outputs.records)
    assert [record.config["test_fingerprint"] for record in records[1:]] == [data.test.fingerprint, test.fingerprint]
