"""Selections: real images in the place of learned ones, at random or by where they lie among the features of a network.

The laws of herding and k-center are those behind the tables of Zhao et al. (ICLR 2021), as its authors state them
(`stage_c/selection.py`).
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from condense.checking import AtLeastOne, Positive, one_of
from condense.condensed import Condensed
from condense.decoding import MOST_TILES
from condense.execution import Work
from condense.randomness import generator
from condense.stage_c import embedding
from condense.stage_c.experts import Plan
from condense.stage_c.fixed_network import trained_for
from condense.stage_c.k_means import k_means, nearest_points
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.packing import PACKINGS, check_packing, decoder_for, packed
from condense.stage_c.problem import Problem
from condense.stage_c.selection import by_class, herding, k_center, random_selection


@dataclass(frozen=True)
class Nothing:
    """The state of what has no steps."""


@dataclass(frozen=True, kw_only=True)
class AtOnce(Method):
    """What takes real images without a step."""

    kind: ClassVar[Literal["learned", "selected"]] = "selected"

    def steps(self, problem: Problem) -> int:
        """None."""
        return 0

    def begin(self, problem: Problem) -> Nothing:
        """Nothing."""
        return Nothing()

    def step(self, problem: Problem, state: Nothing, number: int) -> tuple[Nothing, dict[str, float | Tensor]]:
        """Never called."""
        raise NotImplementedError(f"{self.name} has no steps.")


@dataclass(frozen=True, kw_only=True)
class Selection(Method):
    """Real images as they are, or several of them in each stored one."""

    kind: ClassVar[Literal["learned", "selected"]] = "selected"

    factor: Annotated[int, Field(ge=1, le=MOST_TILES)] = setting(
        "Each stored image holds factor x factor real ones as its tiles, and is decoded to them in training.", 1, later=True
    )
    packing: Annotated[str, one_of("packing", PACKINGS)] = setting(
        "How real images are made as small as tiles: nearest (every factor-th pixel) or mean.", "nearest", later=True
    )

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images, or they cannot be cut so."""
        check_packing(problem, self.factor)

    def chosen_per_class(self, problem: Problem) -> int:
        """Real images to be chosen of each class."""
        return problem.images_per_class * self.factor**2

    def stored(self, problem: Problem, images: Tensor) -> Condensed:
        """The set of the chosen images (classes * chosen, C, H, W), class by class."""
        tiled = packed(images, problem.images_per_class, self.factor, self.packing)
        return Condensed(tiled, problem.labels, decoder_for(problem.data, self.factor))


@dataclass(frozen=True, kw_only=True)
class Random(AtOnce, Selection):
    """Images of each class, drawn without replacement."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "real images drawn at random from each class: the baseline"
    uses_network: ClassVar[bool] = False

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """There is nothing to set."""
        return cls()

    def result(self, problem: Problem, state: Nothing) -> Condensed:
        """The images drawn by the seed."""
        return self.stored(problem, random_selection(problem.data, self.chosen_per_class(problem), problem.seed))


@dataclass(frozen=True, kw_only=True)
class ByFeatures(AtOnce, Selection):
    """A selection among the features that a network trained on all real images gives them."""

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

    def select(self, features: Tensor, count: int, random: torch.Generator) -> Tensor:
        """Indices (count,) of rows of one class's features (n, d); random: on the CPU."""
        raise NotImplementedError

    def experts(self, problem: Problem) -> Plan:
        """That network: the same for all selections with the seed."""
        return embedding.trained(problem, embedding.in_two_halves(self.epochs, self.network_learning_rate))

    def result(self, problem: Problem, state: Nothing) -> Condensed:
        """The images selected in each class."""
        random, fixed = generator(problem.seed, "selection"), trained_for(problem, 0, self.epochs)
        chosen = by_class(
            lambda features, count: self.select(features, count, random),
            problem.data,
            torch.cat([features for features, _ in embedding.seen(problem, fixed)]),
            self.chosen_per_class(problem),
        )
        return self.stored(problem, problem.data.inputs(chosen, torch.float32))

    def work(self, problem: Problem) -> Work:
        """A pass forward over all real images."""
        return Work(multiply_adds=float(problem.network.multiply_adds) * len(problem.data), batch=embedding.BATCH)

    def cost(self, problem: Problem) -> float:
        """The same, and training the network."""
        return len(problem.data) * (self.epochs + 1 / 3)


@dataclass(frozen=True, kw_only=True)
class Herding(ByFeatures):
    """The images whose mean feature stays nearest to that of all."""

    name: ClassVar[str] = "herding"
    title: ClassVar[str] = "real images whose mean feature is that of all (Welling, ICML 2009)"

    def select(self, features: Tensor, count: int, random: torch.Generator) -> Tensor:
        """One after the other."""
        return herding(features, count)


@dataclass(frozen=True, kw_only=True)
class KCenter(ByFeatures):
    """Images such that none is far from the nearest of them."""

    name: ClassVar[str] = "k-center"
    title: ClassVar[str] = "real images that leave none far away (Sener and Savarese, ICLR 2018)"

    def select(self, features: Tensor, count: int, random: torch.Generator) -> Tensor:
        """The greedy algorithm, from the image nearest to the mean."""
        return k_center(features, count)


@dataclass(frozen=True, kw_only=True)
class KMeans(ByFeatures):
    """The images nearest to the centres of as many clusters."""

    name: ClassVar[str] = "kmeans"
    title: ClassVar[str] = "real images nearest to the centres of k-means (Lloyd, 1982) among their features"

    def select(self, features: Tensor, count: int, random: torch.Generator) -> Tensor:
        """A cluster for each image to choose."""
        return nearest_points(features, k_means(features, count, random))
