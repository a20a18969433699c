"""Corruptions of labels and pixels (Zhang et al., ICLR 2017): pure functions of images and a seed.

Equal arguments give equal results, whatever the device. Pixels stay bytes: what a corruption draws is rounded and clipped.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.errors import CondenseError
from condense.randomness import generator


def corrupted_labels(images: LabelledImages, probability: float, seed: int) -> LabelledImages:
    """Each label replaced, with this probability, by a class drawn uniformly from all (the true one included).

    Raises `CondenseError` for a probability outside [0, 1].
    """
    if not 0 <= probability <= 1:
        raise CondenseError(f"The label corruption p = {probability} must lie between 0 and 1.")
    random, count = generator(seed, "corrupted labels"), len(images)
    # One draw an image whatever p is, so that a label corrupted at some p is corrupted at every larger one, alike.
    replaced, drawn = torch.rand(count, generator=random), torch.randint(images.classes, (count,), generator=random)
    labels = torch.where(replaced < probability, drawn, images.labels.cpu())
    return _rebuilt(images, images.pixels, labels)


def random_labels(images: LabelledImages, seed: int) -> LabelledImages:
    """Every label drawn uniformly from all classes."""
    return corrupted_labels(images, 1.0, seed)


def shuffled_pixels(images: LabelledImages, seed: int) -> LabelledImages:
    """The pixel positions of all images in one random order; the same seed gives test images the same order."""
    height, width = images.shape[1:]
    order = torch.randperm(height * width, generator=generator(seed, "shuffled pixels")).to(images.device)
    return replace(images, pixels=images.pixels.flatten(2)[..., order].view_as(images.pixels), _cache={})


def random_pixels(images: LabelledImages, seed: int) -> LabelledImages:
    """The pixel positions of every image in a random order of its own, the same for all its channels."""
    count, channels, height, width = images.pixels.shape
    order = torch.rand(count, 1, height * width, generator=generator(seed, "random pixels")).argsort(dim=2)
    moved = images.pixels.flatten(2).gather(2, order.expand(-1, channels, -1).to(images.device))
    return replace(images, pixels=moved.view_as(images.pixels), _cache={})


def gaussian_pixels(images: LabelledImages, seed: int) -> LabelledImages:
    """Every channel of every image redrawn from a normal distribution with that channel's mean and variance."""
    pixels = images.pixels.cpu().float()
    variance, mean = torch.var_mean(pixels, dim=(2, 3), correction=0, keepdim=True)
    noise = torch.randn(pixels.shape, generator=generator(seed, "gaussian pixels"))
    drawn = (mean + variance.sqrt() * noise).round().clamp(0, 255).to(torch.uint8)
    return replace(images, pixels=drawn.to(images.device), _cache={})


CORRUPTIONS: dict[str, Callable[[LabelledImages, int], LabelledImages]] = {
    "shuffled pixels": shuffled_pixels,
    "random pixels": random_pixels,
    "gaussian": gaussian_pixels,
}
"""Corruptions of the pixels by name."""


def _rebuilt(images: LabelledImages, pixels: Tensor, labels: Tensor) -> LabelledImages:
    """Sorted by the new labels; a class may be left without images."""
    return LabelledImages.from_arrays(
        pixels,
        labels.to(pixels.device),
        images.class_names,
        name=images.name,
        mean=images.mean,
        std=images.std,
        need_every_class=False,
    )
