"""`.npz`, HDF5 and `.mat` files of images and labels, as a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condense import hdf5
from condense.data.beside import files_beside
from condense.data.conversion import as_bytes, as_text
from condense.data.images import DataSet
from condense.data.labels import Labelled, as_classes, number_of_labels
from condense.data.mat import open_mat
from condense.data.npz import as_texts, open_npz
from condense.data.reading import Reading
from condense.data.roles import NEEDED, Pair, Roles, roles_of, unread_remark
from condense.data.shapes import Layout, layouts
from condense.data.source import Array, Source, check_regular
from condense.data.split import Part, every_fifth, join, last_fifth
from condense.errors import CondenseError, shortened

_ASKED = 6
NAMED = 5
"""Files that are named where there may be many."""
"""Shapes that a question names at most."""


@dataclass(frozen=True, eq=False)
class _Images:
    """One part as stored: images (N, C, H, W) of any type and how their axes were read, labels of any kind.

    is_z, is_svhn: whether variables are called as in simpleNN's files; and as in SVHN's, of images of SVHN's shape.
    """

    images: Array
    layout: Layout
    labels: Array
    is_z: bool
    is_svhn: bool


def load_arrays(path: Path, reading: Reading) -> DataSet:
    """The data set of a `.npz`, `.h5`, `.hdf5` or `.mat` file; its name is the file's.

    The arrays are known by their names (`roles`); test images are those of the file, else of the file beside it that is
    named for testing (`beside`), else images for validation, else a part of the training images that is split off.
    Shapes: `shapes`; pixels: `conversion`; labels: `labels`.
    Raises `CondenseError` for files that are damaged, of another kind, lack what is needed, or could be read in two ways.
    """
    source = open_source(path)
    roles = roles_of(source)
    train = roles.pairs.get("train") or roles.pairs.get("whole")
    if train is None:
        unreadable = [f" {name} {entry.problem}." for name, entry in sorted(source.entries.items()) if entry.problem]
        raise CondenseError(f"{path}: holds {source.held}; {NEEDED}.{''.join(unreadable[:1])}")
    tested, remarks = _test_source(source, roles)
    stored = [_stored(source, train, reading), *(_stored(*one, reading) for one in tested)]
    where = str(path) if not tested or tested[0][0] is source else f"{path} with {tested[0][0].path.name}"
    return _data_set(source, roles, stored, where, reading, remarks)


def open_source(path: Path) -> Source:
    """What a file holds. Raises `CondenseError` for one that is damaged or of another kind."""
    check_regular(path)
    suffix = path.suffix.lower()
    return open_mat(path) if suffix == ".mat" else open_npz(path) if suffix == ".npz" else _open_hdf5(path)


def _open_hdf5(path: Path) -> Source:
    try:
        with hdf5.opened(path) as file:
            if "format_version" in file.attrs:
                raise CondenseError(
                    f"{path}: is a synthetic set made by condense; a data set of real images is needed here."
                )
            return Source(path, hdf5.entries(file), partial(_read_hdf5, path))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # all of which h5py reports damage as
        raise _damaged(path, error) from error


def _read_hdf5(path: Path, name: str) -> Array:
    try:
        with hdf5.opened(path) as file:
            stored = np.asarray(hdf5.read(file, name))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    return as_texts(stored, f"{path}: {name}") if stored.dtype.kind == "S" else stored


def _damaged(path: Path, error: Exception) -> CondenseError:
    return CondenseError(f"{path}: cannot be read as an HDF5 file; damaged or of another kind ({str(error)[:80]}).")


def _test_source(source: Source, roles: Roles) -> tuple[list[tuple[Source, Pair]], list[str]]:
    """Where the test images lie, if anywhere, and what is to be said of what else there is."""
    pairs = roles.pairs
    remarks = unread_remark(source.entries, roles.unread)
    beside = files_beside(source.path)
    if "train" in pairs and "whole" in pairs:
        remarks.append(f"{pairs['whole'].images} and {pairs['whole'].labels} are not used, as there are parts for training.")
    found = pairs.get("test") or beside.test or pairs.get("val") or beside.val
    unread = list(beside.passed_over)
    if found is None or found not in (pairs.get("test"), beside.test):
        unread += beside.strangers
    if isinstance(found, Pair):
        if found is pairs.get("val"):
            remarks.append(f"{found.images} are used as the test images, as there are no others.")
        elif "val" in pairs:
            remarks.append(f"{pairs['val'].images} are not used; the test images are.")
        others = [other.name for other in (beside.test, beside.val) if other is not None]
        remarks += [f"{' and '.join(others)} beside it not used, as it has test images of its own."] if others else []
    elif found is not None:
        if "val" in pairs:
            remarks.append(f"{pairs['val'].images} are not used; the test images are.")
        remarks.append(f"test images are those of {found.name} beside it.")
        if found is beside.test and beside.val is not None:
            remarks.append(f"{beside.val.name} beside it is not used; the test images are.")
    remarks += [f"not read: {_first(unread)} beside it."] if unread else []
    if found is None:
        return [], remarks
    return [(source, found) if isinstance(found, Pair) else _pair_beside(found, source.path)], remarks


def _first(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(map(shortened, names[:NAMED]))}{more}"


def _pair_beside(path: Path, train: Path) -> tuple[Source, Pair]:
    """The test images of a file that is named for them."""
    because = f"Its name says that it has the test images of {shortened(train.name)}; if it has not, move it elsewhere."
    try:
        source = open_source(path)
        pairs = roles_of(source).pairs
    except OSError as error:
        raise CondenseError(f"{path}: cannot be read ({error.strerror}). {because}") from error
    except CondenseError as error:
        raise CondenseError(f"{error} {because}") from error
    found = pairs.get("test") or pairs.get("val") or pairs.get("whole")
    if found is None or "train" in pairs:
        raise CondenseError(f"{source.refusal('its arrays are not clearly test images.')} {because}")
    return source, found


def _stored(source: Source, pair: Pair, reading: Reading) -> _Images:
    images, labels = source.entries[pair.images], source.entries[pair.labels]
    if images.shape is None or images.problem:
        raise CondenseError(f"{source.path}: {pair.images} {images.problem}; only arrays in the file itself are read.")
    count = number_of_labels(labels.shape or ())
    is_z = source.matlab and pair.images == "Z"
    fitting = layouts(images.shape, count, reading.image_shape, matlab=source.matlab, planar=is_z)
    if len(fitting) != 1:
        raise _shape_refusal(source, pair, fitting, count, reading)
    layout = fitting[0]
    is_svhn = layout.is_svhn and layout.image == (3, 32, 32) and pair == Pair("X", "y")
    return _Images(layout.apply(_whole(source, pair.images)), layout, _whole(source, pair.labels), is_z, is_svhn)


def _whole(source: Source, name: str) -> Array:
    """An array, which must have the shape that was stated for it; two members of an archive may have one name."""
    array, stated = source.read(name), source.entries[name].shape
    if array.shape != stated:
        raise CondenseError(
            f"{source.path}: damaged; {name} is stated to be of shape {shortened(stated)}, but is of "
            f"{shortened(array.shape)}."
        )
    return array


def _shape_refusal(
    source: Source, pair: Pair, fitting: Sequence[Layout], count: int | None, reading: Reading
) -> CondenseError:
    """Why an array is not read: no reading of its shape fits, or several do."""
    shape, name = source.entries[pair.images].shape or (), pair.images
    called = f"{name} of shape {shortened(shape)}"
    if fitting:
        return CondenseError(f"{source.path}: {called} can be read as images of {_several(fitting)}")
    if not source.matlab and count is not None and layouts(shape, count, reading.image_shape, matlab=True):
        return CondenseError(
            f"{source.path}: {called} has its {count} images along the last axis, as only .mat files may; "
            f"np.moveaxis({name}, -1, 0) puts them along the first."
        )
    matlab = source.matlab
    others = layouts(shape, None, reading.image_shape, matlab=matlab, planar=matlab and name == "Z")
    if others:
        labels = source.entries[pair.labels]
        return CondenseError(
            f"{source.path}: {pair.labels} must hold one for each of the {others[0].count} images, not {labels.kind} of "
            f"shape {shortened(labels.shape)}."
        )
    if reading.image_shape:
        return source.refusal(f"{called} cannot be read as images of --image-shape {reading.image_shape}.")
    axes = "(N, H, W), (N, H, W, C), (N, C, H, W)" + (", (H, W, C, N), (H, W, N)" if matlab else "")
    return source.refusal(
        f"images must be {axes} with C = 1 or 3, or rows of values whose shape --image-shape states, not {called}."
    )


def _several(fitting: Sequence[Layout]) -> str:
    """The shapes of images that all fit, and what tells them apart."""
    options = list(dict.fromkeys(layout.option for layout in fitting))
    channels, height, width = fitting[0].image
    if all(layout.image == fitting[0].image for layout in fitting):
        apart = "which no --image-shape tells apart; store it as (N, 1, H, W)."
        if channels > 1:
            stated = f"{channels}x{height}x{width}"
            apart = f"and --image-shape {stated} says that channels come first; store them so where they do not."
        orders = " and ".join(dict.fromkeys(layout.order for layout in fitting))
        return f"{height}x{width} in {'two' if len(fitting) == 2 else 'several'} ways, {orders}, {apart}"
    shown = ", ".join(options[:_ASKED]) + (", ..." if len(options) > _ASKED else "")
    return f"several shapes ({shown}); --image-shape HxW, CxHxW or HxWxC says which."


def _data_set(
    source: Source, roles: Roles, stored: Sequence[_Images], where: str, reading: Reading, said: Sequence[str]
) -> DataSet:
    """The parts with their types, ranges, shapes and labels made one."""
    name = source.path.name
    class_names = _class_names(source, roles.class_names)
    labelled = _labelled(stored, where, class_names)
    converted = as_bytes([part.images for part in stored], where, reading)
    class_names = labelled.class_names
    parts = [
        Part(torch.from_numpy(pixels), torch.from_numpy(labels))
        for pixels, labels in zip(converted.arrays, labelled.labels, strict=True)
    ]
    if len(parts) == 1:
        parts = last_fifth(parts[0]) if stored[0].layout.is_svhn else every_fifth(parts[0], where, class_names)
    remarks = [*_shape_remarks(stored[0], reading), *converted.remarks, *labelled.remarks, *said]
    facts: dict[str, Any] = {}
    if remarks or reading.stated:
        facts = {"pixel_range": as_text(converted.pixel_range), "image_shape": "x".join(map(str, stored[0].layout.image))}
        facts["remarks"] = [f"{name}: {remark}" for remark in remarks]
    return join(name, parts[0], parts[1], class_names, where=where, reading=facts)


def _shape_remarks(train: _Images, reading: Reading) -> list[str]:
    if reading.image_shape or not train.layout.order.startswith("rows"):
        return []
    channels, height, width = train.layout.image
    colour = "grey" if channels == 1 else "colour, channel after channel,"
    return [f"rows of values were read as {colour} images of {height}x{width}, row by row from the left."]


def _labelled(stored: Sequence[_Images], where: str, class_names: Sequence[str] | None) -> Labelled:
    """Classes from 0; in what looks like SVHN's files 10 is the digit 0; in simpleNN's labels without 0 count from 1."""
    for part in stored:
        if number_of_labels(part.labels.shape) not in (None, len(part.images)):
            raise CondenseError(
                f"{where}: there are {len(part.images)} images, but labels of shape {shortened(part.labels.shape)}."
            )
    raw = [part.labels for part in stored]
    if stored[0].layout.is_svhn != stored[-1].layout.is_svhn:
        raise CondenseError(f"{where}: one lies as in SVHN, (H, W, C, N), the other not; both must have the same layout.")
    numbers = all(labels.dtype.kind in "iuf" and labels.size for labels in raw)
    low, high = (min(labels.min() for labels in raw), max(labels.max() for labels in raw)) if numbers else (0, 0)
    if stored[0].is_svhn and class_names is None and low >= 1 and high == 10:
        raw = [np.where(labels == 10, 0, labels) for labels in raw]
        found = as_classes(raw, where, class_names)
        return replace(found, remarks=("labels run to 10; as in SVHN, 10 is the digit 0.",))
    if stored[0].is_z and low == 1 and class_names is None:
        found = as_classes([labels - 1 for labels in raw], where, None)
        return Labelled(found.labels, found.class_names, ("labels count from 1; 1 is class 0.",))
    return as_classes(raw, where, class_names)


def _class_names(source: Source, name: str | None) -> list[str] | None:
    if name is None:
        return None
    stored = source.read(name)
    if stored.dtype.kind != "O":
        raise CondenseError(f"{source.path}: {name} holds {stored.dtype}; texts are needed, one for each class.")
    names = [str(text) for text in stored.ravel().tolist()]
    if len(set(names)) < len(names):
        raise CondenseError(f"{source.path}: class_names has a name twice: {', '.join(names[:50])[:200]}.")
    return names
