"""Distribution matching (Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023).

Every step draws a new network, and moves the synthetic images down the gradient of the sum over classes of the squared
distance between the mean features of real and of synthetic images. The networks are not trained.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import torch
from torch import Tensor

from condense.augmentation.laws import OneOfSeveral, siamese_operations
from condense.augmentation.operations import through
from condense.checking import AtLeastOne, Count, Positive, Share, one_of
from condense.condensed import Condensed
from condense.execution import Work
from condense.stage_c.features import Features, augmented
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
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "first-order"

    iterations: Count = setting("Image updates, each with a new network; published: 20000, fast: 1000.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 256, fast: 32.")
    image_learning_rate: Positive = setting(
        "Learning rate of the images; published: 1 (10 from 100 images per class of CIFAR-10 on), fast: the images per "
        "class, 10 at most."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; published: constant, fast: cosine."
    )
    augmentation: OneOfSeveral = setting(
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
        features = problem.once("features", lambda: Features(problem, problem.images_per_class))
        wanted = features.wanted(parameters, statistics, real, drawn.counts)
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
