"""Where a matrix stands, as a table: done, running, or how long it will take."""

from collections.abc import Sequence

from condense.report.numbers import duration
from condense.report.rendering import Table
from condense.studies.matrix.costs import Costs
from condense.studies.matrix.folder import DONE, MISSING, MatrixFolder
from condense.studies.matrix.tasks import CellTask, SetTask, Task

_NOTE = "Times are of what is missing: images counted, their speed probed here, both corrected by the tasks that are done."


def progress_table(sets: Sequence[SetTask], cells: Sequence[CellTask], folder: MatrixFolder, costs: Costs) -> Table:
    """One row a set: the learning of it, then each of its cells."""
    columns = list(dict.fromkeys((cell.protocol, cell.network) for cell in cells))
    several = len({cell.protocol for cell in cells}) > 1
    states = {task: folder.state(task) for task in (*sets, *cells)}
    seconds = {task: costs.of(task) for task, state in states.items() if state != DONE}

    def text(task: Task) -> str:
        return duration(seconds[task]) if states[task] == MISSING else states[task]

    by_place = {(cell.of, cell.protocol, cell.network): cell for cell in cells}
    done = sum(states[cell] == DONE for cell in cells)
    left = f", about {duration(sum(seconds.values()))} to go" if seconds else ""
    return Table(
        title=f"Matrix of {sets[0].config.dataset}: {done} of {len(cells)} cells done{left}",
        header=("set", "learning", *(f"{network} ({protocol})" if several else network for protocol, network in columns)),
        rows=tuple((task.label, text(task), *(text(by_place[task, *place]) for place in columns)) for task in sets),
        notes=(_NOTE,),
        data=(),
        numeric=(False, *(True for _ in range(len(columns) + 1))),
    )
