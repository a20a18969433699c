"""E networks trained at once under one setting, each with its own seed: parameters carry a leading member axis.

The package's training engine trains classifiers under its recipes; here loss, optimiser, BatchNorm and batches are what is
compared, so each is written out, with the one thing that a setting changes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from condense.randomness import generator
from condense.studies.parity.nudging import moved
from condense.studies.parity.perceptron import BETA1, BETA2, partition_batches
from condense.studies.parity.setting import Setting
from condense.studies.parity.simplenn_twin import Network, draw_batches, layer4

HIDDEN = {"perceptron": (128, 64), "batch-norm": (128, 64), "regression": (100,)}
CLIP = 1e-7
TENSORS = ("parameters", "first", "second", "running", "accumulated")
"""The fields of `Members` that are lists of tensors, in order."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned: x float64 (N, ...), y (N,) labels or values, the same for testing; outputs 1 for values."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    outputs: int


@dataclass(eq=False)
class Members:
    """All that training changes.

    parameters: W and b of each layer in turn, (E, ...) each, then gamma and beta of each BatchNorm; first, second: the
    optimiser's moments (SGD uses the first); running: mean and variance of each BatchNorm, (E, H); accumulated: the sum of
    all gradients so far, as the parameters, where they are never set to zero, else empty.
    """

    parameters: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]
    running: list[Tensor]
    accumulated: list[Tensor] = field(default_factory=list)
    step: int = 0
    losses: list[np.ndarray] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Everything, as numbers and tensors, to be saved."""
        return {"step": self.step, "losses": torch.from_numpy(np.array(self.losses, dtype=np.float64))} | {
            name: [value.detach() for value in getattr(self, name)] for name in TENSORS
        }

    @staticmethod
    def of_state(state: dict) -> "Members":
        """As it was saved."""
        tensors = {name: state[name] for name in TENSORS}
        members = Members(**tensors, step=state["step"], losses=list(state["losses"].numpy()))
        for value in members.parameters:
            value.requires_grad_()
        return members


def fresh_members(setting: Setting, task: Task, seeds: Sequence[int], nudge: int | None = None) -> Members:
    """Members with initial weights of their seeds; with `nudge` each number is moved as of `nudging`."""
    dtype = torch.float64 if setting.float64 else torch.float32
    each = [_initial(setting, task, seed) for seed in seeds]
    parameters = [torch.stack([one[index] for one in each]).to(dtype) for index in range(len(each[0]))]
    if nudge is not None:
        parameters = [moved(value, nudge, index) for index, value in enumerate(parameters)]
    hidden = HIDDEN["batch-norm"] if setting.base == "batch-norm" else ()
    for width in hidden:
        parameters += [torch.ones(len(seeds), width, dtype=dtype), torch.zeros(len(seeds), width, dtype=dtype)]
    running = [f(len(seeds), width, dtype=dtype) for width in hidden for f in (torch.zeros, torch.ones)]
    zeros = [[torch.zeros_like(value) for value in parameters] for _ in range(2)]
    return Members([value.requires_grad_() for value in parameters], zeros[0], zeros[1], running)


def orders(setting: Setting, images: int, labels: np.ndarray, epochs: int, seed: int) -> np.ndarray:
    """int64 (S, B) of training images for one member's seed, short batches filled with -1."""
    if setting.batches == "independent":
        return draw_batches(images, setting.batch, epochs, seed)
    if setting.batches == "partition":
        return partition_batches(images, setting.batch, epochs, seed)
    if setting.batches == "another seed":
        return partition_batches(images, setting.batch, epochs, seed + 1_000_003)
    if setting.batches == "last dropped":
        whole = partition_batches(images, setting.batch, epochs, seed)
        return whole[(whole >= 0).all(1)]
    if setting.batches == "sorted":
        first = np.argsort(labels, kind="stable")
    else:
        assert setting.batches == "never shuffled", setting.batches
        first = torch.randperm(images, generator=generator(seed, "parity source order")).numpy()
    steps = -(-images // setting.batch)
    row = np.full(steps * setting.batch, -1, dtype=np.int64)
    row[:images] = first
    return np.tile(row.reshape(steps, setting.batch), (epochs, 1))


def train(
    setting: Setting,
    task: Task,
    members: Members,
    order: np.ndarray,
    *,
    until: int | None = None,
    tick: Callable[[Members], None] = lambda members: None,
) -> None:
    """Trains in place up to step `until` (default: the last), order int64 (E, S, B); `tick` is called after every step.

    Once no member's loss is finite, the steps that are left are not computed, and their losses are the last ones.
    """
    dtype = members.parameters[0].dtype
    x = torch.from_numpy(task.x).to(dtype)
    y = torch.from_numpy(task.y) if task.outputs > 1 else torch.from_numpy(task.y).to(dtype)
    rows, widths = torch.from_numpy(order), (order[0] >= 0).sum(1)
    end = order.shape[1] if until is None else until
    while members.step < end:
        batch = rows[:, members.step, : widths[members.step]]
        each = losses(setting, outputs(setting, task, members, x[batch], training=True), y[batch], task.outputs)
        gradients = list(torch.autograd.grad(each.sum(), members.parameters))
        if not setting.zero_grad:
            before = members.accumulated or [torch.zeros_like(value) for value in gradients]
            gradients = members.accumulated = [a + g for a, g in zip(before, gradients, strict=True)]
        members.step += 1
        members.losses.append(each.detach().double().numpy())
        with torch.no_grad():
            _update(setting, members, gradients)
        if not torch.isfinite(each).any():  # nothing comes back from there
            members.losses += [members.losses[-1]] * (end - members.step)
            members.step = end
        tick(members)


def outputs(setting: Setting, task: Task, members: Members, x: Tensor, *, training: bool) -> Tensor:
    """(E, B, outputs) of x (E, B, ...)."""
    if setting.base == "convolution":
        return torch.stack([_convolved(network_of(task), members, member, x[member]) for member in range(len(x))])
    layers = len(HIDDEN[setting.base]) + 1
    z = x.flatten(2)
    for layer in range(layers):
        w, b = members.parameters[2 * layer : 2 * layer + 2]
        z = torch.baddbmm(b[:, None], z, w.transpose(1, 2))
        if layer + 1 < layers:
            z = functional.relu(_normalised(setting, members, z, layer, training) if setting.base == "batch-norm" else z)
    return z


def losses(setting: Setting, z: Tensor, y: Tensor, count: int) -> Tensor:
    """The loss of each member (E,), for outputs (E, B, count) and labels or values (E, B)."""
    if count == 1:
        difference = z - y[:, None] if setting.broadcast else z.squeeze(2) - y
        return difference.square().flatten(1).mean(1)
    if setting.loss in ("squares over batch", "mean of squares", "sum of squares"):
        each = (z - functional.one_hot(y, count)).square().sum((1, 2))
        return (
            each
            / {"squares over batch": y.shape[1], "mean of squares": y.shape[1] * count, "sum of squares": 1}[setting.loss]
        )
    if setting.loss in ("clipped", "log of the probabilities"):
        probabilities = z.softmax(2)
        logs = (probabilities.clamp(CLIP, 1 - CLIP) if setting.loss == "clipped" else probabilities).log()
    else:
        logs = (z.softmax(2) if setting.loss == "softmax twice" else z).log_softmax(2)
    each = -logs.gather(2, y[:, :, None]).squeeze(2)
    return each.sum(1) if setting.loss == "sum" else each.mean(1)


def network_of(task: Task) -> Network:
    """The convolutional base's network for a task."""
    return layer4(tuple(task.x.shape[1:]), task.outputs)  # type: ignore[arg-type]


def _convolved(network: Network, members: Members, member: int, x: Tensor) -> Tensor:
    """One member's outputs: a loop over members in channels_last is quicker on a CPU than grouped convolutions."""
    z, values = x.contiguous(memory_format=torch.channels_last), members.parameters
    for number, layer in enumerate(network.convolutions):
        w, b = values[2 * number][member], values[2 * number + 1][member]
        z = functional.max_pool2d(functional.relu(functional.conv2d(z, w, b, layer.stride, layer.padding)), layer.pool)
    z = z.flatten(1)
    for number in range(len(network.convolutions), len(values) // 2):
        z = functional.linear(z, values[2 * number][member], values[2 * number + 1][member])
        z = functional.relu(z) if number + 1 < len(values) // 2 else z
    return z


def _normalised(setting: Setting, members: Members, z: Tensor, layer: int, training: bool) -> Tensor:
    """BatchNorm (Ioffe and Szegedy, 2015); running statistics are updated in training and used otherwise."""
    place = 2 * (len(HIDDEN["batch-norm"]) + 1) + 2 * layer
    gamma, beta = members.parameters[place : place + 2]
    mean, variance = members.running[2 * layer : 2 * layer + 2]
    if training:
        with torch.no_grad():
            size, fraction = z.shape[1], setting.norm_momentum
            stored = z.var(1, correction=0) * (1 if setting.norm_biased else size / (size - 1))
            mean.lerp_(z.mean(1), fraction)
            variance.lerp_(stored, fraction)
        mean, variance = z.mean(1), z.var(1, correction=0)
    scale = gamma * (variance + setting.norm_epsilon).rsqrt()
    return (z - mean[:, None]) * scale[:, None] + beta[:, None]


def _update(setting: Setting, members: Members, gradients: list[Tensor]) -> None:
    t = members.step
    step, root = setting.rate / (1 - BETA1**t), math.sqrt(1 - BETA2**t)
    epsilon = setting.epsilon / root if setting.epsilon_as_keras else setting.epsilon
    for value, gradient, first, second in zip(members.parameters, gradients, members.first, members.second, strict=True):
        if setting.weight_decay and not setting.decoupled:
            gradient = gradient + setting.weight_decay * value
        elif setting.weight_decay:
            value.mul_(1 - setting.rate * setting.weight_decay)
        if setting.optimiser == "sgd":
            first.mul_(setting.momentum).add_(gradient)
            value.sub_(first, alpha=setting.rate)
            continue
        first.lerp_(gradient, 1 - BETA1)
        second.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        value.addcdiv_(first, (second.sqrt() / root).add_(epsilon), value=-step)


def _initial(setting: Setting, task: Task, seed: int) -> list[Tensor]:
    """W and b of each layer in float64, by the law of the setting; every law takes the same draws."""
    shapes = _shapes(setting, task)
    found = []
    for index, shape in enumerate(shapes):
        outputs, inputs = shape[0], math.prod(shape[1:])
        random = generator(seed, "parity weights", index)
        draw = torch.randn if setting.init == "he normal" else torch.rand
        unit = draw(outputs, inputs, generator=random, dtype=torch.float64)
        bias = torch.rand(outputs, generator=generator(seed, "parity bias", index), dtype=torch.float64) * 2 - 1
        torch_bound = 1 / math.sqrt(inputs)
        bounds = {
            "glorot uniform": math.sqrt(6 / (inputs + outputs)),
            "torch": torch_bound,
            "torch weights": torch_bound,
            "torch biases": math.sqrt(6 / (inputs + outputs)),
            "he uniform": math.sqrt(6 / inputs),
        }
        weight = unit * math.sqrt(2 / inputs) if setting.init == "he normal" else (unit * 2 - 1) * bounds[setting.init]
        has_bias = setting.init in ("torch", "torch biases")
        found += [weight.view(shape), bias * torch_bound if has_bias else torch.zeros(outputs, dtype=torch.float64)]
    return found


def _shapes(setting: Setting, task: Task) -> list[tuple[int, ...]]:
    if setting.base == "convolution":
        network = network_of(task)
        filters = [
            (layer.channels, side[0], layer.h, layer.h)
            for layer, side in zip(network.convolutions, network.sides(), strict=False)
        ]
        return [*filters, *network.fans()[len(filters) :]]
    sizes = (math.prod(task.x.shape[1:]), *HIDDEN[setting.base], task.outputs)
    return [(after, before) for before, after in pairwise(sizes)]
