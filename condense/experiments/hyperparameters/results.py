"""What a folder's records say of each row: one `RowResult` for each row and each set of images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from condense.errors import CondenseError
from condense.experiments.hyperparameters.folder import Asked, SweepFolder
from condense.experiments.hyperparameters.rows import Row
from condense.experiments.hyperparameters.trial import SweepRecord
from condense.stage_t.statistics import Summary, summarise


@dataclass(frozen=True)
class RowResult:
    """All networks of one row on one set of images: its records, in which each seed counts once."""

    row: Row
    records: tuple[SweepRecord, ...]

    @property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy (fraction) by seed."""
        return {s: a for record in self.records for s, a in zip(record.seeds, record.accuracies, strict=True)}

    @property
    def summary(self) -> Summary:
        """Statistics of the test accuracies."""
        return summarise(list(self.accuracies.values()))

    @property
    def training_accuracy(self) -> float:
        """Mean over networks (fraction)."""
        values = [value for record in self.records for value in record.training_accuracies]
        return sum(values) / len(values)

    @property
    def training_loss(self) -> float | None:
        """Mean cross-entropy per image, mean over networks; None where one diverged."""
        values = [value for record in self.records for value in record.training_losses]
        finite = [value for value in values if value is not None]
        return sum(finite) / len(finite) if len(finite) == len(values) else None

    @property
    def parameters(self) -> int:
        """Trainable scalars of one network."""
        return self.records[0].config["parameters"]

    @property
    def steps(self) -> int:
        """Steps of one network."""
        return int(self.records[0].estimate["steps"])

    @property
    def seconds(self) -> tuple[float, float]:
        """(Estimated, measured) seconds of training all its networks."""
        return sum(r.estimated_seconds for r in self.records), sum(r.training_seconds for r in self.records)

    @property
    def memory(self) -> tuple[int, int]:
        """(Estimated, measured) bytes at the peak, of the record that took most."""
        most = max(self.records, key=lambda record: record.peak_memory_bytes)
        return most.estimated_memory_bytes, most.peak_memory_bytes


@dataclass(frozen=True)
class Trained:
    """A grid on one set of images: a result for each row that is done, in the grid's order.

    learn_seconds, learned_on: as in the folder's `Proxy`.
    """

    label: str
    images: int
    epochs_factor: int
    learn_seconds: float | None
    rows: tuple[RowResult | None, ...] = field(default_factory=tuple)
    learned_on: str | None = None

    @property
    def done(self) -> dict[str, RowResult]:
        """The rows that are done, by name."""
        return {result.row.name: result for result in self.rows if result is not None}


@dataclass(frozen=True)
class Sweep:
    """A folder's results: the grid on all images, and on each proxy."""

    asked: Asked
    full: Trained
    proxies: tuple[Trained, ...]
    records: tuple[SweepRecord, ...]

    @property
    def reported(self) -> bool:
        """Whether numbers reported for these rows belong beside the results: not where these come from fewer images."""
        grid = self.asked.grid
        return not self.asked.subset and grid.dataset == self.asked.dataset and any(row.reported for row in grid.rows)


def sweep_of(folder: SweepFolder) -> Sweep:
    """The results in a folder; raises `CondenseError` when its files are damaged or do not belong together."""
    asked, records = folder.asked(), folder.finished()
    labels = [asked.label, *(proxy.label for proxy in asked.proxies)]
    learned = [(None, None), *((proxy.learn_seconds, proxy.learned_on) for proxy in asked.proxies)]
    found = []
    for label, (described, factor), (seconds, where) in zip(_distinct(labels), asked.sources, learned, strict=True):
        own = [r for r in records if _belongs(r, described, factor)]
        rows = tuple(_result(row, own, folder) for row in asked.grid.rows)
        images = next((record.config["train_images"] for record in own), 0)
        found.append(Trained(label, images, factor, seconds, rows, where))
    return Sweep(asked, found[0], tuple(found[1:]), tuple(records))


def _belongs(record: SweepRecord, described: dict[str, Any], factor: int) -> bool:
    return record.config["epochs_factor"] == factor and all(
        record.config.get(key) == value for key, value in described.items()
    )


def _result(row: Row, records: Iterable[SweepRecord], folder: SweepFolder) -> RowResult | None:
    found = tuple(record for record in records if record.config["row"] == row.settings)
    seeds = [seed for record in found for seed in record.seeds]
    if len(seeds) != len(set(seeds)):
        raise CondenseError(f"{folder.records} holds a network of row {row.name} twice.")
    return RowResult(row, found) if found else None


def _distinct(labels: Sequence[str]) -> list[str]:
    """Labels with a number where two are equal."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    ]
