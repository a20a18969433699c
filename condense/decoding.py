"""Decoders: what the images of a synthetic set become before a network sees them.

A decoder is a frozen description, pure and differentiable: gradients of what is decoded flow back to what is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.errors import CondenseError, quoted

MOST_TILES = 8
"""The largest factor: each stored image then becomes 64, so that no small file asks for much memory."""

FLOAT32 = torch.finfo(torch.float32).max
"""The largest number that images can hold."""


@dataclass(frozen=True)
class Identity:
    """What is stored is what networks are trained on."""

    @property
    def multiple(self) -> int:
        """How many images each stored one becomes."""
        return 1

    def check(self, shape: tuple[int, ...]) -> None:
        """Takes images of any shape (C, H, W)."""

    def decode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Both as they are."""
        return images, labels

    def facts(self) -> dict[str, Any]:
        """Plain JSON that `decoder_of` reads."""
        return {"name": "identity"}

    def __str__(self) -> str:
        return "identity"


@dataclass(frozen=True)
class Tiles:
    """The multi-formation of IDC (Kim et al., 2022, 'Dataset Condensation via Efficient Synthetic-Data Parameterization').

    A stored image is cut into factor x factor tiles, and each is enlarged to the size of the whole (bilinearly, between
    centres of pixels, the edge repeated). Where the factor does not divide a side, the image is first continued at the right
    and below by pixels of the value `grey`: one number for all channels or one for each, in the space the images are stored
    in (there what 0.5 is of pixels in [0, 1]). Raises `CondenseError` for a factor other than from 2 to `MOST_TILES` and for
    a grey that is no finite number of float32.
    """

    factor: int
    grey: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        if not isinstance(self.factor, int) or isinstance(self.factor, bool) or not 2 <= self.factor <= MOST_TILES:
            raise CondenseError(f"A factor of tiles must be from 2 to {MOST_TILES}, not {quoted(self.factor)}.")
        if not self.grey or not all(-FLOAT32 <= grey <= FLOAT32 for grey in self.grey):
            raise CondenseError(f"The grey around tiles must be finite numbers of float32, not {quoted(self.grey)}.")

    @property
    def multiple(self) -> int:
        """How many images each stored one becomes."""
        return self.factor**2

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises `CondenseError` for images of a shape (C, H, W) that cannot be cut so."""
        channels, *sides = shape
        if min(sides) < self.factor:
            size = " x ".join(map(str, sides))
            raise CondenseError(f"Images of {size} cannot be cut into {self.factor} x {self.factor} tiles.")
        if len(self.grey) not in (1, channels):
            raise CondenseError(f"Tiles with {len(self.grey)} values of grey do not fit images of {channels} channels.")

    def decode(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and labels (N,) or (N, classes) give factor² N of them: the first tile of all images, then the
        second, row by row. Raises `CondenseError` as `check` does.
        """
        self.check(tuple(images.shape[1:]))
        padded = self._continued(images)
        count, channels, height, width = padded.shape
        cut = padded.reshape(
            count, channels, self.factor, height // self.factor, self.factor, width // self.factor
        )  # N, C, row of tiles, y, column of tiles, x
        tiles = cut.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)
        enlarged = F.interpolate(tiles, images.shape[2:], mode="bilinear", align_corners=False)
        return enlarged, labels.repeat(self.multiple, *[1] * (labels.dim() - 1))

    def _continued(self, images: Tensor) -> Tensor:
        """The images with sides that the factor divides."""
        below, right = (-side % self.factor for side in images.shape[2:])
        if not (below or right):
            return images
        parts = images.split(1, dim=1) if len(self.grey) > 1 else [images]
        padded = [F.pad(part, (0, right, 0, below), value=grey) for part, grey in zip(parts, self.grey, strict=True)]
        return torch.cat(padded, dim=1)

    def facts(self) -> dict[str, Any]:
        """Plain JSON that `decoder_of` reads."""
        return {"name": "tiles", "factor": self.factor, "grey": list(map(float, self.grey))}

    def __str__(self) -> str:
        return f"tiles of factor {self.factor}"


Decoder = Identity | Tiles
IDENTITY = Identity()


def decoder_of(facts: object) -> Decoder:
    """The decoder that these facts describe. Raises `CondenseError` for any that `facts()` never gives."""
    match facts:
        case {"name": "identity", **more} if not more:
            return Identity()
        case {"name": "tiles", "factor": int(factor), "grey": [*grey], **more} if not more and _numbers(grey):
            return Tiles(factor, tuple(map(float, grey)))
        case Mapping() if facts.get("name") not in ("identity", "tiles"):
            raise CondenseError(f"There is no decoder {quoted(facts.get('name'))}; known are 'identity' and 'tiles'.")
    raise CondenseError(f"This describes no decoder: {quoted(facts)}.")


def _numbers(values: list[Any]) -> bool:
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63]
    return len(whole) + sum(isinstance(value, float) for value in values) == len(values)
