"""Images and labels of a foreign set as those of its real images: axes, size, classes. What does not fit is refused."""

import re
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from condense.errors import CondenseError, quoted, shortened
from condense.formats.incoming.flags import Stated
from condense.formats.incoming.foreign import Foreign
from condense.synthetic_set import SOFT_TOLERANCE

_NUMBERED = re.compile(r"(?:class)?[ _-]?([0-9]{1,9})(?:[ _-]+(.+))?", re.IGNORECASE)


def images_of(foreign: Foreign, stated: Stated, shape: tuple[int, ...]) -> tuple[Tensor, list[str]]:
    """(Images (N, C, H, W) of the shape (C, H, W) of the real ones, assumptions); uint8 stays, all else is float32.

    Raises `CondenseError` for other axes or another size, other types, and values that are not finite.
    """
    images, where = foreign.images, foreign.name
    if images.dtype == torch.bool or images.is_complex():
        raise CondenseError(f"{where}: images must be numbers, not {_type(images)}.")
    if images.dim() != 4 and not (images.dim() == 3 and shape[0] == 1):
        raise _other_shape(images, shape, where)
    assumed = []
    if images.dim() == 3:
        assumed.append("the images (N, H, W) are grey")
        images = images.unsqueeze(-1 if stated.channels_last else 1)
    if stated.channels_last:
        images = images.permute(0, 3, 1, 2)
    images, more = _same_channels(images, foreign, shape)
    if tuple(images.shape[1:]) != shape or not len(images):
        raise _other_shape(foreign.images, shape, where)
    if images.dtype == torch.float64:
        more.append("the images were rounded from float64 to float32")
    if images.dtype != torch.uint8:
        images = images.to(torch.float32)
        if not torch.isfinite(images).all():
            raise CondenseError(f"{where}: holds pixels that are not finite in float32.")
    return images.contiguous(), [*assumed, *more]


def _same_channels(images: Tensor, foreign: Foreign, shape: tuple[int, ...]) -> tuple[Tensor, list[str]]:
    """Of image files: grey in place of three equal channels, and the other way round, as the real images have it."""
    if foreign.space != "bytes" or images.shape[1] == shape[0]:
        return images, []
    if shape[0] == 1 and images.shape[1] == 3 and bool((images == images[:, :1]).all()):
        return images[:, :1], ["of three equal channels one was taken"]
    if shape[0] == 3 and images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1), ["grey images were given three equal channels"]
    return images, []


def _other_shape(images: Tensor, shape: tuple[int, ...], where: str) -> CondenseError:
    found, wanted = tuple(images.shape), f"(N, {', '.join(map(str, shape))})"
    said = f"{where}: its images are {found}, and those of the data set {wanted}"
    channels, height, width = shape
    if found[1:] == (height, width, channels):
        return CondenseError(f"{said}: the channels are last, which --channels-last says.")
    if len(found) == 4 and len(images) and sorted(found[1:]) == sorted(shape):
        return CondenseError(f"{said}: axes are swapped; save the images as (N, C, H, W).")
    if len(found) == 4 and found[0] == channels and found[2:] == (height, width):
        return CondenseError(f"{said}: the axes of images and channels are swapped; save the images as (N, C, H, W).")
    return CondenseError(f"{said}.")


