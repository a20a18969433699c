"""Where a matrix stands, as a table: done, running, or how long it will take."""

from collections.abc import Mapping, Sequence

from condense.report.numbers import duration
from condense.report.rendering import Table
from condense.studies.matrix.cells import MatrixCell, NetworksCell, SetCell
from condense.study.engine import Attempts, State, states
from condense.study.folder import StudyFolder

_NOTE = "Times are of what is missing: images counted, their speed probed here, both corrected by what is done."


def plan_of(
    datasets: Sequence[str], cells: Sequence[MatrixCell], folder: StudyFolder, seconds: Mapping[str, float]
) -> Table:
    """One row a set: the learning of it, then the networks on it."""
    found = states(cells, folder, Attempts())
    networks = [cell for cell in cells if isinstance(cell, NetworksCell)]
    columns = list(dict.fromkeys((str(cell.protocol), cell.trained) for cell in networks))
    several = len({protocol for protocol, _ in columns}) > 1

    def text(*of: MatrixCell) -> str:
        left = [cell for cell in of if found[cell.key] is not State.DONE]
        if len(left) < len(of) > 1:
            return "done" if not left else f"{len(of) - len(left)} of {len(of)} done, {text(*left)}"
        if any(found[cell.key] is State.RUNNING for cell in of):
            return "running"
        return duration(sum(seconds.get(cell.key, 0.0) for cell in left)) if left else "done" * bool(of)

    def row(one: SetCell) -> tuple[str, ...]:
        on_set = [cell for cell in networks if cell.of.name == one.name]
        places = ([cell for cell in on_set if (str(cell.protocol), cell.trained) == column] for column in columns)
        return one.described, text(one), *(text(*place) for place in places)

    done = sum(found[cell.key] is State.DONE for cell in networks)
    left = f", about {duration(sum(seconds.values()))} to go" if seconds else ""
    return Table(
        title=f"Matrix of {', '.join(datasets)}: {done} of {len(networks)} cells done{left}",
        header=("set", "learning", *(f"{network} ({protocol})" if several else network for protocol, network in columns)),
        rows=tuple(row(cell) for cell in cells if isinstance(cell, SetCell)),
        notes=(_NOTE,),
        data=(),
        numeric=(False, *(True for _ in range(len(columns) + 1))),
    )
