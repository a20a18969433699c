"""Images as these experiments see them: 28x28 pixels, standardised one by one, and varied in training if asked for.

Of images of up to 32x32 pixels, as CIFAR-10's, the networks see 28x28, as in the paper; larger ones are resized whole.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from condense.data.images import LabelledImages
from condense.errors import CondenseError

SIDE, LARGEST = 28, 32
"""What the networks take, and up to which side images are cropped to it, as the paper does with CIFAR-10."""
AT_ONCE = 1000
JITTER = 0.1
"""Brightness, saturation and contrast are multiplied by 1 - JITTER .. 1 + JITTER."""
HUE = 0.05
"""Hue turns by so much of the circle, either way, at most."""


def standardised(x: Tensor) -> Tensor:
    """(x - mean) / max(std, 1 / sqrt(n)) of each image (..., C, H, W) over its n pixels and channels (per-image whitening).

    x is in [0, 255], as in TensorFlow's `per_image_standardization`, whose lower bound of the deviation this is.
    """
    variance, mean = torch.var_mean(x, dim=(-3, -2, -1), correction=0, keepdim=True)
    return (x - mean) / variance.sqrt().clamp(min=x.shape[-3:].numel() ** -0.5)


def is_resized(shape: tuple[int, int, int]) -> bool:
    """Whether images of this shape (channels, height, width) are larger than those that the paper crops."""
    return max(shape[1:]) > LARGEST


def remark(shape: tuple[int, int, int]) -> str:
    """A sentence on what the networks see of images of this shape, where they are resized; '' where they are not."""
    height, width = shape[1:]
    if not is_resized(shape):
        return ""
    return (
        f"The images of {height}x{width} pixels are resized, each as a whole, to the {SIDE}x{SIDE} these networks take; "
        "random crops then leave them as they are."
    )


@lru_cache(maxsize=8)
def fitted(images: LabelledImages) -> LabelledImages:
    """The images themselves, or, where they are larger than 32x32, each as a whole resized to 28x28 (antialiased)."""
    if not is_resized(images.shape):
        return images
    parts = [
        interpolate(part.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
        for part in images.pixels.split(AT_ONCE)
    ]
    return replace(images, pixels=torch.cat(parts), _cache={})


def centred(images: LabelledImages) -> LabelledImages:
    """The images (N, C, H, W) cropped in the centre to (N, C, 28, 28); smaller ones stay as they are."""
    top, left = (max(0, side - SIDE) // 2 for side in images.shape[1:])
    pixels = images.pixels[..., top : top + SIDE, left : left + SIDE].contiguous()
    return replace(images, pixels=pixels, _cache={})


def check_size(images: LabelledImages) -> None:
    """Raises `CondenseError` for images smaller than 28x28."""
    if min(images.shape[1:]) < SIDE:
        size = "x".join(map(str, images.shape[1:]))
        raise CondenseError(f"{images.name} has images of {size} pixels; these networks take {SIDE}x{SIDE} or more.")


@dataclass(frozen=True, eq=False)
class Standardised:
    """Labelled images, cropped in the centre to 28x28 and standardised: a source for the training engine."""

    images: LabelledImages

    def __post_init__(self) -> None:
        check_size(self.images)

    @property
    def labels(self) -> Tensor:
        """int64 (N,)."""
        return self.images.labels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, 28, 28)."""
        return self.images.shape[0], SIDE, SIDE

    def inputs(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The images of `indices` (any shape S), centre crops: (S, C, 28, 28)."""
        top, left = ((side - SIDE) // 2 for side in self.images.shape[1:])
        return standardised(self.images.pixels[indices][..., top : top + SIDE, left : left + SIDE].to(dtype))


@dataclass(frozen=True, eq=False)
class Cropped(Standardised):
    """The same, training on random crops."""

    def augmented(self, indices: Tensor, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """Random crops of `indices` (B,): (B, C, 28, 28)."""
        return standardised(self.crops(indices, random).to(dtype))

    def crops(self, indices: Tensor, random: torch.Generator) -> Tensor:
        """uint8 (B, C, 28, 28), every image from a place of its own."""
        pixels, count = self.images.pixels[indices], len(indices)
        height, width = self.images.shape[1:]
        top, left = (
            torch.randint(side - SIDE + 1, (count,), generator=random, device=random.device).to(pixels.device)
            for side in (height, width)
        )
        steps = torch.arange(SIDE, device=pixels.device)
        rows, columns = (top[:, None] + steps)[:, None, :, None], (left[:, None] + steps)[:, None, None, :]
        images, channels = (torch.arange(size, device=pixels.device) for size in (count, pixels.shape[1]))
        images, channels = images[:, None, None, None], channels[None, :, None, None]
        return pixels[images, channels, rows, columns]


@dataclass(frozen=True, eq=False)
class Augmented(Cropped):
    """The same, training on random crops, half of them flipped, with brightness, contrast, saturation and hue varied."""

    def augmented(self, indices: Tensor, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """Augmented images of `indices` (B,), one draw an image: (B, C, 28, 28)."""
        from kornia import enhance  # takes a second to import, and few runs need it

        x = self.crops(indices, random).to(dtype) / 255
        drawn = torch.rand(5, len(x), generator=random, device=random.device).to(x.device, dtype)
        flipped, (brightness, contrast, saturation) = drawn[0] < 0.5, 1 + JITTER * (2 * drawn[1:4] - 1)
        x = torch.where(flipped[:, None, None, None], x.flip(-1), x)
        x = enhance.adjust_brightness_accumulative(x, brightness)
        x = enhance.adjust_contrast_with_mean_subtraction(x, contrast)
        if x.shape[1] == 3:
            x = enhance.adjust_saturation_with_gray_subtraction(x, saturation)
            x = enhance.adjust_hue(x, 2 * torch.pi * HUE * (2 * drawn[4] - 1))
        return standardised(255 * x)
