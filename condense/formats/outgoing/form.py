"""What a form of export is: a name, whether it is a file or a folder, and a plan of what is written and what is lost."""

from collections.abc import Callable
from dataclasses import dataclass

from condense.records import Record
from condense.synthetic_set import SyntheticSet


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be written: one set or several, the records of learning and of evaluating them, the licence of the real
    images.
    """

    sets: tuple[SyntheticSet, ...]
    records: tuple[Record, ...] = ()
    licence: str | None = None

    @property
    def first(self) -> SyntheticSet:
        """The only set, or the one that forms of a single set write."""
        return self.sets[0]


@dataclass(frozen=True, eq=False)
class Plan:
    """What would be written.

    files: makes them, by their paths in the folder; where the target is a file itself, the first is written. losses: what
    of the set they do not hold, each as words that complete 'loses ...'; remarks: sentences on how they are read, and on
    what is written otherwise than it was stored.
    """

    files: Callable[[], dict[str, bytes]]
    losses: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A form of export.

    text: what it is, in a line; plan: says what would be written, without writing it; suffix: of the file it is, if it can
    be one; folder: whether it can be a folder; several: whether it holds more than one set; accuracies, card: whether it has
    a place for accuracies, and for the licence of the real images.
    """

    name: str
    text: str
    plan: Callable[[Asked], Plan]
    suffix: str | None = None
    folder: bool = True
    several: bool = False
    accuracies: bool = False
    card: bool = False
