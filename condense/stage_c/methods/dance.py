"""DANCE (Zhang, Li, Wang, Zeng, Ge: DANCE: Dual-View Distribution Alignment for Dataset Condensation, IJCAI 2024).

Every step matches the mean features of real and of synthetic images in a network between the beginning and the end of its
training, and then moves the images to what the trained network names rightly.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch

from condense.stage_c.expert_matching import ExpertMatching
from condense.stage_c.fixed_network import Fixed, fixed_at
from condense.stage_c.method import Occasion
from condense.stage_c.problem import Problem


def operations_of(dataset: str) -> tuple[str, ...]:
    """The operations of IDC and the methods after it as published for a data set: no cutout of MNIST's tiles."""
    return ("color", "crop") if dataset == "mnist" else ("color", "crop", "cutout")


@dataclass(frozen=True, kw_only=True)
class DANCE(ExpertMatching):
    """Mean features in networks between their initial and their trained weights."""

    name: ClassVar[str] = "dance"
    title: ClassVar[str] = "mean features and classes in networks trained beforehand (Zhang et al., IJCAI 2024)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code."""
        return cls(
            iterations=10_000,
            real_batch=128,
            synthetic_batch=200,
            image_learning_rate=0.02 * occasion.images_per_class,
            image_decay="constant",
            augmentation=operations_of(occasion.dataset),
            factor=2,
            init="first",
            expert_count=5,
            expert_epochs=60,
            pool=0,
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """Chosen by reckoning what an hour of two cores holds on CIFAR-10, not yet on held-out images."""
        settings = cls.published(occasion)
        return replace(
            settings, iterations=1000, image_decay="cosine", init="random", expert_count=2, expert_epochs=10, pool=200
        )

    def networks(self, problem: Problem, place: int) -> tuple[Fixed, Fixed]:
        """(A share drawn uniformly of an expert's initial weights and the rest of its trained ones, the trained expert)."""
        random = problem.random("expert", place)
        chosen = int(torch.randint(self.expert_count, (), generator=random, device=random.device))
        share = float(torch.rand((), generator=random, device=random.device, dtype=torch.float64))
        return interpolated(problem, chosen, share), interpolated(problem, chosen, 0.0)


def interpolated(problem: Problem, chosen: int, share: float) -> Fixed:
    """An expert between its trained weights (share 0) and its initial ones (share 1), with the trained one's statistics."""
    expert = problem.experts[chosen]
    initial, trained = (expert.vectors[epoch].to(problem.dtype) for epoch in (0, expert.epochs))
    vector = share * initial + (1 - share) * trained if share else trained
    return fixed_at(problem, vector, expert.statistics[expert.epochs])
