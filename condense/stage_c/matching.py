"""Gradient matching: the real gradient, and the image gradient of the distance to it.

Both are pure functions of (parameters, statistics, images), one class at a time or all classes at once. Real images go
through in chunks that fit the CPU's caches; with `compiled`, torch.compile fuses each function; with precision 'mixed' the
real images, and they alone, are convolved in bfloat16. The plain twin of all this is in `condense.reference`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from condense.execution import Execution
from condense.machine import compiled_function, tf32
from condense.networks.layers import Arithmetic, Tensors
from condense.networks.network import Network
from condense.stage_c.distance import gradient_distance, matched_names

Dropout = torch.Generator | None


class GradientMatcher:
    """The two gradients of one network and distance."""

    def __init__(self, network: Network, distance: str, device: torch.device, execution: Execution) -> None:
        self.network, self.distance, self.execution = network, distance, execution
        self.names = matched_names(network, distance)
        compiled, reduced = execution.compiled, execution.precision == "mixed"
        self._real_arithmetic = Arithmetic(explicit_norm=compiled, reduced=reduced, winograd=execution.winograd)
        self._synthetic_arithmetic = Arithmetic(explicit_norm=compiled)
        prepared = (lambda function: compiled_function(function, device)) if compiled else (lambda function: function)
        self._eager_real = _differentiated(self._real_loss)
        # Winograd convolution is differentiated by torch.autograd alone; else the compiler makes more of torch.func.
        self._real: Callable[..., Tensors] = (
            _differentiated(prepared(self._real_loss)) if execution.winograd else prepared(grad(self._real_loss))
        )
        self._match: Callable[..., tuple[Tensor, Tensor]] = prepared(grad_and_value(self._distance))
        shared, each = None, 0
        self._all_real = prepared(vmap(grad(self._real_loss), (shared, shared, shared, each, each)))
        self._eager_all_match = vmap(grad_and_value(self._distance), (each, shared, shared, shared, each, each))
        self._all_match = prepared(self._eager_all_match)

    def real_gradient(
        self, parameters: Tensors, statistics: Tensors, x: Tensor, label: int, dropout: Dropout = None
    ) -> Tensors:
        """Gradient of the mean cross-entropy of real images x (n, C, H, W), all of class `label`, by parameter name."""
        matched, rest = self._split(parameters)
        total: Tensors = {}
        with tf32(self.execution.precision != "fp32"):
            for part in x.split(self.execution.part):
                part = part.contiguous(memory_format=self.execution.memory_format)
                # A chunk of another size would be compiled anew; the eager function computes the same.
                function = self._real if len(part) == self.execution.part else self._eager_real
                _add(total, function(matched, rest, statistics, part, self._labels(part, label), dropout))
        return {name: gradient / len(x) for name, gradient in total.items()}

    def match(
        self,
        parameters: Tensors,
        statistics: Tensors,
        images: Tensor,
        label: int,
        real: Tensors,
        dropout: Dropout = None,
    ) -> tuple[Tensor, Tensor]:
        """(distance, its gradient with respect to `images`) for synthetic images (ipc, C, H, W) of class `label`."""
        matched, rest = self._split(parameters)
        images = images.contiguous(memory_format=self.execution.memory_format)
        gradient, distance = self._match(images, matched, rest, statistics, self._labels(images, label), real, dropout)
        return distance, gradient

    def match_each(
        self, parameters: Tensors, statistics: Tensors, real: Iterable[Tensor], images: Tensor, dropout: Dropout = None
    ) -> tuple[Tensor, Tensor]:
        """(summed distance, its gradient (N, C, H, W)) of all classes one after the other.

        real: each class's real images (n, C, H, W); images (N, C, H, W): the synthetic ones class by class, as many of each.
        """
        total, gradients = images.new_zeros(()), list[Tensor]()
        parts = images.split(len(images) // self.network.classes)
        for label, (x, synthetic) in enumerate(zip(real, parts, strict=True)):
            real_gradient = self.real_gradient(parameters, statistics, x, label, dropout)
            distance, gradient = self.match(parameters, statistics, synthetic, label, real_gradient, dropout)
            total = total + distance
            gradients.append(gradient)
        return total, torch.cat(gradients)

    def match_all(
        self,
        parameters: Tensors,
        statistics: Tensors,
        x: Tensor,
        images: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(summed distance, its gradient (K, ipc, C, H, W)) of all K classes together, for networks without dropout.

        Of the real images x (K, n, C, H, W) as many of each class go through at a time as memory holds, of the synthetic
        ones as many classes.
        """
        matched, rest = self._split(parameters)
        total: Tensors = {}
        with tf32(self.execution.precision != "fp32"):
            for part in x.split(self.execution.images_per_class(len(x)), dim=1):
                _add(total, self._all_real(matched, rest, statistics, part, _labels_of_all(part)))
        real = {name: gradient / x.shape[1] for name, gradient in total.items()}
        labels, size = _labels_of_all(images), min(len(images), self.execution.classes_at_once(images.shape[1]))
        gradients, distances = list[Tensor](), list[Tensor]()
        for classes in torch.arange(len(images)).split(size):
            own = slice(int(classes[0]), int(classes[-1]) + 1)
            function = self._all_match if len(classes) == size else self._eager_all_match
            of_these = {name: gradient[own] for name, gradient in real.items()}
            gradient, distance = function(images[own], matched, rest, statistics, labels[own], of_these)
            gradients.append(gradient)
            distances.append(distance)
        return torch.cat(distances).sum(), torch.cat(gradients)

    def _split(self, parameters: Tensors) -> tuple[Tensors, Tensors]:
        matched = {name: parameters[name] for name in self.names}
        return matched, {name: value for name, value in parameters.items() if name not in matched}

    @staticmethod
    def _labels(images: Tensor, label: int) -> Tensor:
        return torch.full((len(images),), label, dtype=torch.int64, device=images.device)

    def _loss(
        self, matched: Tensors, rest: Tensors, statistics: Tensors, x: Tensor, y: Tensor, dropout: Dropout, how: Arithmetic
    ) -> Tensor:
        logits = self.network.logits({**matched, **rest}, x, statistics, dropout=dropout, arithmetic=how)
        return F.cross_entropy(logits, y, reduction="sum")

    def _real_loss(
        self, matched: Tensors, rest: Tensors, statistics: Tensors, x: Tensor, y: Tensor, dropout: Dropout = None
    ) -> Tensor:
        return self._loss(matched, rest, statistics, x, y, dropout, self._real_arithmetic)

    def _distance(
        self,
        images: Tensor,
        matched: Tensors,
        rest: Tensors,
        statistics: Tensors,
        y: Tensor,
        real: Tensors,
        dropout: Dropout = None,
    ) -> Tensor:
        gradients = grad(self._loss)(matched, rest, statistics, images, y, dropout, self._synthetic_arithmetic)
        synthetic = {name: gradient / len(images) for name, gradient in gradients.items()}
        return gradient_distance(self.distance, synthetic, real)


def _differentiated(loss: Callable[..., Tensor]) -> Callable[..., Tensors]:
    """The gradient of a loss by its first argument, tensors by name, like torch.func.grad's but by torch.autograd."""

    def gradient(parameters: Tensors, *others: Any) -> Tensors:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        with torch.enable_grad():
            value = loss(leaves, *others)
        return dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))

    return gradient


def _add(total: Tensors, gradients: Tensors) -> None:
    for name, gradient in gradients.items():
        total[name] = total[name].add_(gradient) if name in total else gradient


def _labels_of_all(images: Tensor) -> Tensor:
    """Labels (K, n) of images (K, n, C, H, W) by class."""
    return torch.arange(len(images), device=images.device)[:, None].expand(-1, images.shape[1])
