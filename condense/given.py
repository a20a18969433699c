"""Images and labels as anyone has them, of NumPy or PyTorch, as what a synthetic set holds."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from condense.errors import CondenseError, quoted, why
from condense.preprocessing import Preprocessing
from condense.provenance import UNKNOWN, Provenance
from condense.versions import code_version, library_versions

SPACES = {
    "normalised": "as networks see them; whitened, where the real images are",
    "unit": "pixels from 0 (black) to 1 (white)",
    "bytes": "pixels from 0 to 255",
}
"""What images may hold."""
_LEAST_BYTES = 20.0
"""The largest value of images in bytes is above it, that of normalised ones is not."""
_MOSTLY = 0.95
"""The share of values from black to white, from which on images could be pixels."""


class RealImages(Protocol):
    """What is asked of the real images, `condense.LabelledImages`."""

    name: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reading: Any
    whitening: Preprocessing

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        ...

    @property
    def classes(self) -> int:
        """How many there are."""
        ...

    @property
    def fingerprint(self) -> str:
        """What identifies them."""
        ...


def real_images(data: object) -> RealImages:
    """The training images of a data set, or images themselves. Raises `CondenseError` for anything else."""
    train = getattr(data, "train", data)
    if not all(hasattr(train, name) for name in ("fingerprint", "class_names", "mean", "std", "shape", "whitening")):
        raise CondenseError(f"The real images are what condense.load gives, not {type(data).__name__}.")
    return cast(RealImages, train)


def images_of(images: object, train: RealImages, pixels: str | None) -> Tensor:
    """Images float32 (N, C, H, W) in the space that networks see; pixels: which of `SPACES` they are in now.

    Raises `CondenseError` for images of another shape than the real ones, and where it is not clear what they hold.
    """
    found = _tensor(images, "images")
    channels, height, width = train.shape
    if found.dim() == 3 and channels == 1:
        found = found[:, None]
    if found.dim() != 4 or tuple(found.shape[1:]) != train.shape or not len(found):
        turned = found.dim() == 4 and tuple(found.shape[1:]) == (height, width, channels)
        advice = "; they are (N, H, W, C): give images.transpose(0, 3, 1, 2)" if turned else ""
        raise CondenseError(f"The images must be (N, {channels}, {height}, {width}), not {tuple(found.shape)}{advice}.")
    space = _space(found, pixels)
    if space == "normalised":
        return found.to(torch.float32).contiguous()
    exact = found.double() / (255 if space == "bytes" else 1)
    if train.whitening is not None:
        return train.whitening.to("cpu", torch.float64).apply(exact).to(torch.float32).contiguous()
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (train.mean, train.std))
    return ((exact - mean) / std).to(torch.float32).contiguous()


def labels_of(labels: object, train: RealImages, *, logits: bool) -> Tensor:
    """Labels int64 (N,) or probabilities float32 (N, classes), of logits where they are such. Raises `CondenseError` for
    any others; whether they fit the images, the set itself checks.
    """
    found = _tensor(labels, "labels")
    if found.dtype == torch.bool or found.dim() not in (1, 2) or found.is_floating_point() != (found.dim() == 2):
        raise CondenseError(
            f"The labels must be whole numbers (N,), or floats (N, {train.classes}), not {found.dtype} {tuple(found.shape)}."
        )
    if logits and found.dim() == 1:
        raise CondenseError("With logits=True labels are floats, a row for each image; these are whole numbers.")
    if found.dim() == 1:
        return found.long().contiguous()
    return (found.double().softmax(dim=1) if logits else found).to(torch.float32).contiguous()


def check_as_many(images: Tensor, labels: Tensor) -> None:
    """Raises `CondenseError` unless there is a label for each image."""
    if len(images) != len(labels):
        raise CondenseError(f"There are {len(images)} images and {len(labels)} labels; each image has one.")


def images_per_class(labels: Tensor, classes: int) -> int:
    """Of the largest class; of soft labels as many as would make so many images."""
    if labels.is_floating_point():
        return max(1, -(-len(labels) // classes))
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise CondenseError(f"The labels must be from 0 to {classes - 1}, one for each image.")
    return int(labels.bincount().max())


def provenance_of(train: RealImages, config: Mapping[str, Any], **named: Any) -> Provenance:
    """Where such a set comes from, as far as it is known; config: settings of its method."""
    try:
        plain = json.loads(json.dumps(dict(config), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise CondenseError(f"The config must be plain values by name, which JSON can hold: {why(error)}.") from error
    reading = {"reading": train.reading} if train.reading else {}
    for key, value in named.items():
        if type(value) is not (kind := int if key in ("seed", "iterations", "images_per_class") else str):
            raise CondenseError(f"The {key} must be of the type {kind.__name__}, not {quoted(value)}.")
    config = {"dataset": train.name, **reading, **plain}
    return made_of(train, **named, config=config, device=UNKNOWN, precision=UNKNOWN)


def made_of(data: object, **facts: Any) -> Provenance:
    """Where a set comes from that is made now of real images; facts: the other fields, and those that are otherwise."""
    train = real_images(data)
    usual: dict[str, Any] = {
        "dataset": train.name,
        "dataset_fingerprint": train.fingerprint,
        "class_names": list(train.class_names),
        "mean": list(train.mean),
        "std": list(train.std),
        "code_version": code_version(),
        "library_versions": library_versions(),
    }
    return Provenance(**(usual | facts))


def _tensor(values: object, what: str) -> Tensor:
    """Numbers as a tensor on the CPU, without gradients. Raises `CondenseError` for what are none."""
    if isinstance(values, Tensor):
        found = values.detach().cpu()
    else:
        try:
            array = np.asarray(values)
            if array.dtype.kind == "f" and array.dtype.itemsize > 8:
                array = array.astype(np.float64)
            found = torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
        except (TypeError, ValueError, RuntimeError) as error:
            raise CondenseError(f"The {what} are neither an array of numbers nor a tensor: {why(error)}.") from error
    if found.is_complex() or found.is_sparse or found.is_quantized:
        raise CondenseError(f"The {what} must be plain numbers, not {found.dtype}.")
    return found


def _space(images: Tensor, stated: str | None) -> str:
    """Which of `SPACES` images are in."""
    if stated is not None and stated not in SPACES:
        raise CondenseError(f"pixels={stated!r:.40} is none of {', '.join(map(repr, SPACES))}.")
    if not images.is_floating_point():
        if stated not in (None, "bytes"):
            raise CondenseError(f"The images are whole numbers ({images.dtype}), which are bytes, not {stated}.")
        _check_range(images, 255)
        return "bytes"
    low, high = float(images.min()), float(images.max())
    fitting = [name for name, white in (("unit", 1.0), ("bytes", 255.0)) if _could_be(images, white)]
    if stated in ("unit", "bytes") and stated not in fitting:
        raise CondenseError(
            f"Images with values from {low:.4g} to {high:.4g} are no pixels from 0 to {1 if stated == 'unit' else 255}."
        )
    if stated is None and fitting:
        raise CondenseError(
            f"Are the images, with values from {low:.4g} to {high:.4g}, pixels or normalised? Say pixels={fitting[0]!r} or "
            "pixels='normalised'."
        )
    return stated or "normalised"


def _could_be(images: Tensor, white: float) -> bool:
    """Whether most values lie from black to white, and none far beyond; of bytes some must be large."""
    inside = float(((images >= 0) & (images <= white)).double().mean())
    near = -white <= float(images.min()) and float(images.max()) <= 2 * white
    return inside >= _MOSTLY and near and (white == 1 or float(images.max()) > _LEAST_BYTES)


def _check_range(images: Tensor, white: int) -> None:
    if images.dtype != torch.bool and (int(images.min()) < 0 or int(images.max()) > white):
        raise CondenseError(
            f"Whole numbers are bytes, from 0 to {white}; these go from {int(images.min())} to {int(images.max())}."
        )
