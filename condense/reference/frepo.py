"""FRePo as published: kernels with an explicit inverse, plain networks with `torch.optim.Adam`, LAMB number by number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.randomness import generator
from condense.reference.distribution_matching import embedding
from condense.reference.networks import load, module
from condense.stage_c.methods.frepo import FRePo
from condense.stage_c.problem import Problem


@dataclass
class Lamb:
    """LAMB of one tensor, with betas .9 and .999."""

    value: Tensor
    mean: Tensor = field(init=False)
    square: Tensor = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.mean = self.square = torch.zeros_like(self.value)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step along a gradient."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        direction = (self.mean / (1 - 0.9**self.steps)) / ((self.square / (1 - 0.999**self.steps)) ** 0.5 + 1e-6)
        self.value = self.value - rate * direction * float((self.value**2).sum() / (direction**2).sum()) ** 0.5


@dataclass
class Member:
    """A network of the pool, its optimiser, and the steps it is taken to have been trained."""

    net: nn.Module
    adam: torch.optim.Adam
    age: int


@dataclass
class PlainFRePo:
    """The loop: one network's turn, a move of images and labels, a step of its training, a new network when it is old."""

    settings: FRePo
    problem: Problem

    def steps(self) -> Iterator[tuple[float, Tensor, Tensor, list[nn.Module]]]:
        """(The regression's error, images and labels after the update, the pool) of every step."""
        settings, problem = self.settings, self.problem
        classes = problem.data.classes
        images = Lamb(problem.real_images())
        one_hot = torch.eye(classes, dtype=problem.dtype)
        labels = Lamb((one_hot[problem.labels] - 1 / classes) / (classes / 10) ** 0.5)
        span = settings.online_steps + 1
        pool = [self._new(place, age=place * span // settings.pool) for place in range(settings.pool)]
        order = list[int]()
        for number in range(settings.iterations):
            if not order:
                random = generator(problem.seed, "order of the pool", number // settings.pool)
                order = torch.randperm(settings.pool, generator=random).tolist()
            place = order.pop(0)
            member = pool[place]
            real = settings.real_images(problem, number)
            wanted = one_hot[problem.data.labels[real]] - 1 / classes
            x, y = images.value.clone().requires_grad_(), labels.value.clone().requires_grad_()
            error = self._error(member.net.eval(), x, y, problem.data.inputs(real, problem.dtype), wanted)
            margins = [min((row.sort().values[-1] - row.sort().values[-2], row.new_tensor(1 / classes))) for row in y]
            (error - sum(margins) / len(margins)).backward()
            share = 0.1 + 0.9 * (1 + math.cos(math.pi * number / settings.iterations)) / 2
            for one, leaf in ((images, x), (labels, y)):
                assert leaf.grad is not None
                one.step(leaf.grad, settings.image_learning_rate * share)
            self._train(member, images.value, labels.value)
            if member.age > settings.online_steps:
                pool[place] = self._new(settings.pool + number, age=0)
            yield float(error.detach()), images.value, labels.value, [one.net for one in pool]

    def _new(self, drawn: int, age: int) -> Member:
        problem = self.problem
        parameters = problem.network.initial(generator(problem.seed, "network", drawn), problem.dtype)
        net = load(module(problem.network.name, problem.data.shape, problem.data.classes), parameters)
        return Member(net, torch.optim.Adam(net.parameters(), lr=self.settings.network_learning_rate), age)

    def _shown(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.mirror == "none":
            return x, y
        return torch.cat([x, torch.stack([image.flip(-1) for image in x])]), torch.cat([y, y])

    def _error(self, net: nn.Module, x: Tensor, y: Tensor, real: Tensor, wanted: Tensor) -> Tensor:
        x, y = self._shown(x, y)
        own, seen = embedding(net, x), embedding(net, real).detach()
        kernel = torch.stack([torch.stack([(a * b).sum() for b in own]) for a in own])
        ridge = 1e-6 * kernel.trace() / len(own)
        inverse = torch.linalg.inv(kernel + ridge * torch.eye(len(own), dtype=own.dtype))
        said = seen @ own.T @ inverse @ y
        return (0.5 * ((said - wanted) ** 2).sum(1)).mean()

    def _train(self, member: Member, x: Tensor, y: Tensor) -> None:
        x, y = self._shown(x, y)
        member.adam.zero_grad()
        (0.5 * F.mse_loss(member.net.train()(x), y, reduction="none").sum(1)).mean().backward()
        member.adam.step()
        member.age += 1
