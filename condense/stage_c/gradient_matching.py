"""Dataset condensation by gradient matching (Zhao et al., ICLR 2021, Algorithm 1, as in the authors' code).

Every iteration draws a new network. Every outer step takes a batch of real images of each class, moves the synthetic images
down the gradient of the summed distances, and, but for the last step, trains the network on the synthetic images.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw, apply
from condense.config import LearnConfig
from condense.data.images import ClassBatches, LabelledImages
from condense.errors import RunFailed
from condense.execution import classes_together, real_images_together
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.randomness import generator
from condense.stage_c.matching import GradientMatcher
from condense.training.engine import MemberDraws, Members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

LONGEST = 3.0
"""How long an image's gradient may be where they are shortened, in lengths of the median image's."""

BATCH_NORM_IMAGES = 16
"""Real images a class whose one forward pass sets BatchNorm's running statistics before each outer step."""


@dataclass(frozen=True)
class State:
    """Where a run stands: all that the next outer step depends on, beside the configuration and the real images.

    images, velocity: (N, C, H, W); iteration, outer: the step to do next; vector (P,), statistics: the network in
    mid-iteration (unused at outer 0); losses: of finished iterations; pending: sum of distances in this iteration so far.
    """

    images: Tensor
    velocity: Tensor
    vector: Tensor
    statistics: Tensors = field(default_factory=dict)
    iteration: int = 0
    outer: int = 0
    losses: tuple[float, ...] = ()
    pending: float = 0.0


