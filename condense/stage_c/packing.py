"""Packing: several real images, made small, as the tiles of one stored image; `decoding.Tiles` takes them apart again.

The multi-formation of IDC (Kim et al., ICML 2022) as a beginning of learned images, or as a selection.
"""

import torch.nn.functional as F
from torch import Tensor

from condense.data.images import LabelledImages
from condense.decoding import IDENTITY, Decoder, Tiles
from condense.stage_c.problem import Problem

PACKINGS = {
    "nearest": "every factor-th row and column, as IDC has it",
    "mean": "means over squares of factor x factor pixels, as IDM has it",
}
"""How an image is made as small as a tile."""
_MODES = {"nearest": "nearest", "mean": "area"}


def packed(images: Tensor, images_per_class: int, factor: int, how: str = "nearest") -> Tensor:
    """Images (classes * ipc * factor^2, C, H, W), class by class, as (classes * ipc, C, H, W) with factor x factor tiles.

    Of those of a class, image k * ipc + i becomes tile k of the stored image i, tiles counted row by row, so that what is
    decoded lies in the same order. A tile has ceil(H / factor) x ceil(W / factor) pixels; where the factor does not divide a
    side, what does not fit is cut off the last tiles at the right and below. how: one of `PACKINGS`.
    """
    if factor == 1:
        return images
    height, width = images.shape[2:]
    tiles = F.interpolate(images, (-(-height // factor), -(-width // factor)), mode=_MODES[how])
    tiles = tiles.unflatten(0, (-1, factor, factor, images_per_class))  # class, row of tiles, column of tiles, i, C, y, x
    whole = tiles.permute(0, 3, 4, 1, 5, 2, 6).flatten(0, 1).flatten(2, 3).flatten(3, 4)
    return whole[:, :, :height, :width].contiguous()


def decoder_for(data: LabelledImages, factor: int) -> Decoder:
    """What takes packed images apart, in the space of `data.inputs`.

    Grey there is 0.5 of pixels in [0, 1]; of whitened images, where no one number is that, 0, their mean.
    """
    if factor == 1:
        return IDENTITY
    if data.whitening is not None:
        return Tiles(factor, (0.0,))
    return Tiles(factor, tuple((0.5 - mean) / std for mean, std in zip(data.mean, data.std, strict=True)))


def check_packing(problem: Problem, factor: int) -> None:
    """Raises `CondenseError` for a factor that the images cannot be cut by, or where a class has too few images for it."""
    decoder_for(problem.data, factor).check(problem.data.shape)
    problem.check_classes(factor**2)
