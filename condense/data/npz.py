"""NumPy's `.npz` archives, with what they state on their size checked before memory is taken."""

import io
import math
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from condense.data.source import Array, Source
from condense.errors import CondenseError
from condense.hdf5 import Entry, as_str
from condense.sizes import check_honest

MOST_MEMBERS = 10_000
_LONGEST_HEADER = 2**16


def open_npz(path: Path) -> Source:
    """The arrays of an archive. Raises `CondenseError` for one that is damaged or of another kind."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise CondenseError(f"{path}: has more than {MOST_MEMBERS:,} members, so it is not looked through.")
            entries = {_name(member): _entry(archive, member) for member in members if not member.is_dir()}
    except CondenseError:
        raise
    except zipfile.BadZipFile as error:
        raise CondenseError(f"{path}: is no NumPy .npz archive, or a truncated one.") from error
    except Exception as error:  # zipfile and zlib raise many kinds for damaged or foreign bytes
        raise _damaged(path, error) from error
    return Source(path, entries, partial(_read, path))


def _damaged(path: Path, error: Exception) -> CondenseError:
    return CondenseError(
        f"{path}: cannot be read as a NumPy .npz archive; damaged ({str(error)[:80] or type(error).__name__})."
    )


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _entry(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    if not member.filename.endswith(".npy"):
        return Entry(None, "no array", "is no array")
    try:
        with archive.open(member) as file:
            shape, kind, _ = _header(file)
    except Exception:  # zipfile, zlib, ast and NumPy raise many kinds for damaged or foreign bytes
        return Entry(None, "damaged", "is damaged or no array")
    if kind.hasobject:
        problem = "holds Python objects, which are not loaded; store numbers, or texts with astype(str)"
        return Entry(shape, "Python objects", problem)
    if kind.kind not in "biufUS":
        return Entry(shape, str(kind)[:80], "holds neither numbers nor texts")
    return Entry(shape, "text" if kind.kind in "US" else str(kind))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """(shape, type, length of the header) of a `.npy`. Raises ValueError for another format."""
    start = io.BytesIO(file.read(_LONGEST_HEADER))
    version = npy.read_magic(start)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    shape, _, kind = npy.read_array_header_1_0(start) if version == (1, 0) else npy.read_array_header_2_0(start)
    return shape, kind, start.tell()


def _read(path: Path, name: str) -> Array:
    """One member, once what its header states is checked against the archive's and the file's size."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = next(one for one in archive.infolist() if _name(one) == name)
            entry = _entry(archive, member)
            if entry.problem:
                raise CondenseError(f"{path}: {name} {entry.problem}.")
            check_honest(member.file_size, path.stat().st_size, f"{path}: {name}")
            with archive.open(member) as file:
                shape, kind, header = _header(file)
                stated = math.prod(shape) * kind.itemsize
                if header + stated != member.file_size:
                    raise CondenseError(
                        f"{path}: {name} is damaged; its header states {stated:,} bytes, but it has "
                        f"{member.file_size - header:,}."
                    )
            with archive.open(member) as file:
                stored = npy.read_array(file, allow_pickle=False)
                file.read(1)  # the end, where the checksum is compared
    except CondenseError:
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    return as_texts(stored, f"{path}: {name}") if stored.dtype.kind in "US" else stored


def as_texts(stored: Array, where: str) -> Array:
    """An array of `str`, of any type of text. Raises `CondenseError` for bytes that are not UTF-8; where: what has them."""
    texts = [as_str(one, where) for one in np.ravel(stored).tolist()]
    return np.array(texts, dtype=object).reshape(stored.shape)
