"""The one door to real images: `load` takes the name of a published set, or a path."""

import os
from dataclasses import replace
from pathlib import Path

from condense.data.images import DataSet
from condense.data.reading import Reading
from condense.errors import CondenseError, in_any_case, unknown_name

FILE_SUFFIXES = (".mat", ".h5", ".hdf5", ".npz")
_DIGITS = "digits"
PUBLISHED_NAMES = (_DIGITS, "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn")


def load(
    name_or_path: str | Path,
    *,
    data_root: Path | str | None = None,
    train_size: int | None = None,
    seed: int = 0,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> DataSet:
    """The data set of that name (see `names`) or at that path (an image folder, `.mat`, `.npz`, `.h5`, `.hdf5`), on the CPU.

    data_root: where published sets are looked for first, and downloaded to (else $CONDENSE_DATA, else the user's cache).
    train_size: keep a class-balanced subset of so many training images, drawn with `seed`.
    reading: how the user's own images are read, where the source does not say it.
    Its name is the published one, or that of the file ('mnist.npz') or folder ('mnist/'), so that the two never meet.
    Raises `CondenseError` for an unknown name, and for data that are missing, damaged or unsuitable.
    """
    data = _load(str(name_or_path), None if data_root is None else Path(data_root), reading)
    return data if train_size is None else replace(data, train=data.train.subset(train_size, seed))


def names(data_root: Path | None = None) -> dict[str, str]:
    """Every name that `load` knows, with one line about it: what it shows, and where it lies on this machine."""
    from condense.data.torchvision_sets import PUBLISHED_SETS, find

    lines = {_DIGITS: "handwritten digits, 1,797 grey images of 8x8 enlarged to 28x28, 10 classes (comes with scikit-learn)"}
    for name, published in PUBLISHED_SETS.items():
        root = find(name, data_root)
        lines[name] = f"{published.description} ({f'in {root}' if root else 'not here yet: downloaded when first used'})"
    return lines


def check_name(name: str) -> str:
    """The name itself, when it is one of `names` or looks like a path; otherwise raises `CondenseError` with the nearest."""
    from condense.data.torchvision_sets import PUBLISHED_SETS

    path = Path(name).expanduser()
    looks_like_path = name and (path.exists() or os.sep in name or path.suffix.lower() in FILE_SUFFIXES)
    if name == _DIGITS or name in PUBLISHED_SETS or looks_like_path:
        return name
    raise unknown_name("data set", name, [_DIGITS, *PUBLISHED_SETS])


def _load(name: str, data_root: Path | None, reading: Reading) -> DataSet:
    if not Path(name).exists():
        name = in_any_case(name, PUBLISHED_NAMES) or name
    # The loaders are imported where they are used: each brings a library that takes up to a second to import.
    from condense.data.torchvision_sets import PUBLISHED_SETS, load_published

    if name == _DIGITS or name in PUBLISHED_SETS:
        reading.refuse_other_than((), f"{name}, which is read as it was published")
    if name == _DIGITS:
        from condense.data.digits import load_digits

        return load_digits()
    if name in PUBLISHED_SETS:
        return load_published(name, data_root)
    return _load_path(Path(check_name(name)).expanduser(), reading)


def _load_path(path: Path, reading: Reading) -> DataSet:
    if path.is_dir():
        reading.refuse_other_than((), f"a folder of images ({path})")
        from condense.data.folder import load_folder

        try:
            return load_folder(path)
        except OSError as error:
            raise CondenseError(f"{error.filename or path}: cannot be read ({error.strerror or error}).") from error
    if not path.exists():
        raise CondenseError(f"There is no file or folder {path}.")
    if path.suffix.lower() not in FILE_SUFFIXES:
        raise CondenseError(
            f"{path}: cannot be read as a data set; files may be {', '.join(FILE_SUFFIXES)}, or give a folder."
        )
    from condense.data.arrays import load_arrays

    reading.refuse_other_than(("pixel_range", "image_shape"), f"a file of arrays ({path})")
    return load_arrays(path, reading)
