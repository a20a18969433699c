"""DATM (Guo, Wang, Cazenavette, Li, Zhang and You, Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory
Matching, ICLR 2024).

Trajectory matching whose difficulty fits the number of images: the epochs that students begin at lie in a range that grows
over the run, easy patterns first. Images begin as real ones that an expert names rightly, and their soft labels are learned.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field
from torch import Tensor

from condense.checking import AtLeastOne, Count, Positive, Share, one_of
from condense.condensed import Condensed
from condense.errors import CondenseError
from condense.randomness import generator
from condense.stage_c.experts import Expert
from condense.stage_c.method import Occasion, setting, with_momentum
from condense.stage_c.methods.mtt import MTT, State, images_like, nearest, shortened, unvaried
from condense.stage_c.problem import Problem
from condense.stage_c.trajectory import Found
from condense.training.layout import Layout

INITS = {"right": "real images that an expert names rightly", "real": "real images of each class, whatever they are named"}
PART = 256
"""Real images that an expert names at once."""


class Published(NamedTuple):
    """What differs between the published runs: settings by their names below."""

    student_steps: int
    image_learning_rate: float
    label_learning_rate: float
    rate_learning_rate: float
    start_from: int
    first_below: int
    start_below: int
    growth: int = 0
    matched_epochs: int = 2
    synthetic_batch: int = 0
    largest_distance: float = 1.0
    init: str = "right"


MANY = 1000
"""Synthetic images in a student's step of the largest sets."""
PUBLISHED: dict[str, dict[int, Published]] = {
    "cifar10": {
        1: Published(80, 100, 5, 1e-7, 0, 4, 4, largest_distance=1.1),
        10: Published(80, 100, 2, 1e-5, 0, 10, 20, 1000),
        50: Published(80, 1000, 2, 1e-5, 0, 20, 40, 2000),
        500: Published(40, 50, 10, 1e-5, 40, 60, 60, synthetic_batch=MANY),
        1000: Published(100, 50, 10, 1e-5, 40, 60, 60, synthetic_batch=MANY),
    },
    "cifar100": {
        1: Published(40, 1000, 10, 1e-5, 0, 10, 20, 1000, matched_epochs=3),
        10: Published(80, 1000, 10, 1e-5, 0, 30, 50, 2000),
        50: Published(80, 1000, 10, 1e-5, 20, 70, 70, init="real", synthetic_batch=MANY),
        100: Published(80, 50, 10, 1e-5, 30, 70, 70, synthetic_batch=MANY),
    },
}
"""By data set and images per class, from the configurations that the authors ship."""


