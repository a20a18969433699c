"""DANCE and the methods after it as published: class by class, image by image, with the plainest of steps."""

from collections.abc import Iterator
from dataclasses import dataclass

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
    """Both sweeps of an iteration, one class after the other, each by a step of SGD with this momentum."""

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
            for sweep in range(2):
                for label in range(classes):
                    leaf = images[label].detach().requires_grad_()
                    loss = self._loss(number, sweep, label, leaf)
                    totals[sweep] += float(loss.detach())
                    gradients = [torch.zeros_like(part) for part in images]
                    (gradients[label],) = torch.autograd.grad(loss, leaf)
                    for other in range(classes):
                        velocity[other] = self.momentum * velocity[other] + gradients[other]
                        images[other] = images[other] - rate * velocity[other]
            images = [part.clamp(0, 1) for part in images]
            yield totals[0], totals[1], torch.cat(images)

    def _loss(self, number: int, sweep: int, label: int, stored: Tensor) -> Tensor:
        return self._naming(number, label, stored) if sweep else self._distance(number, label, stored)

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

    def _naming(self, number: int, label: int, stored: Tensor, steps: tuple[int, ...] | None = None) -> Tensor:
        """Cross-entropy of a class's images; steps: of the draw that changes them, by default one of its own."""
        own = self._draw(steps or (number, 1), label)
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
    """One step along both, at two epochs of an expert, class after class."""

    def steps(self) -> Iterator[tuple[float, float, Tensor]]:
        """(Distance, cross-entropy, images after the update) of every iteration."""
        settings, each = self.settings, self.problem.images_per_class
        images = list(settings.begin(self.problem).images.split(each))
        for number in range(settings.iterations):
            rate = decayed(settings.image_learning_rate, settings.image_decay, number / settings.iterations)
            distances, losses = [], []
            for label, part in enumerate(images):
                leaf = part.detach().requires_grad_()
                distances.append(self._distance(number, label, leaf))
                losses.append(self._naming(number, label, leaf, (self._place(number),)))
                (gradient,) = torch.autograd.grad(distances[-1] + settings.cross_entropy * losses[-1], leaf)
                images[label] = (part - rate * gradient).clamp(0, 1)
            yield float(torch.stack(distances).sum().detach()), float(torch.stack(losses).sum().detach()), torch.cat(images)

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
    """Both sweeps by torch's AdamW, with the characteristic function in complex numbers."""

    def steps(self) -> Iterator[tuple[float, float, Tensor]]:
        """(Distance, cross-entropy, images after the update) of every iteration."""
        settings, each = self.settings, self.problem.images_per_class
        assert isinstance(settings, NCFM)
        images = nn.Parameter(settings.begin(self.problem).images)
        optimiser = torch.optim.AdamW([images], weight_decay=settings.image_weight_decay)
        for number in range(settings.iterations):
            share = number / settings.iterations
            optimiser.param_groups[0]["lr"] = decayed(settings.image_learning_rate, settings.image_decay, share)
            totals = []
            for sweep in range(2):
                optimiser.zero_grad()
                loss = torch.stack([self._loss(number, sweep, *one) for one in enumerate(images.split(each))]).sum()
                loss.backward()
                optimiser.step()
                totals.append(float(loss))
            with torch.no_grad():
                images.clamp_(0, 1)
            yield totals[0], totals[1], images.detach().clone()

    def _apart(self, real: Tensor, synthetic: Tensor, place: int) -> Tensor:
        assert isinstance(self.settings, NCFM)
        random = generator(self.problem.seed, "frequencies", place)
        frequencies = torch.randn((self.settings.frequencies, real.shape[1]), generator=random, dtype=real.dtype)
        one, other = (characteristic(features, frequencies) for features in (real, synthetic))
        amplitude = (one.abs() - other.abs()) ** 2
        phase = 2 * (one.abs() * other.abs() - (one * other.conj()).real)
        return 300 * (0.5 * amplitude + 0.5 * phase.clamp(min=1e-12)).sqrt().mean()


def characteristic(features: Tensor, frequencies: Tensor) -> Tensor:
    """Phi (F,), complex, of features (n, d) made of length 1, at frequencies (F, d)."""
    parts = [torch.exp(1j * (frequencies @ (one / one.norm()))) for one in features]
    return torch.stack(parts).mean(0)
