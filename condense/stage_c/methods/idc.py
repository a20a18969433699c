"""IDC (Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022).

Gradient matching of stored images that become several images each (`decoding.Tiles`): the gradients are those of convolution
weights, and the networks that give them are trained on real images between two steps.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from condense.augmentation.laws import Operations
from condense.augmentation.operations import Draw, apply, through
from condense.checking import AtLeastOne, Count, Positive, one_of
from condense.condensed import Condensed
from condense.decoding import MOST_TILES
from condense.errors import CondenseError
from condense.execution import Work, within_learning
from condense.networks.layers import Tensors
from condense.stage_c.distance import CONVOLUTION_DISTANCES, matched_names
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.method import IMAGE_DECAYS, Method, Occasion, decayed, setting
from condense.stage_c.packing import check_packing, decoder_for, packed
from condense.stage_c.pixel_space import check_pixel_space, normalised, pixels_of
from condense.stage_c.problem import Problem
from condense.training.engine import MemberDraws, Members, Standing, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

INITS = {"first": "the first images of each class in the order of the source", "real": "real images drawn at random"}
Factor = Annotated[int, Field(ge=1, le=MOST_TILES)]
Probability = Annotated[float, Field(ge=0, le=1)]

MOST_DECODED = 128
"""Decoded images of a class that a step matches; of more, so many are drawn."""
BATCH = 64
"""Real images in a batch of the network's training."""
SYNTHETIC_COST = 2.5
"""What an image costs that is differentiated twice, in training steps of one image."""


@dataclass(frozen=True)
class State:
    """Where a run stands.

    images: (N, C, H, W), pixels in [0, 1] or a little beyond. In mid-iteration, else empty: vector, velocity (P,) and
    statistics, of the network in training and its momentum; real: indices of the real images that the next step takes again.
    """

    images: Tensor
    vector: Tensor
    velocity: Tensor
    real: Tensor
    statistics: Tensors = field(default_factory=dict)

    @staticmethod
    def between(images: Tensor) -> "State":
        """One between two iterations."""
        empty = images.new_empty(0)
        return State(images, empty, empty.clone(), torch.empty(0, dtype=torch.int64, device=images.device))


