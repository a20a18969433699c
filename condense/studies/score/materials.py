"""What the cells of a score share: the real images, the set, and random real images in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from condense.data.images import DataSet
from condense.errors import CondenseError, shortened
from condense.events import OfTraining, unheard
from condense.files import write_atomically
from condense.records import Record
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import data_as_learned
from condense.studies.score.asked import Asked
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.synthetic_set import SyntheticSet

SET = "set.h5"


def kept_path(folder: Path) -> Path:
    """Where the set lies in the folder of its score, for cells that other processes and machines compute."""
    return folder / SET


def kept(folder: Path, asked: Asked) -> SyntheticSet:
    """The set of the folder. Raises `CondenseError` where it is not there, damaged, or another one."""
    path = kept_path(folder)
    if not path.exists():
        raise CondenseError(
            f"{shortened(folder)}: the set that is scored is not in its folder: give the same command once more, with the "
            f"set (it was {shortened(asked.set.file)})."
        )
    found = SyntheticSet.load(path)
    if found.sha256 != asked.set.sha256:
        raise CondenseError(f"{shortened(path)} is another set than {shortened(asked.set.file)} was.")
    return found


def keep(folder: Path, synthetic: SyntheticSet, records: Mapping[str, Sequence[Record]]) -> None:
    """Copies the set into the folder, and records that are given for cells, by their keys."""
    if not kept_path(folder).exists():
        write_atomically(kept_path(folder), synthetic.to_bytes())
    for key, given in records.items():
        StudyFolder(folder).finish(key, list(given))


def real_images(machine: Machine, source: str, train_size: int | None, draw_seed: int) -> DataSet:
    """The real images that a set was made from: all of a data set, or a subset of its training images."""
    data = machine.load(source)
    return data if train_size is None else replace(data, train=data.train.subset(train_size, draw_seed))


@dataclass(frozen=True)
class Materials:
    """data: the real images that the set was made from, as they are read."""

    asked: Asked
    data: DataSet
    folder: StudyFolder

    @cached_property
    def synthetic(self) -> SyntheticSet:
        """The set."""
        return kept(self.folder.path, self.asked)

    @cached_property
    def as_learned(self) -> DataSet:
        """The real images normalised or whitened as the set is."""
        return data_as_learned(self.synthetic, self.data)

    def drawn(self, seed: int, progress: OfTraining = unheard) -> tuple[SyntheticSet, Record]:
        """(Random real images in the place of the set, how they came about): drawn anew for each seed, as many of each class
        as the set has, with labels of its kind and its own learning rate.

        progress: told of the network that gives soft labels, where it is not kept yet.
        """
        of = self.asked.set
        drawn = learn(self.asked.drawing(seed), self.as_learned.train, experts_progress=progress)
        first = max(of.counts)
        chosen = torch.cat([number * first + torch.arange(count) for number, count in enumerate(of.counts)])
        images, labels = drawn.set.images[chosen], drawn.set.labels[chosen]
        return replace(drawn.set, images=images, labels=labels, learning_rate=of.learning_rate), drawn.record
