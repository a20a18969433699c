"""The layers networks are made of: immutable descriptions, applied as pure functions of (parameters, input).

A layer knows the shape it turns (C, H, W) into, the parameters it needs (with PyTorch's default initialisation) and
how to compute its output. Nothing is stored in a layer, and nothing is changed in place, so that `torch.func`
transforms, stacking over seeds and compilation all apply.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.networks.winograd import gains_by_winograd, winograd_conv2d

Shape = tuple[int, int, int]
Tensors = dict[str, Tensor]

IMAGE_CHANNELS = 3
"""Channels that images may have, at most."""

NORM_EPSILON = 1e-5
"""Added to variances (PyTorch's default)."""

RUNNING_MOMENTUM = 0.1
"""Weight of the newest batch in BatchNorm's running statistics (PyTorch's default)."""


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter's name, shape, and start: uniform in [-bound, bound], or `value` when bound is None."""

    name: str
    shape: tuple[int, ...]
    bound: float | None = None
    value: float = 0.0


@dataclass(frozen=True)
class Arithmetic:
    """How a forward pass computes what it computes.

    explicit_norm: instance normalisation as a formula, which torch.compile fuses with what follows it, instead of a kernel
    of its own; reduced: convolutions but those of the images themselves in bfloat16, everything else as it is; winograd:
    Winograd convolution where it is quicker, for torch.autograd alone.
    """

    explicit_norm: bool = False
    reduced: bool = False
    winograd: bool = False


PLAIN = Arithmetic()


@dataclass
class Pass:
    """What one forward pass needs beside parameters and input, and the running statistics it leaves behind.

    statistics: BatchNorm's running mean and variance by name; train: batch statistics are used (and the running ones
    updated in `new_statistics`) and dropout is on; generator: for dropout.
    """

    statistics: Tensors
    train_norm: bool
    train_dropout: bool
    generator: torch.Generator | None = None
    arithmetic: Arithmetic = PLAIN
    new_statistics: Tensors = field(default_factory=dict)


class Layer:
    """A layer without parameters; subclasses override what they have."""

    def output(self, shape: Shape) -> Shape:
        """The output's (C, H, W) for an input of `shape`."""
        return shape

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        """The trainable parameters, given the input's shape."""
        return iter(())

    def running_statistics(self) -> Iterator[ParameterSpec]:
        """BatchNorm's running statistics."""
        return iter(())

    def multiply_adds(self, shape: Shape) -> int:
        """Multiplications of weights in the forward pass of one image."""
        return 0

    def leaves(self, shape: Shape) -> Iterator[tuple["Layer", Shape]]:
        """The layers it is made of, itself if of none, each with its input's shape, given its own."""
        yield self, shape

    def activations(self, shape: Shape) -> Iterator[int]:
        """Elements of what it computes for one image: its output, and what of it is known besides."""
        channels, height, width = self.output(shape)
        yield channels * height * width

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        """The output (N, ...) for an input (N, ...)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution: weight OIHW and bias U(-b, b) with b = 1/sqrt(fan-in), PyTorch's default.

    he: the weight has variance 2/fan-in instead (He et al., 2015: uniform, b = sqrt(6/fan-in)) and the bias starts at 0, so
    that a signal keeps its size through many convolutions with ReLU and without a norm.
    """

    name: str
    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True
    he: bool = False

    def output(self, shape: Shape) -> Shape:
        height, width = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in shape[1:])
        return self.channels, height, width

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        bound = (shape[0] * self.kernel**2) ** -0.5
        size = (self.channels, shape[0], self.kernel, self.kernel)
        yield ParameterSpec(f"{self.name}.weight", size, 6**0.5 * bound if self.he else bound)
        if self.bias:
            yield ParameterSpec(f"{self.name}.bias", (self.channels,), None if self.he else bound)

    def multiply_adds(self, shape: Shape) -> int:
        channels, height, width = self.output(shape)
        return channels * height * width * shape[0] * self.kernel**2

    def gains_by_winograd(self, shape: Shape, images: int) -> bool:
        """Whether so many images are convolved more quickly by Winograd's algorithm (on a CPU, channels last)."""
        return self.stride == 1 and gains_by_winograd(self.kernel, images, shape[0], self.output(shape))

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        weight, bias = parameters[f"{self.name}.weight"], parameters[f"{self.name}.bias"] if self.bias else None
        how = run.arithmetic
        # With so few input channels bfloat16 gains nothing, and pixels would lose more precision than activations.
        if how.reduced and weight.shape[1] > IMAGE_CHANNELS:
            low = torch.bfloat16
            bias = None if bias is None else bias.to(low)
            return F.conv2d(x.to(low), weight.to(low), bias, self.stride, self.padding).to(x.dtype)
        images, channels, height, width = x.shape
        if how.winograd and self.gains_by_winograd((channels, height, width), images):
            y = winograd_conv2d(x, weight, self.padding)
            return y if bias is None else y + bias[:, None, None]
        return F.conv2d(x, weight, bias, self.stride, self.padding)


