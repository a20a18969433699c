"""Running experiments: the runs that are missing, those that can be trained together as one; then their report."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from condense.checking import AtLeastOne, one_of
from condense.config import DatasetName, NetworkName, Seeds
from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError, Interrupted, shortened
from condense.files import locked, refuse_other_files
from condense.networks.registry import build
from condense.records import Record, append_record, check_appendable, read_records
from condense.studies.generalization.fit import Progress, at_once, fit, network_of
from condense.studies.generalization.images import SIDE, check_size
from condense.studies.generalization.plan import EXPERIMENTS, SCALES, Line, lines
from condense.studies.generalization.results import Recorded, check_complete
from condense.studies.generalization.runs import Run

ALL = "all"
ExperimentName = Annotated[str, one_of("experiment", {**EXPERIMENTS, ALL: ""})]
WAIT_SECONDS = 1.0
OWN_NETWORKS = ("fig2a", "fig2b")
"""Experiments that compare variants of Inception, whatever networks are named."""


@dataclass(frozen=True, kw_only=True)
class GeneralizeConfig:
    """Which experiments, on what, and how large."""

    experiment: ExperimentName = ALL
    """fig1a, fig1b, fig1c, fig2a, fig2b, table1 or all."""
    dataset: DatasetName = "cifar10"
    """Name or path of the images."""
    scale: Literal["small", "full"] = "small"
    """small: 240 training images (fig1b, fig1c: 960; MLPs in fig1b: 9,600), for two cores; full: all images, as in the
    paper, for a GPU."""
    train_size: AtLeastOne | None = None
    """Class-balanced subset of so many training images instead of the scale's."""
    networks: tuple[NetworkName, ...] = ()
    """Networks instead of the paper's, in fig1a, fig1b, fig1c and table1; fig2a and fig2b are of Inception alone."""
    seeds: Seeds = 3
    """Runs of everything, with seeds 0, 1, ..."""
    epochs: AtLeastOne | None = None
    """The most epochs a run may take, instead of the scale's."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def names(self) -> list[str]:
        """The experiments asked for."""
        return list(EXPERIMENTS) if self.experiment == ALL else [self.experiment]

    def lines(self, experiment: str) -> list[Line]:
        """What an experiment consists of."""
        networks = tuple(dict.fromkeys(self.networks))
        return lines(experiment, SCALES[self.scale], self.seeds, self.epochs, networks, self.train_size)


@dataclass(frozen=True)
class Listener:
    """Who is told how it gets on: of each group of runs as it begins, with how many are done of all, of its epochs, and of
    waiting for runs of other processes.
    """

    begins: Callable[[Sequence[Run], int, int], None] = lambda runs, done, total: None
    epoch: Progress = lambda epoch, epochs, loss: None
    waits: Callable[[int], None] = lambda runs: None


def records_path(folder: Path) -> Path:
    """Where the records of a folder are."""
    return folder / "records.jsonl"


def recorded(folder: Path) -> list[Record]:
    """The records of a folder, none where there are none yet. Raises `CondenseError` for those that are damaged."""
    path = records_path(folder)
    found = read_records(path) if path.exists() and path.stat().st_size else []
    for number, record in enumerate(found, 1):
        if record.task == "fit":
            check_complete(record, f"{shortened(path)}, record {number}")
    return found


def check_folder(folder: Path) -> None:
    """Raises `CondenseError` when `folder` cannot be written to, or holds something else than these experiments."""
    path = records_path(folder)
    check_appendable(path)
    refuse_other_files(path, "generalization experiments")
    for record in recorded(folder):
        if record.task != "fit":
            raise CondenseError(f"{path} holds records of another task ({record.task}). Choose another --out.")


Sized = Mapping[int | None, DataSet]
"""The images by the size of the training set (`Line.train_size`), in all sizes that these images are enough for."""


def sized(config: GeneralizeConfig, data: DataSet) -> Sized:
    """The images in the sizes of all experiments: those of --train-size, or of the scale, where there are so few images or
    such classes that no balanced subset has its size the largest below it.

    Raises `CondenseError` where no balanced subset has the size of --train-size, the images are smaller than the crop, or no
    network takes them.
    """
    scale = SCALES[config.scale]
    check_size(data.train)
    if config.networks and config.experiment in OWN_NETWORKS:
        raise CondenseError(
            f"--networks: {config.experiment} compares variants of Inception, so it takes no other networks."
        )
    for name in config.networks:
        build(name, (data.train.shape[0], SIDE, SIDE), data.train.classes)
    test = data.test.subset(_possible(data.test, scale.test_size), seed=0) if scale.test_size else data.test
    found: dict[int | None, DataSet] = {}
    for size in sorted({line.train_size for name in EXPERIMENTS for line in config.lines(name)}, key=lambda size: size or 0):
        taken = size if size is None or config.train_size else _possible(data.train, size)
        found[size] = replace(data, train=data.train.subset(taken, seed=0) if taken else data.train, test=test)
    return found


def as_recorded(data: Sized, records: Sequence[Record]) -> Sized:
    """The images under the fingerprints that these records have, where they are known as these."""
    train, test = (
        sorted({str(record.config.get(name)) for record in records}) for name in ("dataset_fingerprint", "test_fingerprint")
    )
    return {size: one.as_recorded(train, test) for size, one in data.items()}


@dataclass(frozen=True)
class _Task:
    """A run on its images."""

    run: Run
    data: DataSet

    @cached_property
    def key(self) -> str:
        return self.run.key(self.data.train, self.data.test)

    @property
    def together(self) -> tuple[Any, ...]:
        """Tasks with the same can be trained as one stack."""
        return (len(self.data.train), *self.run.together)


def run_missing(config: GeneralizeConfig, data: Sized, folder: Path, listener: Listener) -> None:
    """Does the runs that have no record yet, cheap networks first; a record is written when a run ends.

    Any number of processes may do so in one folder: each takes what no other has taken, and waits for what others are doing.
    """
    path = records_path(folder)
    planned = (line for name in config.names for line in config.lines(name))
    tasks = [_Task(run, data[line.train_size]) for line in planned for run in line.runs]
    wanted = sorted({task.key: task for task in tasks}.values(), key=_cost)
    try:
        while missing := _without_record(wanted, folder):
            with _taken(missing, folder) as group:
                if group:
                    runs = [task.run for task in group]
                    listener.begins(runs, len(wanted) - len(missing), len(wanted))
                    ended = partial(append_record, path)
                    fit(runs, group[0].data, listener.epoch, ended, folder / ".checkpoints")
                else:
                    listener.waits(len(missing))
                    time.sleep(WAIT_SECONDS)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"Stopped; {path} keeps the runs that are finished, longer ones are kept every minute or epoch, and the same "
            "command goes on."
        ) from error


def _without_record(tasks: Sequence[_Task], folder: Path) -> list[_Task]:
    known = Recorded(recorded(folder))
    return [task for task in tasks if known.of(task.run, task.data) is None]


@contextmanager
def _taken(missing: Sequence[_Task], folder: Path) -> Iterator[list[_Task]]:
    """Takes the first task that no other process has, and those that are trained together with it; none where all are."""
    with ExitStack() as locks:
        group: list[_Task] = []
        most = 1
        for task in missing:
            if group and task.together != group[0].together:
                continue
            if locks.enter_context(locked(folder / ".locks" / f"{task.key}.lock")):
                if not group:
                    most = at_once([one.run for one in missing if one.together == task.together], task.data)
                group.append(task)
            if len(group) == most:
                break
        # Another process may have done some of them after `missing` was looked up.
        yield _without_record(group, folder) if group else []


def _cost(task: _Task) -> int:
    return len(task.data.train) * network_of(task.run, task.data).multiply_adds


def _possible(images: LabelledImages, most: int) -> int:
    """The size of the largest class-balanced subset, but no more than `most` of them (one per class at least)."""
    return max(1, min(min(images.counts), most // images.classes)) * images.classes
