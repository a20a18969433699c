"""A synthetic set read with h5py and NumPy alone: for those who train with something other than PyTorch."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np

from condense.errors import CondenseError, quoted
from condense.provenance import Provenance
from condense.set_file import WHITENED, Stored, identity_of, read_file

_NEITHER = "holds images or labels of another type or shape than sets have"


@dataclass(frozen=True, eq=False)
class PlainSet:
    """The content of a set's file as arrays.

    images: float32 (N, C, H, W) as stored, in the space that networks see; labels: int64 (N,), or float32 (N, classes),
    probabilities; tiles, grey: the factor of a multi-formation (1: none), and what is around its tiles; whitening: (mean
    (C, H, W), matrix (D, D)) where the images are whitened, else they are normalised by the provenance's mean and std;
    learning_rate: one that was learned with the set; sha256: its identity.
    """

    images: np.ndarray
    labels: np.ndarray
    provenance: Provenance
    tiles: int
    grey: tuple[float, ...]
    whitening: tuple[np.ndarray, np.ndarray] | None
    learning_rate: float | None
    sha256: str

    def decoded(self) -> tuple[np.ndarray, np.ndarray]:
        """What networks are trained on: images float32 (M, C, H, W) and their labels, as `SyntheticSet.decoded` has them."""
        if self.tiles == 1:
            return self.images, self.labels
        images, (height, width), factor = self.images, self.images.shape[2:], self.tiles
        tall, wide = -(-height // factor), -(-width // factor)
        shape = *images.shape[:2], tall * factor, wide * factor
        padded = np.broadcast_to(np.reshape(self.grey, (1, -1, 1, 1)), (1, shape[1], 1, 1)) + np.zeros(shape)
        padded[:, :, :height, :width] = images
        rows, columns = _enlarging(tall, height), _enlarging(wide, width)
        cut = padded.reshape(*shape[:2], factor, tall, factor, wide).transpose(2, 4, 0, 1, 3, 5)
        enlarged = rows @ cut @ columns.T
        repeated = np.tile(self.labels, (factor**2, *[1] * (self.labels.ndim - 1)))
        return enlarged.reshape(-1, *images.shape[1:]).astype(np.float32), repeated

    def pixels(self) -> np.ndarray:
        """The stored images as they look: uint8 (N, C, H, W)."""
        if self.whitening is None:
            mean, std = (np.array(v, dtype=np.float32)[:, None, None] for v in (self.provenance.mean, self.provenance.std))
            shown = self.images * std + mean
        else:
            mean, matrix = (array.astype(np.float64) for array in self.whitening)
            flat = self.images.astype(np.float64).reshape(len(self.images), -1)
            try:
                shown = np.linalg.solve(matrix.T, flat.T).T.reshape(self.images.shape) + mean
            except np.linalg.LinAlgError as error:
                raise CondenseError("The whitening of the set has no inverse, so its images cannot be shown.") from error
        return (shown * 255).round().clip(0, 255).astype(np.uint8)


def load_set(path: Path | str) -> PlainSet:
    """Reads a set without PyTorch.

    Raises `CondenseError` for a file that is missing, damaged, not ours, of a newer format, or whose arrays do not match its
    SHA-256. `SyntheticSet.load` checks more, such as whether what the file says fits together.
    """
    path = Path(path)
    stored = read_file(path)
    arrays, extensions = stored.arrays, stored.extensions
    provenance = _provenance(stored, path)
    images, labels = arrays["images"], arrays["labels"]
    if not _fit(images, labels, len(provenance.class_names), len(provenance.mean)):
        raise CondenseError(f"{path} {_NEITHER}.")
    if stored.sha256 != identity_of(stored.version, arrays, vars(provenance), extensions):
        raise CondenseError(
            f"{path} is damaged: its images, labels or what belongs to them do not match the stored SHA-256."
        )
    whitened = extensions.get("preprocessing") == WHITENED
    tiles, grey = _tiles(extensions.get("decoder", {"name": "identity"}), path)
    return PlainSet(
        images,
        labels,
        provenance,
        tiles,
        grey,
        (arrays["whitening_mean"], arrays["whitening_matrix"]) if whitened else None,
        extensions.get("learning_rate"),
        stored.sha256,
    )


def _fit(images: np.ndarray, labels: np.ndarray, classes: int, channels: int) -> bool:
    """Whether they are what a set holds."""
    hard = labels.dtype == np.int64 and labels.shape == images.shape[:1]
    soft = labels.dtype == np.float32 and labels.shape == (len(images), classes)
    right = images.ndim == 4 and images.dtype == np.float32 and images.shape[1] == channels and images.size > 0
    return right and (hard or soft) and bool(np.isfinite(images).all())


def _provenance(stored: Stored, path: Path) -> Provenance:
    hints = get_type_hints(Provenance)
    for field in fields(Provenance):
        value, kind = stored.provenance[field.name], get_origin(hints[field.name]) or hints[field.name]
        if not isinstance(value, kind) and not (kind is list and isinstance(value, tuple)):
            raise CondenseError(f"{path} is damaged: {field.name} is {quoted(value)}.")
    return Provenance(**stored.provenance)


def _tiles(decoder: Any, path: Path) -> tuple[int, tuple[float, ...]]:
    """(Factor, grey) of a decoder as files state it."""
    match decoder:
        case {"name": "identity"}:
            return 1, ()
        case {"name": "tiles", "factor": int(factor), "grey": [*grey]} if 2 <= factor <= 8 and all(
            isinstance(one, int | float) and math.isfinite(one) for one in grey
        ):
            return factor, tuple(map(float, grey))
    raise CondenseError(f"{path} states a decoder that this condense does not know: {quoted(decoder)}.")


def _enlarging(short: int, long: int) -> np.ndarray:
    """The matrix (long, short) of bilinear enlarging, between centres of pixels, the edge repeated."""
    where = np.maximum((np.arange(long) + 0.5) * short / long - 0.5, 0.0)
    before = where.astype(int)
    matrix = np.zeros((long, short))
    places = np.arange(long)
    np.add.at(matrix, (places, before), 1 - (where - before))
    np.add.at(matrix, (places, np.minimum(before + 1, short - 1)), where - before)
    return matrix
