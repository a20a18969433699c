"""Labels as users store them, turned into classes numbered from 0; what could mean two things is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from condense.data.source import Array
from condense.errors import CondenseError, shortened

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Labelled:
    """int64 (N,) of each part, the training part first; class names, if any are known; what was assumed."""

    labels: list[Array]
    class_names: list[str] | None
    remarks: tuple[str, ...] = ()


def number_of_labels(shape: tuple[int, ...]) -> int | None:
    """How many images labels of this shape belong to: (N,), (N, 1), (1, N), or one-hot (N, classes)."""
    if len(shape) == 2:
        return max(shape) if 1 in shape else shape[0]
    return shape[0] if len(shape) == 1 else None


def as_classes(parts: Sequence[Array], where: str, class_names: Sequence[str] | None = None) -> Labelled:
    """Classes from 0 of labels of all parts of a data set, the training part first, all read by the same rule.

    Each part: whole numbers, booleans or texts (N,), (N, 1) or (1, N), or one-hot rows (N, classes). Numbers are taken as
    they are, but for those that run from 1 on without a gap in training: 1 then is class 0. Texts are classes in the order
    of `class_names`, else of the texts (as numbers, if all are).
    Raises `CondenseError` for anything else.
    """
    names = list(class_names) if class_names is not None else None
    flat = [_flat(part, where) for part in parts]
    if all(part.ndim == 2 for part in flat):
        classes = [_of_one_hot(part, where) for part in flat]
        return Labelled(classes, names, (f"labels are one-hot rows of {flat[0].shape[1]} classes.",))
    kinds = {"number" if part.dtype.kind in "iuf" else part.dtype.kind for part in flat}
    if len(kinds) > 1 or any(part.ndim != 1 for part in flat):
        raise CondenseError(f"{where}: training and test labels are of different kinds; both must be stored alike.")
    if kinds == {"O"}:
        return _of_texts(flat, where, names)
    if kinds == {"b"}:
        return Labelled(
            [part.astype(np.int64) for part in flat], names, ("labels are booleans; false is class 0, true class 1.",)
        )
    return _from_0([_whole(part, where) for part in flat], names)


def _flat(labels: Array, where: str) -> Array:
    """(N,), or one-hot (N, classes)."""
    flat = labels.ravel() if labels.ndim == 2 and 1 in labels.shape else labels
    numbers = flat.dtype.kind in "iufb" or (flat.dtype.kind == "O" and flat.ndim == 1)
    if flat.ndim not in (1, 2) or not numbers:
        raise CondenseError(
            f"{where}: labels must be numbers or texts, one for each image, or one-hot rows, not "
            f"{'texts' if flat.dtype.kind == 'O' else flat.dtype} of shape {shortened(labels.shape)}."
        )
    return flat


def _of_one_hot(rows: Array, where: str) -> Array:
    if not (((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all()):
        raise CondenseError(
            f"{where}: labels of shape {shortened(rows.shape)} are not one-hot, as some row has not a single 1 among zeros; "
            "one label for each image is needed."
        )
    return rows.argmax(1).astype(np.int64)


def _whole(labels: Array, where: str) -> Array:
    # Not `labels != round`, as NaN must be caught too; the upper limit keeps the conversion to int64 exact.
    wrong = labels[~((labels == np.rint(labels)) & (labels >= 0) & (labels < 2**31))]
    if wrong.size:
        raise CondenseError(f"{where}: labels must be whole numbers from 0, not {wrong[0]:g}.")
    return labels.astype(np.int64)


def _from_0(parts: list[Array], names: list[str] | None) -> Labelled:
    """Labels that run from 1 on without a gap are counted from 0, and named as they were."""
    there = np.unique(parts[0])
    last = int(there[-1]) if len(there) else 0
    from_1 = len(there) > 1 and there[0] == 1 and last == len(there) and all((part > 0).all() for part in parts)
    if not from_1 or (names is not None and len(names) != last):
        return Labelled(parts, names)
    remark = f"labels run from 1 to {last}; 1 is the first class."
    return Labelled([part - 1 for part in parts], names or [str(label) for label in there], (remark,))


def _of_texts(parts: list[Array], where: str, names: list[str] | None) -> Labelled:
    there = sorted(set(parts[0].tolist()))
    if all(text.isascii() and text.isdigit() and len(text) < 10 for text in there):
        there.sort(key=int)
    classes = names if names is not None else there
    numbers = {text: label for label, text in enumerate(classes)}
    unknown = sorted({text for part in parts for text in part.tolist()} - numbers.keys())
    source = "class_names" if names is not None else "the training images"
    if unknown:
        known = ", ".join(text[:40] for text in classes[:_SHOWN]) + (", ..." if len(classes) > _SHOWN else "")
        raise CondenseError(f"{where}: the label '{unknown[0][:80]}' is no class of {source} ({known}).")
    labels = [np.array([numbers[text] for text in part.tolist()], np.int64) for part in parts]
    order = "class_names" if names is not None else "their names"
    remark = f"labels are texts; the {len(classes)} classes are numbered in the order of {order}."
    return replace(Labelled(labels, classes), remarks=(remark,))
