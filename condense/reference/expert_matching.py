"""DANCE and the methods after it as published: class by class, image by image, with the plainest of steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.randomness import generator
from condense.reference.distribution_matching import embedding
from condense.reference.networks import load, module
from condense.reference.siamese import one_after_another
from condense.stage_c.expert_matching import ExpertMatching
from condense.stage_c.method import decayed
from condense.stage_c.methods.ncfm import NCFM
from condense.stage_c.methods.tgdd import TGDD
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass
class PlainDANCE:
    """Both sweeps of an iteration, one class after the other, each by a step of SGD with this momentum.

    sweeps: which losses each of an iteration goes down: 0 is the distance, 1 the cross-entropy.
    """

    sweeps: ClassVar[tuple[tuple[int, ...], ...]] = ((0,), (1,))

    settings: ExpertMatching
    problem: Problem
    momentum: float = 0.0

    def steps(self) -> Iterator[tuple[float, float, Tensor]]:
        """(Distance, cross-entropy, images after the update) of every iteration."""
        problem, settings = self.problem, self.settings
        classes, each = problem.data.classes, problem.images_per_class
        images = list(settings.begin(problem).images.split(each))
        velocity = [torch.zeros_like(part) for part in images]
        for number in range(settings.iterations):
            rate = decayed(settings.image_learning_rate, settings.image_decay, number / settings.iterations)
            rate *= 1 - self.momentum
            totals = [0.0, 0.0]
            for sweep in self.sweeps:
                for label in range(classes):
                    leaf = images[label].detach().requires_grad_()
                    gradients = [torch.zeros_like(part) for part in images]
                    (gradients[label],) = torch.autograd.grad(self._loss(number, sweep, label, leaf, totals), leaf)
                    for other in range(classes):
                        velocity[other] = self.momentum * velocity[other] + gradients[other]
                        images[other] = images[other] - rate * velocity[other]
            images = [part.clamp(0, 1) for part in images]
            yield totals[0], totals[1], torch.cat(images)

    def _loss(self, number: int, sweep: tuple[int, ...], label: int, stored: Tensor, totals: list[float]) -> Tensor:
        """What a class goes down in a sweep; each loss by itself is added to its total."""
        losses = {which: (self._distance, self._naming)[which](number, label, stored) for which in sweep}
        for which, loss in losses.items():
            totals[which] += float(loss.detach())
        return torch.stack([(1.0, self.settings.cross_entropy)[which] * loss for which, loss in losses.items()]).sum()

    def _distance(self, number: int, label: int, stored: Tensor) -> Tensor:
        """How far the features of a class's images are from those of real ones."""
        place, problem = self._place(number), self.problem
        own = self._draw((place,), label)
        synthetic = one_after_another(self._normalised(self._decoded(stored)), own)
        drawn = problem.epoch_batches(self.settings.real_batch, place, "real order")
        indices = drawn.indices.split(drawn.counts)[label]
        real = one_after_another(self._normalised(problem.data.pixels[indices].to(problem.dtype) / 255), own)
        matched, _ = self._networks(place)
        return self._apart(embedding(matched, real).detach(), embedding(matched, synthetic), place)

    def _naming(self, number: int, label: int, stored: Tensor) -> Tensor:
        """Cross-entropy of a class's images; where it has a sweep of its own, it has a draw of its own too."""
        own = self._draw((number, 1) if len(self.sweeps) > 1 else (self._place(number),), label)
        synthetic = one_after_another(self._normalised(self._decoded(stored)), own)
        _, trained = self._networks(self._place(number))
        return F.cross_entropy(trained(synthetic), torch.full((len(synthetic),), label))

    def _place(self, number: int) -> int:
        return number % self.settings.pool if self.settings.pool else number

    def _draw(self, steps: tuple[int, ...], label: int) -> Draw:
        random = generator(self.problem.seed, "siamese augmentation", *steps)
        law = Law("several", self.settings.augmentation)
        return law.draw(self.problem.data.classes, self.problem.data.shape[1:], random)[label : label + 1]

    def _apart(self, real: Tensor, synthetic: Tensor, place: int) -> Tensor:
        """The squared distance of the means of features (n, d)."""
        return ((real.mean(0) - synthetic.mean(0)) ** 2).sum()

    def _networks(self, place: int) -> tuple[nn.Module, nn.Module]:
        problem, random = self.problem, generator(self.problem.seed, "expert", place)
        expert = problem.experts[int(torch.randint(self.settings.expert_count, (), generator=random))]
        share = float(torch.rand((), generator=random, dtype=torch.float64))
        initial, trained = (expert.vectors[epoch].to(problem.dtype) for epoch in (0, expert.epochs))
        return self._module(share * initial + (1 - share) * trained), self._module(trained)

    def _module(self, vector: Tensor) -> nn.Module:
        name, shape, classes = self.problem.network.name, self.problem.data.shape, self.problem.data.classes
        return load(module(name, shape, classes), Layout.of(self.problem.network).views(vector)).train()

    def _normalised(self, pixels: Tensor) -> Tensor:
        channels = [
            (pixels[:, channel] - mean) / std
            for channel, (mean, std) in enumerate(zip(self.problem.data.mean, self.problem.data.std, strict=True))
        ]
        return torch.stack(channels, 1)

    def _decoded(self, stored: Tensor) -> Tensor:
        """Tiles of stored images with sides that the factor divides, each enlarged."""
        factor, (height, width) = self.settings.factor, stored.shape[2:]
        tall, wide = height // factor, width // factor
        tiles = [
            F.interpolate(stored[:, :, y : y + tall, x : x + wide], (height, width), mode="bilinear")
            for y in range(0, height, tall)
            for x in range(0, width, wide)
        ]
        return torch.cat(tiles)


