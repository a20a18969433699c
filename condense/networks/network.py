"""A network: a named sequence of layers for one image shape and number of classes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.networks.layers import (
    PLAIN,
    Arithmetic,
    Dropout,
    GroupNorm,
    Layer,
    Linear,
    ParameterSpec,
    Pass,
    Shape,
    Tensors,
    apply_layers,
    leaves_of,
)

TRAINING_PASSES = 3
"""What an image costs in training, in passes forward: there, and back to the parameters and to the activations."""


@dataclass(frozen=True)
class Network:
    """Layers that turn images of `input_shape` (C, H, W) into `classes` logits: a pure function of its parameters."""

    name: str
    input_shape: Shape
    classes: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        shape = self.input_shape
        for layer in self.layers:
            shape = layer.output(shape)
            if min(shape) < 1:
                raise CondenseError(
                    f"{self.name} cannot take images of {self.input_shape[1]}x{self.input_shape[2]} pixels: "
                    "nothing is left of them after its pooling layers. Use larger images or another network."
                )

    @cached_property
    def leaves(self) -> tuple[tuple[Layer, Shape], ...]:
        """All layers, those inside residual blocks and branches too, each with its input's shape (C, H, W)."""
        return tuple(leaves_of(self.layers, self.input_shape))

    @cached_property
    def specs(self) -> tuple[ParameterSpec, ...]:
        """Name, shape and initialisation of every parameter, in order."""
        return tuple(spec for layer, shape in self.leaves for spec in layer.parameters(shape))

    @cached_property
    def statistics_specs(self) -> tuple[ParameterSpec, ...]:
        """The same for BatchNorm's running statistics; empty without BatchNorm."""
        return tuple(spec for layer, _ in self.leaves for spec in layer.running_statistics())

    @cached_property
    def parameter_count(self) -> int:
        """The number of trainable scalars."""
        return sum(torch.Size(spec.shape).numel() for spec in self.specs)

    @cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image's forward pass; training costs about three times as many."""
        return sum(layer.multiply_adds(shape) for layer, shape in self.leaves)

    @property
    def as_written(self) -> bool:
        """Whether it is computed just as it is written: not compiled, not stacked, in the order in memory that PyTorch has.
        So are networks that are not made of layers.
        """
        return False

    @property
    def has_batch_norm(self) -> bool:
        """Whether running statistics exist."""
        return bool(self.statistics_specs)

    @property
    def has_group_norm(self) -> bool:
        """Whether there are group or instance norms."""
        return any(isinstance(layer, GroupNorm) for layer, _ in self.leaves)

    @property
    def has_dropout(self) -> bool:
        """Whether training draws random numbers."""
        return any(isinstance(layer, Dropout) for layer, _ in self.leaves)

    def check_second_derivatives(self) -> None:
        """Raises `CondenseError` where gradients of gradients do not exist: of layers they do."""

    def initial(self, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensors:
        """Fresh parameters on the generator's device, distributed as PyTorch's default unless a layer says otherwise."""
        return {spec.name: _draw(spec, random, dtype) for spec in self.specs}

    def initial_statistics(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensors:
        """BatchNorm's running statistics at the start: mean 0, variance 1."""
        return {s.name: torch.full(s.shape, s.value, device=device, dtype=dtype) for s in self.statistics_specs}

    def logits(
        self,
        parameters: Tensors,
        x: Tensor,
        statistics: Tensors | None = None,
        *,
        dropout: torch.Generator | None = None,
        arithmetic: Arithmetic = PLAIN,
    ) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W), BatchNorm using its running statistics.

        Dropout is off unless a generator is given for it.
        """
        run = Pass(statistics or {}, False, dropout is not None, dropout, arithmetic)
        return apply_layers(self.layers, x, parameters, run)

    def features(
        self, parameters: Tensors, x: Tensor, statistics: Tensors | None = None, *, arithmetic: Arithmetic = PLAIN
    ) -> Tensor:
        """What the classifier, the last layer, sees of images (N, C, H, W), flattened: (N, features).

        BatchNorm uses its running statistics, and dropout is off.
        """
        run = Pass(statistics or {}, False, False, None, arithmetic)
        return apply_layers(self._before_classifier, x, parameters, run).flatten(1)

    @property
    def feature_count(self) -> int:
        """How many features of an image the classifier sees. Raises `CondenseError` where there is no classifier."""
        shape = self.input_shape
        for layer in self._before_classifier:
            shape = layer.output(shape)
        return math.prod(shape)

    @property
    def _before_classifier(self) -> tuple[Layer, ...]:
        *before, last = self.layers
        if not isinstance(last, Linear):
            raise CondenseError(
                f"{self.name} does not end in a linear layer (torch.nn.Linear, with a bias and used once), so there are no "
                "features that its classifier sees: methods that match or compare features cannot use it."
            )
        return tuple(before)

    def classified(self, parameters: Tensors, features: Tensor) -> Tensor:
        """Logits (N, classes) of what the classifier sees (N, features)."""
        return self.layers[-1](features, parameters, Pass({}, False, False, None, PLAIN))

    def train_features(
        self, parameters: Tensors, x: Tensor, statistics: Tensors, *, arithmetic: Arithmetic = PLAIN
    ) -> Tensor:
        """The same with BatchNorm on the batch's statistics."""
        run = Pass(statistics, True, False, None, arithmetic)
        return apply_layers(self._before_classifier, x, parameters, run).flatten(1)

    def train_logits(
        self,
        parameters: Tensors,
        x: Tensor,
        statistics: Tensors,
        dropout: torch.Generator | None = None,
        arithmetic: Arithmetic = PLAIN,
    ) -> tuple[Tensor, Tensors]:
        """Logits in training mode (BatchNorm on the batch's statistics) and the running statistics that follow."""
        run = Pass(statistics, True, dropout is not None, dropout, arithmetic)
        return apply_layers(self.layers, x, parameters, run), run.new_statistics

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """(name, shape) of every parameter, in order."""
        return ((spec.name, spec.shape) for spec in self.specs)


def _draw(spec: ParameterSpec, random: torch.Generator, dtype: torch.dtype) -> Tensor:
    if spec.bound is None:
        return torch.full(spec.shape, spec.value, dtype=dtype, device=random.device)
    # Drawn in float32 whatever the type, so that one seed gives one network in every precision.
    drawn = torch.empty(spec.shape, device=random.device).uniform_(-spec.bound, spec.bound, generator=random)
    return drawn.to(dtype)
