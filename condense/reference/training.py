"""Stage T as published: one network at a time, optimisers and schedules of `torch.optim`, images augmented one by one."""

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
    """A batch and its labels, as the recipe's loss takes them, after its augmentation, then its mixing."""
    if labels.dim() == 2 and recipe.loss == "hard":
        labels = torch.tensor([int(label.argmax()) for label in labels])
    if recipe.augmentation and recipe.law == "each":
        batch = augment(batch, recipe.augmentation, draw(batch.shape, recipe.augmentation, random))
    elif recipe.augmentation:
        law = Law(recipe.law, recipe.augmentation)
        drawn = law.draw(len(batch), (batch.shape[2], batch.shape[3]), random, together=recipe.law == "single")
        batch = one_after_another(batch, drawn)
    if recipe.cutmix:
        soft = labels if labels.dim() == 2 else F.one_hot(labels, classes).to(batch.dtype)
        return cutmix(batch, soft, recipe.cutmix, random)
    return batch, labels


def _order(size: int, random: torch.Generator) -> Tensor:
    return torch.randperm(size, generator=random, device=random.device)


def optimiser_of(net: nn.Module, recipe: Recipe, rate: float) -> torch.optim.Optimizer:
    """A new optimiser of a network's parameters, biases and all."""
    if recipe.optimiser == "adamw":
        assert recipe.betas is not None
        return torch.optim.AdamW(net.parameters(), lr=rate, betas=recipe.betas, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(net.parameters(), lr=rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def falling(optimiser: torch.optim.Optimizer, recipe: Recipe) -> torch.optim.lr_scheduler.LRScheduler | None:
    """What lowers the rate after each epoch of a recipe with a cosine."""
    if recipe.cosine is None:
        return None
    schedulers, warm_up = torch.optim.lr_scheduler, recipe.cosine.warm_up
    end = recipe.cosine.end * recipe.stages[0].learning_rate
    cosine = schedulers.CosineAnnealingLR(optimiser, recipe.epochs - warm_up, end)
    if not warm_up:
        return cosine
    rising = schedulers.LinearLR(optimiser, 1 / (warm_up + 1), 1.0, warm_up)
    return schedulers.SequentialLR(optimiser, [rising, cosine], [warm_up])


def train(net: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, draws: MemberDraws) -> nn.Module:
    """Trains one network in place on images (N, C, H, W) with labels (N,) or soft ones (N, classes), and returns it."""
    net.train()
    classes = labels.shape[1] if labels.dim() == 2 else int(labels.max()) + 1
    optimiser = scheduler = None
    for stage in recipe.stages:
        if optimiser is None or recipe.new_optimisers:
            optimiser = optimiser_of(net, recipe, stage.learning_rate)
            scheduler = falling(optimiser, recipe)
        if scheduler is None:
            optimiser.param_groups[0]["lr"] = stage.learning_rate
        for _ in range(stage.epochs):
            for indices in _order(len(labels), draws.order).split(recipe.batch_size):
                batch, truth = changed(images[indices], labels[indices], recipe, draws.augmentation, classes)
                optimiser.zero_grad()
                F.cross_entropy(net(batch), truth).backward()
                optimiser.step()
            if scheduler is not None:
                scheduler.step()
    return net


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Fraction of images (N, C, H, W) classified correctly, in batches of 256."""
    net.eval()
    correct = 0
    for batch, truth in zip(images.split(256), labels.split(256), strict=True):
        correct += int((net(batch).argmax(1) == truth).sum())
    return correct / len(labels)
