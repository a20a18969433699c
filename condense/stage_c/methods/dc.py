"""Gradient matching (Zhao, Mopuri and Bilen, Dataset Condensation with Gradient Matching, ICLR 2021).

Algorithm 1, as in the authors' code. Every iteration draws a new network. Every outer step takes a batch of real images of
each class, moves the synthetic images down the gradient of the summed distances, and, but for the last of an iteration,
trains the network on the synthetic images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from condense.augmentation.operations import Draw, apply, through
from condense.checking import AtLeastOne, Count, Positive, Share, one_of
from condense.condensed import Condensed
from condense.data.images import ClassBatches
from condense.execution import Precision, Work, within_learning
from condense.networks.layers import Tensors
from condense.stage_c.distance import DISTANCES
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.method import IMAGE_DECAYS, Method, Occasion, decayed, setting, with_momentum
from condense.stage_c.precision import image_gradient_cosine
from condense.stage_c.problem import Problem
from condense.training.engine import MemberDraws, Members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

IMAGE_CLIPS = {"none": "as long as they are", "median": "no image's gradient longer than three times the median image's"}
INITS = {"noise": "N(0, 1)", "real": "real images of each class, drawn at random"}
PUBLISHED_LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
LONGEST = 3.0
"""How long an image's gradient may be where they are shortened, in lengths of the median image's."""

BATCH_NORM_IMAGES = 16
"""Real images per class whose one forward pass sets BatchNorm's running statistics before each outer step."""
SYNTHETIC_COST = 2.5
"""What an image costs that is differentiated twice, in training steps of one image."""


