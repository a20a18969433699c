"""The released cross-architecture matrices: complete, intact, and what the documentation says of them."""

import html
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from condense.report.matrix import Matrix, matrix_tables
from condense.report.rendering import render
from condense.studies import opened
from condense.studies.matrix.results import finished_sets, matrices, networks_of, trained
from condense.studies.matrix.study import Matrix as Study
from condense.study.folder import StudyFolder
from condense.study.status import headline, status_of

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
SHARED = ("MLP", "ConvNet", "LeNet", "AlexNet")
"""The networks whose cells the reproduction report and the paper both have."""


RELEASED = sorted(path.parent.name for path in ARTIFACTS.glob("*/matrix.json"))


def study_of(name: str) -> tuple[Study, StudyFolder]:
    """A released matrix and its folder."""
    study, folder = opened(ARTIFACTS / name)
    assert isinstance(study, Study)
    return study, folder


def released(schedule: str, protocol: str = "published", name: str = "mnist-ipc1-matrix") -> Matrix:
    """One of the released matrices."""
    study, folder = study_of(name)
    found = matrices(study.cells(), folder)
    return next(matrix for matrix in found if (matrix.schedule, matrix.protocol) == (schedule, protocol))


def means(matrix: Matrix, rows: tuple[str, ...], columns: tuple[str, ...]) -> np.ndarray:
    """Mean accuracies in percent of some rows and columns."""
    return matrix.means[np.ix_([matrix.rows.index(row) for row in rows], [matrix.columns.index(one) for one in columns])]


@pytest.mark.parametrize("name", RELEASED)
def test_every_cell_asked_for_is_there_with_as_many_networks(name: str) -> None:
    study, folder = study_of(name)
    status = status_of(study.cells(), folder)
    assert not status.left and headline(status) == f"{len(study.cells())} of {len(study.cells())} cells done"
    asked: dict[str, int] = {}
    for cell in networks_of(study.cells()):
        asked[cell.base] = max(asked.get(cell.base, 0), cell.seeds.stop)
        assert [seed for record in trained(cell, folder) for seed in sorted(record.seeds)] == list(cell.seeds)
    for request in study.requests:
        places = product(study.sets(request), request.train, request.protocol)
        assert all(asked[f"{of.name}/{network}-{protocol}"] >= request.seeds for of, network, protocol in places)
    sets, page = finished_sets(study.cells(), folder), html.unescape((folder.path / "page.html").read_text())
    assert len(sets) >= len(SHARED) and all(one.sha256 for _, one in sets)
    assert all(matrix.title in page for matrix in matrices(study.cells(), folder))
    assert f"`{name}`" in (ARTIFACTS / "README.md").read_text()


def rows_of(text: str) -> dict[str, list[str]]:
    """The lines of each table in a page of Markdown by its title, without what stands out in bold, and but for those on how
    images carry over and on time: the laws of the former two changed after these were released, as did what the report's
    numbers are called; the latter stands in the page alone.
    """
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        title = line.replace("Own minus reported", "Own minus published") if line.startswith("**") else title
        if line.startswith("|") and not title.startswith(("**How images", "**Mean wall")):
            found.setdefault(title, []).append(line.replace("**", ""))
    return found


@pytest.mark.parametrize("name", RELEASED)
def test_its_tables_are_those_that_were_released(name: str) -> None:
    study, folder = study_of(name)
    tables = [matrix_tables([one], published=True, bold_best=True) for one in matrices(study.cells(), folder)]
    now = "\n".join(render(table, "markdown") for of_one in tables for table in of_one)
    there = rows_of((folder.path / "tables.md").read_text())
    assert rows_of(now) == there and sum(map(len, there.values())) > 5
    assert len(study.data_table(folder).data) == sum(len(one.asked) for one in matrices(study.cells(), folder))


@pytest.mark.parametrize("schedule", ["fast", "published"])
def test_twenty_networks_on_each_shared_cell_and_none_of_the_reports_broken_columns(schedule: str) -> None:
    matrix = released(schedule)
    for row in SHARED:
        for column in SHARED:
            assert all(len(found) == 20 for found in matrix.cells[row, column].accuracies), (row, column)
    assert means(matrix, SHARED, SHARED).min() > 40


def test_the_fast_matrix_has_all_36_cells_of_the_paper() -> None:
    matrix = released("fast")
    assert matrix.rows == (*SHARED, "VGG11BN", "ResNet18BN_AP") and matrix.columns == (*SHARED, "VGG11", "ResNet18")
    networks = [sum(map(len, cell.accuracies)) for cell in matrix.cells.values()]
    assert len(networks) == 36 and min(networks) >= 3
    assert matrix.means.min() > 50


def test_the_reports_broken_column_is_that_of_its_classic_lenet() -> None:
    """On the same sets, under the report's protocol: the classic LeNet stays at chance, the published networks do not."""
    matrix = released("fast", "report", "mnist-report-tables")
    assert means(matrix, SHARED, ("lenet-classic",)).max() < 15
    assert means(matrix, SHARED, SHARED).min() > 65