@dataclass
class PlainTGDD(PlainDANCE):
    """One sweep along both losses, at two epochs of an expert."""

    sweeps: ClassVar[tuple[tuple[int, ...], ...]] = ((0, 1),)

    def _networks(self, place: int) -> tuple[nn.Module, nn.Module]:
        settings, random = self.settings, generator(self.problem.seed, "expert", place)
        assert isinstance(settings, TGDD)
        expert = self.problem.experts[int(torch.randint(settings.expert_count, (), generator=random))]
        epoch = int(torch.randint(settings.expert_epochs + 1, (), generator=random))
        last = min(epoch + settings.ahead, settings.expert_epochs)
        later = epoch + int(torch.randint(last - epoch + 1, (), generator=random))
        first, second = (self._module(expert.vectors[one].to(self.problem.dtype)) for one in (epoch, later))
        return first, second


@dataclass
class PlainNCFM(PlainDANCE):
    """Both sweeps by torch's AdamW, with the characteristic function in complex numbers.

    Each class by itself has a step with its gradient, and then as many with none as there are other classes. in_turn: all
    images have one optimiser, whose steps are with the gradient of one class after the other, as in the authors' code.
    """

    in_turn: bool = False

    def steps(self) -> Iterator[tuple[float, float, Tensor]]:
        """(Distance, cross-entropy, images after the update) of every iteration."""
        settings, each = self.settings, self.problem.images_per_class
        assert isinstance(settings, NCFM)
        if settings.image_optimiser == "sgd":
            yield from super().steps()
            return
        images = [nn.Parameter(part) for part in settings.begin(self.problem).images.split(each)]
        groups = [images] if self.in_turn else [[part] for part in images]
        optimisers = [torch.optim.AdamW(group, weight_decay=settings.image_weight_decay) for group in groups]
        for number in range(settings.iterations):
            share, totals = number / settings.iterations, [0.0, 0.0]
            for optimiser in optimisers:
                optimiser.param_groups[0]["lr"] = decayed(settings.image_learning_rate, settings.image_decay, share)
            for place, sweep in enumerate(self.sweeps):
                for label, part in enumerate(images):
                    for other in images:
                        other.grad = torch.zeros_like(other)
                    self._loss(number, sweep, label, part, totals).backward()
                    if self.in_turn:
                        optimisers[0].step()
                    else:
                        self._on_and_on(optimisers[label], part, (2 * number + place) * len(images))
            with torch.no_grad():
                for part in images:
                    part.clamp_(0, 1)
            yield totals[0], totals[1], torch.cat([part.detach() for part in images])

    def _on_and_on(self, optimiser: torch.optim.AdamW, part: nn.Parameter, done: int) -> None:
        """The steps of a class until it has its turn again, after so many; the least value shrinks with the root."""
        classes, options = self.problem.data.classes, optimiser.param_groups[0]
        _, shrunk = options["betas"]
        roots = [(shrunk**turn / (1 - shrunk ** (done + turn + 1))) ** 0.5 for turn in range(classes)]
        for root in roots:
            options["eps"] = 1e-8 * root / roots[0]
            optimiser.step()
            part.grad = torch.zeros_like(part)

    def _apart(self, real: Tensor, synthetic: Tensor, place: int) -> Tensor:
        assert isinstance(self.settings, NCFM)
        random = generator(self.problem.seed, "frequencies", place)
        frequencies = torch.randn((self.settings.frequencies, real.shape[1]), generator=random, dtype=real.dtype)
        one, other = (characteristic(features, frequencies) for features in (real, synthetic))
        amplitude = (one.abs() - other.abs()) ** 2
        phase = 2 * one.abs() * other.abs() * (1 - torch.cos(one.angle() - other.angle()))
        weight = self.settings.amplitude
        return 300 * (weight * amplitude + (1 - weight) * phase).sqrt().mean()


def characteristic(features: Tensor, frequencies: Tensor) -> Tensor:
    """Phi (F,), complex, of features (n, d) made of length 1, at frequencies (F, d)."""
    parts = [torch.exp(1j * (frequencies @ (one / one.norm().clamp(min=1e-12)))) for one in features]
    return torch.stack(parts).mean(0)
