"""NCFM (Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025).

DANCE's loop with another signal, the characteristic function of the features at frequencies drawn from N(0, I), and AdamW.

The authors step class by class, so that between two gradients of a class lie as many steps as there are other classes, in
which its gradient is zero: its images move on by their momentum, while their mean squares shrink. All that follows from the
number of classes alone; so here all classes take such a gradient and the empty steps after it at once. It is the authors'
for the first class; the others are behind it by their place in the count of steps that corrects the means, and are held to
[0, 1] in between.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from condense.checking import AtLeastOne, Count, Positive, one_of
from condense.networks.layers import Tensors
from condense.stage_c.characteristic import CharacteristicFunction
from condense.stage_c.expert_matching import State
from condense.stage_c.experts import Plan, recipe_of
from condense.stage_c.features import Features
from condense.stage_c.method import IMAGE_DECAYS, Occasion, decayed, setting
from condense.stage_c.methods.dance import DANCE
from condense.stage_c.problem import Problem
from condense.training.optimisers import EPSILON

OPTIMISERS = {"adamw": "AdamW, class by class as published", "sgd": "plain steps of all classes, as DANCE's"}
BETAS = 0.9, 0.999
"""Of AdamW: how much of the mean gradient and of the mean square a step keeps."""
ALL = 10_000
"""More decoded images of a class than there are."""


@dataclass(frozen=True, kw_only=True)
class NCFM(DANCE):
    """The characteristic functions of features are matched, and images learned by AdamW."""

    name: ClassVar[str] = "ncfm"
    title: ClassVar[str] = "characteristic function of features in networks trained beforehand (Wang et al., CVPR 2025)"

    iterations: Count = setting("Updates of the images; published: 20000, fast: 1000.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 1024, fast: 128.")
    image_optimiser: Annotated[str, one_of("optimiser", OPTIMISERS)] = setting(
        "Optimiser of the images: adamw or sgd; published: sgd for 10 images per class of CIFAR-100, else adamw."
    )
    image_learning_rate: Positive = setting(
        "Learning rate of the images; published: .001 (sgd: .02, to which .01 with momentum .5 class by class comes); fast: "
        "ten times that of adamw."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; cosine, where the authors halve it when a noisy loss "
        "no longer falls."
    )
    image_weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting("Weight decay of the images in AdamW.")
    expert_count: AtLeastOne = setting("Networks trained beforehand; published: 20, fast: 2.")
    expert_batch: AtLeastOne = setting(
        "Images in a batch of their training; published: 128, fast: 64, as dance has it, which then shares them."
    )
    frequencies: AtLeastOne = setting(
        "Frequencies at which they are matched, drawn at each step; published: 4096, fast: 1024."
    )
    amplitude: Annotated[float, Field(ge=0, le=1)] = setting(
        "Weight of amplitudes in the distance of characteristic functions; phases have the rest.", 0.5
    )

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' configurations, whose learned sampler of frequencies is off; other data sets have CIFAR-10's."""
        plain = occasion.dataset == "cifar100" and occasion.images_per_class == 10
        shared: dict[str, Any] = vars(DANCE.published(occasion)) | {
            "iterations": 20_000,
            "real_batch": 1024,
            "synthetic_batch": ALL,
            "image_learning_rate": 0.02 if plain else 1e-3,
            "image_decay": "cosine",
            "expert_count": 20,
        }
        return cls(
            **shared,
            image_optimiser="sgd" if plain else "adamw",
            image_weight_decay=5e-4,
            expert_batch=128,
            frequencies=4096,
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As DANCE's, by the same reasoning and not yet chosen on held-out images; a quarter of the frequencies, above which
        the paper sees no gain; AdamW at ten times the rate in a twentieth of the steps.
        """
        dance = DANCE.fast(occasion)
        names = ("iterations", "real_batch", "init", "expert_count", "expert_epochs", "pool")
        return replace(
            cls.published(occasion),
            **{name: getattr(dance, name) for name in names},
            image_optimiser="adamw",
            image_learning_rate=0.01,
            expert_batch=64,
            frequencies=1024,
        )

    def experts(self, problem: Problem) -> Plan:
        """As DANCE's, in batches of their own size."""
        return Plan(recipe_of(self.expert_epochs, batch=self.expert_batch), self.expert_count)

    def features(self, problem: Problem) -> Features:
        """With the characteristic function as signal."""
        return Features(problem, self._each(problem), CharacteristicFunction(self.amplitude))

    def given(self, problem: Problem, place: int) -> Tensor:
        """Frequencies (F, d) of a step, the same for all classes."""
        random = problem.random("frequencies", place)
        size = self.frequencies, problem.network.feature_count
        return torch.randn(size, generator=random, device=random.device, dtype=problem.dtype)

    def fresh_optimiser(self, images: Tensor) -> Tensors:
        """Of AdamW the running means of gradients and of their squares."""
        if self.image_optimiser == "sgd":
            return super().fresh_optimiser(images)
        return {"mean": torch.zeros_like(images), "square": torch.zeros_like(images)}

    def moved(self, problem: Problem, state: State, gradient: Tensor, number: int, move: int) -> State:
        """A step of the images; by AdamW with the empty ones that follow it until their class has its turn again."""
        if self.image_optimiser == "sgd":
            return super().moved(problem, state, gradient, number, move)
        rate, turns = decayed(self.image_learning_rate, self.image_decay, number / self.iterations), problem.data.classes
        kept, shrunk = BETAS
        mean = kept * state.optimiser["mean"] + (1 - kept) * gradient
        square = shrunk * state.optimiser["square"] + (1 - shrunk) * gradient.square()
        left = 1 - rate * self.image_weight_decay
        length, first = _length(turns, turns * (2 * number + move), left)
        images = left**turns * state.images - rate * length * mean / (square.sqrt() + EPSILON / first)
        return State(images, {"mean": kept ** (turns - 1) * mean, "square": shrunk ** (turns - 1) * square})


def _length(turns: int, done: int, left: float) -> tuple[float, float]:
    """How far a gradient's step of AdamW and the empty ones after it go together, in rates times mean / root of mean square,
    and by what the first one's correction multiplies that root.

    turns: all of these steps; done: those before them; left: what each leaves of the images by weight decay. Beside the root
    AdamW adds a least value, 1e-8; here it shrinks with the root in the empty steps.
    """
    kept, shrunk = BETAS
    roots = [math.sqrt(shrunk**turn / (1 - shrunk ** (done + turn + 1))) for turn in range(turns)]
    lengths = [
        left ** (turns - 1 - turn) * kept**turn / (1 - kept ** (done + turn + 1)) / root for turn, root in enumerate(roots)
    ]
    return sum(lengths), roots[0]
