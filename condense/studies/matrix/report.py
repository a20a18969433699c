"""What a matrix is shown as: tables, figures and one page, written into its folder."""

from collections.abc import Sequence
from pathlib import Path

from condense.files import write_atomically
from condense.report.experiment import write_experiment
from condense.report.images import image_rows
from condense.report.matrix_page import matrix_report
from condense.studies.matrix.cells import MatrixCell
from condense.studies.matrix.results import all_records, finished_sets, matrices
from condense.study.folder import StudyFolder


def write_report(cells: Sequence[MatrixCell], folder: StudyFolder) -> Path:
    """Writes everything anew from what is done; returns where the page is."""
    sets = [(cell.described, one) for cell, one in finished_sets(cells, folder)]
    if sets:
        write_atomically(folder.path / "images.png", image_rows(sets))
    return write_experiment(matrix_report(matrices(cells, folder), sets, all_records(cells, folder)), folder.path)