@dataclass(frozen=True)
class State:
    """Where a run stands: all that the next outer step depends on, beside its number, the settings and the real images.

    images, velocity: (N, C, H, W); vector (P,), statistics: the network in mid-iteration, empty between iterations.
    """

    images: Tensor
    velocity: Tensor
    vector: Tensor
    statistics: Tensors = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DC(Method):
    """Moves the images down the distance between the gradients that real and synthetic images give a network in training.

    One step is an outer step of the paper's Algorithm 1: an image update, with the training of the network that follows it.
    """

    name: ClassVar[str] = "dc"
    title: ClassVar[str] = "gradient matching (Zhao et al., ICLR 2021)"
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "second-order"
    precisions: ClassVar[tuple[Precision, ...]] = ("mixed", "tf32")
    augmentation: ClassVar[tuple[str, ...]] = ()

    iterations: Count = setting(
        "Iterations, each with a new network; published: 1000, fast: 600 (LeNet 1200) for one image per class."
    )
    outer_loop: AtLeastOne = setting("Image updates per iteration; as many as images per class, up to 50 (fast: 10).")
    inner_loop: Count = setting(
        "Passes of network training between image updates; published: 1 for one image per class, else 50 to 10, falling "
        "with --ipc; fast: at most 10."
    )
    real_batch: AtLeastOne = setting(
        "Real images per class and step; published: 256, fast: 8 (LeNet 32) for one image per class, else 32."
    )
    image_learning_rate: Positive = setting(
        "Learning rate of the images; published: 0.1, fast: 0.5 (LeNet 0.1), a tenth of it with the MLP."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; published: constant, fast: cosine."
    )
    image_clip: Annotated[str, one_of("clip", IMAGE_CLIPS)] = setting(
        "Shorten gradients of images: none, or median (to three times the median image's); published: none, fast: median "
        "with the MLP."
    )
    network_learning_rate: Positive = setting(
        "Learning rate of the network between image updates; published: 0.01, fast: 0.01 for one image per class, else 0.05."
    )
    init: Annotated[str, one_of("initialisation", INITS)] = setting(
        "Start from noise or from real images; published: noise, fast: noise for one image per class, else real."
    )
    distance: Annotated[str, one_of("distance", DISTANCES)] = setting(
        "Distance between gradients: ours, mse or cos.", "ours"
    )
    image_momentum: Share = setting("Momentum of the images.", 0.5)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code; other images per class than theirs by the rule of `published_loops`."""
        outer_loop, inner_loop = published_loops(occasion.images_per_class)
        return cls(
            iterations=1000,
            outer_loop=outer_loop,
            inner_loop=inner_loop,
            real_batch=256,
            image_learning_rate=0.01 if occasion.network == "MLP" else 0.1,
            image_decay="constant",
            image_clip="none",
            network_learning_rate=0.01,
            init="noise",
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """Chosen with ConvNet: many steps on few real images, as each network draws another noise anyway.

        LeNet loses by steps as large as that, and takes more and smaller ones. The MLP's image gradients are now and then
        many times as long as usual (where a unit hardly answers to an image, Eq. 9 divides by next to nothing), and one such
        step would leave an image as noise: they are shortened. Above one image per class networks take fewer steps than
        published, and larger ones.
        """
        outer_loop, inner_loop = published_loops(occasion.images_per_class)
        single, lenet = occasion.images_per_class == 1, occasion.network == "LeNet"
        outer_loop = min(outer_loop, 10)
        return cls(
            iterations=(1200 if lenet else 600) if single else 1200 // outer_loop,
            outer_loop=outer_loop,
            inner_loop=min(inner_loop, 10),
            real_batch=8 if single and not lenet else 32,
            image_learning_rate={"MLP": 0.05, "LeNet": 0.1}.get(occasion.network, 0.5),
            image_decay="cosine",
            image_clip="median" if occasion.network == "MLP" else "none",
            network_learning_rate=0.01 if single else 0.05,
            init="noise" if single else "real",
        )

    def rate(self, iteration: int, outer: int) -> float:
        """Learning rate of the images at an outer step of an iteration, both counted from 0."""
        done = (iteration + outer / self.outer_loop) / self.iterations
        return decayed(self.image_learning_rate, self.image_decay, done)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where images begin as real ones and a class has too few."""
        if self.init == "real":
            problem.check_classes(advice="--init noise does without real images to begin with.")

    def steps(self, problem: Problem) -> int:
        """Outer steps."""
        return self.iterations * self.outer_loop

    def begin(self, problem: Problem) -> State:
        """Images from noise N(0, 1), or real images of each class; no network."""
        images = problem.real_images() if self.init == "real" else problem.noise()
        return State(images, torch.zeros_like(images), images.new_empty(0))

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """An outer step and the training of the network that follows it; the distance is summed over classes."""
        step = iteration, outer = divmod(number, self.outer_loop)
        vector, statistics = (state.vector, state.statistics) if outer else problem.new_network(iteration)
        if problem.network.has_batch_norm:
            statistics = self.refreshed_statistics(problem, vector, statistics, step)
        gradient, distance = self.image_gradient(problem, vector, statistics, state.images, step)
        if self.image_clip == "median":
            gradient = shortened(gradient)
        images, velocity = with_momentum(state.images, state.velocity, gradient, self.rate(*step), self.image_momentum)
        if outer + 1 == self.outer_loop:
            return State(images, velocity, vector.new_empty(0)), {"distance": distance}
        vector, statistics = self.inner_training(problem, vector, statistics, images, step)
        return State(images, velocity, vector, statistics), {"distance": distance}

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images, with their classes as labels."""
        return Condensed(state.images, problem.labels)

    def work(self, problem: Problem) -> Work:
        """That on real images."""
        real = problem.real_batch_images(self.real_batch)
        each = problem.network.multiply_adds * 3 * real
        return Work(multiply_adds=each * self.steps(problem), batch=self.real_batch)

    def cost(self, problem: Problem) -> float:
        """Real images, synthetic ones, and the training of the network between."""
        real = problem.real_batch_images(self.real_batch)
        synthetic = problem.data.classes * problem.images_per_class
        inner = self.iterations * (self.outer_loop - 1) * self.inner_loop * synthetic
        return self.steps(problem) * (real + SYNTHETIC_COST * synthetic) + inner

    def shape_of_state(self, problem: Problem, number: int) -> State:
        """In mid-iteration with a network."""
        images = torch.zeros((len(problem.labels), *problem.data.shape), dtype=problem.dtype, device=problem.data.device)
        if not number % self.outer_loop:
            return State(images, images, images.new_empty(0))
        statistics = problem.network.initial_statistics(problem.data.device, problem.dtype)
        return State(images, images, images.new_empty(problem.network.parameter_count), statistics)

    def round(self, problem: Problem) -> int:
        """An iteration's outer steps."""
        return self.outer_loop

    def loss(self, problem: Problem, values: Sequence[float]) -> float:
        """The mean over classes and outer steps."""
        return sum(values) / (problem.data.classes * len(values))

    def agreement(self, problem: Problem, precision: Precision) -> float:
        """Cosine between the image gradients of three classes, with real images in this precision and in float32."""
        return image_gradient_cosine(precision, problem.network, self.distance, problem.data)

    def remarks(self, problem: Problem) -> list[str]:
        """On classes smaller than the real batch."""
        return problem.small_classes(self.real_batch)

    def matcher(self, problem: Problem) -> GradientMatcher:
        """What computes the two gradients, with its compiled functions."""
        return problem.once(
            ("gradients", self.distance),
            partial(GradientMatcher, problem.network, self.distance, problem.data.device, problem.execution),
        )

    def refreshed_statistics(self, problem: Problem, vector: Tensor, statistics: Tensors, step: tuple[int, int]) -> Tensors:
        """BatchNorm's running statistics after one training-mode pass of 16 real images per class.

        The published quirk: PyTorch's momentum makes them 0.9 old + 0.1 of that batch, so at the first outer step of a new
        network they are still mostly mean 0 and variance 1. The distances then use them frozen.
        """
        drawn = problem.data.draw_class_batches(BATCH_NORM_IMAGES, problem.random("batch norm images", *step))
        x = problem.data.inputs(drawn.indices, problem.dtype)
        with torch.no_grad():
            return problem.network.train_logits(Layout.of(problem.network).views(vector), x, statistics)[1]

    def image_gradient(
        self, problem: Problem, vector: Tensor, statistics: Tensors, images: Tensor, step: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), sum over classes) of the distance between real and synthetic gradients."""
        parameters = Layout.of(problem.network).views(vector)
        drawn = problem.data.draw_class_batches(self.real_batch, problem.random("real batch", *step))
        siamese = problem.siamese(self.augmentation, *step)
        together = problem.execution.together and len(set(drawn.counts)) == 1
        way = self._of_all_classes if together else partial(self._class_by_class, step=step)
        of_each = problem.synthetic_draws(siamese)
        return through(images, of_each, lambda x: way(problem, parameters, statistics, x, drawn, siamese))

    def _class_by_class(
        self,
        problem: Problem,
        parameters: Tensors,
        statistics: Tensors,
        images: Tensor,
        drawn: ClassBatches,
        siamese: Draw | None,
        *,
        step: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        dropout = problem.random("dropout", *step) if problem.network.has_dropout else None
        real = (
            self._real(problem, indices, siamese[label : label + 1] if siamese else None)
            for label, indices in enumerate(drawn.indices.split(drawn.counts))
        )
        total, gradients = self.matcher(problem).match_each(parameters, statistics, real, images, dropout)
        return gradients, total

    def _of_all_classes(
        self,
        problem: Problem,
        parameters: Tensors,
        statistics: Tensors,
        images: Tensor,
        drawn: ClassBatches,
        siamese: Draw | None,
    ) -> tuple[Tensor, Tensor]:
        """The same with all classes in one pass; drawn: as many real images of every class."""
        x = self._real(problem, drawn.indices, siamese.repeated(drawn.counts) if siamese else None)
        x = x.unflatten(0, (problem.data.classes, -1))
        grouped = images.view(problem.data.classes, problem.images_per_class, *images.shape[1:])
        total, gradients = self.matcher(problem).match_all(parameters, statistics, x, grouped)
        return gradients.reshape(images.shape), total

    @staticmethod
    def _real(problem: Problem, indices: Tensor, siamese: Draw | None) -> Tensor:
        x = problem.data.inputs(indices, problem.dtype)
        return apply(x, siamese) if siamese else x

    def inner_training(
        self, problem: Problem, vector: Tensor, statistics: Tensors, images: Tensor, step: tuple[int, int]
    ) -> tuple[Tensor, Tensors]:
        """The network after `inner_loop` passes of plain SGD over the synthetic images."""
        members = Members(vector[None], {name: value[None] for name, value in statistics.items()})
        draws = [MemberDraws.of(problem.seed, "inner loop", *step, device=problem.data.device)]
        source = TensorSource(images, problem.labels)
        stages, law = (Stage(self.inner_loop, self.network_learning_rate),), "single" if self.augmentation else "each"
        recipe = Recipe(stages, batch_size=256, augmentation=self.augmentation, law=law)
        batch = min(recipe.batch_size, len(images))
        execution = within_learning(problem.execution, problem.network, images.device, batch=batch)
        trained = train(problem.network, members, source, recipe, draws, execution=execution)
        return trained.vector[0], {name: value[0] for name, value in trained.statistics.items()}


def published_loops(images_per_class: int) -> tuple[int, int]:
    """(outer loop, inner loop) as published where they are.

    For others, outer = min(ipc, 50), as in all published values, and inner is
    interpolated linearly between the published ones and rounded: 50 below 10 images per class, 10 above 50.
    """
    if images_per_class in PUBLISHED_LOOPS:
        return PUBLISHED_LOOPS[images_per_class]
    anchors = [ipc for ipc in PUBLISHED_LOOPS if ipc > 1]
    inner = np.interp(images_per_class, anchors, [PUBLISHED_LOOPS[ipc][1] for ipc in anchors])
    return min(images_per_class, 50), round(float(inner))


def shortened(gradient: Tensor) -> Tensor:
    """Gradients of images (N, C, H, W), none longer than `LONGEST` times the median (of an even number the lower one)."""
    lengths = gradient.flatten(1).norm(dim=1)
    limit = LONGEST * lengths.median()
    factors = torch.where(lengths > limit, limit / lengths, 1.0)
    return gradient * factors[:, None, None, None]