@dataclass(frozen=True)
class Linear(Layer):
    """Fully connected layer on flattened features: one row of the weight an output unit."""

    name: str
    units: int

    def output(self, shape: Shape) -> Shape:
        return self.units, 1, 1

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        inputs = shape[0] * shape[1] * shape[2]
        yield ParameterSpec(f"{self.name}.weight", (self.units, inputs), inputs**-0.5)
        yield ParameterSpec(f"{self.name}.bias", (self.units,), inputs**-0.5)

    def multiply_adds(self, shape: Shape) -> int:
        return self.units * shape[0] * shape[1] * shape[2]

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        return F.linear(x.flatten(1), parameters[f"{self.name}.weight"], parameters[f"{self.name}.bias"])


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalisation over `groups` groups of channels, affine; groups = channels is instance normalisation."""

    name: str
    groups: int

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        yield ParameterSpec(f"{self.name}.weight", shape[:1], value=1.0)
        yield ParameterSpec(f"{self.name}.bias", shape[:1])

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        weight, bias = parameters[f"{self.name}.weight"], parameters[f"{self.name}.bias"]
        if not run.arithmetic.explicit_norm or self.groups != x.shape[1]:
            return F.group_norm(x, self.groups, weight, bias)
        deviation = x - x.mean((2, 3), keepdim=True)
        variance = deviation.square().mean((2, 3), keepdim=True)
        return deviation * (torch.rsqrt(variance + NORM_EPSILON) * weight[:, None, None]) + bias[:, None, None]


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Layer normalisation over (C, H, W); its affine is 3-D, so it counts in the gradient distance."""

    name: str

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        yield ParameterSpec(f"{self.name}.weight", shape, value=1.0)
        yield ParameterSpec(f"{self.name}.bias", shape)

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        weight, bias = parameters[f"{self.name}.weight"], parameters[f"{self.name}.bias"]
        return F.layer_norm(x, x.shape[1:], weight, bias)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation with a shift and, by default, a scale: batch statistics in training, running ones otherwise."""

    name: str
    channels: int
    scale: bool = True

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        if self.scale:
            yield ParameterSpec(f"{self.name}.weight", (self.channels,), value=1.0)
        yield ParameterSpec(f"{self.name}.bias", (self.channels,))

    def running_statistics(self) -> Iterator[ParameterSpec]:
        yield ParameterSpec(f"{self.name}.mean", (self.channels,))
        yield ParameterSpec(f"{self.name}.variance", (self.channels,), value=1.0)

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        bias = parameters[f"{self.name}.bias"]
        # PyTorch cannot differentiate a batch norm without a scale twice, so one of ones stands in.
        weight = parameters[f"{self.name}.weight"] if self.scale else torch.ones_like(bias)
        names = f"{self.name}.mean", f"{self.name}.variance"
        mean, variance = (run.statistics[name] for name in names)
        if not run.train_norm:
            return F.batch_norm(x, mean, variance, weight, bias, training=False)
        # PyTorch moves the running statistics in place, on its way to the batch's: another pass would cost as much again.
        mean, variance = mean.clone(), variance.clone()
        run.new_statistics.update(zip(names, (mean, variance), strict=True))
        return F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=RUNNING_MOMENTUM)


@dataclass(frozen=True)
class Activation(Layer):
    """An elementwise function: relu, sigmoid, leaky (slope .01) or swish, x * sigmoid(x)."""

    kind: str

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        functions = {"relu": F.relu, "sigmoid": torch.sigmoid, "leaky": F.leaky_relu, "swish": F.silu}
        return functions[self.kind](x)


@dataclass(frozen=True)
class Pool(Layer):
    """Maximum ('max') or average ('avg') pooling."""

    kind: str
    kernel: int = 2
    stride: int = 2
    padding: int = 0

    def output(self, shape: Shape) -> Shape:
        height, width = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in shape[1:])
        return shape[0], height, width

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        function = F.max_pool2d if self.kind == "max" else F.avg_pool2d
        return function(x, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """x / (1 + 0.001 * mean of x^2 over 9 neighbouring channels)^0.75, as in Krizhevsky's networks for CIFAR-10.

    The means are a 1x1 convolution with a band matrix, as PyTorch's three-dimensional pooling takes longer: a training step
    of Small AlexNet is 1.55 times as fast so (scripts/benchmark_changes.py).
    """

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        channels = torch.arange(x.shape[1], device=x.device)
        near = (channels[:, None] - channels).abs() <= 4
        means = F.conv2d(x.square(), (near.to(x.dtype) / 9)[:, :, None, None])
        return x * (1 + 0.001 * means).pow(-0.75)


@dataclass(frozen=True)
class Resize(Layer):
    """Bilinear resizing to a square, for networks that are defined at one image size."""

    side: int

    def output(self, shape: Shape) -> Shape:
        return shape[0], self.side, self.side

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        return F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout of each value with this probability, drawn from the pass's generator."""

    probability: float = 0.5

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        if not run.train_dropout:
            return x
        keep = torch.rand(x.shape, generator=run.generator, device=x.device, dtype=x.dtype) < 1 - self.probability
        return x * keep / (1 - self.probability)


