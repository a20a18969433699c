"""Images as pixels in [0, 1], in which the family of IDC learns them; networks see them normalised."""

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.errors import CondenseError, shortened


def pixels_of(data: LabelledImages, indices: Tensor, dtype: torch.dtype) -> Tensor:
    """Real images of `indices` (any shape S) as they are, value/255: (S, C, H, W)."""
    return data.pixels[indices].to(dtype) / 255


def normalised(data: LabelledImages, pixels: Tensor) -> Tensor:
    """Pixels (N, C, H, W) in [0, 1] in the space of `data.inputs`."""
    mean, std = (pixels.new_tensor(values)[:, None, None] for values in (data.mean, data.std))
    return (pixels - mean) / std


def check_pixel_space(data: LabelledImages, name: str) -> None:
    """Raises `CondenseError` for whitened images, of which a method of this name cannot learn pixels in [0, 1]."""
    if data.whitening is not None:
        raise CondenseError(
            f"The method {name} learns pixels from 0 to 1, which the whitened images of {shortened(data.name)} are not: "
            "leave the whitening out."
        )
