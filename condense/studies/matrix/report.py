"""What a matrix is shown as: tables, figures and one page, written into its folder."""

from pathlib import Path

from condense.files import write_atomically
from condense.records import Record
from condense.report.experiment import write_experiment
from condense.report.images import image_rows
from condense.report.matrix_page import matrix_report
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.results import finished_sets, matrices


def write_report(folder: MatrixFolder) -> Path:
    """Writes everything anew from what is done; returns where the page is."""
    sets = [(task.label, one) for task, one in finished_sets(folder)]
    if sets:
        write_atomically(folder.path / "images.png", image_rows(sets))
    return write_experiment(matrix_report(matrices(folder), sets, _records(folder)), folder.path)


def _records(folder: MatrixFolder) -> list[Record]:
    tasks = folder.cells_asked()
    learned = [folder.learned(task) for task in dict.fromkeys(task.of for task in tasks)]
    return [record for record in learned if record] + [record for task in tasks for record in folder.tested(task)]
