"""Folders of version 0.1, which hold records alone: the experiments that they are of."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any

from condense.data.known import PUBLISHED
from condense.errors import shortened
from condense.records import Record, read_records
from condense.studies.generalization.config import OWN_NETWORKS, Experiments
from condense.studies.generalization.plan import EXPERIMENTS, Line
from condense.studies.generalization.request import OfSize, Request
from condense.studies.generalization.results import Recorded, check_complete
from condense.studies.generalization.runs import Run
from condense.studies.generalization.subset import Subset

SHAPES = {
    "digits": (1, 28, 28),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "svhn": (3, 32, 32),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
}
"""(Channels, height, width) of published images, which these records do not state, nor how many classes there are."""


def recorded(folder: Path) -> list[Record]:
    """The records that version 0.1 left in a folder, none where it left none of these experiments.

    Raises `CondenseError` for those that are damaged, or of other tasks.
    """
    path = folder / "records.jsonl"
    if not path.is_file() or b'"kind": "fit"' not in path.read_bytes():
        return []
    records = read_records(path)
    for number, record in enumerate(records, 1):
        check_complete(record, f"{shortened(path)}, record {number}")
    return records


def requests_of(records: Sequence[Record]) -> list[Request]:
    """The experiments of which every run is there, with as many seeds as all their runs have; of published images alone."""
    requests, covered = list[Request](), set[str]()
    for dataset in dict.fromkeys(str(record.config["dataset"]) for record in records):
        if dataset in SHAPES:
            of_dataset = _Records(dataset, [record for record in records if record.config["dataset"] == dataset])
            for settings in of_dataset.settings():
                complete = [request for name in EXPERIMENTS for request in of_dataset.requests(settings, name)]
                new = [request for request in complete if not _keys(request) <= covered]
                covered = covered.union(*map(_keys, new))
                requests += new
    return requests


def _keys(request: Request) -> set[str]:
    """Of all runs."""
    lines = [line for name in request.names for line in request.lines(name)]
    return {run.key(request.subset(line)) for line in lines for run in line.runs}


class _Records:
    """The records of one data set, and what may have been asked for that they answer."""

    def __init__(self, dataset: str, records: Sequence[Record]) -> None:
        self.dataset, self.known = dataset, Recorded(records)
        configs = [record.config for record in records]
        self.networks = list(dict.fromkeys(config["network"] for config in configs))
        self.limits = sorted({config["epochs"] for config in configs if "epochs" in config})
        self.by_size = {(config["train_images"], config.get("test_images")): config for config in reversed(configs)}
        self.train_sizes = sorted({train for train, _ in self.by_size})
        self.test_sizes = sorted({test for _, test in self.by_size if test is not None})

    def settings(self) -> Iterator[Experiments]:
        """What may have been asked for, the defaults first."""
        for scale in ("small", "full"):
            for size in (None, *self.train_sizes):
                for epochs in (None, *self.limits):
                    yield Experiments(scale=scale, train_size=size, epochs=epochs)

    def requests(self, settings: Experiments, experiment: str) -> list[Request]:
        """What of an experiment is there with these settings: for the paper's networks, and for others."""
        settings = replace(settings, experiment=experiment)
        named = [()] if experiment in OWN_NETWORKS else self._complete(settings)
        return [request for names in named if (request := self._request(replace(settings, networks=names))) is not None]

    def _complete(self, settings: Experiments) -> list[tuple[str, ...]]:
        """The networks with all their runs, as they are asked for: the paper's without being named, if all are there."""
        names = [name for name in self.networks if self._request(replace(settings, networks=(name,))) is not None]
        usual = {line.group for line in settings.lines(settings.experiment)}
        others = tuple(name for name in names if name not in usual)
        if usual <= set(names):
            return [(), others] if others else [()]
        return [tuple(names)] if names else []

    def _request(self, settings: Experiments) -> Request | None:
        """The request with as many seeds as all its lines have; None where one has none, or this limit was of none."""
        lines = settings.lines(settings.experiment)
        subsets = {line.train_size: self._subset(settings, line) for line in lines}
        images = tuple(OfSize(size=size, subset=subset) for size, subset in subsets.items() if subset is not None)
        if len(images) < len(subsets):
            return None
        of_lines = [(line.runs[0], subset) for line in lines if (subset := subsets[line.train_size]) is not None]
        if not any(run.key(subset) in self.known.exact for run, subset in of_lines):
            return None
        seeds = min(self._seeds(run, subset) for run, subset in of_lines)
        values: dict[str, Any] = {field.name: getattr(settings, field.name) for field in fields(Experiments)}
        values |= {"seeds": seeds}
        return Request(**values, dataset=self.dataset, images=images) if seeds else None

    def _seeds(self, run: Run, subset: Subset) -> int:
        """How many runs are there, with seeds 0, 1, ..."""
        return next(seed for seed in count() if self.known.of(replace(run, seed=seed), subset) is None)

    def _subset(self, settings: Experiments, line: Line) -> Subset | None:
        """The images of a line: of a scale's sizes the largest there was, where there were fewer images than it takes."""
        train = _largest(self.train_sizes, line.train_size)
        test = _largest(self.test_sizes, settings.of_scale.test_size)
        config = self.by_size.get((train, test), {})
        names = ("dataset_fingerprint", "test_fingerprint", "train_images", "test_images")
        values: dict[str, Any] = {name: config[name] for name in names if name in config}
        if len(values) < len(names):
            return None
        classes = len(PUBLISHED[self.dataset].class_names)
        return Subset(dataset=self.dataset, classes=classes, shape=SHAPES[self.dataset], **values)


def _largest(sizes: Sequence[int], most: int | None) -> int | None:
    """The largest of these sizes (sorted) that is no more than so many; None where there is none."""
    return max((size for size in sizes if most is None or size <= most), default=None)
