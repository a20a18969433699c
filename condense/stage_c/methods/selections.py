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
from condense.stage_c.embedding import Embedding
from condense.stage_c.k_means import k_means, nearest_points
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.packing import PACKINGS, check_packing, decoder_for, packed
from condense.stage_c.problem import Problem
from condense.stage_c.selection import by_class, herding, k_center, random_selection


@dataclass(frozen=True)
class Nothing:
    """The state of what has no steps."""


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
class Random(Selection):
    """Images of each class, drawn without replacement."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "real images drawn at random from each class: the baseline"
    uses_network: ClassVar[bool] = False

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """There is nothing to set."""
        return cls()

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
        return self.stored(problem, random_selection(problem.data, self.chosen_per_class(problem), problem.seed))


@dataclass(frozen=True, kw_only=True)
class ByFeatures(Selection):
    """A selection among the features that a network trained on all real images gives them; its epochs are the steps."""

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

    def steps(self, problem: Problem) -> int:
        """Epochs."""
        return self.epochs

    def begin(self, problem: Problem) -> Embedding:
        """A new network."""
        return embedding.new_embedding(problem)

    def step(self, problem: Problem, state: Embedding, number: int) -> tuple[Embedding, dict[str, float | Tensor]]:
        """An epoch of training on all real images."""
        rate = self.network_learning_rate * (1.0 if number < self.epochs // 2 else 0.1)
        after, loss = embedding.after_epoch(problem, state, rate, number)
        return after, {"cross-entropy": loss}

    def result(self, problem: Problem, state: Embedding) -> Condensed:
        """The images selected in each class."""
        random = generator(problem.seed, "selection")
        chosen = by_class(
            lambda features, count: self.select(features, count, random),
            problem.data,
            embedding.features_of(problem, state),
            self.chosen_per_class(problem),
        )
        return self.stored(problem, problem.data.inputs(chosen, torch.float32))

    def work(self, problem: Problem) -> Work:
        """Training on all real images."""
        return embedding.work(problem, self.epochs)

    def warm_up(self, problem: Problem) -> None:
        """A step of training on one batch."""
        embedding.warm_up(problem, self.network_learning_rate)


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
