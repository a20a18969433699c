"""MATLAB `.mat` files (v4 to v7.3) in the layouts of SVHN and of simpleNN."""

import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import scipy.sparse

from condense.data.conversion import Array, as_parts
from condense.data.images import DataSet
from condense.data.split import every_fifth, join, last_fifth
from condense.errors import CondenseError

# Images (channels, side) whose trailing columns simpleNN's files may lack; at most one image row may be missing.
_SHORTENED = ((1, 28), (3, 32))


@dataclass(frozen=True, eq=False)
class _Stored:
    """One file: images (N, C, H, W), labels as stored, and whether the layout is SVHN's."""

    images: Array
    labels: Array
    is_svhn: bool


def load_mat(path: Path) -> DataSet:
    """The data set of a `.mat` file in one of two layouts:

    SVHN's: `X` (H, W, C, N) and `y` (N, 1). When labels lie within 1 to 10 and 0 is absent, 10 is the digit 0.
    simpleNN's: `Z` (N, C*H*W), dense or sparse, one image a row, square, channel after channel, each row by row from the
    left (not MATLAB's column order: simpleNN's own examples rearrange it on loading); 28x28 and 3x32x32 images may lack
    trailing columns, which are then 0 everywhere. `y` (N, 1) counts from 0, or from 1 as simpleNN's first files did
    (0 is absent): 1 then is class 0.

    The test images come from the file beside it that such sets are published with: `NAME.t.mat` for `NAME.mat`, `test...`
    for `train...`. Without one, simpleNN's layout gives every fifth image of each class; SVHN's gives the last fifth of
    the file, since neighbouring digits come from one photograph and must not be on both sides.
    Raises `CondenseError` for files that are damaged, hold something else, or differ in layout from their test file.
    """
    train, beside = _read(path), _test_file(path)
    stored = [train] if beside is None else [train, _read(beside)]
    where = str(path) if beside is None else f"{path} with {beside.name}"
    if train.is_svhn != stored[-1].is_svhn:
        raise CondenseError(f"{where}: one holds X and y, the other Z and y; both must have the same layout.")
    parts = as_parts([(part.images, part.labels) for part in stored], where)
    first, last = int(parts[0].labels.min()), int(parts[0].labels.max())
    for part in parts:
        if train.is_svhn and first >= 1 and last <= 10:
            part.labels[part.labels == 10] = 0
        elif not train.is_svhn and first == 1:
            part.labels.sub_(1)
    if len(parts) == 1:
        parts = last_fifth(parts[0]) if train.is_svhn else every_fifth(parts[0], where)
    return join(path.name, parts[0], parts[1], where=where)


def _test_file(path: Path) -> Path | None:
    candidates = [path.with_suffix(".t" + path.suffix)]
    if path.name.startswith("train"):
        candidates.append(path.with_name("test" + path.name.removeprefix("train")))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _read(path: Path) -> _Stored:
    content = _variables(path)
    if {"X", "y"} <= content.keys() and content["X"].ndim == 4 and content["X"].shape[2] in (1, 3):
        return _Stored(content["X"].transpose(3, 2, 0, 1), content["y"], True)
    if {"Z", "y"} <= content.keys() and content["Z"].ndim == 2:
        return _Stored(_images_of_rows(content["Z"], path), content["y"], False)
    held = ", ".join(f"{name} {array.shape}" for name, array in sorted(content.items()))
    raise CondenseError(
        f"{path}: holds {held or 'nothing'}; needed are X (H, W, C, N) and y as in SVHN, or "
        "Z (N, C*H*W) and y as in simpleNN."
    )


def _variables(path: Path) -> dict[str, Array]:
    """The arrays by name, sparse ones filled up."""
    try:
        if h5py.is_hdf5(path):
            return _hdf5_variables(path)
        content = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    except CondenseError:
        raise
    except Exception as error:  # SciPy and h5py raise many kinds for damaged or foreign bytes
        raise CondenseError(f"{path}: cannot be read as a MATLAB file; damaged or of another kind ({error}).") from error
    return {name: value.toarray() if scipy.sparse.issparse(value) else value for name, value in content.items()}


def _hdf5_variables(path: Path) -> dict[str, Array]:
    """A v7.3 file is HDF5, with the axes in reverse; a sparse array is a group there."""
    with h5py.File(path, "r") as file:
        if isinstance(file.get("Z"), h5py.Group):
            raise CondenseError(f"{path}: Z is sparse, which is read from files up to v7 only; save full(Z), or with -v7.")
        return {name: node[()].T for name, node in file.items() if isinstance(node, h5py.Dataset)}


def _images_of_rows(rows: Array, path: Path) -> Array:
    """(N, C, side, side) of simpleNN's rows, trailing zero columns restored."""
    columns = rows.shape[1]
    for channels in (1, 3):
        side = math.isqrt(columns // channels)
        if side and channels * side**2 == columns:
            return rows.reshape(-1, channels, side, side)
    for channels, side in _SHORTENED:
        lacking = channels * side**2 - columns
        if 0 < lacking < side:
            return np.pad(rows, ((0, 0), (0, lacking))).reshape(-1, channels, side, side)
    raise CondenseError(f"{path}: the {columns} columns of Z are no square image with 1 or 3 channels.")
