"""Images as the frameworks are given them: flat choices of scaling and centring, in float64."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from condense.data.images import DataSet
from condense.studies.parity.trajectory import sha256


@dataclass(frozen=True, eq=False)
class Problem:
    """A classification problem: images float64 (N, C, H, W), labels int64 (N,) from 0."""

    name: str
    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: int

    @property
    def hash(self) -> str:
        """SHA-256 of the training images and labels."""
        return sha256(self.x, self.y)


def minmax_centred(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each image scaled to [0, 1] by its own minimum and maximum (0/0 is 0), then the one mean of all training values off.

    The reproduction report's preparation: centring is over all channels together.
    """
    train, test = _minmax(train), _minmax(test)
    mean = train.mean()
    return train - mean, test - mean


def simplenn_centred(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SimpleNN's own (example.m): divided by 255, then the training images' mean of every pixel off."""
    train, test = train / 255, test / 255
    mean = train.mean(axis=0)
    return train - mean, test - mean


def unit(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divided by 255, as Keras' examples do."""
    return train / 255, test / 255


def raw(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes as they are, 0 to 255."""
    return train, test


PREPARATIONS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "minmax": minmax_centred,
    "simplenn": simplenn_centred,
    "unit": unit,
    "raw": raw,
}


def prepared(data: DataSet, preparation: str) -> Problem:
    """The problem of a data set under a preparation of that name."""
    pixels = [part.pixels.to("cpu", torch.float64).numpy() for part in (data.train, data.test)]
    x, test_x = PREPARATIONS[preparation](*pixels)
    labels = [part.labels.cpu().numpy() for part in (data.train, data.test)]
    return Problem(data.name, x, labels[0], test_x, labels[1], data.train.classes)


def _minmax(images: np.ndarray) -> np.ndarray:
    low = images.min(axis=(1, 2, 3), keepdims=True)
    width = images.max(axis=(1, 2, 3), keepdims=True) - low
    return np.divide(images - low, width, out=np.zeros_like(images), where=width > 0)
