"""What a folder's records say of each row: one `RowResult` for each row and each set of images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any

from condense.errors import CondenseError
from condense.statistics import Summary, summarise
from condense.studies.hyperparameters.folder import Asked, SweepFolder
from condense.studies.hyperparameters.rows import Row
from condense.studies.hyperparameters.trial import SweepRecord


@dataclass(frozen=True)
class RowResult:
    """All networks of one row on one set of images: its records, in which each seed counts once.

    Networks whose training diverged have no accuracy: what they 'classify' is the share of the first class.
    """

    row: Row
    records: tuple[SweepRecord, ...]

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
        return self._by_seed([record.held_out_accuracies or record.accuracies for record in self.records])

    @property
    def summary(self) -> Summary | None:
        """Statistics of the test accuracies; None where all networks diverged."""
        return summarise(list(self.accuracies.values())) if self.accuracies else None

    @property
    def score(self) -> Summary | None:
        """Statistics of the accuracies that rows are compared by; None where all networks diverged."""
        return summarise(list(self.compared.values())) if self.compared else None

    @property
    def training_accuracy(self) -> float | None:
        """Mean over networks (fraction); None where all diverged."""
        return _mean(self._by_seed([record.training_accuracies for record in self.records]))

    @property
    def training_loss(self) -> float | None:
        """Mean cross-entropy per image, mean over networks; None where all diverged."""
        return _mean(self._by_seed([record.training_losses for record in self.records]))

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
        return int(self.records[0].estimate["steps"])

    @property
    def seconds(self) -> tuple[float, float]:
        """(Estimated, measured) seconds of training all its networks."""
        return sum(r.estimated_seconds for r in self.records), sum(r.training_seconds for r in self.records)

    @property
    def memory(self) -> tuple[int, int]:
        """(Estimated, measured) bytes at the peak, of the record that took most."""
        return max(((r.estimated_memory_bytes, r.peak_memory_bytes or 0) for r in self.records), key=itemgetter(1))


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

    @property
    def comparable(self) -> dict[str, RowResult]:
        """Of these the rows of which a network did not diverge."""
        return {name: result for name, result in self.done.items() if result.score}


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


def _mean(values: Mapping[int, float]) -> float | None:
    return sum(values.values()) / len(values) if values else None


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
    if len({record.config_hash for record in found}) > 1:
        raise CondenseError(f"{folder.records} holds networks of row {row.name} that were not trained alike.")
    return RowResult(row, found) if found else None


def _distinct(labels: Sequence[str]) -> list[str]:
    """Labels with a number where two are equal."""
    return [
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    ]
