"""Stage T as published: one network at a time, `torch.optim.SGD`, images augmented one by one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.augmentation.mixing import cutmix
from condense.augmentation.published import NOISE_STD, Draw, draw
from condense.reference.published_augmentation import crop, rotated, scale
from condense.reference.siamese import one_after_another
from condense.training.engine import MemberDraws
from condense.training.recipe import Recipe


def augment(batch: Tensor, operations: tuple[str, ...], drawn: Draw) -> Tensor:
    """A batch (B, C, H, W), each image after its own operation."""
    means = batch.mean((0, 2, 3))
    images = []
    for index, image in enumerate(batch):
        name = operations[int(drawn.operation[index])]
        if name == "crop":
            images.append(crop(image, int(drawn.row[index]), int(drawn.column[index]), means))
        elif name == "scale":
            images.append(scale(image, int(drawn.height[index]), int(drawn.width[index])))
        elif name == "rotate":
            images.append(rotated(image, int(drawn.angle[index]), means))
        else:
            images.append(image + NOISE_STD * drawn.noise[index].to(image.dtype))
    return torch.stack(images)


def changed(batch: Tensor, labels: Tensor, recipe: Recipe, random: torch.Generator, classes: int) -> tuple[Tensor, Tensor]:
    """A batch and its labels after the recipe's augmentation, then its mixing."""
    if recipe.augmentation and recipe.law == "each":
        batch = augment(batch, recipe.augmentation, draw(batch.shape, recipe.augmentation, random))
    elif recipe.augmentation:
        law = Law(recipe.law, recipe.augmentation)
        drawn = law.draw(len(batch), (batch.shape[2], batch.shape[3]), random, together=recipe.law == "single")
        batch = one_after_another(batch, drawn)
    if recipe.cutmix:
        return cutmix(batch, F.one_hot(labels, classes).to(batch.dtype), recipe.cutmix, random)
    return batch, labels


def _order(size: int, random: torch.Generator) -> Tensor:
    return torch.randperm(size, generator=random, device=random.device)


def train(net: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, draws: MemberDraws) -> nn.Module:
    """Trains one network in place on images (N, C, H, W) and returns it."""
    net.train()
    optimiser = None
    for stage in recipe.stages:
        if optimiser is None or recipe.new_optimisers:
            optimiser = torch.optim.SGD(
                net.parameters(), lr=stage.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
            )
        optimiser.param_groups[0]["lr"] = stage.learning_rate
        for _ in range(stage.epochs):
            for indices in _order(len(labels), draws.order).split(recipe.batch_size):
                batch, truth = changed(images[indices], labels[indices], recipe, draws.augmentation, int(labels.max()) + 1)
                optimiser.zero_grad()
                F.cross_entropy(net(batch), truth).backward()
                optimiser.step()
    return net


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Fraction of images (N, C, H, W) classified correctly, in batches of 256."""
    net.eval()
    correct = 0
    for batch, truth in zip(images.split(256), labels.split(256), strict=True):
        correct += int((net(batch).argmax(1) == truth).sum())
    return correct / len(labels)
