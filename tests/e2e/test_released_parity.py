"""The released results of `condense parity`: complete, shown as they were released, and as the documentation says."""

import csv
import html
import io
import shutil
from pathlib import Path

import pytest
from command_line import condense

from condense.records import Record
from condense.report.rendering import render
from condense.studies import opened
from condense.studies.parity.causes import CAUSES
from condense.studies.parity.published import RATES, SETTINGS
from condense.studies.parity.study import Parity

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
FRAMEWORKS = {path.name: path for path in sorted((ARTIFACTS / "framework-parity").iterdir()) if path.is_dir()}
REPORTS = {path.name: path for path in sorted((ARTIFACTS / "framework-parity-reports").iterdir()) if path.is_dir()}
FOLDERS = [*FRAMEWORKS.values(), *REPORTS.values()]


def records(folder: Path, task: str) -> list[Record]:
    study, found = opened(folder)
    assert isinstance(study, Parity)
    return [record for record in study.results(found) if record.task == task]


def test_both_frameworks_and_both_reports_are_released() -> None:
    assert {"simplenn", "keras"} <= FRAMEWORKS.keys() and {"mnist", "cifar10"} <= REPORTS.keys()


@pytest.mark.parametrize("folder", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_every_part_passed(folder: Path) -> None:
    parts = records(folder, "part")
    assert len(parts) >= 7 and {record.results["status"] for record in parts} == {"PASS"}
    assert folder.name == "keras" or {"octave", "twin-octave"} <= {record.results["name"] for record in parts}


@pytest.mark.parametrize("folder", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_every_cause_was_measured_on_real_images_with_paired_seeds(folder: Path) -> None:
    causes = records(folder, "cause")
    assert [record.results["name"] for record in causes] == [cause.name for cause in CAUSES[folder.name]]
    assert all(len(record.seeds) >= 8 and record.config["dataset"] == "mnist" for record in causes)
    page = html.unescape((folder / "page.html").read_text())
    assert all(record.results["title"] in page for record in causes)


@pytest.mark.parametrize("folder", REPORTS.values(), ids=REPORTS)
def test_the_course_reports_losses_were_measured_in_its_setting(folder: Path) -> None:
    mean, total = records(folder, "cause")
    assert (mean.results["name"], total.results["name"]) == ("reduction-mean", "reduction-sum")
    for record in (mean, total):
        assert len(record.seeds) == 10
        assert record.config.items() >= {**SETTINGS, "dataset": folder.name, "learning_rate": RATES[folder.name]}.items()
    assert None not in mean.results["test_loss"] and set(total.results["test_loss"]) == {None}


def cells(markdown: str) -> list[list[str]]:
    """The lines of all tables and notes, cell by cell."""
    return [[cell.strip() for cell in line.split("|")] for line in markdown.splitlines() if line.strip()]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_nothing_is_missing_and_the_tables_are_those_that_were_released(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert condense("status", folder) == 0
    done, of, *_ = capsys.readouterr().out.replace(" of", "").split()
    assert done == of == str(len((folder / "records.jsonl").read_text().splitlines()))
    assert condense("table", folder, "--format", "markdown") == 0
    printed, released = cells(capsys.readouterr().out), cells((folder / "tables.md").read_text())
    assert printed == released and len(printed) > 30
    assert condense("table", folder, "--format", "csv") == 0
    rows = [row for row in csv.reader(io.StringIO(capsys.readouterr().out)) if row]
    assert {"cause", "d_loss", "d_loss_p_holm"} <= {cell for row in rows for cell in row}


@pytest.mark.parametrize("folder", [FRAMEWORKS["simplenn"], REPORTS["mnist"]], ids=lambda folder: folder.name)
def test_their_pages_can_be_made_anew_but_nothing_added(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    assert condense("page", copy) == 0
    assert (copy / "tables.md").read_bytes() == (folder / "tables.md").read_bytes()
    study, found = opened(copy)
    page = (copy / "page.html").read_text()
    assert all(render(table, "html").strip() in page for table in study.tables(found))
    assert page.count("data:image/png") == (2 if (folder / "losses.png").exists() else 0)
    words = ("--dataset", "digits", "--cause", "reduction-mean", "--causes-only", "--quiet")
    assert condense("parity", "simplenn", *words, "--out", copy) == 2
    assert "holds records without the runs they were made of" in capsys.readouterr().err
