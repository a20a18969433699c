"""A student's training on the synthetic images, and how far from an expert it ends: the distance and its gradients.

A student begins with an expert's parameters theta_0 and takes N steps of SGD on synthetic batches,
theta_(i+1) = theta_i - b g_i with g_i the gradient of its cross-entropy. What is wanted is the gradient of
L = |theta_N - theta*|^2 / |theta_0 - theta*|^2 by images, labels and the rate b. Differentiated through all steps at once
(MTT) it takes the memory of N steps. Here the parameters of each step are kept, and their graphs built one at a time, from
the last to the first, with the adjoint a_i = dL / d theta_i:

    a_N = 2 (theta_N - theta*) / |theta_0 - theta*|^2        dL/db   = - sum of <a_(i+1), g_i>
    a_i = a_(i+1) - b d<a_(i+1), g_i> / d theta_i            dL/dx_i = - b d<a_(i+1), g_i> / dx_i, labels alike

which is the same gradient in the memory of one step. TESLA leaves out the second term of a_i: what a step's images change of
the gradients of later steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, grad_and_value

from condense.augmentation.operations import Draw, apply
from condense.machine import compiled_function
from condense.networks.layers import Arithmetic
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass(frozen=True)
class Batch:
    """What a student sees in a step: images of the set by their indices (B,), none twice, as a draw changes them, if any."""

    indices: Tensor
    draw: Draw | None = None


@dataclass(frozen=True)
class Found:
    """The distance () and its gradients: by images (N, C, H, W), labels as probabilities (N, classes), rate (1,)."""

    distance: Tensor
    images: Tensor
    labels: Tensor
    rate: Tensor


class Trajectory:
    """Students of a problem's network. BatchNorm is on each batch's statistics, dropout is off.

    batch: images of most student steps.
    carried: whether the adjoint is carried back through the steps (MTT), or stays that of the last (TESLA).
    """

    def __init__(self, problem: Problem, batch: int, *, carried: bool) -> None:
        self.network, self.execution, self.layout = problem.network, problem.execution, Layout.of(problem.network)
        self.statistics = problem.network.initial_statistics(problem.data.device, problem.dtype)
        self.carried, compiled = carried, self.execution.compiled
        self.part = batch if self.network.has_batch_norm else min(self.execution.part, batch)
        self.arithmetic = Arithmetic(explicit_norm=compiled)
        prepared = partial(compiled_function, device=problem.data.device) if compiled else (lambda function: function)
        by_all, by_given = (0, 1, 2), (1, 2)
        self._eager_gradient = grad(self._loss)
        self._eager_back = grad_and_value(self._projected, argnums=by_all if carried else by_given)
        self._gradient: Callable[..., Tensor] = prepared(self._eager_gradient)
        self._back: Callable[..., tuple[tuple[Tensor, ...], Tensor]] = prepared(self._eager_back)

    def found(
        self, start: Tensor, target: Tensor, batches: Sequence[Batch], images: Tensor, labels: Tensor, rate: Tensor
    ) -> Found:
        """The distance and its gradients, of a student from `start` (P,) on, a step for each batch.

        target (P,): where the expert came to; images (N, C, H, W) and labels (N, classes), probabilities: the set;
        rate (1,): of the student.
        """
        vectors = [start]
        for batch in batches:
            seen, own = _seen(images[batch.indices], batch), labels[batch.indices]
            vectors.append(vectors[-1] - rate * self.gradient(vectors[-1], seen, own))
        apart, whole = vectors.pop() - target, (start - target).square().sum()
        by_images, by_labels, by_rate = torch.zeros_like(images), torch.zeros_like(labels), torch.zeros_like(rate)
        adjoint = 2 * apart / whole
        for batch, vector in zip(reversed(batches), reversed(vectors), strict=True):
            with torch.enable_grad():
                leaf = images[batch.indices].requires_grad_()
                seen = _seen(leaf, batch)
            product, by_vector, by_seen, by_own = self.back(vector, seen.detach(), labels[batch.indices], adjoint)
            (by_leaf,) = torch.autograd.grad(seen, leaf, by_seen)
            by_images[batch.indices] -= rate * by_leaf
            by_labels[batch.indices] -= rate * by_own
            by_rate -= product
            if by_vector is not None:
                adjoint = adjoint - rate * by_vector
        return Found(apart.square().sum() / whole, by_images, by_labels, by_rate)

    def gradient(self, vector: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Gradient (P,) of the mean cross-entropy of images (B, C, H, W) with labels (B, classes)."""
        total = torch.zeros_like(vector)
        for images, labels, usual in self._parts(x, y):
            total += (self._gradient if usual else self._eager_gradient)(vector, images, labels)
        return total / len(x)

    def back(self, vector: Tensor, x: Tensor, y: Tensor, adjoint: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """The product () of that gradient and the adjoint (P,), and its gradients by parameters (P,), where the adjoint is
        carried, by images and by labels.
        """
        product, by_vector, by_images, by_labels = vector.new_zeros(()), None, list[Tensor](), list[Tensor]()
        for images, labels, usual in self._parts(x, y):
            gradients, value = (self._back if usual else self._eager_back)(vector, images, labels, adjoint / len(x))
            product = product + value
            by_images.append(gradients[-2])
            by_labels.append(gradients[-1])
            if self.carried:
                by_vector = gradients[0] if by_vector is None else by_vector + gradients[0]
        return product, by_vector, torch.cat(by_images), torch.cat(by_labels)

    def _parts(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor, bool]]:
        """A batch in parts that go through at once, with BatchNorm whole, each with whether it is as large
        as most: what is compiled takes no other.
        """
        ordered = (part.contiguous(memory_format=self.execution.memory_format) for part in x.split(self.part))
        return [
            (images, labels, len(images) == self.part) for images, labels in zip(ordered, y.split(self.part), strict=True)
        ]

    def _loss(self, vector: Tensor, x: Tensor, y: Tensor) -> Tensor:
        logits, _ = self.network.train_logits(self.layout.views(vector), x, self.statistics, None, self.arithmetic)
        return F.cross_entropy(logits, y, reduction="sum")

    def _projected(self, vector: Tensor, x: Tensor, y: Tensor, adjoint: Tensor) -> Tensor:
        return (grad(self._loss)(vector, x, y) * adjoint).sum()


def _seen(images: Tensor, batch: Batch) -> Tensor:
    return images if batch.draw is None else apply(images, batch.draw)
