"""`condense matrix`, and the tables of its folders."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from condense.cli import options
from condense.cli.common import load, part, required, resumable
from condense.cli.progress import Bars
from condense.config import MatrixConfig
from condense.data.naming import stored_name
from condense.machine import forget_compiled
from condense.pipeline import check_apart
from condense.report.matrix import matrix_tables
from condense.report.rendering import render
from condense.studies.matrix.costs import Costs
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.progress import progress_table
from condense.studies.matrix.report import write_report
from condense.studies.matrix.results import check_results, matrices
from condense.studies.matrix.run import Listener, run_matrix
from condense.studies.matrix.tasks import SetTask, Task, cell_tasks, check_possible, set_tasks


def matrix(chosen: options.Matrix) -> None:
    """Condense matrix"""
    (out,) = required((chosen.out, "--out DIR"))
    given, folder = part(MatrixConfig, chosen), MatrixFolder(out)
    check_apart(given.dataset, out)
    config = folder.named_as_before(replace(given, dataset=stored_name(given.dataset)))
    folder.check(config)
    data = load(given.dataset, chosen)
    folder.check_images(data)
    data = folder.as_recorded(data)
    check_possible(config, data)
    check_results(folder)
    sets, cells = set_tasks(config), cell_tasks(config)
    costs = Costs(data, [*sets, *cells], folder)
    if not chosen.quiet or chosen.dry_run:
        print(render(progress_table(sets, cells, folder, costs), "text"))
    if chosen.dry_run:
        return
    folder.ask_for(config, data)
    try:
        with resumable(by="The same command"), _matrix_listener(chosen.quiet) as listener:
            run_matrix(config, data, folder, costs, listener)
    finally:
        page = write_report(folder)
    if not chosen.quiet:
        print("\n".join(render(found, "text") for found in matrix_tables(matrices(folder), published=True)))
    print(f"Tables: {folder.path / 'tables.md'}\nPage:   {page.resolve().as_uri()}")


def matrix_text(folder: MatrixFolder, chosen: options.Table) -> str:
    """The tables of a matrix; as CSV one of all cells."""
    tables = matrix_tables(matrices(folder), published=chosen.published, bold_best=chosen.bold == "best")
    if chosen.format == "csv":
        cells = [table for table in tables if table.title.startswith("Test accuracy")]
        tables = [replace(cells[0], data=tuple(row for table in cells for row in table.data))]
    return "\n".join(render(table, chosen.format) for table in tables)


@contextmanager
def _matrix_listener(quiet: bool) -> Iterator[Listener]:
    """A line and a bar for each task."""
    with closing(Bars(quiet=quiet)) as bars:

        def begins(task: Task) -> None:
            forget_compiled()  # of the task before, whose memory on a GPU this one may need
            learning = isinstance(task, SetTask)
            bars.begin(f"{'learning with ' if learning else ''}{task.label}", "step" if learning else "epoch")

        yield Listener(
            begins=begins,
            learning=lambda done, total, loss: bars.update(done, total, loss=loss),
            training=lambda name, done, total: bars.update(done, total),
            waits=lambda tasks: bars.wait(f"{tasks} tasks"),
        )
