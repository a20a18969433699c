"""The one door to real images: `load` takes the name of a published set, or a path."""

import os
from dataclasses import replace
from itertools import chain, islice
from numbers import Integral
from pathlib import Path

from condense.data.beside import ARRAY_SUFFIXES
from condense.data.image_layout import is_image_name
from condense.data.images import DataSet
from condense.data.known import PUBLISHED
from condense.data.paths import cannot_read, expanded, shown, there
from condense.data.reading import Reading, checked_reading
from condense.data.recognition import recognised
from condense.errors import CondenseError, in_any_case, shortened, unknown_name

FILE_SUFFIXES = ARRAY_SUFFIXES
_DIGITS = "digits"
_LOOKED_AT = 1000
"""Files of a folder that are looked at to see whether it holds classes of images."""


def load(
    name_or_path: str | Path,
    *,
    data_root: str | Path | None = None,
    train_size: int | None = None,
    seed: int = 0,
    reading: Reading = Reading(),  # noqa: B008 - frozen
) -> DataSet:
    """The data set of that name (see `names`) or at that path (an image folder, `.mat`, `.npz`, `.h5`, `.hdf5`), on the CPU.

    data_root: where published sets are looked for first, and downloaded to (else $CONDENSE_DATA, else the user's cache).
    train_size: keep a class-balanced subset of so many training images, drawn with `seed`.
    reading: how the user's own images are read, where the source does not say it.
    Its name is the published one, or that of the file ('mnist.npz') or folder ('mnist/'), so that the two never meet; but
    data of a path that are the whole published content are the published set, and a remark says so.
    Raises `CondenseError` for an unknown name, and for data that are missing, damaged or unsuitable.
    """
    _check_given(train_size, seed)
    root = None if data_root is None else expanded(data_root)
    data = recognised(_load(str(name_or_path), root, checked_reading(reading)))
    return data if train_size is None else replace(data, train=data.train.subset(train_size, seed))


def _check_given(train_size: object, seed: object) -> None:
    """Raises `CondenseError` for what only Python can give; commands have checked theirs."""
    for name, value, least in (("train_size", 1 if train_size is None else train_size, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
            raise CondenseError(f"{name} must be a whole number of {least} or more, not {shortened(repr(value))}.")


def names(data_root: Path | None = None) -> dict[str, str]:
    """Every name that `load` knows, with one line about it: what it shows, and where it lies on this machine."""
    from condense.data.torchvision_sets import PUBLISHED_SETS, find

    lines = {_DIGITS: "handwritten digits, 1,797 grey images of 8x8 enlarged to 28x28, 10 classes (comes with scikit-learn)"}
    for name, published in PUBLISHED_SETS.items():
        root = find(name, data_root)
        lines[name] = f"{published.description} ({f'in {root}' if root else 'not here yet: downloaded when first used'})"
    return lines


def check_name(name: str) -> str:
    """The name itself, when it is one of `names` or looks like a path.

    Otherwise raises `CondenseError` with the nearest name, or for a path that the system would refuse.
    """
    if name in PUBLISHED:
        return name
    path = expanded(name)
    if name and (os.sep in name or path.suffix.lower() in FILE_SUFFIXES or there(path)):
        return name
    raise unknown_name("data set", shortened(name), PUBLISHED)


def _load(name: str, data_root: Path | None, reading: Reading) -> DataSet:
    if not there(expanded(name)):
        name = in_any_case(name, PUBLISHED) or name
    # The loaders are imported where they are used: each brings a library that takes up to a second to import.
    if name in PUBLISHED:
        reading.refuse_other_than((), f"{name}, which is read as it was published")
        passed_over = _passed_over(name, data_root)
        data = _load_named(name, data_root)
        return replace(data, remarks=(*data.remarks, passed_over)) if passed_over else data  # says nothing of the images
    path = expanded(check_name(name))
    alike = in_any_case(name, PUBLISHED)
    if alike and path.is_dir() and not _holds_classes(path):
        raise CondenseError(
            f"{name} is a folder here, without classes of images; for the published set say {alike}, with --data-root."
        )
    return _load_path(path, reading)


def _load_named(name: str, data_root: Path | None) -> DataSet:
    if name == _DIGITS:
        from condense.data.digits import load_digits

        return load_digits()
    from condense.data.torchvision_sets import load_published

    return load_published(name, data_root)


def _passed_over(name: str, data_root: Path | None) -> str | None:
    """A remark where a file or folder here has the name of a published set.

    Raises `CondenseError` where the folder holds classes of images, so that either could be meant, and no `data_root` says
    that it is the published one.
    """
    here = Path(name)
    if not there(here):
        return None
    if data_root is None and _holds_classes(here):
        raise CondenseError(
            f"'{name}' is a published set, and a folder of images here. Say ./{name} for the folder; for the published set "
            "say where it lies with --data-root, or work in another folder."
        )
    return f"{name} is the published set; what is called so in this folder would be ./{name}."


def _holds_classes(folder: Path) -> bool:
    """Whether image files lie in sub-folders of a folder, as far as a quick look shows."""
    files = islice(chain.from_iterable(folder.glob("/".join("*" * depth)) for depth in (2, 3, 4)), _LOOKED_AT)
    return any(is_image_name(file) for file in files)


def _load_path(path: Path, reading: Reading) -> DataSet:
    if not there(path):
        raise CondenseError(f"There is no file or folder {shown(path)}.")
    if path.is_dir():
        reading.refuse_other_than(("pixel_range", "image_size", "skip_bad"), f"a folder of images ({path})")
        from condense.data.folder import load_folder

        try:
            return load_folder(path, reading)
        except OSError as error:
            raise cannot_read(path, error) from error
    if path.suffix.lower() not in FILE_SUFFIXES:
        raise CondenseError(
            f"{shown(path)}: cannot be read as a data set; files may be {', '.join(FILE_SUFFIXES)}, or give a folder."
        )
    from condense.data.arrays import load_arrays

    reading.refuse_other_than(("pixel_range", "image_shape"), f"a file of arrays ({path})")
    try:
        return load_arrays(path, reading)
    except OSError as error:
        raise cannot_read(path, error) from error
