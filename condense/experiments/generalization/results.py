"""Records of runs, gathered into the lines of figures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from condense.data.images import DataSet
from condense.experiments.generalization.plan import Line
from condense.records import Record


@dataclass(frozen=True)
class Result:
    """A line with the records of its runs, by seed; those not run yet are missing."""

    line: Line
    records: Mapping[int, Record]

    @property
    def epochs(self) -> dict[int, int]:
        """Epochs trained, by seed."""
        return {seed: len(record.series["train_loss"]) for seed, record in self.records.items()}

    @property
    def test_errors(self) -> dict[int, float]:
        """Share of the test images classified wrongly in the end, by seed."""
        return {seed: 1 - record.accuracies[0] for seed, record in self.records.items()}

    def outcomes(self, name: str) -> list[int]:
        """Seeds of the runs that ended so: 'fitted', 'censored' or 'diverged'."""
        return [seed for seed, record in self.records.items() if record.notes == [name]]

    def capped(self, cap: int) -> "Result":
        """The same had every run been stopped after `cap` epochs."""

        def shortened(record: Record) -> Record:
            if len(record.series["train_loss"]) <= cap:
                return record
            series = {name: values[:cap] for name, values in record.series.items()}
            return replace(record, series=series, notes=["censored"])

        return Result(self.line, {seed: shortened(record) for seed, record in self.records.items()})

    def course(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(Epochs, values (seeds, epochs)) of a series; a run that ended early keeps its last value."""
        series = [record.series.get(name, []) for record in self.records.values()]
        longest = max((len(one) for one in series), default=0)
        values = np.array([[*one, *[one[-1]] * (longest - len(one))] for one in series if one])
        if name != "test_accuracy":
            return np.arange(1, longest + 1), values
        ticks = max((record.series.get("tested_at", []) for record in self.records.values()), key=len)
        return np.array(ticks), values


def gathered(found: Sequence[Line], records: Sequence[Record], data: DataSet) -> list[Result]:
    """The lines with their records; the last record of a configuration counts."""
    by_key = {record.config_hash: record for record in records}
    keys = [{run.seed: run.key(data.train, data.test) for run in line.runs} for line in found]
    return [
        Result(line, {seed: by_key[key] for seed, key in of_line.items() if key in by_key})
        for line, of_line in zip(found, keys, strict=True)
    ]
