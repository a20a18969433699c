"""What the arrays of a file are, by their names: images or labels, for training, testing or validation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from condense.data.labels import number_of_labels
from condense.data.part_words import PARTS, part_words, words_of
from condense.data.source import Source, described
from condense.hdf5 import Entry

_IMAGES = {"images", "image", "imgs", "img", "x", "data", "features", "inputs", "input", "pixels", "z"}
_LABELS = {"labels", "label", "y", "targets", "target", "class", "lbl"}
_CLASS_NAMES = {"classnames", "classes", "listclasses", "labelnames", "targetnames", "categories"}
_SPLITS = {"set", "sets", "fold", "folds", "kfold", "cv", "part", "parts", "phase", "usage", "stage", "purpose", "role"}
_SPLITS_ANYWHERE = ("split", "partition", "subset")
_INDICES = {"idx", "idxs", "index", "indices", "ind", "inds"}
_MASKS = {"mask", "masks"}
_LONG = 4
"""Letters of the words for a part that say so wherever they stand in a name."""
NEEDED = (
    "needed are train_images and train_labels, or images and labels, or X and y, and test_images and test_labels where "
    "there is a split, or names like these"
)


@dataclass(frozen=True)
class Pair:
    """The names of images and of their labels."""

    images: str
    labels: str


@dataclass(frozen=True)
class Roles:
    """Pairs by part ('train', 'test', 'val'; 'whole' for names that say no part), and the name of the class names."""

    pairs: Mapping[str, Pair]
    class_names: str | None
    unread: tuple[str, ...]


def roles_of(source: Source) -> Roles:
    """What the members of a file are. Raises `CondenseError` where images lack labels or the reverse, two arrays have one
    role, or something may be images or a split and is not understood.
    """
    found: dict[tuple[str, str], list[str]] = {}
    unread = []
    for name in source.entries:
        role = _role(name, source.entries[name])
        if role is None:
            unread.append(name)
        else:
            found.setdefault(role, []).append(name)
    named = {role: _one(source, role, names) for role, names in found.items()}
    named = _labels_called_classes(source, named)
    pairs = {}
    for part in ("train", "test", "val", "whole"):
        images, labels = named.get((part, "images")), named.get((part, "labels"))
        if (images is None) != (labels is None):
            there = images or labels or ""
            if source.entries[there].problem:
                raise source.refusal(f"{there} {source.entries[there].problem}.")
            lacking = f"{'' if part == 'whole' else f'{part}_'}{'labels' if labels is None else 'images'}"
            raise source.refusal(f"{images or lacking} and {labels or lacking} belong together, but {lacking} is missing.")
        if images is not None and labels is not None:
            pairs[part] = Pair(images, labels)
    _refuse_what_may_matter(source, pairs, unread)
    return Roles(pairs, named.get(("whole", "class names")), tuple(unread))


def unread_remark(entries: Mapping[str, Entry], names: Sequence[str]) -> list[str]:
    """That some members of a file were not read; nothing where there are none."""
    return [f"not read: {described(entries, sorted(names))}."] if names else []


def _role(name: str, entry: Entry) -> tuple[str, str] | None:
    """(part, images or labels or class names) that a name stands for, in any case and with any separators."""
    words = words_of(name)
    key = "".join(words)
    if key in _CLASS_NAMES:
        return "whole", "class names"
    if (kind := _kind(key)) is not None:
        return "whole", kind
    if (_INDICES | _MASKS).intersection(words) or (words == ["validx"] and _is_row(entry)):  # val-idx, not valid-x
        return None
    for part, word in ((part, word) for part, those in PARTS.items() for word in those):
        for rest in (key.removeprefix(word), key.removesuffix("set").removesuffix(word)):
            kind = _kind(rest.removeprefix("set").removesuffix("set"))
            if rest not in (key, key.removesuffix("set")) and kind is not None:
                return part, kind
    return None


def _is_row(entry: Entry) -> bool:
    """Whether an array has one axis, but for one of a single value."""
    return entry.shape is not None and (len(entry.shape) == 1 or (len(entry.shape) == 2 and 1 in entry.shape))


def _kind(key: str) -> str | None:
    return "images" if key in _IMAGES else "labels" if key in _LABELS else None


def _one(source: Source, role: tuple[str, str], names: list[str]) -> str:
    """The one array with a role; of images stored both as pictures and as rows, the pictures."""
    pictures = [name for name in names if len(source.entries[name].shape or ()) > 2]
    if len(names) > 1 and role[1] == "images" and len(pictures) == 1 and _same_values(source, pictures[0], names):
        return pictures[0]
    if len(names) > 1:
        part = "" if role[0] == "whole" else f" for {role[0]}"
        raise source.refusal(f"{' and '.join(names)} could each be the {role[1]}{part}; leave one of them.")
    return names[0]


def _same_values(source: Source, picture: str, names: list[str]) -> bool:
    """Whether all others are rows of the pictures' values, in any order of the axes of a picture."""
    shape = source.entries[picture].shape or ()
    others, rows = [name for name in names if name != picture], (*shape[:1], math.prod(shape[1:]))
    if any(source.entries[name].problem for name in names) or any(source.entries[name].shape != rows for name in others):
        return False
    pictures = source.read(picture)
    orders = [pictures.transpose(0, *order).reshape(rows) for order in permutations(range(1, len(shape)))]
    return all(any(np.array_equal(order, found) for order in orders) for found in map(source.read, others))