def labels_of(foreign: Foreign, stated: Stated, class_names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """(Labels int64 (N,) or probabilities float32 (N, classes), assumptions).

    Raises `CondenseError` for labels of other classes or of another number than images, and with a question for rows of
    numbers that could be several things.
    """
    labels, where, classes = foreign.labels, foreign.name, len(class_names)
    if foreign.named is not None:
        return _of_names(foreign.named, class_names, where)
    if labels.dim() == 2 and labels.shape[1] == 1 and classes > 1:
        labels = labels[:, 0]
    if len(labels.shape) not in (1, 2) or len(labels) != len(foreign.images):
        raise CondenseError(
            f"{where}: its labels are {tuple(labels.shape)}, and its images {tuple(foreign.images.shape)}: there must be "
            "one label, or one row of numbers, for each image."
        )
    if labels.is_complex() or not torch.isfinite(labels.double()).all():
        raise CondenseError(f"{where}: holds labels that are no finite numbers.")
    if labels.dim() == 2:
        return _of_rows(labels, foreign, stated, classes)
    if stated.labels in ("logits", "probabilities"):
        raise CondenseError(f"{where}: its labels are one class each, and no {stated.labels} as --labels says.")
    return _of_numbers(labels, where, class_names)


def _of_numbers(labels: Tensor, where: str, class_names: Sequence[str]) -> tuple[Tensor, list[str]]:
    whole = labels.to(torch.int64)
    if labels.dtype == torch.bool or bool((whole.double() != labels.double()).any()):
        raise CondenseError(f"{where}: its labels must be whole numbers, one for each image, not {_type(labels)}.")
    low, high, classes = int(whole.min()), int(whole.max()), len(class_names)
    if low < 0 or high >= classes:
        counted = " They seem to count from 1; subtract it." if (low, high) == (1, classes) else ""
        raise CondenseError(
            f"{where}: its labels run from {low} to {high}, but the data set has {classes} classes, 0 to {classes - 1}."
            f"{counted}"
        )
    missing = [class_names[index] for index, count in enumerate(torch.bincount(whole, minlength=classes)) if not count]
    if missing:
        some = ", ".join(map(shortened, missing[:5]))
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise CondenseError(
            f"{where}: has no image of {some}{more}: its labels run from {low} to {high}, and the data set has {classes} "
            "classes."
        )
    return whole, ["the labels, stored as floats, are whole numbers"] if labels.is_floating_point() else []


def _of_rows(labels: Tensor, foreign: Foreign, stated: Stated, classes: int) -> tuple[Tensor, list[str]]:
    where = foreign.name
    if labels.shape[1] != classes:
        raise CondenseError(f"{where}: its labels are of {labels.shape[1]} classes, but the data set has {classes}.")
    exact = labels.double()
    probable = bool((exact >= 0).all()) and float((exact.sum(dim=1) - 1).abs().max()) <= SOFT_TOLERANCE
    kind, assumed = stated.labels, []
    if kind is None and foreign.labels_are == "logits" and probable:
        raise CondenseError(
            f"{where}: labels of this format are logits, but these are rows of probabilities: --labels probabilities or "
            "--labels logits says what they are."
        )
    if kind is None and foreign.labels_are == "logits":
        kind, assumed = "logits", ["the labels are logits, as the format has them"]
    if kind is None and not labels.is_floating_point() and probable:
        kind, assumed = "hard", ["the labels are one-hot rows"]
    if kind is None and probable:
        kind, assumed = "probabilities", ["the labels are probabilities, as each row is 0 or more with a sum of 1"]
    if kind is None:
        raise CondenseError(
            f"{where}: its labels are rows of numbers from {float(exact.min()):.4g} to {float(exact.max()):.4g}, which are "
            "no probabilities: --labels logits takes their softmax, --labels hard the largest of each."
        )
    if kind == "probabilities" and not probable:
        raise CondenseError(f"{where}: its labels are no probabilities, which are 0 or more with a sum of 1 in each row.")
    if kind == "hard":
        return exact.argmax(dim=1), assumed
    return (exact.softmax(dim=1) if kind == "logits" else exact).to(torch.float32).contiguous(), assumed


def _of_names(names: Sequence[str], class_names: Sequence[str], where: str) -> tuple[Tensor, list[str]]:
    """Labels of texts: names of classes, numbers, or both ('3_cat'); the same for all, the first of these that does."""
    distinct = list(dict.fromkeys(names))
    numbered = {name: _NUMBERED.fullmatch(name) for name in distinct}
    by_name = {name: _class_called(name, class_names) for name in distinct}
    by_number = {name: int(match[1]) if match and _agrees(match, class_names) else None for name, match in numbered.items()}
    for found, what in ((by_name, "the names of the classes"), (by_number, "numbers of the classes")):
        numbers = [found[name] for name in names]
        if all(number is not None for number in numbers):
            return _of_numbers(torch.tensor(numbers), where, class_names)[0], [f"the labels are {what}"]
    strange = next((name for name in distinct if by_name[name] is by_number[name] is None), distinct[0])
    classes = f"{', '.join(map(shortened, class_names[:5]))}{', ...' if len(class_names) > 5 else ''}"
    raise CondenseError(
        f"{where}: {quoted(strange)} is no class of the data set, which are {classes}, or the numbers 0 to "
        f"{len(class_names) - 1}."
    )


def _class_called(name: str, class_names: Sequence[str]) -> int | None:
    """The class of this name, or the only one of a name like it."""
    alike = [index for index, known in enumerate(class_names) if _plain(known) == _plain(name)]
    return class_names.index(name) if name in class_names else alike[0] if len(alike) == 1 else None


def _agrees(match: re.Match[str], class_names: Sequence[str]) -> bool:
    """Whether a number alone, or with the name of the class that has it."""
    number = int(match[1])
    return match[2] is None or (number < len(class_names) and _plain(match[2]) == _plain(class_names[number]))


def _plain(name: str) -> str:
    """A name without case, and with one mark in place of what folders cannot be called."""
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", name).casefold())


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
