"""What a sweep has left, and what it will take: the estimates of every row, before anything is trained."""

from collections.abc import Sequence

from condense.records import read_records
from condense.report.numbers import NONE, duration, memory, thousands
from condense.report.rendering import Table
from condense.studies.hyperparameters.cells import RowCell
from condense.studies.hyperparameters.materials import Materials
from condense.study.folder import StudyFolder


def plan_table(cells: Sequence[RowCell], folder: StudyFolder, materials: Materials) -> Table:
    """One line a row and set of images: networks left to train, their estimated time and memory."""
    of_rows: dict[tuple[str, str], list[RowCell]] = {}
    for cell in cells:
        of_rows.setdefault((cell.row.name, cell.on.name), []).append(cell)
    missing = {key: [count for cell in own if (count := _missing(cell, folder))] for key, own in of_rows.items()}
    trials = {key: materials.trial(own[0].row, own[0].on) for key, own in of_rows.items()}
    left = [(trials[key], count) for key, counts in missing.items() for count in counts]
    calibration = materials.calibrate(left) if left else None
    rows, values, total = [], [], 0.0
    for key, trial in trials.items():
        counts = missing[key]
        seconds = sum(trial.estimated_seconds(count, calibration) for count in counts) if calibration else 0.0
        sizes = [trial.estimated_memory(count, calibration).total for count in counts] if calibration else []
        total += seconds
        texts = (duration(seconds), memory(max(sizes))) if sizes else ("done", NONE)
        parameters, networks = trial.network.parameter_count, sum(counts)
        rows.append((trial.row.name, trial.on.label, trial.row.network, thousands(parameters), str(networks), *texts))
        value = {"row": trial.row.name, "on": trial.on.label, "left": networks, "seconds": seconds}
        values.append(value | {"bytes": max(sizes, default=None)})
    return Table(
        title=f"{sum(map(bool, missing.values()))} of {len(trials)} rows are left, about {duration(total)}",
        header=("row", "trained on", "network", "parameters", "networks left", "time", "memory"),
        rows=tuple(rows),
        notes=(),
        data=tuple(values),
        numeric=(False, False, False, True, True, True, True),
    )


def _missing(cell: RowCell, folder: StudyFolder) -> int:
    """How many networks of a cell are to be trained, but those that an interrupted process has kept."""
    if folder.is_done(cell.key):
        return 0
    checkpoint = folder.place(cell).checkpoint
    records = read_records(checkpoint) if checkpoint.exists() else []
    return len(cell.seeds) - sum(len(record.seeds) for record in records)
