"""What methods have in common that match features in networks trained beforehand (DANCE and those after it).

Images are pixels in [0, 1], several packed into one. Within an iteration the network is fixed, and what a class's images
are moved by sees these alone; so all classes go through in one pass. The authors step class by class with momentum .5: the
classes in between move an image on by its momentum, which comes to one plain step at twice the rate, up to .5 to the power
of the number of classes.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from condense.augmentation.laws import Operations
from condense.augmentation.operations import Draw, apply
from condense.checking import AtLeastOne, Count, Positive, one_of
from condense.condensed import Condensed
from condense.decoding import IDENTITY, MOST_TILES, Tiles
from condense.execution import Work
from condense.networks.layers import Tensors
from condense.networks.network import TRAINING_PASSES
from condense.stage_c.experts import Plan, recipe_of
from condense.stage_c.features import Features, augmented
from condense.stage_c.fixed_network import Fixed
from condense.stage_c.method import IMAGE_DECAYS, Method, decayed, setting
from condense.stage_c.packing import check_packing, decoder_for, packed
from condense.stage_c.pixel_space import check_pixel_space, normalised, pixels_of
from condense.stage_c.problem import Problem

LAW = "several"
"""Of augmentation: every part of colour, one move, a hole."""
INITS = {"first": "the first images of each class, as published", "random": "images of each class drawn by the seed"}


@dataclass(frozen=True)
class State:
    """The images (N, C, H, W), pixels in [0, 1], and what their optimiser keeps, if anything."""

    images: Tensor
    optimiser: Tensors


@dataclass(frozen=True, kw_only=True)
class ExpertMatching(Method):
    """Features of synthetic images are moved to those of real ones, and images to what a network names rightly.

    joint: whether the images take one step by both, else one by each.
    """

    joint: ClassVar[bool] = False
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "first-order"

    iterations: Count = setting("Updates of the images; published: 10000, fast: 1000.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 128, fast: 128.")
    synthetic_batch: AtLeastOne = setting("Decoded synthetic images per class and step, of more so many drawn.")
    image_learning_rate: Positive = setting(
        "Learning rate of the images, all classes in one step; published: .02 times the images per class, to which .01 with "
        "momentum .5 class by class comes."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; published: constant, fast: cosine."
    )
    augmentation: Operations = setting("Operations that change real and synthetic images alike: colour, one move, cutout.")
    factor: Annotated[int, Field(ge=1, le=MOST_TILES)] = setting("Each stored image holds factor x factor smaller ones.")
    init: Annotated[str, one_of("init", INITS)] = setting(
        "Real images to begin with: first or random of each class; published: first, fast: random."
    )
    expert_count: AtLeastOne = setting("Networks trained beforehand; published: 5, fast: 2.")
    expert_epochs: AtLeastOne = setting("Epochs of training them; published: 60, fast: 10.")
    pool: Count = setting(
        "Networks with real images and draws that steps take in turn, what is wanted of them being computed once; 0: new "
        "ones at each step; published: 0, fast: 200."
    )
    cross_entropy: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting(
        "Weight of the cross-entropy of trained networks on the synthetic images.", 1.0
    )

    @abstractmethod
    def networks(self, problem: Problem, place: int) -> tuple[Fixed, Fixed]:
        """(The one whose features are matched, the one that names the images) at a step or place in the pool."""

    def experts(self, problem: Problem) -> Plan:
        """As IDC trains networks on real images."""
        return Plan(recipe_of(self.expert_epochs), self.expert_count)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` for whitened images, and where a class has too few or none can be cut so."""
        check_pixel_space(problem.data, self.name)
        check_packing(problem, self.factor)

    def steps(self, problem: Problem) -> int:
        """Iterations."""
        return self.iterations

    def work(self, problem: Problem) -> Work:
        """Real images forward, as often as they are new."""
        images = problem.real_batch_images(self.real_batch) * min(self.iterations, self.pool or self.iterations)
        return Work(multiply_adds=float(problem.network.multiply_adds) * images, batch=self.real_batch)

    def cost(self, problem: Problem) -> float:
        """Training the experts, real images forward, synthetic ones there and back by each of two losses."""
        real = self.work(problem).multiply_adds / (TRAINING_PASSES * problem.network.multiply_adds)
        synthetic = 2 * self._each(problem) * problem.data.classes * self.iterations
        return real + synthetic + self.expert_count * self.expert_epochs * len(problem.data)

    def begin(self, problem: Problem) -> State:
        """Real images, packed."""
        indices = problem.initial_indices(self.factor**2, first=self.init == "first")
        images = packed(pixels_of(problem.data, indices, problem.dtype), problem.images_per_class, self.factor)
        return State(images, self.fresh_optimiser(images))

    def fresh_optimiser(self, images: Tensor) -> Tensors:
        """What the images' optimiser keeps, at the start; of plain steps nothing."""
        return {}

    def moved(self, problem: Problem, state: State, gradient: Tensor, number: int, move: int) -> State:
        """The state after a step of the images along a gradient, the first (0) or the second (1) of an iteration."""
        rate = decayed(self.image_learning_rate, self.image_decay, number / self.iterations)
        return State(state.images - rate * gradient, state.optimiser)

    def given(self, problem: Problem, place: int) -> Tensor | None:
        """What the signal that is matched is drawn by."""
        return None

    def features(self, problem: Problem) -> Features:
        """The signal that is matched, and moves by it."""
        return Features(problem, self._each(problem))

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """Both moves of the images, which stay within [0, 1] after them."""
        place = number % self.pool if self.pool else number
        matched, naming = self.networks(problem, place)
        features = problem.once("features", lambda: self.features(problem))
        siamese, given = problem.siamese(self.augmentation, place, law=LAW), self.given(problem, place)

        def real_side() -> Tensor:
            return self._wanted(problem, features, matched, siamese, given, place)

        wanted = problem.once(("wanted", place), real_side) if self.pool else real_side()
        labels = torch.arange(problem.data.classes, device=problem.data.device)

        def match(x: Tensor) -> tuple[Tensor, Tensor]:
            return features.move(x, matched.parameters, matched.statistics, wanted, given)

        def name(x: Tensor) -> tuple[Tensor, Tensor]:
            gradient, loss = features.naming(x, naming.parameters, naming.statistics, labels)
            return self.cross_entropy * gradient, loss

        if self.joint:
            losses = list[Tensor]()

            def both(x: Tensor) -> tuple[Tensor, Tensor]:
                (one, distance), (other, loss) = match(x), name(x)
                losses.extend([distance, loss])
                return one + other, distance

            gradient, _ = self._gradient(problem, state.images, siamese, (number, 0), both)
            state = self.moved(problem, state, gradient, number, 0)
            distance, loss = losses
        else:
            gradient, distance = self._gradient(problem, state.images, siamese, (number, 0), match)
            state = self.moved(problem, state, gradient, number, 0)
            another = problem.siamese(self.augmentation, number, 1, law=LAW)
            gradient, loss = self._gradient(problem, state.images, another, (number, 1), name)
            state = self.moved(problem, state, gradient, number, 1)
        return State(state.images.clamp(0, 1), state.optimiser), {"distance": distance, "cross-entropy": loss}

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images as networks see them, with what takes them apart."""
        return Condensed(normalised(problem.data, state.images), problem.labels, decoder_for(problem.data, self.factor))

    def remarks(self, problem: Problem) -> list[str]:
        """On classes smaller than the real batch."""
        return problem.small_classes(self.real_batch)

    def _each(self, problem: Problem) -> int:
        """Decoded images of a class in a step."""
        return min(self.synthetic_batch, problem.images_per_class * self.factor**2)

    def _wanted(
        self, problem: Problem, features: Features, fixed: Fixed, siamese: Draw | None, given: Tensor | None, place: int
    ) -> Tensor:
        drawn = problem.epoch_batches(self.real_batch, place, "real order")
        real = augmented(problem.data.inputs(drawn.indices, problem.dtype), siamese, drawn.counts)
        return features.wanted(fixed.parameters, fixed.statistics, real, drawn.counts, given)

    def _gradient(
        self,
        problem: Problem,
        images: Tensor,
        siamese: Draw | None,
        step: tuple[int, int],
        moved: Callable[[Tensor], tuple[Tensor, Tensor]],
    ) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), value) of a function of the images as networks see them, class by class."""
        each = self._each(problem)
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            decoded = by_class(leaf, problem.data.classes, self.factor)
            if each < decoded.shape[1]:
                keys = torch.rand(decoded.shape[:2], generator=problem.random("synthetic batch", *step), device=leaf.device)
                chosen = keys.argsort(1)[:, :each]
                decoded = decoded[torch.arange(len(decoded), device=leaf.device)[:, None], chosen]
            seen = normalised(problem.data, decoded.flatten(0, 1))
            seen = apply(seen, siamese.repeated([each] * problem.data.classes)) if siamese else seen
        gradient, value = moved(seen.detach())
        return torch.autograd.grad(seen, leaf, gradient)[0], value


def by_class(images: Tensor, classes: int, factor: int) -> Tensor:
    """Stored images (N, C, H, W), class by class, decoded: (classes, images of each, C, H, W), tile by tile in a class."""
    decoder = Tiles(factor) if factor > 1 else IDENTITY
    decoded, _ = decoder.decode(images, torch.zeros(len(images), device=images.device))
    return decoded.unflatten(0, (decoder.multiple, classes, -1)).transpose(0, 1).flatten(1, 2)
