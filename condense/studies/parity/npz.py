"""`.npz` archives, which anyone may have written: nothing is unpickled, and no more memory taken than is honest."""

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from condense.errors import CondenseError, quoted, shortened
from condense.files import write_atomically

RATIO, ALWAYS = 20, 64 * 2**20
"""Arrays may take so many times the bytes of their file, or so many bytes: numbers of a run do not compress more."""


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an archive atomically. Raises `CondenseError` where that cannot be done."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomically(path, buffer.getvalue())


def digest(path: Path) -> str:
    """SHA-256 of a file as it lies there; '' where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive. Raises `CondenseError` for a file that is missing, damaged or of another kind, whose members
    are no plain arrays of numbers or text, do not hold what they state, or unpack to far more than the file holds.
    """
    where = shortened(path)
    try:
        if not path.is_file():
            raise CondenseError(f"There is no file {where}.")
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise CondenseError(f"{where}: is no NumPy .npz archive, or a truncated one.")
            with zipfile.ZipFile(file) as archive:
                _check_sizes(archive, path.stat().st_size, where)
                return {name.removesuffix(".npy"): _member(archive, name, where) for name in archive.namelist()}
    except OSError as error:
        raise CondenseError(f"Cannot read {where}: {error.strerror or shortened(error)}.") from error
    except CondenseError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's parser raise many kinds for damaged or foreign bytes
        raise CondenseError(
            f"{where}: cannot be read as a NumPy .npz archive; damaged or of another kind ({shortened(error)})."
        ) from error


def _check_sizes(archive: zipfile.ZipFile, size: int, where: str) -> None:
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise CondenseError(f"{where}: holds two arrays of one name.")
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(ALWAYS, RATIO * size):
        raise CondenseError(
            f"{where}: its {size:,} bytes would unpack to {unpacked:,}; {max(ALWAYS, RATIO * size):,} are read at most."
        )


def _member(archive: zipfile.ZipFile, name: str, where: str) -> np.ndarray:
    """One array, read only if its header states what its member holds."""
    size = archive.getinfo(name).file_size
    with archive.open(name) as file:
        if not name.endswith(".npy") or file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
            raise CondenseError(f"{where}: its member {quoted(name)} is no array.")
    with archive.open(name) as file:
        shape, dtype, start = _header(file)
        if dtype.hasobject or dtype.kind not in "fiub?US":
            raise CondenseError(f"{where}: {quoted(name)} holds {shortened(dtype)}; only numbers and text are read.")
        if any(length < 0 for length in shape) or start + math.prod(shape) * dtype.itemsize != size:
            raise CondenseError(f"{where}: {quoted(name)} states the shape {shortened(shape)}, but does not hold that much.")
    with archive.open(name) as file:
        return npy.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type, and where the numbers begin."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype, file.tell()
