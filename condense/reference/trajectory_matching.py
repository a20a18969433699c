"""Trajectory matching as published: the distance differentiated through all steps of the student at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from condense.augmentation.laws import Law
from condense.randomness import generator
from condense.reference.networks import module
from condense.reference.siamese import one_after_another
from condense.stage_c.methods.datm import DATM
from condense.stage_c.methods.mtt import MTT
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass(frozen=True)
class Step:
    """What an iteration gave: the distance; its gradients by what is learned; images, rate, logits after the update."""

    distance: float
    gradients: dict[str, Tensor]
    after: dict[str, Tensor]


class PlainMTT:
    """The loop. Each learned thing has a `torch.optim.SGD` of its own, as in the authors' code.

    held: the parameters that a step's gradient is taken at count as given, TESLA's leaving out.
    """

    def __init__(self, settings: MTT, problem: Problem, *, held: bool = False) -> None:
        self.settings, self.problem, self.held = settings, problem, held
        self.net: nn.Module = module(problem.network.name, problem.data.shape, problem.data.classes).to(problem.dtype)
        begun = settings.begin(problem)
        self.learned = {"images": begun.images.clone(), "rate": begun.rate.clone()}
        rates = {"images": settings.image_learning_rate, "rate": settings.rate_learning_rate}
        momenta = dict.fromkeys(rates, settings.image_momentum)
        if isinstance(settings, DATM):
            self.learned["logits"], rates["logits"] = begun.logits.clone(), settings.label_learning_rate
            momenta["logits"] = settings.label_momentum
        for value in self.learned.values():
            value.requires_grad_()
        self.optimisers = [
            torch.optim.SGD([value], lr=rates[name], momentum=momenta[name]) for name, value in self.learned.items()
        ]

    def steps(self) -> Iterator[Step]:
        """Every iteration."""
        for number in range(self.settings.iterations):
            distance = self.distance(number)
            for optimiser in self.optimisers:
                optimiser.zero_grad()
            distance.backward()
            gradients = {name: value.grad.clone() for name, value in self.learned.items() if value.grad is not None}
            if not isinstance(self.settings, DATM) or float(distance.detach()) <= self.settings.largest_distance:
                for optimiser in self.optimisers:
                    optimiser.step()
            after = {name: value.detach().clone() for name, value in self.learned.items()}
            yield Step(float(distance.detach()), gradients, after)

    def distance(self, number: int) -> Tensor:
        """How far the student of an iteration ends from its expert, as a share of the way; with the graph of all steps."""
        start, target = self._segment(number)
        parameters = {name: value.clone().requires_grad_() for name, value in start.items()}
        order, left = generator(self.problem.seed, "student order", number), list[Tensor]()
        for step in range(self.settings.student_steps):
            if not left:
                count = len(self.learned["images"])
                left = list(torch.randperm(count, generator=order).split(self.settings.synthetic_batch or count))
            parameters = self._moved(parameters, left.pop(), number, step)
        ended, way = 0.0 * self.learned["rate"].sum(), 0.0
        for name, value in parameters.items():
            ended = ended + ((value - target[name]) ** 2).sum()
            way += float(((start[name] - target[name]) ** 2).sum())
        return ended / way

    def _segment(self, number: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(Parameters that the student begins with, those that it is to come to), in the module's names."""
        settings, random = self.settings, generator(self.problem.seed, "expert", number)
        expert = self.problem.experts[int(torch.randint(settings.expert_count, (), generator=random))]
        below = settings.start_below
        if isinstance(settings, DATM) and settings.growth:
            grown = int((settings.start_below - settings.first_below) * (number / settings.growth))
            below = min(settings.first_below + grown, settings.start_below)
        begun = settings.start_from + int(torch.randint(below - settings.start_from, (), generator=random))
        return self._named(expert.vectors[begun]), self._named(expert.vectors[begun + settings.matched_epochs])

    def _named(self, vector: Tensor) -> dict[str, Tensor]:
        views = Layout.of(self.problem.network).views(vector.to(self.problem.dtype))
        names = [name for name, _ in self.net.named_parameters()]
        return dict(zip(names, (value.clone() for value in views.values()), strict=True))

    def _moved(self, parameters: dict[str, Tensor], indices: Tensor, number: int, step: int) -> dict[str, Tensor]:
        """The parameters after a step of SGD on these images."""
        settings, at = self.settings, parameters
        x = self.learned["images"][indices]
        if settings.augmentation:
            random = generator(self.problem.seed, "student augmentation", number, step)
            law, size = Law("single", settings.augmentation), self.problem.data.shape[1:]
            x = one_after_another(x, law.draw(len(indices), size, random, together=True))
        if self.held:
            at = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        logits = functional_call(self.net.train(), at, (x,))
        if "logits" in self.learned:
            log_likelihood = F.log_softmax(logits, 1)
            loss = -(self.learned["logits"][indices].softmax(1) * log_likelihood).sum() / len(indices)
        else:
            loss = F.cross_entropy(logits, self.problem.labels[indices])
        gradients = torch.autograd.grad(loss, list(at.values()), create_graph=True)
        rate = self.learned["rate"]
        return {name: value - rate * own for (name, value), own in zip(parameters.items(), gradients, strict=True)}
