"""Distribution matching (Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023).

Every step draws a new network, and moves the synthetic images down the gradient of the sum over classes of the squared
distance between the mean features of real and of synthetic images. The networks are not trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor
from torch.func import grad_and_value

from condense.augmentation.laws import Operations, siamese_operations
from condense.augmentation.operations import Draw, apply, through
from condense.checking import AtLeastOne, Count, Positive, Share, one_of
from condense.condensed import Condensed
from condense.execution import Work
from condense.machine import compiled_function
from condense.networks.layers import Arithmetic, Tensors
from condense.stage_c.method import IMAGE_DECAYS, Method, Occasion, decayed, setting, with_momentum
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass(frozen=True)
class State:
    """The images (N, C, H, W) and their momentum."""

    images: Tensor
    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class DM(Method):
    """Matches mean features of networks that are not trained: no gradient of a gradient, so steps are cheap."""

    name: ClassVar[str] = "dm"
    title: ClassVar[str] = "distribution matching (Zhao and Bilen, WACV 2023)"

    iterations: Count = setting("Image updates, each with a new network; published: 20000, fast: 1000.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 256, fast: 32.")
    image_learning_rate: Positive = setting(
        "Learning rate of the images; published: 1 (10 from 100 images per class of CIFAR-10 on), fast: the images per "
        "class, 10 at most."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; published: constant, fast: cosine."
    )
    augmentation: Operations = setting(
        "Operations, one of which is drawn per class and step; published: all but flip for digits."
    )
    image_momentum: Share = setting("Momentum of the images.", 0.5)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code."""
        many = occasion.dataset == "cifar10" and occasion.images_per_class >= 100
        return cls(
            iterations=20_000,
            real_batch=256,
            image_learning_rate=10.0 if many else 1.0,
            image_decay="constant",
            augmentation=siamese_operations(occasion.dataset),
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """A twentieth of the iterations on an eighth of the real images; the rate was chosen on held-out images.

        The gradient of an image falls with the number of images whose mean it is part of.
        """
        rate = float(min(occasion.images_per_class, 10))
        settings = cls.published(occasion)
        return replace(settings, iterations=1000, real_batch=32, image_learning_rate=rate, image_decay="cosine")

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images to begin with."""
        problem.check_classes()

    def steps(self, problem: Problem) -> int:
        """Iterations."""
        return self.iterations

    def work(self, problem: Problem) -> Work:
        """The features of real images, once forward."""
        real = problem.real_batch_images(self.real_batch)
        return Work(multiply_adds=float(problem.network.multiply_adds) * real * self.iterations, batch=self.real_batch)

    def cost(self, problem: Problem) -> float:
        """Real images forward, synthetic ones there and back."""
        real = problem.real_batch_images(self.real_batch)
        return self.iterations * (real / 3 + len(problem.labels))

    def begin(self, problem: Problem) -> State:
        """Random real images of each class."""
        images = problem.real_images()
        return State(images, torch.zeros_like(images))

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """One new network and one move of the images."""
        vector, statistics = problem.new_network(number)
        parameters = Layout.of(problem.network).views(vector)
        drawn = problem.data.draw_class_batches(self.real_batch, problem.random("real batch", number))
        siamese = problem.siamese(self.augmentation, number)
        real = augmented(problem.data.inputs(drawn.indices, problem.dtype), siamese, drawn.counts)
        features = problem.once("features", lambda: Features(problem))
        with torch.no_grad():
            wanted = class_means(features.real(parameters, statistics, real), drawn.counts)
        gradient, distance = through(
            state.images,
            problem.synthetic_draws(siamese),
            lambda images: features.move(images, parameters, statistics, wanted),
        )
        rate = decayed(self.image_learning_rate, self.image_decay, number / self.iterations)
        images, velocity = with_momentum(state.images, state.velocity, gradient, rate, self.image_momentum)
        return State(images, velocity), {"distance": distance}

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images, with their classes as labels."""
        return Condensed(state.images, problem.labels)

    def remarks(self, problem: Problem) -> list[str]:
        """On classes smaller than the real batch."""
        return problem.small_classes(self.real_batch)


class Features:
    """What the classifier sees of real images, and the move of synthetic images towards it; compiled where that pays."""

    def __init__(self, problem: Problem) -> None:
        self.network, self.execution = problem.network, problem.execution
        self.images_per_class, self.classes = problem.images_per_class, problem.data.classes
        compiled = self.execution.compiled
        self.arithmetic = Arithmetic(explicit_norm=compiled, winograd=self.execution.winograd and not compiled)
        self.synthetic = Arithmetic(explicit_norm=compiled)
        prepared = partial(compiled_function, device=problem.data.device) if compiled else (lambda function: function)
        self._real: Callable[..., Tensor] = prepared(self._features)
        self._eager_move = grad_and_value(self._distance)
        self._move: Callable[..., tuple[Tensor, Tensor]] = prepared(self._eager_move)

    def real(self, parameters: Tensors, statistics: Tensors, x: Tensor) -> Tensor:
        """Features (n, d) of real images (n, C, H, W), BatchNorm on the whole batch's statistics."""
        part = len(x) if self.network.has_batch_norm else self.execution.part
        found = []
        for images in x.split(part):
            function = self._real if len(images) == part else self._features
            found.append(function(parameters, statistics, self._ordered(images), self.arithmetic))
        return torch.cat(found)

    def move(self, images: Tensor, parameters: Tensors, statistics: Tensors, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), distance): the sum over classes of the squared distance of mean features.

        As it is a sum, some classes go through at a time; with BatchNorm all, on whose statistics they meet.
        """
        at_once = self.classes if self.network.has_batch_norm else self.execution.classes_at_once(self.images_per_class)
        gradients, total = [], images.new_zeros(())
        for part, means in zip(images.split(at_once * self.images_per_class), wanted.split(at_once), strict=True):
            function = self._move if len(means) == min(at_once, self.classes) else self._eager_move
            gradient, distance = function(self._ordered(part), parameters, statistics, means)
            gradients.append(gradient)
            total = total + distance
        return torch.cat(gradients), total

    def _ordered(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.execution.memory_format)

    def _features(self, parameters: Tensors, statistics: Tensors, x: Tensor, arithmetic: Arithmetic) -> Tensor:
        return self.network.train_features(parameters, x, statistics, arithmetic=arithmetic)

    def _distance(self, images: Tensor, parameters: Tensors, statistics: Tensors, wanted: Tensor) -> Tensor:
        seen = self._features(parameters, statistics, images, self.synthetic)
        return (seen.unflatten(0, (len(wanted), -1)).mean(1) - wanted).square().sum()


def augmented(images: Tensor, siamese: Draw | None, counts: Sequence[int]) -> Tensor:
    """Images that lie class by class, so many of each, under the draw of their class."""
    return apply(images, siamese.repeated(counts)) if siamese else images


def class_means(values: Tensor, counts: Sequence[int]) -> Tensor:
    """Means (classes, d) of rows (n, d) that lie class by class, so many of each."""
    return torch.stack([part.mean(0) for part in values.split(list(counts))])
