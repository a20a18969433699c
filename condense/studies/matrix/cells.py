"""The cells of a matrix: sets to learn, and networks to train on each."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import prod
from pathlib import Path

from condense.checking import as_dict
from condense.config import LearnConfig
from condense.data.images import DataSet
from condense.data.naming import stored_name
from condense.errors import CondenseError
from condense.files import check_room, check_writable
from condense.networks.network import TRAINING_PASSES
from condense.networks.own import NETWORKS
from condense.networks.registry import build
from condense.pipeline import ROOM
from condense.records import Record, config_hash, needed, read_records
from condense.report.numbers import NONE
from condense.stage_c.answers import answering
from condense.stage_c.checkpoint import checkpoint_path
from condense.stage_c.learn import learn
from condense.stage_c.methods import DEFAULT, looks_at_network
from condense.stage_c.problem import Problem
from condense.stage_c.schedules import occasion_of, overridden, with_settings
from condense.stage_t.evaluate import evaluate_network
from condense.stage_t.protocols import Protocol, recipe
from condense.studies.matrix.images import ImageFacts, Images
from condense.study.cell import Cell, Place, Progress, in_epochs, in_steps
from condense.synthetic_set import SyntheticSet

SET, SET_RECORDS = "set.h5", "set.jsonl"


class MatrixCell(Cell):
    """A set or networks: how long it takes follows from images that a network is trained on, and tested on."""

    @property
    @abstractmethod
    def network(self) -> str:
        """The network that computes."""

    @property
    @abstractmethod
    def dataset(self) -> str:
        """The stored name of the real images."""

    @property
    @abstractmethod
    def facts(self) -> ImageFacts:
        """Of the real images."""

    @property
    @abstractmethod
    def passes(self) -> tuple[float, float]:
        """(Images of training the network, images tested)."""

    @cached_property
    def work(self) -> float:
        """Multiply-adds, at least one, as drawing images takes a moment too; 0 where nothing is known of the images, or the
        network is code that the folder alone names.
        """
        if self.facts.shape is None or NETWORKS.is_named_by_file(self.network):
            return 0.0
        trained, tested = self.passes
        return max(1.0, (TRAINING_PASSES * trained + tested) * _multiply_adds(self.network, self.facts))


@cache
def _multiply_adds(network: str, facts: ImageFacts) -> int:
    return build(network, facts.shape or (1, 1, 1), facts.classes).multiply_adds


@dataclass(frozen=True)
class SetCell(MatrixCell):
    """A set to learn.

    front: what tells it apart from sets of the study's first data set and images per class, for names; images: facts of all
    real images.
    """

    config: LearnConfig
    images: ImageFacts
    front: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """Name of its folder: what tells it apart for people, and the hash of its whole configuration."""
        c = self.config
        parts = [*self.front, *([] if c.method == DEFAULT else [c.method]), c.network, c.schedule, f"seed{c.seed}"]
        return "-".join([*parts, config_hash(as_dict(c.resolved()))[:8]])

    @property
    def key(self) -> str:
        """In the folder of the set."""
        return f"{self.name}/set"

    @property
    def row(self) -> str:
        """What its row is called: the network it is made with."""
        return self.config.network if looks_at_network(self.config.method) else NONE

    @cached_property
    def described(self) -> str:
        """How it is made, for people."""
        settings = as_dict(self.config.resolved())
        own = overridden(settings, self.config.schedule, occasion_of(settings))
        method = [] if self.config.method == DEFAULT else [self.config.method]
        how = [*self.front, *method, with_settings(self.config.schedule, own), f"seed {self.config.seed}"]
        return f"{self.config.network} ({', '.join(how)})"

    @property
    def label(self) -> str:
        """The same, as what is done."""
        return f"learning with {self.described}"

    @property
    def network(self) -> str:
        """That of the configuration."""
        return self.config.network

    @property
    def pace(self) -> str:
        """Of learning with this network."""
        return f"learning with {self.network}"

    @property
    def dataset(self) -> str:
        """Of the images it is learned from."""
        return stored_name(self.config.dataset)

    @property
    def facts(self) -> ImageFacts:
        """Of the part of them that it is learned from."""
        return self.images.part(self.config.train_size)

    @property
    def passes(self) -> tuple[float, float]:
        """What its method says of its steps."""
        method, network = self.config.plan(), build(self.network, self.facts.shape or (1, 1, 1), self.facts.classes)
        with answering(method):
            return method.cost(Problem(self.facts.stand_in, network, self.config.ipc, self.config.seed)), 0.0

    def images_of(self, images: Images) -> DataSet:
        """The images it is learned from: all, or its own subset. Raises `CondenseError` where that cannot be drawn."""
        data, size = images.of(self.config.dataset), self.config.train_size
        return data if size is None else replace(data, train=data.train.subset(size, self.config.seed))

    def run(self, materials: Images, place: Place, progress: Progress) -> Sequence[Record]:
        """Learns the set and saves it; only then, with its record, it is done."""
        data, path = self.images_of(materials).train, place.products / SET
        check_writable(path)
        check_room(path, ROOM * data.classes * self.config.ipc * prod(data.shape) * 4)
        _take_over(checkpoint_path(path), place.checkpoint)
        learned = learn(self.config, data, checkpoint=place.checkpoint, resume=True, progress=in_steps(progress))
        learned.set.save(path, force=True)
        return [learned.record]


@dataclass(frozen=True)
class NetworksCell(MatrixCell):
    """Networks to train on a set, with these seeds.

    first: whether it is the first cell of its network and protocol, and has all seeds that were asked for then.
    """

    of: SetCell
    trained: str
    protocol: str | Protocol
    seeds: range
    first: bool = True

    @property
    def base(self) -> str:
        """The key of the first cell of this network and protocol on the set."""
        return f"{self.of.name}/{self.trained}-{self.protocol}"

    @property
    def key(self) -> str:
        """In the folder of the set."""
        return self.base if self.first else f"{self.base}-seeds{self.seeds[0]}-{self.seeds[-1]}"

    @property
    def label(self) -> str:
        """For people."""
        several = f"seeds {self.seeds[0]} to {self.seeds[-1]}" if len(self.seeds) > 1 else f"seed {self.seeds[0]}"
        seeds = "" if self.first else f", {several}"
        return f"{self.trained} ({self.protocol}{seeds}) on the set of {self.of.described}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The set."""
        return (self.of.key,)

    @property
    def network(self) -> str:
        """The one that is trained."""
        return self.trained

    @property
    def pace(self) -> str:
        """Of training this network."""
        return f"training {self.trained}"

    @property
    def unit(self) -> str:
        """Progress is in epochs, of all networks together."""
        return "epoch"

    @property
    def dataset(self) -> str:
        """That of the set."""
        return self.of.dataset

    @property
    def facts(self) -> ImageFacts:
        """Of all."""
        return self.of.images

    @property
    def passes(self) -> tuple[float, float]:
        """The set in every epoch, then all test images, for each seed."""
        epochs = recipe(self.protocol, self.of.config.dataset, self.trained, rate=1.0).epochs  # whatever the set's own rate
        trained = epochs * self.facts.classes * self.of.config.ipc
        return float(len(self.seeds) * trained), float(len(self.seeds) * self.facts.test_images)

    def run(self, materials: Images, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains and tests them."""
        data = self.of.images_of(materials)
        _take_over(place.products / f"{self.trained}-{self.protocol}.checkpoint", place.checkpoint)
        asked = self.trained, self.protocol, load_set(place.products), data, self.seeds
        return [evaluate_network(*asked, checkpoint=place.checkpoint, progress=in_epochs(progress))]


def load_set(folder: Path) -> SyntheticSet:
    """A finished set. Raises `CondenseError` where the file is damaged, or not the set of its record."""
    found = SyntheticSet.load(folder / SET)
    if needed(read_records(folder / SET_RECORDS)[0], "set") != found.sha256:
        raise CondenseError(f"{folder / SET} is not the set that {folder / SET_RECORDS} describes.")
    return found


def _take_over(earlier: Path, checkpoint: Path) -> None:
    """Goes on from a checkpoint where version 0.1 kept it."""
    if earlier.exists() and not checkpoint.exists():
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        os.replace(earlier, checkpoint)
