"""MNIST's idx files, plain or as the `.gz` they are published as; no more is read than the published sets have."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from condense.errors import CondenseError

LARGEST = 60_000 * 28 * 28
"""Values in the largest file of the sets that come so; a longer one is none of theirs, and is not read."""
_RESTORE = "restore the original, or move it and its neighbours away to have the set downloaded again"


def idx_file(path: Path) -> Path | None:
    """The file at `path`, or the packed one beside it, `path` with `.gz` added; None where neither is there."""
    packed = path.with_name(f"{path.name}.gz")
    return next((found for found in (path, packed) if found.is_file()), None)


def read_idx_pair(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, H, W) and labels uint8 (N,) of `prefix` ('train', 't10k').

    Raises `CondenseError` for a file that is not whole, of another kind or larger than any published one, and for another
    number of labels than of images.
    """
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte", 3)
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise CondenseError(f"{folder}: {len(images)} {prefix} images but {len(labels)} labels; restore the original files.")
    return images, labels


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of an idx file with so many dimensions, or of its `.gz`.

    Format: bytes 0, 0, 8 (uint8), dimensions; each dimension as a big-endian uint32; then the values.
    """
    found = idx_file(path) or path
    if found.suffix != ".gz":
        with found.open("rb") as file:
            return _read(file, found, dimensions, found.stat().st_size)
    try:
        with gzip.open(found) as file:
            return _read(cast(IO[bytes], file), found, dimensions, None)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CondenseError(f"{found}: damaged ({error}); {_RESTORE}.") from error


def _read(file: IO[bytes], path: Path, dimensions: int, size: int | None) -> np.ndarray:
    """size: of the file, where it is known before it is read."""
    header = 4 + 4 * dimensions
    start = file.read(header)
    if len(start) < header or start[:4] != bytes((0, 0, 8, dimensions)):
        raise CondenseError(f"{path}: damaged, or no idx file of uint8 in {dimensions} dimensions; {_RESTORE}.")
    shape = struct.unpack(f">{dimensions}I", start[4:])
    values = math.prod(shape)
    if values == 0:
        raise CondenseError(f"{path}: holds no values, its shape being {'x'.join(map(str, shape))}; restore the original.")
    if values > LARGEST:
        raise CondenseError(
            f"{path}: its header promises {' x '.join(map(str, shape))} values, which no file of a published set has; "
            f"{_RESTORE}."
        )
    content = file.read(values + 1) if size is None or size == header + values else b""
    if len(content) != values:
        had = (
            f"it has {size}"
            if size is not None
            else f"what is packed in it has {'more' if len(content) > values else 'fewer'}"
        )
        raise CondenseError(
            f"{path}: damaged; its header promises {header + values} bytes, but {had}. {_RESTORE.capitalize()}."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
