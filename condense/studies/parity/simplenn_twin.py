"""simpleNN's stochastic gradient method in NumPy float64, written from its published mathematics.

Wang, Tan, Lin: Newton Methods for Convolutional Neural Networks, ACM TIST 2020, whose notation it follows; simpleNN's MATLAB
code (cjlin1/simpleNN) adds stochastic gradient. Images lie as there: channel fastest, then row, then column, then
sample, which in NumPy's order is (N, b, a, d). A filter's columns run over rows, then columns, then channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from condense.randomness import generator

Weights = list[tuple[np.ndarray, np.ndarray]]
"""For each layer W (out, in) and b (out,), in simpleNN's order of columns."""


@dataclass(frozen=True)
class Convolution:
    """h x h filters with zero padding at each side, ReLU, then max-pooling over pool x pool (rest cut off)."""

    channels: int
    h: int
    padding: int
    stride: int = 1
    pool: int = 2


@dataclass(frozen=True)
class Network:
    """simpleNN's configuration: convolutions, then linear layers with ReLU between them and none at the end."""

    shape: tuple[int, int, int]
    convolutions: tuple[Convolution, ...]
    full: tuple[int, ...]

    def sides(self) -> list[tuple[int, int, int]]:
        """(channels, height, width) before each convolution and after the last."""
        found = [self.shape]
        for layer in self.convolutions:
            _, *sides = found[-1]
            a, b = (((side + 2 * layer.padding - layer.h) // layer.stride + 1) // layer.pool for side in sides)
            found.append((layer.channels, a, b))
        return found

    def fans(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each layer's weight matrix."""
        sides = self.sides()
        fans = [(layer.channels, layer.h**2 * side[0]) for layer, side in zip(self.convolutions, sides, strict=False)]
        inputs = int(np.prod(sides[-1]))
        for outputs in self.full:
            fans.append((outputs, inputs))
            inputs = outputs
        return fans


def layer4(shape: tuple[int, int, int], classes: int) -> Network:
    """SimpleNN's mnist-demo-layer4: three convolutions of 32, 64, 64 channels and one linear layer."""
    return Network(shape, (Convolution(32, 5, 2), Convolution(64, 3, 1), Convolution(64, 3, 1)), (classes,))


@dataclass(frozen=True)
class Sgd:
    """The solver's options under simpleNN's names.

    C: weight of the loss against the squared norm of weights and biases, times the number of training images
    (infinite: no regularisation); decay: of the rate, lr / (1 + decay * step), not of weights.
    """

    lr: float = 0.001
    momentum: float = 0.9
    decay: float = 0.0
    C: float = 0.01
    batch: int = 128


def initial_weights(network: Network, seed: int) -> Weights:
    """W ~ Normal(0, 2 / inputs) (He et al., 2015), for linear layers too; b = 0."""
    found: Weights = []
    for index, (outputs, inputs) in enumerate(network.fans()):
        random = generator(seed, "parity weights", index)
        normal = torch.randn(outputs, inputs, generator=random, dtype=torch.float64).numpy()
        found.append((normal * np.sqrt(2 / inputs), np.zeros(outputs)))
    return found


def draw_batches(images: int, batch: int, epochs: int, seed: int) -> np.ndarray:
    """int64 (epochs * ceil(images / batch), batch): each step draws anew without replacement: no partition."""
    size, steps = min(batch, images), epochs * -(-images // batch)
    draws = [torch.randperm(images, generator=generator(seed, "parity batch", step))[:size] for step in range(steps)]
    return torch.stack(draws).numpy() if draws else np.zeros((0, size), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Step:
    """One step: the loss of its batch before the update, the loss' gradients, and the weights after the update."""

    loss: float
    gradients: Weights
    weights: Weights


def train(network: Network, weights: Weights, x: np.ndarray, y: np.ndarray, batches: np.ndarray, sgd: Sgd) -> Iterator[Step]:
    """The solver, step by step.

    x: float64 (N, C, H, W); y: int64 (N,); batches: int64 (S, B). v <- momentum v - lr G; W <- W + v, where G is the mean
    gradient of the batch plus W / (C N). Gradients that are yielded are those of the loss alone, as its loss is printed.
    """
    weights = [(w.copy(), b.copy()) for w, b in weights]
    velocities = [(np.zeros_like(w), np.zeros_like(b)) for w, b in weights]
    images = x.transpose(0, 3, 2, 1)  # (N, b, a, d)
    targets, inverse_c, lr = np.eye(network.full[-1])[y], 1 / (sgd.C * len(x)), sgd.lr
    for step, batch in enumerate(batches, 1):
        loss, gradients = loss_and_gradients(network, weights, images[batch], targets[batch])
        for (w, b), (vw, vb), (gw, gb) in zip(weights, velocities, gradients, strict=True):
            for value, velocity, gradient in ((w, vw, gw), (b, vb, gb)):
                velocity *= sgd.momentum
                velocity -= lr * (gradient + value * inverse_c)
                value += velocity
        yield Step(loss, gradients, weights)
        lr = sgd.lr / (1 + sgd.decay * step)


def loss_and_gradients(network: Network, weights: Weights, images: np.ndarray, targets: np.ndarray) -> tuple[float, Weights]:
    """Squared distance to the one-hot targets, summed over outputs and divided by the batch; gradients by backpropagation.

    images: (B, b, a, d); targets: (B, outputs).
    """
    convolutions, z = len(network.convolutions), images
    columns, chosen, inputs = [], [], []
    for layer, (w, b) in zip(network.convolutions, weights, strict=False):
        inputs.append(z)
        phi = _patches(z, layer)
        columns.append(phi)
        z, index = _pool(np.maximum(phi @ w.T + b, 0), layer.pool)
        chosen.append(index)
    inputs.append(z)
    z = z.reshape(len(z), -1)
    for number, (w, b) in enumerate(weights[convolutions:]):
        inputs.append(z)
        z = z @ w.T + b
        if number + 1 < len(network.full):
            z = np.maximum(z, 0)
    size = len(images)
    delta = 2 * (z - targets) / size
    gradients: Weights = []
    for (w, _), z_in in zip(reversed(weights[convolutions:]), reversed(inputs[convolutions + 1 :]), strict=True):
        gradients.append((delta.T @ z_in, delta.sum(0)))
        delta = (delta @ w) * (z_in > 0)
    delta = delta.reshape(inputs[convolutions].shape)
    for number in range(convolutions - 1, -1, -1):
        layer, phi = network.convolutions[number], columns[number]
        delta = _unpool(delta, chosen[number], (*phi.shape[:3], layer.channels), layer.pool)
        flat = delta.reshape(-1, layer.channels)
        gradients.append((flat.T @ phi.reshape(len(flat), -1), flat.sum(0)))
        if number:
            z_in = inputs[number]
            delta = _spread(delta, weights[number][0], z_in.shape, layer) * (z_in > 0)
    return float(((z - targets) ** 2).sum() / size), gradients[::-1]


def _patches(z: np.ndarray, layer: Convolution) -> np.ndarray:
    """phi(Z): (B, b_out, a_out, d*h*h), row of the filter fastest, then column, then channel."""
    p, s = layer.padding, layer.stride
    padded = np.pad(z, ((0, 0), (p, p), (p, p), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.h, layer.h), axis=(1, 2))[:, ::s, ::s]
    return windows.reshape(*windows.shape[:3], -1)


def _spread(delta: np.ndarray, w: np.ndarray, shape: tuple[int, ...], layer: Convolution) -> np.ndarray:
    """The transpose of `_patches`, of W' delta: added up where the patches came from, an entry of the filter at a time.

    delta: (B, b_out, a_out, channels); the result has `shape`, for the padding is cut off.
    """
    p, s, h = layer.padding, layer.stride, layer.h
    size, b, a, d = shape
    total = np.zeros((size, b + 2 * p, a + 2 * p, d))
    _, b_out, a_out, _ = delta.shape
    filters = w.reshape(len(w), d, h, h)
    for column in range(h):
        for row in range(h):
            part = delta @ np.ascontiguousarray(filters[:, :, column, row])
            total[:, column : column + s * b_out : s, row : row + s * a_out : s] += part
    return total[:, p : p + b, p : p + a]


def _pool(z: np.ndarray, pool: int) -> tuple[np.ndarray, np.ndarray]:
    """(Maxima, which entry of the window each was: the first in column-major order)."""
    first, *others = (z[places] for places in _window_entries(z.shape, pool))
    best, index = first, np.zeros(first.shape, dtype=np.int8)
    for number, entry in enumerate(others, 1):
        larger = entry > best
        best, index = np.where(larger, entry, best), np.where(larger, np.int8(number), index)
    return best, index


def _unpool(delta: np.ndarray, index: np.ndarray, shape: tuple[int, ...], pool: int) -> np.ndarray:
    """The transpose of `_pool`: each value goes to the entry that was the maximum."""
    total = np.zeros(shape)
    for number, places in enumerate(_window_entries(shape, pool)):
        total[places] = delta * (index == number)
    return total


def _window_entries(shape: tuple[int, ...], pool: int) -> list[tuple[slice, ...]]:
    """For each entry of a window, rows fastest, the places in (B, b, a, d) that are that entry of some window."""
    b, a = (side // pool * pool for side in shape[1:3])
    return [(slice(None), slice(column, b, pool), slice(row, a, pool)) for column in range(pool) for row in range(pool)]


def as_torch(network: Network, weights: Weights) -> dict[str, np.ndarray]:
    """Weights (or gradients) under PyTorch's names and in its layout: (O, C, H, W) filters, channel-major inputs."""
    found: dict[str, np.ndarray] = {}
    sides = network.sides()
    for number, (w, b) in enumerate(weights):
        if number < len(network.convolutions):
            h = network.convolutions[number].h
            array = w.reshape(len(w), -1, h, h).transpose(0, 1, 3, 2)
        elif number == len(network.convolutions):
            d, a, width = sides[-1]
            array = w.reshape(len(w), width, a, d).transpose(0, 3, 2, 1).reshape(len(w), -1)
        else:
            array = w
        found[f"{number + 1}.weight"], found[f"{number + 1}.bias"] = np.ascontiguousarray(array), b
    return found