def _labels_called_classes(source: Source, named: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Where images of no part lack labels, an array `classes` with one for each image is their labels."""
    images, classes = named.get(("whole", "images")), named.get(("whole", "class names"))
    if images is None or classes is None or ("whole", "labels") in named:
        return named
    image_shape, shape = source.entries[images].shape or (), source.entries[classes].shape or ()
    if shape and image_shape and shape[0] in (image_shape[0], image_shape[-1]):
        return {role: name for role, name in named.items() if name != classes} | {("whole", "labels"): classes}
    return named


def _refuse_what_may_matter(source: Source, pairs: Mapping[str, Pair], unread: Sequence[str]) -> None:
    images = {source.entries[pair.images].shape or () for pair in pairs.values()}
    for name in unread:
        shape = source.entries[name].shape or ()
        if pairs and any(_alike(shape, one) for one in images):
            raise source.refusal(f"{name} may be images too, but its name does not say which; rename it, or leave it out.")
    if not pairs or {"test", "val"} & pairs.keys():
        return
    labels = next(iter(pairs.values())).labels
    count = number_of_labels(source.entries[labels].shape or ())
    splits = [name for name in sorted(unread) if _may_be_a_split(source, name, count)]
    if splits:
        raise source.refusal(
            f"{' and '.join(splits)} may say which images are for testing, and {'is' if len(splits) == 1 else 'are'} not "
            "understood; store these images under names of their own, such as test_images and test_labels, or leave out "
            "what says nothing of the kind."
        )


def _may_be_a_split(source: Source, name: str, count: int | None) -> bool:
    """Whether an array that is not understood may say which of so many images are for which part."""
    entry, words = source.entries[name], words_of(name)
    if any(word.whole or len(word.word) >= _LONG for word in part_words(name)) or _SPLITS.intersection(words):
        return True
    if any(word in "".join(words) for word in _SPLITS_ANYWHERE):
        return True
    if entry.problem or not _is_row(entry):
        return False
    if _MASKS.intersection(words):
        return True
    per_image = number_of_labels(entry.shape or ()) == count
    if _INDICES.intersection(words):
        return not per_image or entry.kind == "bool"  # numbers of all images choose none of them
    return per_image and entry.kind == "text" and all(_names_a_part(str(text)) for text in source.read(name).ravel())


def _names_a_part(text: str) -> bool:
    """Whether a text is the name of a part, such as 'Training' or 'PublicTest'."""
    return any(word.whole or len(word.word) >= _LONG for word in part_words(text))


def _alike(shape: tuple[int, ...], images: tuple[int, ...]) -> bool:
    """Whether arrays of these shapes can be images of one size: all axes but the first, or but the last, are equal."""
    if len(shape) != len(images) or len(shape) < 2 or (len(shape) == 2 and shape[1] < 16):
        return False
    return shape[1:] == images[1:] or (len(shape) > 2 and shape[:-1] == images[:-1])
