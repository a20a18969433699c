"""What a matrix is shown as: tables, figures and one page, written into its folder."""

from pathlib import Path

from condense.files import write_atomically
from condense.matrix.folder import MatrixFolder
from condense.matrix.results import finished_sets, matrices
from condense.records import Record
from condense.report.images import image_rows
from condense.report.matrix import matrix_tables
from condense.report.matrix_figures import heat_map, strips
from condense.report.matrix_page import render_matrix_page
from condense.report.rendering import render


def write_report(folder: MatrixFolder) -> Path:
    """Writes everything anew from what is done; returns where the page is."""
    found, page = matrices(folder), folder.path / "page.html"
    tables = matrix_tables(found, published=True, bold_best=True)
    write_atomically(folder.path / "tables.md", "\n".join(render(table, "markdown") for table in tables))
    for matrix in found:
        if matrix.cells:
            name = f"{matrix.schedule}-{matrix.protocol}.png"
            write_atomically(folder.path / f"accuracies-{name}", heat_map(matrix))
            write_atomically(folder.path / f"networks-{name}", strips(matrix))
    sets = [(task.label, one) for task, one in finished_sets(folder)]
    if sets:
        write_atomically(folder.path / "images.png", image_rows(sets))
    write_atomically(page, render_matrix_page(found, sets, _records(folder)))
    return page


def _records(folder: MatrixFolder) -> list[Record]:
    tasks = folder.cells_asked()
    learned = [folder.learned(task) for task in dict.fromkeys(task.of for task in tasks)]
    return [record for record in learned if record] + [record for task in tasks for record in folder.tested(task)]
