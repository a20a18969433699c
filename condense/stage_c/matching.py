"""Gradient matching for one class: the real gradient, and the image gradient of the distance to it.

Both are pure functions of (parameters, statistics, images). Real images go through in chunks that fit the CPU's caches;
with `compiled`, torch.compile fuses each function, which the plain twin in `condense.reference` is compared with.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, grad_and_value

from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.stage_c.distance import gradient_distance, matched_names
from condense.training.stacking import images_at_once

Dropout = torch.Generator | None


class GradientMatcher:
    """The two gradients of one network and distance."""

    def __init__(
        self, network: Network, distance: str, device: torch.device, real_batch: int, *, compiled: bool = False
    ) -> None:
        self.network, self.distance = network, distance
        self.names = matched_names(network, distance)
        self.chunk = min(images_at_once(network, device), real_batch)
        self._eager_real = grad(self._summed_loss)
        self._real: Callable[..., Tensors] = self._eager_real
        self._match: Callable[..., tuple[Tensor, Tensor]] = grad_and_value(self._distance)
        if compiled:
            self._real = torch.compile(self._eager_real, dynamic=False)
            self._match = torch.compile(self._match, dynamic=False)

    def real_gradient(
        self, parameters: Tensors, statistics: Tensors, x: Tensor, label: int, dropout: Dropout = None
    ) -> Tensors:
        """Gradient of the mean cross-entropy of real images x (n, C, H, W), all of class `label`, by parameter name."""
        matched, rest = self._split(parameters)
        total: Tensors = {}
        for part in x.split(self.chunk):
            part = part.contiguous(memory_format=torch.channels_last)
            # A chunk of another size would be compiled anew; the eager function computes the same.
            function = self._real if len(part) == self.chunk else self._eager_real
            gradients = function(matched, rest, statistics, part, self._labels(part, label), dropout)
            total = {name: total[name].add_(g) for name, g in gradients.items()} if total else gradients
        return {name: gradient / len(x) for name, gradient in total.items()}

    def match(
        self, parameters: Tensors, statistics: Tensors, images: Tensor, label: int, real: Tensors, dropout: Dropout = None
    ) -> tuple[Tensor, Tensor]:
        """(distance, its gradient with respect to `images`) for synthetic images (ipc, C, H, W) of class `label`."""
        matched, rest = self._split(parameters)
        images = images.contiguous(memory_format=torch.channels_last)
        gradient, distance = self._match(images, matched, rest, statistics, self._labels(images, label), real, dropout)
        return distance, gradient

    def _split(self, parameters: Tensors) -> tuple[Tensors, Tensors]:
        matched = {name: parameters[name] for name in self.names}
        return matched, {name: value for name, value in parameters.items() if name not in matched}

    @staticmethod
    def _labels(images: Tensor, label: int) -> Tensor:
        return torch.full((len(images),), label, dtype=torch.int64, device=images.device)

    def _summed_loss(
        self, matched: Tensors, rest: Tensors, statistics: Tensors, x: Tensor, y: Tensor, dropout: Dropout
    ) -> Tensor:
        logits = self.network.logits({**matched, **rest}, x, statistics, dropout=dropout)
        return F.cross_entropy(logits, y, reduction="sum")

    def _distance(
        self,
        images: Tensor,
        matched: Tensors,
        rest: Tensors,
        statistics: Tensors,
        y: Tensor,
        real: Tensors,
        dropout: Dropout,
    ) -> Tensor:
        gradients = grad(self._summed_loss)(matched, rest, statistics, images, y, dropout)
        synthetic = {name: gradient / len(images) for name, gradient in gradients.items()}
        return gradient_distance(self.distance, synthetic, real)
