"""ZCA whitenings in files: a mean and a matrix, in the kinds of files that sets come in."""

import math
from pathlib import Path

import torch

from condense.errors import CondenseError, shortened
from condense.formats.incoming.arrays import Arrays, opened
from condense.preprocessing import ZCA

_MEAN = ("mean", "mean_vector", "whitening_mean", "zca_mean")
_MATRIX = ("matrix", "transform_matrix", "whitening_matrix", "zca_matrix")


def is_whitening(path: Path) -> bool:
    """Whether a file holds a mean and a matrix by their names. Raises `CondenseError` for one that cannot be read."""
    return _names(opened(path)) is not None


def whitening_in(path: Path, shape: tuple[int, ...]) -> ZCA:
    """The whitening of a file for images of a shape (C, H, W), float32; its mean may be flat.

    Raises `CondenseError` where the file has none, or one for images of another size.
    """
    arrays = opened(path)
    names = _names(arrays)
    if names is None:
        raise arrays.refusal(f"it has no mean ({', '.join(_MEAN)}) and matrix ({', '.join(_MATRIX)}) of a whitening.")
    mean, matrix = (arrays.read(name).to(torch.float32) for name in names)
    size = math.prod(shape)
    if mean.numel() != size or matrix.shape != (size, size):
        found = f"a mean {tuple(mean.shape)} and a matrix {tuple(matrix.shape)}"
        raise CondenseError(f"{shortened(path)}: {found} are no whitening of images {tuple(shape)}, {size:,} numbers each.")
    return ZCA(mean.reshape(shape).contiguous(), matrix.contiguous())


def _names(arrays: Arrays) -> tuple[str, str] | None:
    """The names of mean and matrix; None where they are not there, or more than once."""
    mean, matrix = ([name for name in arrays.entries if name.lower() in known] for known in (_MEAN, _MATRIX))
    return (mean[0], matrix[0]) if len(mean) == len(matrix) == 1 else None
