"""Checks of MNIST's idx files, which torchvision reads without checking: the header promises how long the file is."""

import math
import struct
from pathlib import Path

from condense.errors import CondenseError


def check_idx_pair(folder: Path, prefix: str) -> None:
    """Raises `CondenseError` unless `folder` has whole image and label files of `prefix`, with equally many of both."""
    images = check_idx(folder / f"{prefix}-images-idx3-ubyte", 3)
    labels = check_idx(folder / f"{prefix}-labels-idx1-ubyte", 1)
    if images[0] != labels[0]:
        raise CondenseError(f"{folder}: {images[0]} {prefix} images but {labels[0]} labels; restore the original files.")


def check_idx(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape that the header gives, once the file is checked to be uint8 with so many `dimensions`, and whole.

    Format: bytes 0, 0, 8 (uint8), dimensions; each dimension as a big-endian uint32; then the values.
    """
    header = 4 + 4 * dimensions
    with path.open("rb") as file:
        start = file.read(header)
    size = path.stat().st_size
    if len(start) < header or start[:4] != bytes((0, 0, 8, dimensions)):
        raise CondenseError(
            f"{path}: damaged, or no idx file of uint8 in {dimensions} dimensions; restore the original, or move it and "
            "its neighbours away to have the set downloaded again."
        )
    shape = struct.unpack(f">{dimensions}I", start[4:])
    if size != header + math.prod(shape):
        raise CondenseError(
            f"{path}: damaged; its header promises {header + math.prod(shape)} bytes, but it has {size}. Restore the "
            "original, or move it and its neighbours away to have the set downloaded again."
        )
    if 0 in shape:
        raise CondenseError(f"{path}: holds no values, its shape being {'x'.join(map(str, shape))}; restore the original.")
    return shape
