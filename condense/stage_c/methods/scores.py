"""Selections by a score of each real image, from how networks in training do on it; the largest scores are kept.

forgetting (Toneva et al., ICLR 2019), el2n and grand (Paul, Ganguli and Dziugaite, NeurIPS 2021). All three come from one
run: what each looks at is part of one state.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.checking import AtLeastOne, Positive
from condense.condensed import Condensed
from condense.execution import Work
from condense.networks.layers import Tensors
from condense.randomness import generator
from condense.stage_c import embedding
from condense.stage_c.embedding import Embedding
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods.selections import Selection
from condense.stage_c.problem import Problem
from condense.stage_c.selection import by_class, largest


@dataclass(frozen=True)
class Scores:
    """A network in training and what is known of each of N real images.

    vector, velocity, statistics: as in `Embedding`; correct: bool (N,), whether its class was the likeliest after the last
    epoch; forgotten: int64 (N,), how often it no longer was; errors, gradients: (N,), sums over the networks that are
    trained to their end of || p - y || and of the norm of the last layer's gradient.
    """

    vector: Tensor
    velocity: Tensor
    statistics: Tensors
    correct: Tensor
    forgotten: Tensor
    errors: Tensor
    gradients: Tensor


@dataclass(frozen=True, kw_only=True)
class ByScore(Selection):
    """Networks trained on all real images, an epoch a step, and after each epoch a look at all images.

    With p the probabilities of an image, y its class as one-hot and f its features, the gradient of its cross-entropy by the
    last layer's bias is p - y and by its weight (p - y) f', together of the norm || p - y || sqrt(1 + || f ||^2).
    """

    epochs: AtLeastOne = setting("Epochs of training each network; published: 40 (el2n: 20), fast: 10.")
    networks: AtLeastOne = setting("Networks whose scores are added up; published: 10 (forgetting: 1), fast: 1.")
    network_learning_rate: Positive = setting("Their learning rate, a tenth of it in the second half of the epochs.", 0.01)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """One network for a quarter of the epochs: the same run for all three scores, by reasoning; not tuned."""
        return cls(epochs=10, networks=1)

    def scores(self, state: Scores) -> Tensor:
        """The score (N,) of each real image."""
        raise NotImplementedError

    def steps(self, problem: Problem) -> int:
        """Epochs of all networks."""
        return self.epochs * self.networks

    def begin(self, problem: Problem) -> Scores:
        """A new network, and nothing known of the images."""
        new, count, device = embedding.new_embedding(problem), len(problem.data), problem.data.device
        sums = torch.zeros((2, count), dtype=problem.dtype, device=device)
        unknown = torch.zeros(count, dtype=torch.bool, device=device)
        return Scores(new.vector, new.velocity, new.statistics, unknown, unknown.long(), sums[0].clone(), sums[1].clone())

    def step(self, problem: Problem, state: Scores, number: int) -> tuple[Scores, dict[str, float | Tensor]]:
        """An epoch of one network, and a look at all images; the last epoch of a network adds to the scores."""
        which, epoch = divmod(number, self.epochs)
        anew = which > 0 and epoch == 0
        before = (
            embedding.new_embedding(problem, which) if anew else Embedding(state.vector, state.velocity, state.statistics)
        )
        rate = self.network_learning_rate * (1.0 if epoch < self.epochs // 2 else 0.1)
        after, loss = embedding.after_epoch(problem, before, rate, number)
        correct, errors, gradients = looked_at(problem, after)
        last = float(epoch == self.epochs - 1)
        lost = (state.correct & ~correct) if not anew else torch.zeros_like(correct)
        reached = Scores(
            after.vector,
            after.velocity,
            after.statistics,
            correct,
            state.forgotten + lost,
            state.errors + last * errors,
            state.gradients + last * gradients,
        )
        return reached, {"cross-entropy": loss}

    def result(self, problem: Problem, state: Scores) -> Condensed:
        """The images of the largest scores in each class; which of equal ones is drawn."""
        random = generator(problem.seed, "selection")
        chosen = by_class(
            lambda scores, count: largest(scores, count, random),
            problem.data,
            self.scores(state),
            self.chosen_per_class(problem),
        )
        return self.stored(problem, problem.data.inputs(chosen, torch.float32))

    def work(self, problem: Problem) -> Work:
        """Training on all real images, and a pass forward over them after each epoch."""
        epochs = self.epochs * self.networks
        return embedding.work(problem, epochs, passes=epochs)

    def warm_up(self, problem: Problem) -> None:
        """A step of training on one batch."""
        embedding.warm_up(problem, self.network_learning_rate)


def looked_at(problem: Problem, state: Embedding) -> tuple[Tensor, Tensor, Tensor]:
    """(Whether the class is the likeliest, || p - y ||, norm of the last layer's gradient) of each real image, (N,) each."""
    labels, found, first = problem.data.labels, list[tuple[Tensor, Tensor, Tensor]](), 0
    for features, logits in embedding.seen(problem, state):
        own = labels[first : first + len(logits)]
        apart = (logits.softmax(dim=1) - F.one_hot(own, logits.shape[1])).norm(dim=1)
        found.append((logits.argmax(dim=1) == own, apart, apart * (1 + features.square().sum(dim=1)).sqrt()))
        first += len(logits)
    correct, errors, gradients = (torch.cat(parts) for parts in zip(*found, strict=True))
    return correct, errors, gradients


@dataclass(frozen=True, kw_only=True)
class Forgetting(ByScore):
    """The images that were right after one epoch and wrong after the next most often."""

    name: ClassVar[str] = "forgetting"
    title: ClassVar[str] = "the real images that a network in training forgets most often (Toneva et al., ICLR 2019)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The epochs of DeepCore's networks for selections."""
        return cls(epochs=40, networks=1)

    def scores(self, state: Scores) -> Tensor:
        """How often; one that was never right is never forgotten."""
        return state.forgotten


@dataclass(frozen=True, kw_only=True)
class EL2N(ByScore):
    """The images that networks early in training are most wrong about."""

    name: ClassVar[str] = "el2n"
    title: ClassVar[str] = "the real images of the largest errors early in training (Paul et al., NeurIPS 2021)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """As many networks as for grand, early in training: half of its epochs, by our reading."""
        return cls(epochs=20, networks=10)

    def scores(self, state: Scores) -> Tensor:
        """The mean over networks, but for their number."""
        return state.errors


@dataclass(frozen=True, kw_only=True)
class GraNd(ByScore):
    """The images of the largest gradients of the last layer."""

    name: ClassVar[str] = "grand"
    title: ClassVar[str] = "the real images of the largest gradients of the last layer (Paul et al., NeurIPS 2021)"

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """DeepCore's: ten trainings."""
        return cls(epochs=40, networks=10)

    def scores(self, state: Scores) -> Tensor:
        """The mean over networks, but for their number."""
        return state.gradients
