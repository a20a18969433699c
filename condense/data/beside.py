"""The file of test images beside one of training images: `Test.mat` beside `Train.mat`, `a.t.mat` beside `a.mat`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from condense.errors import CondenseError

_WORD = re.compile(
    r"(?<![a-z])(?:(?P<train>train(?:ing)?)|(?P<test>test(?:ing)?)|(?P<val>val(?:id(?:ation)?)?|dev))(?![a-z])"
)
_ALIKE = {".hdf5": ".h5"}


@dataclass(frozen=True)
class Beside:
    """The files beside one: for testing and for validation, if any."""

    test: Path | None
    val: Path | None


def files_beside(path: Path) -> Beside:
    """The files that belong to the one at `path` by their names, in any case: equal but for train, test or val in them (or
    .t at their end), and for that word's absence in the given name. Raises `CondenseError` where two could be meant, and
    where the folder cannot be listed.
    """
    rest, part = _split(path)
    if part not in (None, "train"):
        return Beside(None, None)
    try:
        there = [path.with_name(name) for name in sorted(os.listdir(path.parent))]
    except OSError as error:
        raise CondenseError(f"{path.parent}: cannot be listed, to look for test images ({error.strerror}).") from error
    named: dict[str, list[Path]] = {"train": [], "test": [], "val": []}
    for other in there:
        kin, of = _split(other)
        if of is not None and kin == rest and other.name != path.name and other.is_file():
            named[of].append(other)
    if part is None and named["train"]:  # the given file is the whole, and the others its parts
        return Beside(None, None)
    for found in (named["test"], named["val"]):
        if len(found) > 1:
            raise CondenseError(
                f"{path}: {' and '.join(other.name for other in found)} beside it could each be its test images; leave one."
            )
    return Beside(*(named[which][0] if named[which] else None for which in ("test", "val")))


def _split(path: Path) -> tuple[tuple[str, str], str | None]:
    """((name without the word for a part, suffix), part)."""
    suffix = path.suffix.lower()
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", path.stem).lower()
    part = None
    if match := _WORD.search(stem):
        part = match.lastgroup
        stem = stem[: match.start()] + stem[match.end() :]
    elif stem.endswith(".t"):
        part, stem = "test", stem.removesuffix(".t")
    return (re.sub(r"[^a-z0-9]", "", stem), _ALIKE.get(suffix, suffix)), part
