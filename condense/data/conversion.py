"""Arrays as users store them, turned into uint8 NCHW images and int64 labels; what cannot be meant as such is refused."""

from collections.abc import Sequence

import numpy as np
import torch

from condense.data.split import Part
from condense.errors import CondenseError

Array = np.ndarray
_CHANNELS = (1, 3)


def as_parts(pairs: Sequence[tuple[Array, Array]], where: str) -> list[Part]:
    """`Part`s of (images, labels) pairs, the training pair first, all read by the same rules.

    images: (N, C, H, W). Whole numbers and floats in [0, 255] are byte values (floats are rounded); floats that all lie
    in [0, 1] are fractions of 255. labels: (N,), (N, 1) or (1, N), whole numbers from 0.
    Raises `CondenseError` for other types, NaN, infinities and values out of range.
    """
    images = as_bytes([pixels for pixels, _ in pairs], where)
    labels = [as_labels(labels, len(pixels), where) for pixels, (_, labels) in zip(images, pairs, strict=True)]
    return [Part(torch.from_numpy(x), torch.from_numpy(y)) for x, y in zip(images, labels, strict=True)]


def channels_first(pixels: Array, where: str) -> Array:
    """(N, C, H, W) view of (N, H, W), (N, H, W, C) or (N, C, H, W), C in {1, 3}; when the last axis could be C, it is.

    Raises `CondenseError` for other shapes.
    """
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim == 4 and pixels.shape[3] in _CHANNELS:
        return pixels.transpose(0, 3, 1, 2)
    if pixels.ndim == 4 and pixels.shape[1] in _CHANNELS:
        return pixels
    raise CondenseError(
        f"{where}: images must be (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3, not {pixels.shape}."
    )


def as_bytes(arrays: Sequence[Array], where: str) -> list[Array]:
    """uint8 copies of image arrays; one rule (see `as_parts`) for all of them."""
    kinds = {array.dtype.kind for array in arrays}
    if not (kinds <= set("iu") or kinds == {"f"}):
        types = " and ".join(sorted({str(array.dtype) for array in arrays}))
        raise CondenseError(f"{where}: images must all be whole numbers or all be floats, not {types}.")
    if any(array.size == 0 for array in arrays):
        raise CondenseError(f"{where}: there are no images in an array of shape {min(arrays, key=np.size).shape}.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise CondenseError(f"{where}: some pixels are NaN or infinite.")
    low, high = min(array.min() for array in arrays), max(array.max() for array in arrays)
    if low < 0 or high > 255:
        raise CondenseError(
            f"{where}: pixels run from {low:g} to {high:g}; bytes (0 to 255) or fractions (0 to 1) are needed, so undo any "
            "normalisation first."
        )
    if kinds <= set("iu"):
        return [array.astype(np.uint8) for array in arrays]
    scale = 255 if high <= 1 else 1
    return [np.rint(array * scale).astype(np.uint8) for array in arrays]


def as_labels(labels: Array, images: int, where: str) -> Array:
    """int64 (N,) copy of labels (N,), (N, 1) or (1, N), which must be whole numbers from 0, one for each image."""
    flat = labels.ravel() if labels.ndim == 2 and 1 in labels.shape else labels
    if flat.shape != (images,) or flat.dtype.kind not in "iuf":
        raise CondenseError(
            f"{where}: labels must be numbers, one for each of the {images} images, "
            f"not {labels.dtype} of shape {labels.shape}."
        )
    # Not `flat != round`, as NaN must be caught too; the upper limit keeps the conversion to int64 exact.
    wrong = flat[~((flat == np.rint(flat)) & (flat >= 0) & (flat < 2**31))]
    if wrong.size:
        raise CondenseError(f"{where}: labels must be whole numbers from 0, not {wrong[0]:g}.")
    return flat.astype(np.int64)
