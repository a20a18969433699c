"""From the folder of a score to accuracies, measures, and the record of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from condense.errors import CondenseError
from condense.records import Cost, Record, needed
from condense.statistics import Summary, summarise
from condense.studies.score.asked import Asked
from condense.studies.score.cells import Labelling, OnRandom, OnSet, OnWhole, ScoreCell, UnderProtocol
from condense.studies.score.measures import (
    WEIGHT,
    AugmentationRobust,
    LabelRobust,
    augmentation_robust,
    label_robust,
)
from condense.studies.score.twins import AnyProtocol
from condense.study.folder import StudyFolder

IMAGES = {OnSet.images: "the set", OnRandom.images: "random real images", OnWhole.images: "all real images"}


@dataclass(frozen=True)
class Group:
    """Networks on the same images under one protocol.

    images: one of `IMAGES`; labels: hard or soft; accuracies: fractions by seed, of those that did not diverge; done:
    whether all of them are there.
    """

    images: str
    labels: str
    protocol: str
    accuracies: dict[int, float]
    diverged: tuple[int, ...]
    done: bool

    @property
    def described(self) -> str:
        """In words, as the rows of a figure have it."""
        under = "" if self.images == OnWhole.images else f", {self.protocol}"
        return f"{IMAGES[self.images]}, {self.labels} labels{under}"

    @property
    def summary(self) -> Summary | None:
        """Mean and interval; None where there is no network."""
        return summarise(list(self.accuracies.values())) if self.accuracies else None


@dataclass(frozen=True)
class Results:
    """What is done of a score. records: of its cells, in their order."""

    asked: Asked
    groups: dict[str, Group]
    records: list[Record]

    def _accuracies(self, *of: tuple[str, AnyProtocol | None]) -> list[dict[int, float]] | None:
        """Accuracies by seed on these images under these protocols; None where some are still to be trained."""
        found = [self.groups[images if protocol is None else f"{images}-{protocol}"] for images, protocol in of]
        return [group.accuracies for group in found] if all(group.done for group in found) else None

    @cached_property
    def label_robust(self) -> LabelRobust | None:
        """HLR, IOR and LRS; None where something of them is still to be trained, or nothing came through."""
        own, hard = self.asked.twins.own, self.asked.twins.hard
        places = (OnWhole.images, None), (OnSet.images, hard), (OnSet.images, own), (OnRandom.images, own)
        found = self._accuracies(*places)
        return None if found is None else label_robust(*found)

    @cached_property
    def augmentation_robust(self) -> AugmentationRobust | None:
        """ARS likewise."""
        protocols = self.asked.twins.augmented, self.asked.twins.plain
        found = self._accuracies(*((images, one) for one in protocols for images in (OnSet.images, OnRandom.images)))
        return None if found is None else augmentation_robust(*found)

    @property
    def raw(self) -> dict[str, Any]:
        """The measures by name, as (value, low, high) by name; None where one is not known."""
        of_labels, of_augmentation = self.label_robust, self.augmentation_robust
        lost = dict.fromkeys(("hlr", "ior", "alpha", "lrs", "beta", "ars"))
        return lost | (asdict(of_labels) if of_labels else {}) | (asdict(of_augmentation) if of_augmentation else {})

    @property
    def diverged(self) -> int:
        """Networks that did."""
        return sum(len(group.diverged) for group in self.groups.values())


def results_of(asked: Asked, cells: Sequence[ScoreCell], folder: StudyFolder) -> Results:
    """What a folder holds. Raises `CondenseError` where records are damaged, or not those of their cell."""
    of_cells = [(cell, folder.records(cell.key)) for cell in cells]
    for cell, records in of_cells:
        _check(cell, records, str(folder.records_path(cell.key)))
    groups = dict[str, Group]()
    for name in dict.fromkeys(cell.name for cell in cells if not isinstance(cell, Labelling)):
        own = [(cell, records) for cell, records in of_cells if cell.name == name]
        groups[name] = _group([cell for cell, _ in own], [records for _, records in own])
    return Results(asked, groups, [record for _, records in of_cells for record in records])


def _group(cells: Sequence[ScoreCell], records: Sequence[Sequence[Record]]) -> Group:
    first, asked = cells[0], cells[0].asked
    protocol = first.protocol if isinstance(first, UnderProtocol) else first.name
    soft = asked.set.soft and not isinstance(first, OnWhole) and protocol != asked.twins.hard
    every = [record for of_cell in records for record in of_cell]
    accuracies = {s: a for one in every for s, a in zip(one.seeds, one.accuracies, strict=True) if s not in one.diverged}
    diverged = tuple(seed for one in every for seed in one.diverged)
    done = all(records)
    return Group(first.images, "soft" if soft else "hard", str(protocol), accuracies, diverged, done)


def _check(cell: ScoreCell, records: Sequence[Record], path: str) -> None:
    if not records:
        return
    wrong = [record for record in records if not _is_of(cell, record)]
    seeds = sorted(seed for record in records for seed in record.seeds)
    if wrong or not (isinstance(cell, Labelling) or seeds == sorted(cell.seeds)):
        raise CondenseError(f"{path} holds records that are not those of its networks; delete it.")


def _is_of(cell: ScoreCell, record: Record) -> bool:
    if record.task != cell.task or needed(record, "network") != cell.asked.network:
        return False
    if not isinstance(cell, UnderProtocol):
        return True
    of_set = isinstance(cell, OnRandom) or needed(record, "set", "sha256") == cell.asked.set.sha256
    return of_set and needed(record, "protocol") == str(cell.protocol)


def record_of(results: Results) -> Record | None:
    """The record of a score that is known whole; None before that."""
    if results.label_robust is None or results.augmentation_robust is None:
        return None
    records, asked = results.records, results.asked
    first = min(records, key=lambda record: record.started_at)
    peaks = [record.peak_memory_bytes for record in records if record.peak_memory_bytes is not None]
    cost = Cost(
        wall_seconds=sum(record.wall_seconds for record in records),
        warm_up_seconds=sum(record.warm_up_seconds for record in records),
        experts_seconds=sum(record.cost.experts_seconds for record in records),
        peak_memory_bytes=max(peaks, default=None),
        device=first.device,
        threads=first.threads,
        started_at=first.started_at,
    )
    found = {"measures": results.raw, "accuracies": [_facts(group) for group in results.groups.values()]}
    return Record("score", _config(asked), seeds=[], metrics={}, cost=cost, code=first.code, results=found)


def _config(asked: Asked) -> dict[str, Any]:
    """All that the numbers follow from, but the seeds that each group of networks states."""
    twins = asked.twins
    protocols = dict.fromkeys((twins.own, twins.hard, twins.augmented, twins.plain))
    return {
        "set": asked.set.described,
        "dataset": asked.set.dataset,
        "dataset_fingerprint": asked.images.training,
        "test_fingerprint": asked.images.test,
        "test_images": asked.images.test_images,
        "network": asked.network,
        "protocol": str(twins.own),
        "protocols": {name: str(protocol) for name, protocol in vars(twins).items()},
        "recipes": {str(protocol): asked.recipe(protocol).facts() for protocol in protocols},
        "random": {"method": asked.drawing(0).method, "counts": list(asked.set.counts), "schedule": asked.schedule},
        "weight": WEIGHT,
    }


def _facts(group: Group) -> dict[str, Any]:
    numbers = asdict(group.summary) if group.summary else {}
    return {
        **{name: getattr(group, name) for name in ("images", "labels", "protocol")},
        "seeds": list(group.accuracies),
        "diverged": list(group.diverged),
        **{name: numbers.get(name) for name in ("n", "mean", "std", "low", "high")},
    }
