"""IDC as published: one class after the other, plain autograd, `torch.optim` for images and network.

It draws from the same named generators as the fast path, so the two can be walked side by side.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.randomness import generator
from condense.reference.networks import load, module
from condense.reference.siamese import one_after_another
from condense.reference.training import changed, optimiser_of
from condense.stage_c.methods.idc import IDC
from condense.stage_c.problem import Problem
from condense.training.engine import MemberDraws


def packed(pixels: list[Tensor], factor: int) -> Tensor:
    """One stored image (C, H, W) of factor^2 images, each its every factor-th row and column; sides the factor divides."""
    rows = [torch.cat([x[:, ::factor, ::factor] for x in pixels[row * factor :][:factor]], 2) for row in range(factor)]
    return torch.cat(rows, 1)


def decoded(images: Tensor, factor: int) -> Tensor:
    """Stored images (n, C, H, W) taken apart: the first tile of all, then the second; sides the factor divides."""
    height, width = (side // factor for side in images.shape[2:])
    tiles = [
        images[:, :, row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(factor)
        for column in range(factor)
    ]
    return torch.cat([F.interpolate(tile, images.shape[2:], mode="bilinear") for tile in tiles])


def class_distance(net: nn.Module, metric: str, real: Tensor, synthetic: Tensor, label: int) -> Tensor:
    """Difference of the gradients of convolution weights on real and on synthetic images of a class."""
    weights = [weight for weight in net.parameters() if weight.dim() >= 3]
    gradients = []
    for x in (real, synthetic):
        loss = F.cross_entropy(net(x), torch.full((len(x),), label))
        gradients.append(torch.autograd.grad(loss, weights, create_graph=True))
    total = synthetic.new_zeros(())
    for a, b in zip(*gradients, strict=True):
        total = total + ((a.detach() - b) ** 2 if metric == "squared" else (a.detach() - b).abs()).sum()
    return total


class PlainIDC:
    """The loop. in_turn: each class takes its own step with momentum 0.5 and half the rate, as in the authors' code."""

    def __init__(self, settings: IDC, problem: Problem, *, in_turn: bool = False) -> None:
        self.settings, self.problem, self.data, self.in_turn = settings, problem, problem.data, in_turn
        self.mean, self.std = (
            torch.tensor(values, dtype=problem.dtype)[:, None, None] for values in (self.data.mean, self.data.std)
        )
        self.starts = [int((self.data.labels == label).nonzero()[0]) for label in range(self.data.classes)]

    def steps(self) -> Iterator[tuple[float, Tensor, nn.Module]]:
        """(Sum of distances, images in [0, 1] or so after the update, network after its training) of every inner step."""
        settings, problem = self.settings, self.problem
        images = self.initial().requires_grad_()
        share, momentum = (0.5, 0.5) if self.in_turn else (1.0, 0.0)
        optimiser = torch.optim.SGD([images], lr=1.0, momentum=momentum)
        for iteration in range(settings.iterations):
            images.data.clamp_(0, 1)
            parameters = problem.network.initial(generator(problem.seed, "network", iteration), problem.dtype)
            net = load(module(problem.network.name, self.data.shape, self.data.classes), parameters)
            trainer = optimiser_of(net, settings.recipe(), settings.network_learning_rate)
            for inner in range(settings.inner_loop):
                number = iteration * settings.inner_loop + inner
                optimiser.param_groups[0]["lr"] = share * settings.rate(number)
                total = self._move(net.eval(), images, optimiser, number)
                if inner + 1 < settings.inner_loop:
                    self._train(net.train(), trainer, number)
                yield total, images.detach().clone(), net

    def initial(self) -> Tensor:
        """Real images of each class, packed."""
        settings, problem = self.settings, self.problem
        each, multiple = problem.images_per_class, settings.factor**2
        stored = []
        for chosen in self.first_images(each * multiple):
            pixels = self.data.pixels[chosen].to(problem.dtype) / 255
            stored += [packed([pixels[k * each + i] for k in range(multiple)], settings.factor) for i in range(each)]
        return torch.stack(stored)

    def first_images(self, count: int) -> list[Tensor]:
        """Indices of so many real images of each class to begin with."""
        if self.settings.init == "real":
            return list(self.data.draw_class_batches(count, self.problem.random("initial images")).indices.split(count))
        return [start + torch.arange(count) for start in self.starts]

    def _move(self, net: nn.Module, images: Tensor, optimiser: torch.optim.Optimizer, number: int) -> float:
        settings, each, total = self.settings, self.problem.images_per_class, 0.0
        siamese = Law("several", settings.augmentation).draw(
            self.data.classes, self.data.shape[1:], generator(self.problem.seed, "siamese augmentation", number)
        )
        optimiser.zero_grad()
        for label in range(self.data.classes):
            own = siamese[label : label + 1]
            stored = (images[label * each : (label + 1) * each] - self.mean) / self.std
            synthetic = one_after_another(decoded(stored, settings.factor), own)
            real = one_after_another(self.data.inputs(self.real(net, label, number), self.problem.dtype), own)
            distance = class_distance(net, settings.metric, real, synthetic, label)
            distance.backward(inputs=[images])
            total += float(distance.detach())
            if self.in_turn:
                optimiser.step()
                images.grad = torch.zeros_like(images)
        if not self.in_turn:
            optimiser.step()
        return total

    def real(self, net: nn.Module, label: int, number: int) -> Tensor:
        """Indices of the real images of a class in a step."""
        count = self.data.counts[label]
        size = min(self.settings.real_batch, count)
        batches = count // size
        of_an_iteration = range(0, self.settings.inner_loop, self.settings.renewal)
        iteration, inner = divmod(number, self.settings.inner_loop)
        drawn = iteration * len(of_an_iteration) + inner // self.settings.renewal
        random = generator(self.problem.seed, "order of a class", label, drawn // batches)
        order = torch.randperm(count, generator=random)
        return self.starts[label] + order.split(size)[drawn % batches]

    def _train(self, net: nn.Module, trainer: torch.optim.Optimizer, number: int) -> None:
        random = generator(self.problem.seed, "training images", number)
        chosen = torch.randperm(len(self.data), generator=random)[: 64 * self.settings.network_batches]
        x, y = self.data.inputs(chosen, self.problem.dtype), self.data.labels[chosen]
        draws = MemberDraws.of(self.problem.seed, "training", number)
        for indices in torch.randperm(len(y), generator=draws.order).split(64):
            batch, truth = changed(x[indices], y[indices], self.settings.recipe(), draws.augmentation, self.data.classes)
            trainer.zero_grad()
            F.cross_entropy(net(batch), truth).backward()
            trainer.step()
