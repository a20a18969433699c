"""Random real images with soft labels: those that a network gives them which stopped early in its training.

The baseline of Qin, Deng and Alvarez-Melis ('A Label is Worth a Thousand Images in Dataset Distillation', NeurIPS 2024).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch

from condense.checking import AtLeastOne, Positive
from condense.condensed import Condensed
from condense.stage_c import embedding
from condense.stage_c.experts import Plan
from condense.stage_c.fixed_network import trained_for
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods.selections import AtOnce, Nothing
from condense.stage_c.problem import Problem
from condense.stage_c.selection import random_selection
from condense.training.recipe import Stage


@dataclass(frozen=True, kw_only=True)
class RandomSoft(AtOnce):
    """The images of `random` with the probabilities that an early-stopped network gives them, one fixed label an image."""

    name: ClassVar[str] = "random-soft"
    title: ClassVar[str] = "random real images with soft labels of an early-stopped network (Qin et al., NeurIPS 2024)"
    label_kind: ClassVar[Literal["hard", "soft"]] = "soft"

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

    def experts(self, problem: Problem) -> Plan:
        """The network that gives the labels."""
        return embedding.trained(problem, (Stage(self.expert_epochs, self.network_learning_rate),))

    def result(self, problem: Problem, state: Nothing) -> Condensed:
        """The images that `random` draws, and what the network says of them."""
        images = random_selection(problem.data, problem.images_per_class, problem.seed)
        fixed = trained_for(problem, 0, self.expert_epochs)
        logits = torch.cat([logits for _, logits in embedding.seen(problem, fixed, images)])
        return Condensed(images, logits.double().softmax(dim=1).float())

    def cost(self, problem: Problem) -> float:
        """Training the network."""
        return float(self.expert_epochs * len(problem.data))
