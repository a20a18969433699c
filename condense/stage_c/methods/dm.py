"""Distribution matching (Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023).

Every step draws a new network, and moves the synthetic images down the gradient of the sum over classes of the squared
distance between the mean features of real and of synthetic images. The networks are not trained.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.func import grad_and_value

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw, apply
from condense.networks.layers import Tensors
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass(frozen=True)
class State:
    """The images (N, C, H, W), their momentum, and the step to do next."""

    images: Tensor
    velocity: Tensor
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class DM:
    """The settings; what they were published with is `published`.

    iterations: each with a new network; real_batch: real images of each class and iteration; image_learning_rate and
    image_momentum: of SGD on the images; augmentation: operations of which one is drawn for each class and iteration, for
    real and synthetic images alike.
    """

    iterations: int = 20_000
    real_batch: int = 256
    image_learning_rate: float = 1.0
    image_momentum: float = 0.5
    augmentation: tuple[str, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")

    @classmethod
    def published(cls, dataset: str, images_per_class: int) -> Self:
        """The authors' settings: rate 1, or 10 from 100 images per class of CIFAR-10 on; digits are not mirrored."""
        mirrored = dataset not in ("mnist", "svhn", "digits")
        augmentation = tuple(name for name in cls.augmentation if mirrored or name != "flip")
        rate = 10.0 if dataset == "cifar10" and images_per_class >= 100 else 1.0
        return cls(image_learning_rate=rate, augmentation=augmentation)

    def begin(self, problem: Problem) -> State:
        """Random real images of each class."""
        images = problem.real_images()
        return State(images, torch.zeros_like(images))

    def step(self, problem: Problem, state: State) -> tuple[State, dict[str, float]]:
        """One new network and one move of the images."""
        parameters, statistics = problem.new_network(state.step)
        drawn = problem.data.draw_class_batches(self.real_batch, problem.random("real batch", state.step))
        siamese = problem.siamese(Law("single", self.augmentation), state.step)
        real = apply(problem.data.inputs(drawn.indices, problem.dtype), siamese.repeated(drawn.counts))
        with torch.no_grad():
            wanted = class_means(features(problem, parameters, statistics, real), drawn.counts)
        move = grad_and_value(_distance)
        gradient, loss = move(state.images, problem, parameters, statistics, siamese, wanted)
        velocity = self.image_momentum * state.velocity + gradient
        images = state.images - self.image_learning_rate * velocity
        return State(images, velocity, state.step + 1), {"distance": float(loss)}


def _distance(
    images: Tensor, problem: Problem, parameters: Tensors, statistics: Tensors, siamese: Draw, wanted: Tensor
) -> Tensor:
    """Sum over classes of the squared distance of mean features."""
    counts = [problem.images_per_class] * problem.data.classes
    seen = features(problem, parameters, statistics, apply(images, siamese.repeated(counts)))
    return (class_means(seen, counts) - wanted).square().sum()


def features(problem: Problem, parameters: Tensors, statistics: Tensors, x: Tensor) -> Tensor:
    """What the classifier sees (n, d) of images (n, C, H, W), BatchNorm on the batch's statistics."""
    order = Layout.of(problem.network).memory_format
    parts = (part.contiguous(memory_format=order) for part in x.split(problem.chunk))
    return torch.cat([problem.network.train_features(parameters, part, statistics) for part in parts])


def class_means(values: Tensor, counts: list[int] | tuple[int, ...]) -> Tensor:
    """Means (classes, d) of rows (n, d) that lie class by class, so many of each."""
    return torch.stack([part.mean(0) for part in values.split(list(counts))])
