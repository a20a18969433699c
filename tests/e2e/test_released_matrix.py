"""The released cross-architecture matrices: complete, intact, and what the documentation says of them."""

import html
from pathlib import Path

import numpy as np
import pytest

from condense.report.matrix import Matrix
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.results import finished_sets, matrices

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
SHARED = ("MLP", "ConvNet", "LeNet", "AlexNet")
"""The networks whose cells the reproduction report and the paper both have."""


def released(schedule: str, protocol: str = "published", name: str = "mnist-ipc1-matrix") -> Matrix:
    """One of the released matrices."""
    found = matrices(MatrixFolder(ARTIFACTS / name))
    return next(matrix for matrix in found if (matrix.schedule, matrix.protocol) == (schedule, protocol))


def means(matrix: Matrix, rows: tuple[str, ...], columns: tuple[str, ...]) -> np.ndarray:
    """Mean accuracies in percent of some rows and columns."""
    return matrix.means[np.ix_([matrix.rows.index(row) for row in rows], [matrix.columns.index(one) for one in columns])]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ARTIFACTS.glob("*/matrix.json")))
def test_every_cell_asked_for_is_there_with_as_many_networks(name: str) -> None:
    folder = MatrixFolder(ARTIFACTS / name)
    assert all(folder.is_done(task) for task in folder.cells_asked())
    sets, page = finished_sets(folder), html.unescape((folder.path / "page.html").read_text())
    assert len(sets) >= len(SHARED) and all(one.sha256 for _, one in sets)
    assert all(matrix.title in page for matrix in matrices(folder))
    assert f"`{name}`" in (ARTIFACTS / "README.md").read_text()


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
