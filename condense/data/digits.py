"""`digits`: scikit-learn's 1,797 real handwritten digits of 8x8, enlarged to 28x28. Comes with the package: no download."""

from typing import Any

import torch
from torch import Tensor

from condense.data.images import DataSet
from condense.data.split import Part, every_fifth, join

SMALL, LARGE = 8, 28
_HIGHEST = 16


def load_digits() -> DataSet:
    """uint8 (N, 1, 28, 28), ten classes; every fifth image of each class is for testing."""
    from sklearn.datasets import load_digits as scikit_digits  # slow to import, and only needed here

    raw: Any = scikit_digits()
    pixels = enlarge(torch.from_numpy(raw["images"]).long())
    train, test = every_fifth(Part(pixels[:, None], torch.from_numpy(raw["target"]).long()), "digits")
    return join("digits", train, test, where="digits")


def enlarge(values: Tensor) -> Tensor:
    """Bilinear 8x8 -> 28x28 and 0..16 -> 0..255: int64 (N, 8, 8) to uint8 (N, 28, 28), half rounded up.

    In whole numbers throughout, so that no machine rounds another way and the fingerprint is the same everywhere. The
    centre of large pixel i lies at (i + 1/2) * 8/28 - 1/2 = (4i - 5) / 14 small pixels.
    """
    position = (4 * torch.arange(LARGE) - 5).clamp(0, 14 * (SMALL - 1))
    left, weight = position // 14, position % 14
    weights = torch.zeros(LARGE, SMALL, dtype=torch.int64)
    weights[torch.arange(LARGE), left] = 14 - weight
    weights[torch.arange(LARGE), (left + 1).clamp(max=SMALL - 1)] += weight
    sums = weights @ values @ weights.T
    largest = _HIGHEST * 14 * 14
    return ((2 * 255 * sums + largest) // (2 * largest)).to(torch.uint8)
