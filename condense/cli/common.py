"""What all commands share: their part of the options, the images on their device, what must be given."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from condense.checking import AtLeastOne, Seed, Varying, checked
from condense.cli import options
from condense.config import LearnConfig
from condense.data import catalog
from condense.data.images import DataSet
from condense.data.known import PUBLISHED
from condense.data.reading import READING_NAMES, Reading
from condense.errors import CondenseError, Interrupted, quoted, shortened
from condense.machine import choose_device, set_threads
from condense.stage_c.learn import remarks
from condense.synthetic_set import SyntheticSet

Config = TypeVar("Config")
Given = TypeVar("Given")


def part(kind: type[Config], chosen: Any) -> Config:
    """The configuration inside a command's options."""
    if issubclass(kind, Varying):
        kind = kind.kind_for(vars(chosen))
    return kind(**{field.name: getattr(chosen, field.name) for field in fields(cast(type[Any], kind))})


def load(
    dataset: str, chosen: options.Common, train_size: int | None = None, seed: int = 0, reading: Reading | None = None
) -> DataSet:
    """The data set on the chosen device, with the threads set; says what was assumed in reading it.

    reading: how it is read; by default as the command's options say.
    """
    device = choose_device(chosen.device)
    set_threads(chosen.threads)
    if reading is None:
        reading = part(Reading, chosen) if isinstance(chosen, Reading) else Reading()
    data = catalog.load(dataset, data_root=chosen.data_root, train_size=train_size, seed=seed, reading=reading)
    if not chosen.quiet:
        for remark in data.remarks:
            print(f"condense: {remark}", file=sys.stderr)
    return data.to(device)


def load_to_learn(config: LearnConfig, chosen: options.Common) -> DataSet:
    """The data set of stage C; says on the way what differs from what one may expect, such as that classes are small."""
    data = load(config.dataset, chosen, config.train_size, config.seed)
    for remark in [] if chosen.quiet else remarks(config, data.train):
        print(f"condense: {remark}", file=sys.stderr)
    return data


@dataclass(frozen=True, kw_only=True)
class LearnedFrom(Reading):
    """What of a set's configuration is needed to find its real images again; all else in it is left unread."""

    dataset: str
    train_size: AtLeastOne | None = None
    seed: Seed = 0

    @property
    def reading(self) -> Reading:
        """How they are read."""
        return Reading(**{name: getattr(self, name) for name in READING_NAMES})


def load_as_learned(learned: SyntheticSet, chosen: options.Evaluate) -> DataSet:
    """The data set a synthetic set was learned from, here under the name it has now if it was given one.

    It is read as it was then, unless the command says otherwise. Raises `CondenseError` where neither says where it lies.
    """
    found = learned_from(learned, chosen)
    return load(found.dataset, chosen, found.train_size, found.seed, found.reading)


def learned_from(learned: SyntheticSet, chosen: options.Evaluate | options.Score) -> LearnedFrom:
    """Where a set's real images are to be looked for, and how they are read: as the command says, else as it was learned.

    Raises `CondenseError` where neither says where they lie.
    """
    facts = learned.provenance
    names = [field.name for field in fields(LearnedFrom)]
    stored = {name: value for name, value in facts.config.items() if name in names}
    given = ({"dataset": chosen.dataset} if chosen.dataset else {}) | part(Reading, chosen).stated
    values = {"dataset": facts.dataset, **stored, **given}
    if not chosen.dataset and facts.dataset in PUBLISHED and not os.path.exists(str(values["dataset"])):
        values["dataset"] = facts.dataset  # it was learned from another container of a published set
    found = checked(LearnedFrom, values, called=lambda name: f"{chosen.set}: config.{name}")
    if found.dataset in PUBLISHED:  # which is read in one way only
        return replace(found, **{name: getattr(chosen, name) for name in READING_NAMES})
    if not chosen.dataset and not os.path.exists(found.dataset):
        raise CondenseError(
            f"{chosen.set} was learned from {quoted(found.dataset)} and does not say where that lies: name it with "
            "--dataset."
        )
    return found


def required(*wanted: tuple[Given | None, str]) -> list[Given]:
    """The values, in order; raises `CondenseError` with the names of all that are missing."""
    missing = [name for path, name in wanted if path is None]
    if missing:
        raise CondenseError(f"Missing: {', '.join(missing)}.")
    return [path for path, _ in wanted if path is not None]


@contextmanager
def resumable(*, by: str) -> Iterator[None]:
    """Adds to the message of an interruption how the work goes on: `by` a command, in words."""
    try:
        yield
    except Interrupted as error:
        raise Interrupted(f"{error} {by} continues.") from error


def check_suffix(path: Path, suffix: str) -> None:
    """Raises `CondenseError` unless the name of a file to be written ends as it should."""
    if path.suffix.lower() != suffix:
        raise CondenseError(f"--out {shortened(path)}: the name of the file must end in {suffix}.")