@dataclass(frozen=True, kw_only=True)
class DATM(MTT):
    """MTT with a growing range of epochs, soft labels that are learned, and images that are easy to begin with."""

    name: ClassVar[str] = "datm"
    title: ClassVar[str] = "trajectory matching aligned in difficulty, with soft labels (Guo et al., ICLR 2024)"
    label_kind: ClassVar[Literal["hard", "soft"]] = "soft"

    start_from: Count = setting("A student begins after no fewer epochs of an expert; published: 0 to 40, fast: 0.")
    first_below: AtLeastOne = setting("What --start-below is at first; published: 4 to 70, fast: at most 2.")
    growth: Count = setting(
        "Iterations over which it grows evenly to --start-below; 0: it is that at once; published: 0 to 2000, fast: 250."
    )
    label_learning_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = setting(
        "Learning rate of the labels' logits; 0: they stay; published: 2 to 10."
    )
    largest_distance: Positive = setting("At a larger distance nothing is moved; published: 1 or 1.1.")
    init: Annotated[str, one_of("init", INITS)] = setting(
        "Real images to begin with: right (an expert names them rightly) or real (any); published: mostly right."
    )
    label_momentum: Share = setting("Momentum of the labels' logits.", 0.9)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' configurations, but for experts, which are trained as MTT's; other occasions take those of CIFAR-10
        and of the next fewer images per class, by our reading.
        """
        common = unvaried(occasion, iterations=10_000, expert_epochs=100)
        return cls(**nearest(PUBLISHED, occasion)._asdict(), student_learning_rate=0.01, **common)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As MTT's, the range of epochs growing over the first half of the run."""
        settings = shortened(cls.published(occasion))
        return replace(settings, first_below=min(settings.start_below, 2), growth=250)

    def starts(self, number: int) -> range:
        """The epochs of an expert after which the student of a step may begin."""
        below = self.start_below
        if number < self.growth:
            below = self.first_below + (self.start_below - self.first_below) * number // self.growth
        return range(self.start_from, below)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` as MTT does, and for a range of epochs that does not grow from one to the other."""
        super().check(problem)
        if not self.start_from < self.first_below <= self.start_below:
            raise CondenseError(
                f"--first-below {self.first_below} must be above --start-from {self.start_from} and not above --start-below "
                f"{self.start_below}."
            )

    def begin(self, problem: Problem) -> State:
        """Real images, with the mean logits of the experts that name them rightly; of any real ones those of the first."""
        if self.init == "real":
            images = problem.real_images()
            return self.begun(problem, images, named(problem, problem.experts[0], images))
        images = problem.data.inputs(right_images(problem), problem.dtype)
        logits = torch.stack([named(problem, expert, images) for expert in problem.experts])
        right = (logits.argmax(2) == problem.labels).to(problem.dtype)[:, :, None]
        return self.begun(problem, images, (logits * right).sum(0) / right.sum(0))

    def shape_of_state(self, problem: Problem, number: int) -> State:
        """As it begins, without looking at any image."""
        images = images_like(problem)
        return self.begun(problem, images, images.new_zeros(len(images), problem.data.classes))

    def labels(self, problem: Problem, state: State) -> Tensor:
        """Labels (N, classes) as probabilities: the softmax of the logits."""
        return state.logits.softmax(1)

    def moved(self, problem: Problem, state: State, found: Found) -> State:
        """The state after a step of SGD on images, rate and logits, if the distance is not too large."""
        after = super().moved(problem, state, found)
        labels = self.labels(problem, state)
        gradient = labels * (found.labels - (labels * found.labels).sum(1, keepdim=True))  # through the softmax
        logits, velocity = with_momentum(
            state.logits, state.velocity["logits"], gradient, self.label_learning_rate, self.label_momentum
        )
        taken = found.distance <= self.largest_distance
        velocity = {**after.velocity, "logits": velocity}
        return State(
            torch.where(taken, after.images, state.images),
            torch.where(taken, after.rate, state.rate),
            torch.where(taken, logits, state.logits),
            {name: torch.where(taken, value, state.velocity[name]) for name, value in velocity.items()},
        )

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images with the soft labels learned, and the learning rate of networks that are trained on them."""
        return replace(super().result(problem, state), labels=state.logits.double().softmax(1).float())

    def remarks(self, problem: Problem) -> list[str]:
        """On how experts are trained."""
        return ["The experts are trained by plain SGD; those of DATM's authors by GSAM, which seeks flat minima"]


def right_images(problem: Problem) -> Tensor:
    """Indices (classes * images per class,), class by class, of real images that an expert names rightly after its training.

    Those of a class are gone through in a random order, by the first expert, then by the next where it finds too few.
    Raises `CondenseError` where all of them do.
    """
    found, first = list[int](), 0
    for label, count in enumerate(problem.data.counts):
        order = first + torch.randperm(count, generator=generator(problem.seed, "initial images", label))
        chosen: dict[int, None] = {}
        for expert in problem.experts:
            for part in order.split(PART):
                if len(chosen) < problem.images_per_class:
                    names = named(problem, expert, problem.data.inputs(part.to(problem.data.device), problem.dtype))
                    chosen |= dict.fromkeys(part[names.argmax(1).cpu() == label].tolist())
        if len(chosen) < problem.images_per_class:
            raise CondenseError(
                f"Of class {label} the experts name {len(chosen)} images rightly, fewer than the {problem.images_per_class} "
                "to begin with: train them longer (--expert-epochs), or take any real images (--init real)."
            )
        found += list(chosen)[: problem.images_per_class]
        first += count
    return torch.tensor(found, device=problem.data.device)


@torch.no_grad()
def named(problem: Problem, expert: Expert, images: Tensor) -> Tensor:
    """Logits (n, classes) that an expert gives images (n, C, H, W) after its training, BatchNorm on running statistics."""
    parameters = Layout.of(problem.network).views(expert.vectors[expert.epochs].to(problem.dtype))
    statistics = {name: value.to(problem.dtype) for name, value in expert.statistics[expert.epochs].items()}
    return torch.cat([problem.network.logits(parameters, part, statistics) for part in images.split(PART)])
