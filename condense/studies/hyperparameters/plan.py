"""What a sweep has left, and what it will take: the estimates of every row, before anything is trained."""

from collections.abc import Sequence

from condense.data.images import DataSet
from condense.report.numbers import NONE, duration, memory, thousands
from condense.report.rendering import Table
from condense.studies.hyperparameters.folder import SweepFolder
from condense.studies.hyperparameters.run import calibrate, missing_seeds
from condense.studies.hyperparameters.trial import Trial


def plan_table(trials: Sequence[Trial], seeds: int, data: DataSet, folder: SweepFolder) -> Table:
    """One line a row and set of images: networks left to train, their estimated time and memory."""
    recorded = folder.kept()
    missing = [len(missing_seeds(trial, seeds, recorded)) for trial in trials]
    left = [(trial, count) for trial, count in zip(trials, missing, strict=True) if count]
    calibration = calibrate(left, data) if left else None
    rows, values, total = [], [], 0.0
    for trial, count in zip(trials, missing, strict=True):
        seconds = trial.estimated_seconds(count, calibration) if count and calibration else 0.0
        size = trial.estimated_memory(count, calibration).total if count and calibration else None
        total += seconds
        parameters = trial.network.parameter_count
        texts = (duration(seconds), memory(size)) if size is not None else ("done", NONE)
        rows.append((trial.row.name, trial.on.label, trial.row.network, thousands(parameters), str(count), *texts))
        values.append({"row": trial.row.name, "on": trial.on.label, "left": count, "seconds": seconds, "bytes": size})
    return Table(
        title=f"{len(left)} of {len(trials)} rows are left, about {duration(total)}",
        header=("row", "trained on", "network", "parameters", "networks left", "time", "memory"),
        rows=tuple(rows),
        notes=(),
        data=tuple(values),
        numeric=(False, False, False, True, True, True, True),
    )
