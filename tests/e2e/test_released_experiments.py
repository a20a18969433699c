"""The released results of the experiments: complete, and what the documentation says of them."""

import html
from pathlib import Path

import pytest

from condense.experiments.framework_parity.causes import CAUSES
from condense.experiments.framework_parity.records import ParityRecord, read

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
FRAMEWORKS = sorted(path.parent.name for path in (ARTIFACTS / "framework-parity").glob("*/records.jsonl"))


def test_experiments_are_released() -> None:
    assert {"simplenn", "keras"} <= set(FRAMEWORKS)


def parity_records(framework: str) -> list[ParityRecord]:
    return read(ARTIFACTS / "framework-parity" / framework / "records.jsonl")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_part_of_parity_passed(framework: str) -> None:
    parts = [record for record in parity_records(framework) if record.kind == "part"]
    assert len(parts) >= 7 and {record.results["status"] for record in parts} == {"PASS"}
    assert framework == "keras" or {"octave", "twin-octave"} <= {record.name for record in parts}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_cause_was_measured_on_real_images_with_paired_seeds(framework: str) -> None:
    causes = [record for record in parity_records(framework) if record.kind == "cause"]
    assert [record.name for record in causes] == [cause.name for cause in CAUSES[framework]]
    assert all(len(record.results["seeds"]) >= 8 and record.config["dataset"] == "mnist" for record in causes)
    page = html.unescape((ARTIFACTS / "framework-parity" / framework / "page.html").read_text())
    assert all(record.title in page for record in causes)
