"""Records of runs, gathered into the lines of figures and tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from condense.errors import CondenseError
from condense.records import Record, config_hash
from condense.studies.generalization.plan import Line
from condense.studies.generalization.runs import FITTED_LOSS, Run
from condense.studies.generalization.subset import Subset


@dataclass(frozen=True)
class Result:
    """A line with the records of its runs, by seed; those not run yet are missing."""

    line: Line
    records: Mapping[int, Record]

    @property
    def epochs(self) -> dict[int, int]:
        """Epochs until it had fitted, by seed; of a run that had not, epochs trained."""
        return {seed: _epochs(record) for seed, record in self.records.items()}

    @property
    def test_errors(self) -> dict[int, float]:
        """Share of the test images classified wrongly in the end, by seed; without runs that diverged."""
        diverged = self.outcomes("diverged")
        return {seed: 1 - record.accuracies[0] for seed, record in self.records.items() if seed not in diverged}

    def outcomes(self, name: str) -> list[int]:
        """Seeds of the runs that ended so: 'fitted', 'censored' or 'diverged'."""
        return [seed for seed, record in self.records.items() if record.notes == [name]]

    def capped(self, cap: int) -> "Result":
        """The same had every run been stopped after `cap` epochs; how it would have tested then is not known."""

        def shortened(record: Record) -> Record:
            if len(record.series["train_loss"]) <= cap:
                return record
            series = {name: values[:cap] for name, values in record.series.items()}
            return replace(record, series=series, notes=["censored"])

        return Result(self.line, {seed: shortened(record) for seed, record in self.records.items()})

    def course(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(Epochs (T,), values (seeds, T)) of a series, at all epochs that any run has a value at.

        After its end a run that has fitted keeps its last value, and any other is NaN.
        """
        courses = {seed: _points(record, name) for seed, record in self.records.items()}
        epochs = sorted({epoch for points in courses.values() for epoch in points})
        values = np.full((len(courses), len(epochs)), np.nan)
        fitted = self.outcomes("fitted")
        for row, (seed, points) in zip(values, courses.items(), strict=True):
            last = max(points, default=0)
            kept = points[last] if points and seed in fitted else np.nan
            row[:] = [points.get(epoch, kept if epoch > last else np.nan) for epoch in epochs]
        return np.array(epochs, dtype=float), values


OUTCOMES = ("fitted", "censored", "diverged")


def check_complete(record: Record, where: str) -> None:
    """Raises `CondenseError`, which `where` begins, where what tables and figures read of a run's record is not there."""
    series, config = record.series, record.config
    losses, accuracies = series.get("train_loss", []), series.get("train_accuracy", [])
    kinds = {"network": str, "dataset": str, "learning_rate": float, "train_images": int}
    wrong = [name for name, kind in kinds.items() if type(config.get(name)) is not kind]
    if len(record.seeds) != 1 or len(record.notes) != 1 or record.notes[0] not in OUTCOMES:
        wrong.append("the outcome of one run")
    elif len(losses) != len(accuracies) or (not losses and record.notes != ["diverged"]):
        wrong.append("losses and accuracies by epoch")
    elif record.notes == ["fitted"] and not any(map(_fits, losses, accuracies)):
        wrong.append("the epoch in which it had fitted")
    if len(series.get("test_accuracy", [])) != len(series.get("tested_at", [])):
        wrong.append("tests by epoch")
    if not all(math.isfinite(value) for values in series.values() for value in values):
        wrong.append("numbers in its series")
    if wrong:
        raise CondenseError(f"{where}: a record of a run lacks {', '.join(wrong)}.")


def _fits(loss: float, accuracy: float) -> bool:
    return accuracy == 1 and loss < FITTED_LOSS


def _points(record: Record, name: str) -> dict[float, float]:
    """A series by its epochs."""
    values = record.series.get(name, [])
    at = record.series.get("tested_at", []) if name == "test_accuracy" else range(1, len(values) + 1)
    return dict(zip(map(float, at), values, strict=True))


def _epochs(record: Record) -> int:
    losses, accuracies = record.series["train_loss"], record.series["train_accuracy"]
    if record.notes != ["fitted"]:
        return len(losses)
    both = enumerate(zip(losses, accuracies, strict=True), 1)
    return next(epoch for epoch, (loss, accuracy) in both if _fits(loss, accuracy))


def by_network(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """The results of each network, in order."""
    names = dict.fromkeys(result.line.group for result in results)
    return [(name, [result for result in results if result.line.group == name]) for name in names]


class Recorded:
    """Records by the runs they are of; the last one of a configuration counts.

    A run that has fitted under one limit of epochs is the same under any other that it kept to.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.exact = {record.config_hash: record for record in records}
        fitted = [record for record in records if record.notes == ["fitted"] and record.config.get("stops")]
        self.fitted = {_without_limit(record.config): record for record in fitted}

    def of(self, run: Run, subset: Subset) -> Record | None:
        """The record of a run; None where there is none yet."""
        config = run.config(subset)
        record = self.exact.get(config_hash(config))
        if record is None and run.stops:
            record = self.fitted.get(_without_limit(config))
            return record if record is None or _epochs(record) <= run.epochs else None
        return record


def _without_limit(config: Mapping[str, Any]) -> str:
    return config_hash({name: value for name, value in config.items() if name != "epochs"})


def gathered(lines: Sequence[Line], known: Recorded, subsets: Mapping[int | None, Subset]) -> list[Result]:
    """The lines with the records of their runs; subsets: the images by `Line.train_size`."""
    by_seed = [{run.seed: known.of(run, subsets[line.train_size]) for run in line.runs} for line in lines]
    return [
        Result(line, {seed: record for seed, record in of_line.items() if record is not None})
        for line, of_line in zip(lines, by_seed, strict=True)
    ]