@dataclass(frozen=True)
class Residual(Layer):
    """relu(main(x) + shortcut(x)); an empty shortcut is the identity."""

    main: tuple[Layer, ...]
    shortcut: tuple[Layer, ...]

    def output(self, shape: Shape) -> Shape:
        for layer in self.main:
            shape = layer.output(shape)
        return shape

    def leaves(self, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
        yield from leaves_of(self.main, shape)
        yield from leaves_of(self.shortcut, shape)

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        return F.relu(apply_layers(self.main, x, parameters, run) + apply_layers(self.shortcut, x, parameters, run))


@dataclass(frozen=True)
class Parallel(Layer):
    """Branches side by side, their channels concatenated; an empty branch is the identity."""

    branches: tuple[tuple[Layer, ...], ...]

    def output(self, shape: Shape) -> Shape:
        outputs = [reduce(lambda before, layer: layer.output(before), branch, shape) for branch in self.branches]
        return sum(output[0] for output in outputs), *outputs[0][1:]

    def leaves(self, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
        for branch in self.branches:
            yield from leaves_of(branch, shape)

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        return torch.cat([apply_layers(branch, x, parameters, run) for branch in self.branches], dim=1)


def leaves_of(layers: tuple[Layer, ...], shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """The leaves of layers in sequence, each with its input's shape."""
    for layer in layers:
        yield from layer.leaves(shape)
        shape = layer.output(shape)


def apply_layers(layers: tuple[Layer, ...], x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
    """The output of layers in sequence."""
    for layer in layers:
        x = layer(x, parameters, run)
    return x
