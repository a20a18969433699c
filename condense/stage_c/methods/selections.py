"""Selections: real images in the place of learned ones, at random or by where they lie among the features of a network.

The laws are those behind the tables of Zhao et al. (ICLR 2021), as its authors state them (`stage_c/selection.py`).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from condense.checking import AtLeastOne, Positive
from condense.condensed import Condensed
from condense.execution import Work, within_learning
from condense.networks.layers import Tensors
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.problem import Problem
from condense.stage_c.selection import by_features, features_of, herding, k_center, random_selection
from condense.training.engine import MemberDraws, Members, Standing, fresh_members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import Source, TensorSource

BATCH = 256
"""Images in a batch of the network's training."""


@dataclass(frozen=True)
class Nothing:
    """The state of what has no steps."""


@dataclass(frozen=True, kw_only=True)
class Random(Method):
    """Images of each class, drawn without replacement."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "real images drawn at random from each class: the baseline"
    kind: ClassVar[Literal["learned", "selected"]] = "selected"
    uses_network: ClassVar[bool] = False

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """There is nothing to set."""
        return cls()

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images."""
        problem.check_classes()

    def steps(self, problem: Problem) -> int:
        """None."""
        return 0

    def begin(self, problem: Problem) -> Nothing:
        """Nothing."""
        return Nothing()

    def step(self, problem: Problem, state: Nothing, number: int) -> tuple[Nothing, dict[str, float | Tensor]]:
        """Never called."""
        raise NotImplementedError("A random selection has no steps.")

    def result(self, problem: Problem, state: Nothing) -> Condensed:
        """The images drawn by the seed."""
        return Condensed(random_selection(problem.data, problem.images_per_class, problem.seed), problem.labels)


@dataclass(frozen=True)
class Embedding:
    """A network in training on the real images: parameters (P,), their momentum, BatchNorm's running statistics."""

    vector: Tensor
    velocity: Tensor
    statistics: Tensors


@dataclass(frozen=True, kw_only=True)
class ByFeatures(Method):
    """A selection among the features that a network trained on all real images gives them; its epochs are the steps."""

    kind: ClassVar[Literal["learned", "selected"]] = "selected"

    epochs: AtLeastOne = setting("Epochs of training the network whose features are looked at; published: 30, fast: 10.")
    network_learning_rate: Positive = setting("Its learning rate, a tenth of it in the second half of the epochs.", 0.01)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The paper says no more than 'trained on the whole set': as the package trains networks on it."""
        return cls(epochs=30)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """A third of the epochs."""
        return replace(cls.published(occasion), epochs=10)

    def select(self, features: Tensor, count: int) -> Tensor:
        """Indices (count,) of rows of one class's features (n, d)."""
        raise NotImplementedError

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images."""
        problem.check_classes()

    def steps(self, problem: Problem) -> int:
        """Epochs."""
        return self.epochs

    def begin(self, problem: Problem) -> Embedding:
        """A new network."""
        members = fresh_members(problem.network, [problem.seed], "embedding network", problem.data.device, problem.dtype)
        statistics = {name: value[0] for name, value in members.statistics.items()}
        return Embedding(members.vector[0], torch.zeros_like(members.vector[0]), statistics)

    def step(self, problem: Problem, state: Embedding, number: int) -> tuple[Embedding, dict[str, float | Tensor]]:
        """An epoch of SGD on all real images, with stage T's published optimiser."""
        rate = self.network_learning_rate * (1.0 if number < self.epochs // 2 else 0.1)
        return self._trained(problem, problem.data, state, rate, number)

    def _trained(
        self, problem: Problem, source: Source, state: Embedding, rate: float, number: int
    ) -> tuple[Embedding, dict[str, float | Tensor]]:
        recipe = Recipe((Stage(1, rate),), batch_size=BATCH, momentum=0.9, weight_decay=5e-4, new_optimisers=False)
        members = Members(state.vector[None], {name: value[None] for name, value in state.statistics.items()})
        reached, losses, batch = list[Standing](), list[Tensor](), min(BATCH, len(source.labels))
        train(
            problem.network,
            Standing(0, members, {"velocity": state.velocity[None]}),
            source,
            recipe,
            [MemberDraws.of(problem.seed, "embedding", number, device=problem.data.device)],
            execution=within_learning(problem.execution, problem.network, problem.data.device, batch=batch),
            after_step=lambda seen: losses.append(seen.losses.mean()),
            keep=reached.append,
        )
        found, statistics = reached[-1], {name: value[0] for name, value in reached[-1].members.statistics.items()}
        after = Embedding(found.members.vector[0].clone(), found.optimiser["velocity"][0].clone(), statistics)
        return after, {"cross-entropy": torch.stack(losses).mean()}

    def result(self, problem: Problem, state: Embedding) -> Condensed:
        """The images selected in each class."""
        parameters = Layout.of(problem.network).views(state.vector)
        features = features_of(problem.network, parameters, state.statistics, problem.data)
        chosen = by_features(self.select, problem.data, features, problem.images_per_class)
        return Condensed(problem.data.inputs(chosen, torch.float32), problem.labels)

    def work(self, problem: Problem) -> Work:
        """Training on all real images."""
        images = len(problem.data) * self.epochs
        return Work(multiply_adds=3.0 * problem.network.multiply_adds * images, batch=min(BATCH, len(problem.data)))

    def warm_up(self, problem: Problem) -> None:
        """A step of training on one batch."""
        first = torch.arange(min(BATCH, len(problem.data)), device=problem.data.device)
        source = TensorSource(problem.data.inputs(first, problem.dtype), problem.data.labels[first])
        self._trained(problem, source, self.begin(problem), self.network_learning_rate, 0)


@dataclass(frozen=True, kw_only=True)
class Herding(ByFeatures):
    """The images whose mean feature stays nearest to that of all."""

    name: ClassVar[str] = "herding"
    title: ClassVar[str] = "real images whose mean feature is that of all (Welling, ICML 2009)"

    def select(self, features: Tensor, count: int) -> Tensor:
        """One after the other."""
        return herding(features, count)


@dataclass(frozen=True, kw_only=True)
class KCenter(ByFeatures):
    """Images such that none is far from the nearest of them."""

    name: ClassVar[str] = "k-center"
    title: ClassVar[str] = "real images that leave none far away (Sener and Savarese, ICLR 2018)"

    def select(self, features: Tensor, count: int) -> Tensor:
        """The greedy algorithm, from the image nearest to the mean."""
        return k_center(features, count)
