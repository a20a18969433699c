"""`.npz` and HDF5 files of images and labels, and `.mat` files (see `mat`)."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from condense.data.conversion import as_parts, channels_first
from condense.data.images import DataSet
from condense.data.mat import load_mat
from condense.data.reading import Reading
from condense.data.split import every_fifth, join
from condense.errors import CondenseError

_UNSPLIT = (("images", "labels"), ("X", "y"))
_NAMES = (
    "train_images",
    "train_labels",
    "test_images",
    "test_labels",
    "class_names",
    *(name for pair in _UNSPLIT for name in pair),
)


def load_arrays(path: Path, reading: Reading) -> DataSet:
    """The data set of a `.npz`, `.h5`, `.hdf5` or `.mat` file; its name is the file's without the suffix.

    `.npz` and HDF5 hold `train_images`, `train_labels` and, if there is a split, `test_images`, `test_labels`; or, without
    a split, `images` and `labels`, or `X` and `y`. Without a split, every fifth image of each class is for testing.
    Optional: `class_names`, one text for each class.
    Images are (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3; when the last axis could be C, it is. Types and
    ranges: `conversion.as_parts`. Labels are taken as they are: every class from 0 to the largest label (or the last of
    `class_names`) must have a training image.
    Raises `CondenseError` for files that are damaged, of another kind, or lack what is needed.
    """
    if path.suffix.lower() == ".mat":
        return load_mat(path)
    content = _read_npz(path) if path.suffix.lower() == ".npz" else _read_hdf5(path)
    where = str(path)
    class_names = _class_names(content["class_names"], where) if "class_names" in content else None
    train, test = _training_names(content, where), ("test_images", "test_labels")
    if train[0] == "train_images" and any(name in content for name in test):
        parts = as_parts([_pair(content, train, where), _pair(content, test, where)], where)
    else:
        parts = every_fifth(as_parts([_pair(content, train, where)], where)[0], where, class_names)
    return join(path.name, parts[0], parts[1], class_names, where=where)


def _training_names(content: Mapping[str, np.ndarray], where: str) -> tuple[str, str]:
    for names in (("train_images", "train_labels"), *_UNSPLIT):
        if names[0] in content:
            return names
    raise CondenseError(
        f"{where}: holds {', '.join(sorted(content)) or 'none of the needed arrays'}; needed are train_images and "
        "train_labels, or images and labels, or X and y."
    )


def _pair(content: Mapping[str, np.ndarray], names: tuple[str, str], where: str) -> tuple[np.ndarray, np.ndarray]:
    for name in names:
        if name not in content:
            raise CondenseError(f"{where}: {' and '.join(names)} belong together, but {name} is missing.")
    return channels_first(content[names[0]], where), content[names[1]]


def _class_names(stored: np.ndarray, where: str) -> list[str]:
    names = [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in np.ravel(stored).tolist()]
    if len(set(names)) < len(names):
        raise CondenseError(f"{where}: class_names has a name twice: {', '.join(names)}.")
    return names


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise CondenseError(f"{path}: is no NumPy .npz archive, or a truncated one.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in _NAMES if name in archive.files}
    except Exception as error:  # zipfile, zlib and NumPy's parser raise many kinds for damaged or foreign bytes
        raise CondenseError(
            f"{path}: cannot be read as a NumPy .npz archive; damaged, or with Python objects in it ({error})."
        ) from error


def _read_hdf5(path: Path) -> dict[str, np.ndarray]:
    try:
        with h5py.File(path, "r") as file:
            if "format_version" in file.attrs:
                raise CondenseError(
                    f"{path}: is a synthetic set made by condense; a data set of real images is needed here."
                )
            return {name: node[()] for name in _NAMES if isinstance(node := file.get(name), h5py.Dataset)}
    except CondenseError:
        raise
    except Exception as error:  # h5py reports damage as OSError, RuntimeError, KeyError or ValueError
        raise CondenseError(f"{path}: cannot be read as an HDF5 file; damaged or of another kind ({error}).") from error
