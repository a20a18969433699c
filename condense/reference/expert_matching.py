"""DANCE and the methods after it as published: class by class, image by image, with plain steps of SGD."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.randomness import generator
from condense.reference.distribution_matching import embedding
from condense.reference.networks import load, module
from condense.reference.siamese import one_after_another
from condense.stage_c.expert_matching import ExpertMatching
from condense.stage_c.method import decayed
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
        problem, settings = self.problem, self.settings
        place = number % settings.pool if settings.pool else number
        steps = (number, 1) if sweep else (place,)
        random = generator(problem.seed, "siamese augmentation", *steps)
        draw = Law("several", settings.augmentation).draw(problem.data.classes, problem.data.shape[1:], random)
        own = draw[label : label + 1]
        synthetic = one_after_another(self._normalised(self._decoded(stored)), own)
        matched, trained = self._networks(place)
        if sweep:
            return F.cross_entropy(trained(synthetic), torch.full((len(synthetic),), label))
        drawn = problem.epoch_batches(settings.real_batch, place, "real order")
        indices = drawn.indices.split(drawn.counts)[label]
        real = one_after_another(self._normalised(problem.data.pixels[indices].to(problem.dtype) / 255), own)
        return ((embedding(matched, real).detach().mean(0) - embedding(matched, synthetic).mean(0)) ** 2).sum()

    def _networks(self, place: int) -> tuple[nn.Module, nn.Module]:
        problem, random = self.problem, generator(self.problem.seed, "expert", place)
        expert = problem.experts[int(torch.randint(self.settings.expert_count, (), generator=random))]
        share = float(torch.rand((), generator=random, dtype=torch.float64))
        views = Layout.of(problem.network).views
        initial, trained = (views(expert.vectors[epoch].to(problem.dtype)) for epoch in (0, expert.epochs))
        between = {name: share * initial[name] + (1 - share) * trained[name] for name in initial}
        name, shape = problem.network.name, problem.data.shape
        one, other = (load(module(name, shape, problem.data.classes), each).train() for each in (between, trained))
        return one, other

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
