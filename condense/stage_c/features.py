"""What a classifier sees of real and synthetic images, and moves of synthetic images by it; compiled where that pays."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad_and_value

from condense.augmentation.operations import Draw, apply
from condense.machine import compiled_function
from condense.networks.layers import Arithmetic, Tensors
from condense.stage_c.problem import Problem


class Signal(Protocol):
    """What is matched of the features of a class, and how far apart it is."""

    def of(self, features: Tensor, given: Tensor | None) -> Tensor:
        """It of features (..., n, d): (..., whatever), with what was drawn for the step, if anything."""
        ...

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The sum over classes, which come first, of how far apart both are."""
        ...


class Means:
    """The mean."""

    def of(self, features: Tensor, given: Tensor | None) -> Tensor:
        """Means (..., d) of features (..., n, d)."""
        return features.mean(-2)

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The sum over classes of the squared distance of (classes, d)."""
        return (found - wanted).square().sum()


class Features:
    """Features of real images, and gradients of synthetic images, of which there are so many of each class.

    BatchNorm works on the statistics of the batch.
    """

    def __init__(self, problem: Problem, images_per_class: int, signal: Signal | None = None) -> None:
        self.network, self.execution = problem.network, problem.execution
        self.images_per_class, self.classes = images_per_class, problem.data.classes
        self.signal: Signal = signal or Means()
        self.undivided = self.network.has_batch_norm
        compiled = self.execution.compiled
        self.arithmetic = Arithmetic(explicit_norm=compiled, winograd=self.execution.winograd and not compiled)
        self.synthetic = Arithmetic(explicit_norm=compiled)
        prepared = partial(compiled_function, device=problem.data.device) if compiled else (lambda function: function)
        self._real: Callable[..., Tensor] = prepared(self._features)
        self._eager_move, self._eager_naming = grad_and_value(self._distance), grad_and_value(self._cross_entropy)
        self._move: Callable[..., tuple[Tensor, Tensor]] = prepared(self._eager_move)
        self._naming: Callable[..., tuple[Tensor, Tensor]] = prepared(self._eager_naming)

    @torch.no_grad()
    def wanted(
        self,
        parameters: Tensors,
        statistics: Tensors,
        real: Tensor,
        counts: Sequence[int],
        given: Tensor | None = None,
    ) -> Tensor:
        """What is matched of real images (n, C, H, W) that lie class by class, so many of each: (classes, ...)."""
        rows = self.real(parameters, statistics, real)
        return torch.stack([self.signal.of(part, given) for part in rows.split(list(counts))])

    def real(self, parameters: Tensors, statistics: Tensors, x: Tensor) -> Tensor:
        """Features (n, d) of real images (n, C, H, W), in parts unless they depend on one another."""
        part = len(x) if self.undivided else self.execution.part
        found = []
        for images in x.split(part):
            function = self._real if len(images) == part else self._features
            found.append(function(parameters, statistics, self._ordered(images), self.arithmetic))
        return torch.cat(found)

    def move(
        self, images: Tensor, parameters: Tensors, statistics: Tensors, wanted: Tensor, given: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), distance): the sum over classes of the distance of what is matched of their features.

        As it is a sum, some classes go through at a time; with BatchNorm all, on whose statistics they meet.
        """
        functions = self._move, self._eager_move
        return self._in_parts(functions, images, wanted, lambda part: (parameters, statistics, part, given))

    def naming(self, images: Tensor, parameters: Tensors, statistics: Tensors, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(Gradient (N, C, H, W), loss): the sum over classes, of these labels, of their images' mean cross-entropy."""
        functions = self._naming, self._eager_naming
        return self._in_parts(functions, images, labels, lambda part: (parameters, statistics, part))

    def _in_parts(
        self,
        functions: tuple[Callable[..., tuple[Tensor, Tensor]], Callable[..., tuple[Tensor, Tensor]]],
        images: Tensor,
        of_classes: Tensor,
        arguments: Callable[[Tensor], tuple[object, ...]],
    ) -> tuple[Tensor, Tensor]:
        each = self.images_per_class
        at_once = self.classes if self.undivided else self.execution.classes_at_once(each)
        gradients, total = [], images.new_zeros(())
        for part, own in zip(images.split(at_once * each), of_classes.split(at_once), strict=True):
            function = functions[0] if len(own) == min(at_once, self.classes) else functions[1]
            gradient, value = function(self._ordered(part), *arguments(own))
            gradients.append(gradient)
            total = total + value
        return torch.cat(gradients), total

    def _ordered(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.execution.memory_format)

    def _features(self, parameters: Tensors, statistics: Tensors, x: Tensor, arithmetic: Arithmetic) -> Tensor:
        return self.network.train_features(parameters, x, statistics, arithmetic=arithmetic)

    def _distance(
        self, images: Tensor, parameters: Tensors, statistics: Tensors, wanted: Tensor, given: Tensor | None
    ) -> Tensor:
        seen = self._features(parameters, statistics, images, self.synthetic)
        return self.signal.distance(self.signal.of(seen.unflatten(0, (len(wanted), -1)), given), wanted)

    def _cross_entropy(self, images: Tensor, parameters: Tensors, statistics: Tensors, labels: Tensor) -> Tensor:
        logits, _ = self.network.train_logits(parameters, images, statistics, None, self.synthetic)
        each = self.images_per_class
        return F.cross_entropy(logits, labels.repeat_interleave(each), reduction="sum") / each


class RunningFeatures(Features):
    """The same with BatchNorm on its running statistics: what a network makes of an image whatever comes with it."""

    def __init__(self, problem: Problem, images_per_class: int = 1, signal: Means | None = None) -> None:
        super().__init__(problem, images_per_class, signal)
        self.undivided = False

    def _features(self, parameters: Tensors, statistics: Tensors, x: Tensor, arithmetic: Arithmetic) -> Tensor:
        return self.network.features(parameters, x, statistics, arithmetic=arithmetic)


def augmented(images: Tensor, siamese: Draw | None, counts: Sequence[int]) -> Tensor:
    """Images that lie class by class, so many of each, under the draw of their class."""
    return apply(images, siamese.repeated(counts)) if siamese else images
