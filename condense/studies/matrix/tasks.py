"""What a matrix consists of: sets to learn, and cells, each the training of one network on one set."""

from dataclasses import dataclass, replace
from itertools import product

from condense.checking import as_dict
from condense.config import LearnConfig, MatrixConfig
from condense.data.images import DataSet
from condense.networks.registry import build
from condense.records import config_hash
from condense.report.numbers import NONE
from condense.stage_c.learn import check, check_storable
from condense.stage_c.methods import DEFAULT, looks_at_network
from condense.stage_c.schedules import occasion_of, overridden, with_settings
from condense.stage_t.own_protocols import check_names
from condense.stage_t.protocols import Protocol


@dataclass(frozen=True)
class SetTask:
    """A set to learn."""

    config: LearnConfig

    @property
    def name(self) -> str:
        """Name of its folder: what tells it apart for people, and the hash of its whole configuration."""
        c = self.config
        method = "" if c.method == DEFAULT else f"{c.method}-"
        return f"{method}{c.network}-{c.schedule}-seed{c.seed}-{config_hash(as_dict(c.resolved()))[:8]}"

    @property
    def row(self) -> str:
        """What its row is called: the network it is made with."""
        return self.config.network if looks_at_network(self.config.method) else NONE

    @property
    def label(self) -> str:
        """The same for people."""
        settings = as_dict(self.config.resolved())
        own = overridden(settings, self.config.schedule, occasion_of(settings))
        method = "" if self.config.method == DEFAULT else f"{self.config.method}, "
        return f"{self.config.network} ({method}{with_settings(self.config.schedule, own)}, seed {self.config.seed})"


@dataclass(frozen=True)
class CellTask:
    """Networks to train on a set: one a seed, 0 to `seeds` - 1."""

    of: SetTask
    network: str
    protocol: str | Protocol
    seeds: int

    @property
    def name(self) -> str:
        """Name of its file of records, without the suffix."""
        return f"{self.network}-{self.protocol}"

    @property
    def label(self) -> str:
        """The same for people."""
        return f"{self.network} ({self.protocol}) on the set of {self.of.label}"


Task = SetTask | CellTask


def set_tasks(config: MatrixConfig) -> list[SetTask]:
    """All sets, schedule by schedule and row by row."""
    seeds = range(config.seed, config.seed + config.sets)
    networks = unique(config.learn) if looks_at_network(config.method) else config.learn[:1]
    return [
        SetTask(LearnConfig(**config.making, network=network, schedule=schedule, seed=seed))
        for schedule, network, seed in product(unique(config.schedule), networks, seeds)
    ]


def cell_tasks(config: MatrixConfig) -> list[CellTask]:
    """All cells, set by set."""
    kinds = list(product(dict.fromkeys(config.protocol), unique(config.train)))
    return [CellTask(task, network, protocol, config.seeds) for task in set_tasks(config) for protocol, network in kinds]


def images_of(task: SetTask, data: DataSet) -> DataSet:
    """The images a set is learned from: all, or its own subset. Raises `CondenseError` where that cannot be drawn."""
    size = task.config.train_size
    return data if size is None else replace(data, train=data.train.subset(size, task.config.seed))


def check_possible(config: MatrixConfig, data: DataSet) -> None:
    """Raises `CondenseError` when one of the networks cannot take the images, a set not be learned from them, or protocols
    not be told apart: said before anything is written.
    """
    check_names(config.protocol)
    for name in unique(config.learn + config.train):
        build(name, data.train.shape, data.train.classes)
    for task in set_tasks(config):
        check(task.config, images_of(task, data).train)
    check_storable(set_tasks(config)[0].config.resolved(), data.train)


def unique(names: tuple[str, ...]) -> list[str]:
    """Each name once, in order."""
    return list(dict.fromkeys(names))