@dataclass(frozen=True, kw_only=True)
class IDC(Method):
    """Matches the gradients of convolution weights in networks that are trained on real images.

    One step is an inner step of the paper: an update of all images, and the training of the network that follows it.
    BatchNorm works on its running statistics, as the training on real images leaves them.
    """

    name: ClassVar[str] = "idc"
    title: ClassVar[str] = "gradient matching of images that become several each (Kim et al., ICML 2022)"
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "second-order"

    iterations: Count = setting("Iterations, each with a new network; published: 2000, fast: 60.")
    inner_loop: AtLeastOne = setting("Image updates per iteration; published: 100, fast: 25.")
    factor: Factor = setting("Each stored image becomes factor x factor images; published: 2.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 64, fast: 32.")
    renewal: AtLeastOne = setting("Image updates for which a real batch is kept; published: 1.")
    image_learning_rate: Positive = setting(
        "Learning rate of the images; published: 0.001 (MNIST 0.00002, Fashion-MNIST 0.0000153) times --ipc, "
        "fast: four times that."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; published: constant, fast: cosine."
    )
    metric: Annotated[str, one_of("metric", CONVOLUTION_DISTANCES)] = setting(
        "Difference of gradients: squared or absolute; published: absolute for MNIST and Fashion-MNIST, else squared."
    )
    augmentation: Operations = setting(
        "Operations of which colour, one geometric and cutout, if listed, change all images of a class and step; published: "
        "color, crop, cutout (MNIST: color, crop)."
    )
    cutmix: Probability = setting(
        "Probability that a batch of the network's training is mixed, without cutout then; published: 0.5 (MNIST 0)."
    )
    network_batches: Count = setting(
        "Batches of 64 real images that train the network after an image update; published: 8 (CIFAR 32), fast: 4."
    )
    init: Annotated[str, one_of("initialisation", INITS)] = setting(
        "Images to begin with: first or real; published: first, fast: real."
    )
    network_learning_rate: Positive = setting("Learning rate of the network.", 0.01)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code with its factor of 2.

        There each class takes a step of its own with momentum 0.5, which the steps of the other classes carry on to twice
        its length: here all classes take one step, twice as long.
        """
        digits = occasion.dataset in ("mnist", "digits")
        grey = digits or occasion.dataset == "fashion-mnist"
        base = 1e-4 if grey else 5e-3
        if occasion.dataset == "fashion-mnist":  # as its side of 28 is taken for a share of 32 there
            base *= (28 / 32) ** 2
        return cls(
            iterations=2000,
            inner_loop=100,
            factor=2,
            real_batch=64,
            renewal=1,
            image_learning_rate=2 * base * occasion.images_per_class / 10,
            image_decay="constant",
            metric="absolute" if grey else "squared",
            augmentation=("color", "crop") if digits else ("color", "crop", "cutout"),
            cutmix=0.0 if digits else 0.5,
            network_batches=32 if occasion.dataset in ("cifar10", "cifar100") else 8,
            init="first",
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """A first choice for an hour of two cores, reasoned and not yet chosen on held-out images.

        The authors run twenty times as long as their curves rise. Here networks are as often new but are left earlier, as
        in their first batches they change most; half the real images, as every step draws others; rates are four times as
        large, as there are fewer steps, and fall to zero.
        """
        settings = cls.published(occasion)
        return replace(
            settings,
            iterations=60,
            inner_loop=25,
            real_batch=32,
            image_learning_rate=4 * settings.image_learning_rate,
            image_decay="cosine",
            network_batches=4,
            init="real",
        )

    @property
    def training_operations(self) -> tuple[str, ...]:
        """Those of the network's training: where it mixes images, no cutout."""
        return tuple(name for name in self.augmentation if name != "cutout" or not self.cutmix)

    def rate(self, number: int) -> float:
        """Learning rate of the images at a step."""
        return decayed(self.image_learning_rate, self.image_decay, number / (self.iterations * self.inner_loop))

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` for a network without convolutions, whitened images, and too few to begin with."""
        if not matched_names(problem.network, self.metric):
            raise CondenseError(
                f"The method {self.name} matches gradients of convolution weights, of which {problem.network.name} has none."
            )
        check_pixel_space(problem.data, self.name)
        check_packing(problem, self.factor)

    def steps(self, problem: Problem) -> int:
        """Image updates."""
        return self.iterations * self.inner_loop

    def round(self, problem: Problem) -> int:
        """An iteration's image updates."""
        return self.inner_loop

    def counts(self, problem: Problem) -> tuple[int, ...]:
        """Real images of each class in a step."""
        return tuple(min(self.real_batch, count) for count in problem.data.counts)

    def begin(self, problem: Problem) -> State:
        """Real images of each class, packed; no network."""
        pixels = pixels_of(problem.data, self.first_images(problem), problem.dtype)
        return State.between(packed(pixels, problem.images_per_class, self.factor))

    def first_images(self, problem: Problem) -> Tensor:
        """Indices (classes * ipc * factor^2,), class by class, of the images to begin with."""
        return problem.initial_indices(self.factor**2, first=self.init == "first")

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """An update of the images and the training of the network that follows it; the distance is summed over classes."""
        iteration, inner = divmod(number, self.inner_loop)
        if not inner:
            state = self._begun(problem, state, iteration)
        real = state.real if inner % self.renewal else self.real_images(problem, state, number)
        gradient, distance = self.image_gradient(problem, state, real, number)
        images = state.images - self.rate(number) * gradient
        if inner + 1 == self.inner_loop:
            return State.between(images), {"distance": distance}
        kept = real if (inner + 1) % self.renewal else real.new_empty(0)
        return self.trained(problem, replace(state, images=images, real=kept), number), {"distance": distance}

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images as pixels in [0, 1], normalised, with their classes as labels."""
        images = normalised(problem.data, state.images.clamp(0, 1))
        return Condensed(images, problem.labels, decoder_for(problem.data, self.factor))

    def decoded_images(self, problem: Problem) -> int:
        """Decoded images of a class in a step."""
        return min(MOST_DECODED, problem.images_per_class * self.factor**2)

    def work(self, problem: Problem) -> Work:
        """That on real images: their gradients, and the training of networks."""
        each = 3.0 * problem.network.multiply_adds * (sum(self.counts(problem)) + self.network_batches * BATCH)
        return Work(multiply_adds=each * self.steps(problem), batch=self.real_batch)

    def cost(self, problem: Problem) -> float:
        """The same, and the decoded images."""
        synthetic = SYNTHETIC_COST * problem.data.classes * self.decoded_images(problem)
        return self.steps(problem) * (sum(self.counts(problem)) + synthetic + self.network_batches * BATCH)

    def shape_of_state(self, problem: Problem, number: int) -> State:
        """In mid-iteration with a network, and with real images where they are taken again."""
        images = torch.zeros((len(problem.labels), *problem.data.shape), dtype=problem.dtype, device=problem.data.device)
        state, inner = State.between(images), number % self.inner_loop
        if not inner:
            return state
        vector = images.new_empty(problem.network.parameter_count)
        real = state.real.new_empty(sum(self.counts(problem)) if inner % self.renewal else 0)
        return State(images, vector, vector, real, problem.network.initial_statistics(problem.data.device, problem.dtype))

    def remarks(self, problem: Problem) -> list[str]:
        """On classes smaller than the real batch."""
        return problem.small_classes(self.real_batch)

    def real_images(self, problem: Problem, state: State, number: int) -> Tensor:
        """Indices (n,), class by class, of a step's real images: epochs without replacement, the rest of each unused."""
        iteration, inner = divmod(number, self.inner_loop)
        draw = iteration * -(-self.inner_loop // self.renewal) + inner // self.renewal
        return problem.epoch_batches(self.real_batch, draw, "order of a class").indices

    def _begun(self, problem: Problem, state: State, iteration: int) -> State:
        """Pixels in [0, 1] and a new network."""
        vector, statistics = problem.new_network(iteration)
        return replace(
            state,
            images=state.images.clamp(0, 1),
            vector=vector,
            velocity=torch.zeros_like(vector),
            statistics=statistics,
        )

    def image_gradient(self, problem: Problem, state: State, real: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), sum over classes) of the distance between real and synthetic gradients."""
        siamese = problem.siamese(self.augmentation, number, law="several")
        parameters = Layout.of(problem.network).views(state.vector)
        with torch.enable_grad():
            leaf = state.images.detach().requires_grad_()
            seen = self.shown(problem, leaf, number)
        of_each = siamese and siamese.repeated([self.decoded_images(problem)] * problem.data.classes)
        move = partial(self._match, problem, parameters, state.statistics, real, siamese, number)
        gradient, distance = through(seen.detach(), of_each, move)
        return torch.autograd.grad(seen, leaf, gradient)[0], distance

    def shown(self, problem: Problem, images: Tensor, number: int) -> Tensor:
        """What the network sees of stored images, (classes * decoded images, C, H, W), class by class, normalised."""
        decoder, classes = decoder_for(problem.data, self.factor), problem.data.classes
        decoded = decoder.decode(normalised(problem.data, images), problem.labels)[0]
        decoded = decoded.unflatten(0, (decoder.multiple, classes, -1)).transpose(0, 1).flatten(1, 2)
        if decoded.shape[1] > MOST_DECODED:
            random = problem.random("decoded images", number)
            keys = torch.rand(decoded.shape[:2], generator=random, device=random.device)
            rows = torch.arange(classes, device=images.device)[:, None]
            decoded = decoded[rows, keys.topk(MOST_DECODED, dim=1).indices]
        return decoded.flatten(0, 1)

    def _match(
        self,
        problem: Problem,
        parameters: Tensors,
        statistics: Tensors,
        real: Tensor,
        siamese: Draw | None,
        number: int,
        images: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(Gradient by the images that the network sees, distance): all classes in one pass where that is quicker."""
        counts, classes = self.counts(problem), problem.data.classes
        matcher = problem.once(
            ("gradients", self.metric),
            partial(GradientMatcher, problem.network, self.metric, problem.data.device, problem.execution),
        )
        if problem.execution.together and len(set(counts)) == 1:
            x = real_inputs(problem, real, siamese and siamese.repeated(counts)).unflatten(0, (classes, -1))
            total, gradients = matcher.match_all(parameters, statistics, x, images.unflatten(0, (classes, -1)))
            return gradients.flatten(0, 1), total
        dropout = problem.random("dropout", number) if problem.network.has_dropout else None
        each = (
            real_inputs(problem, indices, siamese and siamese[label : label + 1])
            for label, indices in enumerate(real.split(counts))
        )
        total, gradients = matcher.match_each(parameters, statistics, each, images, dropout)
        return gradients, total

    def recipe(self) -> Recipe:
        """How networks are trained between two steps."""
        return Recipe(
            (Stage(1, self.network_learning_rate),),
            batch_size=BATCH,
            momentum=0.9,
            weight_decay=5e-4,
            augmentation=self.training_operations,
            law="several",
            cutmix=self.cutmix,
            new_optimisers=False,
        )

    def trained(self, problem: Problem, state: State, number: int) -> State:
        """The network after some batches of real images, drawn without replacement."""
        if not self.network_batches:
            return state
        data, random, reached = problem.data, problem.random("training images", number), list[Standing]()
        chosen = torch.randperm(len(data), generator=random, device=random.device)[: self.network_batches * BATCH]
        train(
            problem.network,
            Standing(0, Members(state.vector[None], stacked(state.statistics)), {"velocity": state.velocity[None]}),
            TensorSource(data.inputs(chosen, problem.dtype), data.labels[chosen]),
            self.recipe(),
            [MemberDraws.of(problem.seed, "training", number, device=data.device)],
            execution=within_learning(problem.execution, problem.network, data.device, batch=min(BATCH, len(chosen))),
            keep=reached.append,
        )
        members, velocity = reached[-1].members, reached[-1].optimiser["velocity"]
        statistics = {name: value[0] for name, value in members.statistics.items()}
        return replace(state, vector=members.vector[0], velocity=velocity[0], statistics=statistics)


def real_inputs(problem: Problem, indices: Tensor, draw: Draw | None) -> Tensor:
    """Real images (n, C, H, W), normalised, as a draw changes them."""
    x = problem.data.inputs(indices, problem.dtype)
    return apply(x, draw) if draw else x


def stacked(statistics: Tensors) -> Tensors:
    """Statistics of one network as those of a stack of one."""
    return {name: value[None] for name, value in statistics.items()}
