"""A set as a file of another program holds it, before it is known what real images it belongs to."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from condense.errors import CondenseError, shortened
from condense.formats.incoming.flags import Stated
from condense.formats.incoming.torch_files import TORCH_SUFFIXES, load_torch
from condense.preprocessing import ZCA
from condense.synthetic_set import SyntheticSet

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
_AT_ONCE = 2**20


@dataclass(frozen=True, eq=False)
class Foreign:
    """One set of a file, and all that the file or its format says of it.

    images: of any real type, as stored; labels: of any real type, one for each image or a row for each; name: of the set,
    such as 'a.pt, set 1 of 5'; files: all that were read.
    space: what the numbers in the images are, one of `flags.PIXELS`, None where nothing says it; may_be_whitened: whether
    files of this format are normalised or whitened, and do not say which; evidence: why images are taken as whitened;
    may_be_idc: whether it could be IDC's, if its pixels are from 0 to 1; normalised_like: data sets that the format's
    programs normalise by the numbers of another.
    labels_are: one of `flags.LABELS`, or None; unordered: whether the order of the images means nothing, so that they may
    stand class by class; named: labels as texts in place of numbers, for names of classes.
    factor: of tiles, None where the format has one but the file does not say it; learning_rate: that was learned with the
    set; whitening: that comes with it; place: in the file, from 0 on.
    whole: the set itself, where condense wrote it into the file with all that it states.
    dataset, images_per_class, method, network: as the name of the file or the format says, else None.
    """

    format: str
    images: Tensor
    labels: Tensor
    name: str
    files: tuple[Path, ...]
    space: str | None = None
    labels_are: str | None = None
    factor: int | None = 1
    learning_rate: float | None = None
    whitening: ZCA | None = None
    may_be_whitened: bool = False
    may_be_idc: bool = False
    normalised_like: dict[str, str] = field(default_factory=dict)
    unordered: bool = False
    named: tuple[str, ...] | None = None
    method: str | None = None
    network: str | None = None
    dataset: str | None = None
    images_per_class: int | None = None
    place: int = 0
    whole: SyntheticSet | None = None
    evidence: str | None = None


@dataclass(frozen=True, eq=False)
class Given:
    """A file or folder that may hold sets; what is in it is read once."""

    path: Path

    @property
    def name(self) -> str:
        """Its name, for messages and provenance; of a folder with a stroke."""
        resolved = self.path.resolve().name if self.path.is_dir() else self.path.name
        return f"{shortened(resolved, 100)}{'/' if self.path.is_dir() else ''}"

    @cached_property
    def torch(self) -> Any:
        """What a PyTorch file holds; None where the name is of no such file. Raises `CondenseError` as `load_torch` does."""
        if self.path.is_file() and self.path.suffix.lower() in TORCH_SUFFIXES:
            return load_torch(self.path)
        return None

    def refusal(self, sentence: str) -> CondenseError:
        """An error about it."""
        return CondenseError(f"{shortened(self.path)}: {sentence}")


@dataclass(frozen=True)
class Format:
    """How sets of one kind are recognised and read; `read` raises `CondenseError` for what it cannot read."""

    name: str
    recognises: Callable[[Given], bool]
    read: Callable[[Given, Stated], list[Foreign]]


def digest_of(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 of files by name; of more than four one for all of them, of their names and digests."""
    found = {path.name: _digest(path) for path in files}
    if len(files) <= 4:
        return {shortened(name, 100): digest for name, digest in found.items()}
    lines = "".join(f"{_digest(path)}  {path.parent.name}/{path.name}\n" for path in sorted(files))
    return {f"{len(files)} files": hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while some := file.read(_AT_ONCE):
            digest.update(some)
    return digest.hexdigest()
