"""Random real images with soft labels: those that a network gives them which stopped early in its training.

The baseline of Qin, Deng and Alvarez-Melis ('A Label is Worth a Thousand Images in Dataset Distillation', NeurIPS 2024).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from condense.checking import AtLeastOne, Positive
from condense.condensed import Condensed
from condense.execution import Work
from condense.stage_c import embedding
from condense.stage_c.embedding import Embedding
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.problem import Problem
from condense.stage_c.selection import random_selection


@dataclass(frozen=True, kw_only=True)
class RandomSoft(Method):
    """The images of `random` with the probabilities that an early-stopped network gives them, one fixed label an image."""

    name: ClassVar[str] = "random-soft"
    title: ClassVar[str] = "random real images with soft labels of an early-stopped network (Qin et al., NeurIPS 2024)"
    kind: ClassVar[Literal["learned", "selected"]] = "selected"

    expert_epochs: AtLeastOne = setting(
        "Epochs of training on all real images after which the network gives the labels; published: 20 below 50 images per "
        "class, 104 from there on, fast: 5 and 10."
    )
    network_learning_rate: Positive = setting("Its learning rate in all epochs; published: 0.001, fast: 0.01.")

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """Rate and epochs of the authors' code, as far as it states them: few epochs for few images, many for many."""
        return cls(expert_epochs=104 if occasion.images_per_class >= 50 else 20, network_learning_rate=0.001)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """A tenth to a quarter of the epochs at ten times the rate: about as far in training, by reasoning; not tuned."""
        epochs = 10 if occasion.images_per_class >= 50 else 5
        return replace(cls.published(occasion), expert_epochs=epochs, network_learning_rate=0.01)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images."""
        problem.check_classes()

    def steps(self, problem: Problem) -> int:
        """Epochs."""
        return self.expert_epochs

    def begin(self, problem: Problem) -> Embedding:
        """A new network."""
        return embedding.new_embedding(problem)

    def step(self, problem: Problem, state: Embedding, number: int) -> tuple[Embedding, dict[str, float | Tensor]]:
        """An epoch of training on all real images."""
        after, loss = embedding.after_epoch(problem, state, self.network_learning_rate, number)
        return after, {"cross-entropy": loss}

    def result(self, problem: Problem, state: Embedding) -> Condensed:
        """The images that `random` draws, and what the network says of them."""
        images = random_selection(problem.data, problem.images_per_class, problem.seed)
        logits = torch.cat([logits for _, logits in embedding.seen(problem, state, images)])
        return Condensed(images, logits.double().softmax(dim=1).float())

    def work(self, problem: Problem) -> Work:
        """Training on all real images."""
        return embedding.work(problem, self.expert_epochs)

    def warm_up(self, problem: Problem) -> None:
        """A step of training on one batch."""
        embedding.warm_up(problem, self.network_learning_rate)
