"""The file of test images beside one of training images: `Test.mat` beside `Train.mat`, `a.t.mat` beside `a.mat`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from condense.data.part_words import PartWord, part_words, words_of
from condense.errors import CondenseError

ARRAY_SUFFIXES = (".mat", ".h5", ".hdf5", ".npz")
_SPEAKING = 4
"""Letters of the words that make a name speak of testing wherever they stand; shorter ones stand alone, or at the end."""


@dataclass(frozen=True)
class Beside:
    """The files beside one: for testing and for validation, if any; the names of others that could be those, if it were not
    for the first; and of others that only speak of testing.
    """

    test: Path | None = None
    val: Path | None = None
    passed_over: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


def files_beside(path: Path) -> Beside:
    """The files of arrays, of any kind, that belong to the one at `path` by their names, whatever their case and separators:
    equal but for a word for testing or validation in place of its word for training, or added to it (or .t at the end).

    Those of the kind of `path` come before those of another. Raises `CondenseError` where two could be meant, and where the
    folder cannot be listed.
    """
    own = _part_words(path)
    if any(word.part != "train" and word.whole for word in own) and not any(word.part == "train" for word in own):
        return Beside()
    others = [other for other in _arrays_in(path.parent) if other.name != path.name]
    speaking = [other.name for other in others if _speaks_of_testing(other)]
    squeezed = "".join(words_of(path.stem))
    if any(word.part == "train" and word.rest == squeezed for other in others for word in _part_words(other)):
        return Beside(strangers=tuple(speaking))  # the given file is the whole, and the others its parts
    kin: dict[str, list[Path]] = {"test": [], "val": []}
    for other in others:
        parts = _parts_of(other, own, squeezed)
        for part in ("test", "val"):
            if part in parts:
                kin[part].append(other)
                break
    test, val = (_the_one(path, found) for found in kin.values())
    passed_over = [other.name for found in kin.values() for other in found if other not in (test, val)]
    of_kin = {other.name for found in kin.values() for other in found}
    return Beside(test, val, tuple(passed_over), tuple(name for name in speaking if name not in of_kin))


def _arrays_in(folder: Path) -> list[Path]:
    try:
        there = [folder / name for name in sorted(os.listdir(folder))]
    except OSError as error:
        raise CondenseError(f"{folder}: cannot be listed, to look for test images ({error.strerror}).") from error
    return [path for path in there if path.suffix.lower() in (*ARRAY_SUFFIXES, ".npy") and not path.is_dir()]


def _part_words(path: Path) -> list[PartWord]:
    found = part_words(path.stem)
    if path.stem.lower().endswith(".t"):
        found.append(PartWord("test", "t", "".join(words_of(path.stem[:-2])), "", whole=True))
    return found


def _speaks_of_testing(path: Path) -> bool:
    return any(
        word.part != "train" and (word.whole or len(word.word) >= _SPEAKING or not word.after) for word in _part_words(path)
    )


def _parts_of(other: Path, own: Sequence[PartWord], squeezed: str) -> set[str]:
    """The parts that a file holds of what another, of these words and this name without separators, holds for training."""
    words = [] if other.suffix.lower() == ".npy" else _part_words(other)
    for_training = [word for word in own if word.part == "train"]
    parts = set()
    for word in (word for word in words if word.part != "train"):
        replaced = any(
            (word.before, word.after) == (one.before, one.after) or (word.whole and one.whole and word.rest == one.rest)
            for one in for_training
        )
        added = (word.whole or not word.before or not word.after) and word.rest == squeezed
        of_both = any(  # such as 'trainval'
            word.before.endswith(one.word) or word.after.startswith(one.word) for one in words if one.part == "train"
        )
        if replaced or (added and not of_both):
            parts.add(word.part)
    return parts


def _the_one(path: Path, found: Sequence[Path]) -> Path | None:
    """The only file, or the only one of the kind that `path` is of."""
    alike = [other for other in found if _kind(other) == _kind(path)] or list(found)
    if len(alike) > 1:
        raise CondenseError(
            f"{path}: {' and '.join(other.name for other in alike)} beside it could each be its test images; leave one."
        )
    return alike[0] if alike else None


def _kind(path: Path) -> str:
    return path.suffix.lower().replace(".hdf5", ".h5")
