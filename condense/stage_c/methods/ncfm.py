"""NCFM (Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025).

DANCE's loop with another signal: the characteristic function of the features at frequencies drawn from N(0, I).
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
from condense.stage_c.features import Features
from condense.stage_c.fixed_network import fixed_at
from condense.stage_c.method import IMAGE_DECAYS, Occasion, decayed, setting
from condense.stage_c.methods.dance import DANCE
from condense.stage_c.problem import Problem
from condense.training.optimisers import adamw_step, fresh_state
from condense.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class NCFM(DANCE):
    """The characteristic functions of features are matched, and images learned by AdamW."""

    name: ClassVar[str] = "ncfm"
    title: ClassVar[str] = "characteristic function of features in networks trained beforehand (Wang et al., CVPR 2025)"

    iterations: Count = setting("Updates of the images; published: 20000, fast: 1000.")
    real_batch: AtLeastOne = setting("Real images per class and step; published: 1024, fast: 128.")
    image_learning_rate: Positive = setting(
        "Learning rate of the images, all classes in one step; published: .001 times the root of the number of classes, to "
        "which .001 class by class comes; fast: ten times that."
    )
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] = setting(
        "Learning rate of the images over the run: constant or cosine; cosine, where the authors halve it when a noisy loss "
        "no longer falls."
    )
    expert_count: AtLeastOne = setting("Networks trained beforehand; published: 20, fast: 2.")
    frequencies: AtLeastOne = setting(
        "Frequencies at which they are matched, drawn at each step; published: 4096, fast: 1024."
    )
    image_weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting("Weight decay of the images.")

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' configurations, whose learned sampler of frequencies is off.

        There each class takes a step of its own, in which the others' mean squares shrink: a step of one class then moves it
        by about the root of their number times the rate. So is our rate for one step of all, and the decay with it.
        """
        classes = 100 if occasion.dataset == "cifar100" else 10
        shared: dict[str, Any] = vars(DANCE.published(occasion)) | {
            "iterations": 20_000,
            "real_batch": 1024,
            "image_learning_rate": 1e-3 * math.sqrt(classes),
            "image_decay": "cosine",
            "expert_count": 20,
        }
        return cls(**shared, frequencies=4096, image_weight_decay=5e-4 * math.sqrt(classes))

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As DANCE's, by the same reasoning and not yet chosen on held-out images; a quarter of the frequencies, above which
        the paper sees no gain; ten times the rate in a twentieth of the steps.
        """
        settings, dance = cls.published(occasion), DANCE.fast(occasion)
        taken = {name: getattr(dance, name) for name in ("iterations", "init", "expert_count", "expert_epochs", "pool")}
        return replace(
            settings,
            **taken,
            real_batch=dance.real_batch,
            frequencies=1024,
            image_learning_rate=10 * settings.image_learning_rate,
        )

    def features(self, problem: Problem) -> Features:
        """With the characteristic function as signal."""
        return Features(problem, self._each(problem), CharacteristicFunction())

    def given(self, problem: Problem, place: int) -> Tensor:
        """Frequencies (F, d) of a step, the same for all classes."""
        random = problem.random("frequencies", place)
        size = (self.frequencies, problem.once("width of features", lambda: _width(problem)))
        return torch.randn(size, generator=random, device=random.device, dtype=problem.dtype)

    def fresh_optimiser(self, images: Tensor) -> Tensors:
        """That of AdamW."""
        return fresh_state(self._recipe, images.flatten()[None])

    def moved(self, state: State, gradient: Tensor, number: int) -> State:
        """A step of AdamW."""
        rate = decayed(self.image_learning_rate, self.image_decay, number / self.iterations)
        images, optimiser = state.images.flatten()[None].clone(), {n: v.clone() for n, v in state.optimiser.items()}
        adamw_step(images, optimiser, gradient.flatten()[None], rate, self._recipe)
        return State(images.view_as(state.images), optimiser)

    @property
    def _recipe(self) -> Recipe:
        return Recipe((), optimiser="adamw", betas=(0.9, 0.999), weight_decay=self.image_weight_decay)


def _width(problem: Problem) -> int:
    """Features of an image."""
    fixed = fixed_at(problem, *problem.new_network(0))
    image = torch.zeros((1, *problem.data.shape), dtype=problem.dtype, device=problem.data.device)
    return problem.network.features(fixed.parameters, image, fixed.statistics).shape[1]
