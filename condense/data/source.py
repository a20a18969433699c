"""What a file of arrays holds, before it is known what each array means."""

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from condense.errors import CondenseError, shortened
from condense.hdf5 import Entry

Array = np.ndarray
_MOST_NAMED = 20


@dataclass(frozen=True, eq=False)
class Source:
    """A file of arrays: its members by name, and how some of them are read.

    read: name -> array of numbers, booleans, or texts (dtype object, each a `str`); matlab: whether axes are in MATLAB's
    order.
    """

    path: Path
    entries: Mapping[str, Entry]
    read: Callable[[str], Array]
    matlab: bool = False

    @property
    def held(self) -> str:
        """Names, types and shapes of what is in the file, for a message."""
        return described(self.entries) or "nothing"

    def refusal(self, sentence: str) -> CondenseError:
        """An error about this file that ends with what it holds."""
        return CondenseError(f"{self.path}: {sentence} It holds {self.held}.")


def described(entries: Mapping[str, Entry], names: Sequence[str] | None = None) -> str:
    """'images uint8 (30, 6, 7), labels int64 (30,)': the first of them, and how many more."""
    chosen = sorted(entries) if names is None else list(names)
    texts = [f"{_short(name)} {_kind(entries[name])}" for name in chosen[:_MOST_NAMED]]
    more = [f"{len(chosen) - _MOST_NAMED} more"] if len(chosen) > _MOST_NAMED else []
    return ", ".join([*texts, *more])


def check_regular(path: Path) -> None:
    """Raises `CondenseError` for what is no file, such as a pipe, which would be waited for."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise CondenseError(f"{path}: is no regular file.")


def _kind(entry: Entry) -> str:
    return entry.kind if entry.shape is None else f"{entry.kind} {shortened(entry.shape)}"


def _short(name: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:61])
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
