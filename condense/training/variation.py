"""What training does to a batch before it learns from it: augmentation and mixing, as a recipe has them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.augmentation.laws import Law
from condense.augmentation.mixing import cutmix
from condense.augmentation.operations import Draw, apply
from condense.augmentation.published import augment
from condense.training.recipe import Recipe

TOGETHER = "single"
"""The law whose images of one batch share the operation."""


def varied(
    x: Tensor, labels: Tensor, recipe: Recipe, random: Sequence[torch.Generator], classes: int
) -> tuple[Tensor, Tensor]:
    """Batches x (E, B, C, H, W) of E networks with labels (E, B), or soft ones (E, B, classes), each with its generator.

    Soft labels are hard ones afterwards where the recipe's loss is, and labels are soft where it mixes images.
    """
    x = _augmented(x, recipe, random)
    if recipe.loss == "hard" and labels.is_floating_point():
        labels = labels.argmax(dim=-1)
    if not recipe.cutmix:
        return x, labels
    soft = labels if labels.is_floating_point() else F.one_hot(labels, classes).to(x.dtype)
    mixed = [cutmix(own, truth, recipe.cutmix, draws) for own, truth, draws in zip(x, soft, random, strict=True)]
    images, labels = (torch.stack(parts) for parts in zip(*mixed, strict=True))
    return images, labels


def _augmented(x: Tensor, recipe: Recipe, random: Sequence[torch.Generator]) -> Tensor:
    if recipe.law == "each":
        return augment(x, recipe.augmentation, random)
    if not recipe.augmentation:
        return x
    law, size = Law(recipe.law, recipe.augmentation), (x.shape[3], x.shape[4])
    drawn = [law.draw(x.shape[1], size, draws, together=recipe.law == TOGETHER) for draws in random]
    return apply(x.flatten(0, 1), _joined(drawn, x.device)).view_as(x)


def _joined(drawn: Sequence[Draw], device: torch.device) -> Draw:
    """The parameters of several batches one after the other, on a device."""
    return Draw(*map(torch.cat, zip(*(draw.parts for draw in drawn), strict=True))).to(device)
