"""Selections by a score of each real image, from how networks in training do on it; the largest scores are kept.

forgetting (Toneva et al., ICLR 2019), el2n and grand (Paul, Ganguli and Dziugaite, NeurIPS 2021). All three look
through the same networks, which are trained once.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.checking import AtLeastOne, Positive
from condense.condensed import Condensed
from condense.execution import Work
from condense.randomness import generator
from condense.stage_c import embedding
from condense.stage_c.experts import Plan
from condense.stage_c.fixed_network import Fixed, trained_for
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods.selections import Selection
from condense.stage_c.problem import Problem
from condense.stage_c.selection import by_class, largest


@dataclass(frozen=True)
class Scores:
    """What is known of each of N real images: scores (N,), summed; correct: bool (N,), whether its class was the likeliest
    when it was last looked at.
    """

    scores: Tensor
    correct: Tensor


@dataclass(frozen=True)
class Look:
    """What a network says of N real images: whether the class is the likeliest, || p - y ||, the last layer's gradient."""

    correct: Tensor
    errors: Tensor
    gradients: Tensor


@dataclass(frozen=True, kw_only=True)
class ByScore(Selection):
    """Networks trained on all real images, and a look at all of these by each, a step.

    With p the probabilities of an image, y its class as one-hot and f its features, the gradient of its cross-entropy by the
    last layer's bias is p - y and by its weight (p - y) f', together of the norm || p - y || sqrt(1 + || f ||^2).
    """

    epochs: AtLeastOne = setting("Epochs of training each network; published: 40 (el2n: 20), fast: 10.")
    networks: AtLeastOne = setting("Networks whose scores are added up; published: 10 (forgetting: 1), fast: 1.")
    network_learning_rate: Positive = setting("Their learning rate, a tenth of it in the second half of the epochs.", 0.01)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """One network for a quarter of the epochs, the same for all three scores, by reasoning; not tuned."""
        return cls(epochs=10, networks=1)

    @abstractmethod
    def added(self, before: Tensor, look: Look) -> Tensor:
        """What a look adds to the scores (N,). before: `correct` at the same network's look before, false at its first."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Epochs after which a network is looked through."""
        return (self.epochs,)

    def experts(self, problem: Problem) -> Plan:
        """The networks: the same for all scores with the seed."""
        stages = embedding.in_two_halves(self.epochs, self.network_learning_rate)
        return embedding.trained(problem, stages, self.networks, self.looks)

    def steps(self, problem: Problem) -> int:
        """Looks through all networks."""
        return len(self.looks) * self.networks

    def begin(self, problem: Problem) -> Scores:
        """Nothing known of the images."""
        scores = torch.zeros(len(problem.data), dtype=problem.dtype, device=problem.data.device)
        return Scores(scores, torch.zeros_like(scores, dtype=torch.bool))

    def step(self, problem: Problem, state: Scores, number: int) -> tuple[Scores, dict[str, float | Tensor]]:
        """A look at all images; as its loss the share whose class is not the likeliest."""
        which, place = divmod(number, len(self.looks))
        look = looked_at(problem, trained_for(problem, which, self.looks[place]))
        before = state.correct if place else torch.zeros_like(state.correct)
        reached = Scores(state.scores + self.added(before, look), look.correct)
        return reached, {"error": 1 - look.correct.to(problem.dtype).mean()}

    def result(self, problem: Problem, state: Scores) -> Condensed:
        """The images of the largest scores in each class; which of equal ones is drawn."""
        random = generator(problem.seed, "selection")
        chosen = by_class(
            lambda scores, count: largest(scores, count, random),
            problem.data,
            state.scores,
            self.chosen_per_class(problem),
        )
        return self.stored(problem, problem.data.inputs(chosen, torch.float32))

    def work(self, problem: Problem) -> Work:
        """Passes forward over all real images."""
        images = len(problem.data) * self.steps(problem)
        return Work(multiply_adds=float(problem.network.multiply_adds) * images, batch=embedding.BATCH)

    def cost(self, problem: Problem) -> float:
        """The same, and training the networks."""
        return len(problem.data) * (self.epochs * self.networks + self.steps(problem) / 3)


def looked_at(problem: Problem, fixed: Fixed) -> Look:
    """What a network says of all real images."""
    labels, parts, first = problem.data.labels, list[tuple[Tensor, Tensor, Tensor]](), 0
    for features, logits in embedding.seen(problem, fixed):
        classes = labels[first : first + len(logits)]
        apart = (logits.softmax(dim=1) - F.one_hot(classes, logits.shape[1])).norm(dim=1)
        parts.append((logits.argmax(dim=1) == classes, apart, apart * (1 + features.square().sum(dim=1)).sqrt()))
        first += len(logits)
    return Look(*(torch.cat(each) for each in zip(*parts, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Forgetting(ByScore):
    """The images that were right after one epoch and wrong after the next most often."""

    name: ClassVar[str] = "forgetting"
    title: ClassVar[str] = "the real images that a network in training forgets most often (Toneva et al., ICLR 2019)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The epochs of DeepCore's networks for selections."""
        return cls(epochs=40, networks=1)

    @property
    def looks(self) -> tuple[int, ...]:
        """Every epoch."""
        return tuple(range(1, self.epochs + 1))

    def added(self, before: Tensor, look: Look) -> Tensor:
        """One where an image was right and is wrong; one that was never right is never forgotten."""
        return (before & ~look.correct).to(look.errors.dtype)


@dataclass(frozen=True, kw_only=True)
class EL2N(ByScore):
    """The images that networks early in training are most wrong about."""

    name: ClassVar[str] = "el2n"
    title: ClassVar[str] = "the real images of the largest errors early in training (Paul et al., NeurIPS 2021)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """As many networks as for grand, early in training: half of its epochs, by our reading."""
        return cls(epochs=20, networks=10)

    def added(self, before: Tensor, look: Look) -> Tensor:
        """The error, so that in the end it is the mean over networks, but for their number."""
        return look.errors


@dataclass(frozen=True, kw_only=True)
class GraNd(ByScore):
    """The images of the largest gradients of the last layer."""

    name: ClassVar[str] = "grand"
    title: ClassVar[str] = "the real images of the largest gradients of the last layer (Paul et al., NeurIPS 2021)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """DeepCore's: ten trainings."""
        return cls(epochs=40, networks=10)

    def added(self, before: Tensor, look: Look) -> Tensor:
        """The gradient, so that in the end it is the mean over networks, but for their number."""
        return look.gradients
