"""Gradient matching as published: one class at a time, autograd's double backward, `torch.optim` for both updates.

It draws from the same named generators as the fast path, so the two can be walked side by side.
"""

from collections.abc import Iterator
from statistics import median_low

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.randomness import generator
from condense.reference.networks import SeededDropout, load, module
from condense.reference.siamese import one_after_another
from condense.stage_c.methods.dc import DC
from condense.stage_c.problem import Problem


def layer_distance(synthetic: Tensor, real: Tensor) -> Tensor:
    """The published distance of one parameter's gradients, case by case of its number of dimensions."""
    if synthetic.dim() == 1:
        return synthetic.new_zeros(())
    if synthetic.dim() == 4:
        rows = synthetic.shape[0]
        synthetic, real = synthetic.reshape(rows, -1), real.reshape(rows, -1)
    elif synthetic.dim() == 3:
        synthetic, real = synthetic.reshape(synthetic.shape[0], -1), real.reshape(real.shape[0], -1)
    total = synthetic.new_zeros(())
    for a, b in zip(synthetic, real, strict=True):
        total = total + 1 - torch.dot(a, b) / (a.norm() * b.norm() + 0.000001)
    return total


def gradient_distance(kind: str, synthetic: list[Tensor], real: list[Tensor]) -> Tensor:
    """The distance of two lists of gradients, one entry a parameter."""
    if kind == "ours":
        return torch.stack([layer_distance(a, b) for a, b in zip(synthetic, real, strict=True)]).sum()
    a = torch.cat([gradient.reshape(-1) for gradient in synthetic])
    b = torch.cat([gradient.reshape(-1) for gradient in real])
    if kind == "mse":
        return ((a - b) ** 2).sum()
    return 1 - (a * b).sum() / (a.norm() * b.norm() + 0.000001)


def class_distance(net: nn.Module, kind: str, real: Tensor, synthetic: Tensor, label: int) -> Tensor:
    """Distance between the gradients of the cross-entropy on real and on synthetic images of one class."""
    parameters = list(net.parameters())
    real_labels = torch.full((len(real),), label, device=real.device)
    real_gradient = torch.autograd.grad(F.cross_entropy(net(real), real_labels), parameters)
    synthetic_labels = torch.full((len(synthetic),), label, device=real.device)
    loss = F.cross_entropy(net(synthetic), synthetic_labels)
    synthetic_gradient = torch.autograd.grad(loss, parameters, create_graph=True)
    return gradient_distance(kind, list(synthetic_gradient), [g.detach() for g in real_gradient])


def shortened(gradients: Tensor | None) -> Tensor:
    """Image gradients, none longer than three times the one in the middle."""
    assert gradients is not None
    middle = median_low([float(gradient.norm()) for gradient in gradients])
    return torch.stack(
        [gradient if gradient.norm() <= 3 * middle else gradient / gradient.norm() * 3 * middle for gradient in gradients]
    )


class PlainGradientMatching:
    """The published loop, with siamese augmentation where the settings are dsa's. `steps` yields after every outer step."""

    def __init__(self, settings: DC, problem: Problem) -> None:
        self.settings, self.problem = settings, problem
        self.data, self.network, self.labels = problem.data, problem.network, problem.labels
        self.seed, self.dtype, self.device = problem.seed, problem.dtype, problem.data.device
        self.law = Law("single", settings.augmentation) if settings.augmentation else None

    def steps(self) -> Iterator[tuple[float, Tensor, nn.Module]]:
        """(sum of class distances, images after the update, network after its training) of every outer step."""
        settings = self.settings
        images = self._initial().requires_grad_()
        optimiser = torch.optim.SGD([images], lr=settings.image_learning_rate, momentum=settings.image_momentum)
        for iteration in range(settings.iterations):
            net = self._network(iteration)
            for outer in range(settings.outer_loop):
                self._set_batch_norm(net, iteration, outer)
                loss = self._loss(net, images, iteration, outer)
                optimiser.zero_grad()
                loss.backward()
                if settings.image_clip == "median":
                    images.grad = shortened(images.grad)
                optimiser.param_groups[0]["lr"] = settings.rate(iteration, outer)
                optimiser.step()
                if outer < settings.outer_loop - 1:
                    self._train(net, images.detach(), iteration, outer)
                yield float(loss.detach()), images.detach().clone(), net

    def _initial(self) -> Tensor:
        random = generator(self.seed, "initial images", device=self.device if self.settings.init == "real" else "cpu")
        if self.settings.init == "real":
            drawn = self.data.draw_class_batches(self.problem.images_per_class, random)
            return self.data.inputs(drawn.indices, self.dtype)
        return torch.randn((len(self.labels), *self.data.shape), generator=random).to(self.device, self.dtype)

    def _network(self, iteration: int) -> nn.Module:
        parameters = self.network.initial(generator(self.seed, "network", iteration), self.dtype)
        return load(module(self.network.name, self.data.shape, self.data.classes), parameters).to(self.device).train()

    def _set_batch_norm(self, net: nn.Module, iteration: int, outer: int) -> None:
        norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
        if norms:
            net.train()
            drawn = self.data.draw_class_batches(
                16, generator(self.seed, "batch norm images", iteration, outer, device=self.device)
            )
            net(self.data.inputs(drawn.indices, self.dtype))
            for layer in norms:
                layer.eval()

    def _loss(self, net: nn.Module, images: Tensor, iteration: int, outer: int) -> Tensor:
        settings, each = self.settings, self.problem.images_per_class
        drawn = self.data.draw_class_batches(
            settings.real_batch, generator(self.seed, "real batch", iteration, outer, device=self.device)
        )
        dropout = generator(self.seed, "dropout", iteration, outer, device=self.device)
        for layer in net.modules():
            if isinstance(layer, SeededDropout):
                layer.generator = dropout
        loss = images.new_zeros(())
        siamese = self._drawn(self.data.classes, "siamese augmentation", iteration, outer)
        for label, indices in enumerate(drawn.indices.split(drawn.counts)):
            real, synthetic = self.data.inputs(indices, self.dtype), images[label * each : (label + 1) * each]
            if siamese:
                real, synthetic = (one_after_another(x, siamese[label : label + 1]) for x in (real, synthetic))
            loss = loss + class_distance(net, settings.distance, real, synthetic, label)
        return loss

    def _drawn(self, count: int, purpose: str, *step: int) -> Draw | None:
        random = generator(self.seed, purpose, *step)
        return self.law.draw(count, self.data.shape[1:], random) if self.law else None

    def _train(self, net: nn.Module, images: Tensor, iteration: int, outer: int) -> None:
        settings = self.settings
        net.train()
        optimiser = torch.optim.SGD(net.parameters(), lr=settings.network_learning_rate)
        order = generator(self.seed, "inner loop order", iteration, outer)
        random = generator(self.seed, "inner loop augmentation", iteration, outer, device=self.device)
        for _ in range(settings.inner_loop):
            for indices in torch.randperm(len(images), generator=order).split(256):
                batch = images[indices]
                if self.law:
                    own = self.law.draw(len(batch), self.data.shape[1:], random, together=True)
                    batch = one_after_another(batch, own)
                optimiser.zero_grad()
                F.cross_entropy(net(batch), self.labels[indices]).backward()
                optimiser.step()