class GradientMatching:
    """Stage C for one configuration, one set of real images and one network.

    augmentation: operations of which one a class and step augments real and synthetic images alike, and one a batch the
    images that the network is trained on (Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation,
    ICML 2021).
    """

    def __init__(
        self,
        config: LearnConfig,
        data: LabelledImages,
        network: Network,
        *,
        compiled: bool = False,
        precision: str = "fp32",
        all_classes: bool | None = None,
        augmentation: tuple[str, ...] = (),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.data, self.network, self.dtype = config, data, network, dtype
        self.plan, self.compiled = config.plan(), compiled
        self.layout = Layout.of(network)
        self.matcher = GradientMatcher(
            network, config.distance, data.device, self.plan.real_batch, compiled=compiled, precision=precision
        )
        self.all_classes = classes_together(network, data.device) if all_classes is None else all_classes
        self.labels = torch.arange(data.classes, device=data.device).repeat_interleave(config.ipc)
        self.siamese = Law("single", augmentation) if augmentation else None
        stages = (Stage(self.plan.inner_loop, self.plan.network_learning_rate),)
        self.inner_recipe = Recipe(
            stages, batch_size=256, augmentation=augmentation, law="single" if augmentation else "each"
        )
        self._random: Callable[..., torch.Generator] = partial(generator, config.seed, device=data.device)

    def start(self) -> State:
        """The state before the first step: images from noise N(0, 1), or real images of each class."""
        shape = (len(self.labels), *self.data.shape)
        if self.plan.init == "real":
            drawn = self.data.draw_class_batches(self.config.ipc, self._random("initial images"))
            images = self.data.inputs(drawn.indices, self.dtype)
        else:
            images = torch.randn(shape, generator=generator(self.config.seed, "initial images")).to(
                self.data.device, self.dtype
            )
        return State(images, torch.zeros_like(images), images.new_empty(0))

    def advance(self, state: State) -> State:
        """One outer step, with the training of the network that follows it."""
        vector, statistics = (state.vector, state.statistics) if state.outer else self._new_network(state.iteration)
        step = state.iteration, state.outer
        if self.network.has_batch_norm:
            statistics = self.refreshed_statistics(vector, statistics, step)
        distance, gradient = self.image_gradient(vector, statistics, state.images, step)
        if self.plan.image_clip == "median":
            gradient = shortened(gradient)
        velocity = self.config.image_momentum * state.velocity + gradient
        images = state.images - self.plan.rate(*step) * velocity
        pending = state.pending + distance
        if state.outer + 1 == self.plan.outer_loop:
            loss = pending / (self.data.classes * self.plan.outer_loop)
            _check_finite(loss, images, state)
            return State(images, velocity, vector.new_empty(0), iteration=state.iteration + 1, losses=(*state.losses, loss))
        _check_finite(pending, images, state)
        vector, statistics = self.inner_training(vector, statistics, images, step)
        return replace(
            state,
            images=images,
            velocity=velocity,
            vector=vector,
            statistics=statistics,
            outer=state.outer + 1,
            pending=pending,
        )

    def _new_network(self, iteration: int) -> tuple[Tensor, Tensors]:
        parameters = self.network.initial(generator(self.config.seed, "network", iteration), self.dtype)
        statistics = self.network.initial_statistics(self.data.device, self.dtype)
        return self.layout.flatten(parameters).to(self.data.device), statistics

    def refreshed_statistics(self, vector: Tensor, statistics: Tensors, step: tuple[int, int]) -> Tensors:
        """BatchNorm's running statistics after one training-mode pass of 16 real images a class.

        The published quirk: PyTorch's momentum makes them 0.9 old + 0.1 of that batch, so at the first outer step of a new
        network they are still mostly mean 0 and variance 1. The distances then use them frozen.
        """
        drawn = self.data.draw_class_batches(BATCH_NORM_IMAGES, self._random("batch norm images", *step))
        x = self.data.inputs(drawn.indices, self.dtype)
        with torch.no_grad():
            return self.network.train_logits(self.layout.views(vector), x, statistics)[1]

    def image_gradient(
        self, vector: Tensor, statistics: Tensors, images: Tensor, step: tuple[int, int]
    ) -> tuple[float, Tensor]:
        """Sum over classes of the distance between real and synthetic gradients, and its gradient (N, C, H, W)."""
        parameters = self.layout.views(vector)
        drawn = self.data.draw_class_batches(self.plan.real_batch, self._random("real batch", *step))
        siamese = self._siamese(step)
        if self.all_classes and len(set(drawn.counts)) == 1:
            return self._of_all_classes(parameters, statistics, images, drawn, siamese)
        dropout = self._random("dropout", *step) if self.network.has_dropout else None
        total, gradients = images.new_zeros(()), []
        parts = zip(drawn.indices.split(drawn.counts), images.split(self.config.ipc), strict=True)
        for label, (real, synthetic) in enumerate(parts):
            own = siamese[label : label + 1] if siamese else None
            x = self._real(real, own)
            real_gradient = self.matcher.real_gradient(parameters, statistics, x, label, dropout)
            distance, gradient = self.matcher.match(parameters, statistics, synthetic, label, real_gradient, dropout, own)
            total = total + distance
            gradients.append(gradient)
        return float(total), torch.cat(gradients)

    def _siamese(self, step: tuple[int, int]) -> Draw | None:
        """What augments each class's images at a step, real and synthetic alike; drawn on the CPU, for any device."""
        if self.siamese is None:
            return None
        random = generator(self.config.seed, "siamese augmentation", *step)
        return self.siamese.draw(self.data.classes, self.data.shape[1:], random).to(self.data.device)

    def _real(self, indices: Tensor, siamese: Draw | None) -> Tensor:
        x = self.data.inputs(indices, self.dtype)
        return apply(x, siamese) if siamese else x

    def _of_all_classes(
        self, parameters: Tensors, statistics: Tensors, images: Tensor, real: ClassBatches, siamese: Draw | None
    ) -> tuple[float, Tensor]:
        """The same with all classes in one pass; real: as many for every class."""
        x = self._real(real.indices, siamese.repeated(real.counts) if siamese else None)
        x = x.unflatten(0, (self.data.classes, -1))
        grouped = images.view(self.data.classes, self.config.ipc, *images.shape[1:])
        chunk = real_images_together(self.network, self.data.classes, x.shape[1])
        total, gradients = self.matcher.match_all(parameters, statistics, x, grouped, chunk, siamese)
        return float(total), gradients.reshape(images.shape)

    def inner_training(
        self, vector: Tensor, statistics: Tensors, images: Tensor, step: tuple[int, int]
    ) -> tuple[Tensor, Tensors]:
        """The network after `inner_loop` passes of plain SGD over the synthetic images."""
        members = Members(vector[None], {name: value[None] for name, value in statistics.items()})
        draws = [MemberDraws.of(self.config.seed, "inner loop", *step, device=self.data.device)]
        source = TensorSource(images, self.labels)
        trained = train(self.network, members, source, self.inner_recipe, draws, compiled=self.compiled)
        return trained.vector[0], {name: value[0] for name, value in trained.statistics.items()}


def shortened(gradient: Tensor) -> Tensor:
    """Gradients of images (N, C, H, W), none longer than `LONGEST` times the median (of an even number the lower one)."""
    lengths = gradient.flatten(1).norm(dim=1)
    limit = LONGEST * lengths.median()
    factors = torch.where(lengths > limit, limit / lengths, 1.0)
    return gradient * factors[:, None, None, None]


def _check_finite(loss: float, images: Tensor, state: State) -> None:
    if not (torch.isfinite(torch.tensor(loss)) and torch.isfinite(images).all()):
        raise RunFailed(
            f"Stage C stopped at iteration {state.iteration + 1}, outer step {state.outer + 1}: the matching loss or the "
            "images are no longer finite. Try a smaller image learning rate."
        )
