"""What a folder's records say of each row: one `RowResult` for each row and each set of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

from condense.errors import CondenseError, shortened
from condense.records import Record
from condense.statistics import Summary, summarise
from condense.studies.hyperparameters.asked import Asked
from condense.studies.hyperparameters.cells import RowCell
from condense.studies.hyperparameters.row_records import belongs, check_complete
from condense.studies.hyperparameters.rows import Row
from condense.study.folder import StudyFolder


@dataclass(frozen=True)
class RowResult:
    """All networks of one row on one set of images: its records, in which each seed counts once.

    Networks whose training diverged have no accuracy: what they 'classify' is the share of the first class.
    """

    row: Row
    records: tuple[Record, ...]

    @cached_property
    def networks(self) -> int:
        """How many were trained."""
        return sum(len(record.seeds) for record in self.records)

    @cached_property
    def diverged(self) -> set[int]:
        """Seeds of the networks whose training diverged."""
        return {seed for record in self.records for seed in record.diverged}

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy (fraction) by seed."""
        return self._by_seed([record.accuracies for record in self.records])

    @cached_property
    def compared(self) -> dict[int, float]:
        """The accuracy that rows are compared by (fraction), by seed: on held-out images, before that on test images."""
        return self._by_seed([record.metrics.get("held_out_accuracy", record.accuracies) for record in self.records])

    @cached_property
    def summary(self) -> Summary | None:
        """Statistics of the test accuracies; None where all networks diverged."""
        return summarise(list(self.accuracies.values())) if self.accuracies else None

    @cached_property
    def score(self) -> Summary | None:
        """Statistics of the accuracies that rows are compared by; None where all networks diverged."""
        return summarise(list(self.compared.values())) if self.compared else None

    @property
    def training_accuracy(self) -> float | None:
        """Mean over networks (fraction); None where all diverged."""
        return _mean(self._by_seed([record.metrics["training_accuracy"] for record in self.records]))

    @property
    def training_loss(self) -> float | None:
        """Mean cross-entropy per image, mean over networks; None where all diverged."""
        return _mean(self._by_seed([record.metrics["training_loss"] for record in self.records]))

    def _by_seed(self, values: Sequence[Sequence[Any]]) -> dict[int, Any]:
        """Values that the records hold of each network, but those that diverged, by seed."""
        pairs = zip(self.records, values, strict=True)
        every = ((seed, value) for record, own in pairs for seed, value in zip(record.seeds, own, strict=True))
        return {seed: value for seed, value in every if seed not in self.diverged}

    @property
    def parameters(self) -> int:
        """Trainable scalars of one network."""
        return self.records[0].config["parameters"]

    @property
    def steps(self) -> int:
        """Steps of one network."""
        return int(self.records[0].cost.estimate["steps"])

    @property
    def seconds(self) -> tuple[float, float]:
        """(Estimated, measured) seconds of training all its networks."""
        costs = [record.cost for record in self.records]
        return sum(cost.estimate["estimated_seconds"] for cost in costs), sum(cost.training_seconds or 0.0 for cost in costs)

    @property
    def memory(self) -> tuple[int, int]:
        """(Estimated, measured) bytes at the peak, of the record that took most."""
        return max(
            ((int(r.cost.estimate["estimated_memory_bytes"]), r.peak_memory_bytes or 0) for r in self.records),
            key=itemgetter(1),
        )


@dataclass(frozen=True)
class Trained:
    """A grid on one set of images: a result for each row that is done, in the grid's order.

    learn_seconds, learned_on: as in `Proxy`.
    """

    label: str
    images: int
    epochs_factor: int
    learn_seconds: float | None
    rows: tuple[RowResult | None, ...] = field(default_factory=tuple)
    learned_on: str | None = None

    @cached_property
    def done(self) -> dict[str, RowResult]:
        """The rows that are done, by name."""
        return {result.row.name: result for result in self.rows if result is not None}

    @cached_property
    def comparable(self) -> dict[str, RowResult]:
        """Of these the rows of which a network did not diverge."""
        return {name: result for name, result in self.done.items() if result.score}


@dataclass(frozen=True)
class Sweep:
    """A folder's results: the grid on all images, and on each proxy."""

    asked: Asked
    full: Trained
    proxies: tuple[Trained, ...]
    records: tuple[Record, ...]

    @property
    def reported(self) -> bool:
        """Whether numbers reported for these rows belong beside the results: not where these come from fewer images."""
        grid = self.asked.grid
        return not self.asked.subset and grid.dataset == self.asked.dataset and any(row.reported for row in grid.rows)


def _mean(values: Mapping[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


def results_of(asked: Asked, cells: Sequence[RowCell], folder: StudyFolder) -> Sweep:
    """The results in a folder; raises `CondenseError` when its files are damaged or do not belong together."""
    of_rows: dict[tuple[str, str], list[Record]] = {}
    for cell in cells:
        of_rows.setdefault((cell.row.name, cell.on.name), []).extend(_records(cell, folder))
    trained = asked.trained_on
    found = []
    for on, label in zip(trained, _distinct([on.label for on in trained]), strict=True):
        rows = tuple(_result(row, of_rows[row.name, on.name], folder) for row in asked.grid.rows)
        images = next((result.records[0].config["train_images"] for result in rows if result), 0)
        learned = (on.proxy.learn_seconds, on.proxy.learned_on) if on.proxy else (None, None)
        found.append(Trained(label, images, on.epochs_factor, learned[0], rows, learned[1]))
    return Sweep(asked, found[0], tuple(found[1:]), tuple(record for records in of_rows.values() for record in records))


def _records(cell: RowCell, folder: StudyFolder) -> list[Record]:
    records, path = folder.records(cell.key), shortened(folder.records_path(cell.key))
    for number, record in enumerate(records, 1):
        where = f"{path}, line {number}"
        check_complete(record, where)
        if record.config["row"] != cell.row.settings or not belongs(record, cell.on):
            raise CondenseError(f"{where}: the record is not of {cell.label}.")
        if not {*record.seeds} <= {*cell.seeds}:
            raise CondenseError(f"{where}: the record has other seeds than {cell.label}.")
    return records


def _result(row: Row, records: Sequence[Record], folder: StudyFolder) -> RowResult | None:
    seeds = [seed for record in records for seed in record.seeds]
    if len(seeds) != len(set(seeds)):
        raise CondenseError(f"{folder.path} holds a network of row {row.name} twice.")
    if len({record.config_hash for record in records}) > 1:
        raise CondenseError(f"{folder.path} holds networks of row {row.name} that were not trained alike.")
    return RowResult(row, tuple(records)) if records else None


def _distinct(labels: Sequence[str]) -> list[str]:
    """Labels with a number where two are equal."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    ]
