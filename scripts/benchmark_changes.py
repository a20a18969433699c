#!/usr/bin/env python3
"""What each change to the fast path gives: one after the other, each beside the one before it, in turns in one process.

    python scripts/benchmark_changes.py [--threads 2] [--out changes.jsonl]

The work: the gradient on 256 real images of one class (stage C), and five training steps on 10 and on 100 images (stage T),
ConvNet, random images of CIFAR-10's shape; five training steps of Small AlexNet on 60 images of 28x28; and both kinds of
work, the steps on 10 images, for AlexNet on images of MNIST's shape; CPU.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from benchmarking import SHAPES, options, seconds, write_rows
from torch import Tensor

from condense.execution import Execution, for_learning, for_training
from condense.execution import Work as Job
from condense.machine import forget_compiled
from condense.networks import layers
from condense.networks.layers import Arithmetic, LocalResponseNorm, Shape, Tensors
from condense.networks.network import Network
from condense.networks.registry import build
from condense.reference.networks import load, module
from condense.stage_c.matching import GradientMatcher
from condense.training.engine import MemberDraws, Members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

CPU = torch.device("cpu")
SHAPE = SHAPES["CIFAR-10"]
REPEATS = 5
Work = dict[str, Callable[[], object]]

direct_convolutions = partial(patch.object, layers, "gains_by_winograd", lambda *_: False)
"""A context in which no layer takes Winograd convolution."""


def without_winograd(function: Callable[[], object]) -> Callable[[], object]:
    """The same work with direct convolutions."""

    def direct() -> None:
        with direct_convolutions():
            function()

    return direct


def initial(network: Network) -> Tensors:
    """A network's first parameters by name, in the order in memory that the engine gives them."""
    layout = Layout.of(network)
    return layout.views(layout.flatten(network.initial(torch.Generator().manual_seed(0))))


def plain_gradient(net: torch.nn.Module, x: Tensor) -> Callable[[], object]:
    """The gradient on images x of one class, all at once."""
    labels = torch.full((len(x),), 3)
    return lambda: torch.autograd.grad(F.cross_entropy(net(x), labels), list(net.parameters()))


def real_gradient() -> Work:
    """The gradient on one class's real images, by what has been changed so far."""
    network, x = build("ConvNet", SHAPE, 10), torch.randn(256, *SHAPE)
    parameters = initial(network)

    def fast(
        chunk: int, *, compiled: bool = False, explicit_norm: bool = False, winograd: bool = False, reduced: bool = False
    ):
        execution = Execution(
            device="cpu",
            path="compiled" if compiled else "eager",
            precision="mixed" if reduced else "fp32",
            part=chunk,
            channels_last=True,
            winograd=winograd,
        )
        matcher = GradientMatcher(network, "ours", CPU, execution)
        matcher._real_arithmetic = Arithmetic(explicit_norm, reduced, winograd)
        return lambda: matcher.real_gradient(parameters, {}, x, 3)

    return {
        "plain twin": plain_gradient(load(module("ConvNet", SHAPE, 10), parameters), x),
        "+ channels_last, no bias gradients": fast(256),
        "+ chunks of 32": fast(32),
        "+ torch.compile": fast(32, compiled=True),
        "+ norm as a formula": fast(32, compiled=True, explicit_norm=True),
        "+ Winograd convolution": fast(32, compiled=True, explicit_norm=True, winograd=True),
        "bfloat16 instead of it": fast(32, compiled=True, explicit_norm=True, reduced=True),
    }


def alexnet_gradient() -> Work:
    """AlexNet's gradient on one class's real images, without and with Winograd convolution."""
    shape = SHAPES["MNIST"]
    network, x = build("AlexNet", shape, 10), torch.randn(256, *shape)
    parameters = initial(network)
    matcher = GradientMatcher(network, "ours", CPU, for_learning(network, CPU, Job(multiply_adds=1.0, batch=256)))

    def fast() -> Tensors:
        return matcher.real_gradient(parameters, {}, x, 3)

    twin = plain_gradient(load(module("AlexNet", shape, 10), parameters), x)
    return {"plain twin": twin, "+ channels_last, chunks of 32": without_winograd(fast), "+ Winograd convolution": fast}


def five_steps(
    name: str, shape: Shape, batch: int, weight_decay: float
) -> tuple[Callable[[], object], Callable[..., object]]:
    """Five training steps of one network on `batch` images, by PyTorch's modules and optimiser, and by the engine."""
    network, recipe = build(name, shape, 10), Recipe((Stage(5, 0.01),), momentum=0.9, weight_decay=weight_decay)
    parameters = initial(network)
    vector = Layout.of(network).flatten(parameters)
    source = TensorSource(torch.randn(batch, *shape), torch.arange(batch) % 10)
    net = load(module(name, shape, 10), parameters)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=weight_decay)

    def twin() -> None:
        for _ in range(5):
            optimiser.zero_grad()
            F.cross_entropy(net(source.images), source.labels).backward()
            optimiser.step()

    def fast(*, compiled: bool = False) -> None:
        execution = replace(for_training(network, CPU, batch=batch), path="compiled" if compiled else "eager")
        train(network, Members(vector[None], {}), source, recipe, [MemberDraws.of(0, "benchmark")], execution=execution)

    return twin, fast


def training_step(batch: int) -> Work:
    """Five training steps of ConvNet, by what has been changed so far."""
    twin, fast = five_steps("ConvNet", SHAPE, batch, weight_decay=5e-4)
    parts = "channels_last, one vector" + (", chunks of 25" if batch == 100 else "")
    compiled = partial(fast, compiled=True)
    return {"plain twin": twin, f"+ {parts}": without_winograd(fast), "+ torch.compile": compiled}


def small_alexnet_steps() -> Work:
    """Five training steps of Small AlexNet, with the library's local response norm and with the one used."""
    twin, fast = five_steps("small-alexnet", (3, 28, 28), 60, weight_decay=0.0)

    def with_the_librarys() -> None:
        def norm(layer: LocalResponseNorm, x: Tensor, *_: object) -> Tensor:
            return F.local_response_norm(x, size=9, alpha=0.001, beta=0.75, k=1.0)

        with patch.object(LocalResponseNorm, "__call__", norm):
            fast()

    changed = "+ local response norm as a convolution"
    return {"plain twin": twin, "+ channels_last, one vector": with_the_librarys, changed: fast}


def alexnet_steps() -> Work:
    """Five training steps of AlexNet on 10 images, without and with Winograd convolution."""
    twin, fast = five_steps("AlexNet", SHAPES["MNIST"], 10, weight_decay=5e-4)
    return {"plain twin": twin, "+ channels_last, one vector": without_winograd(fast), "+ Winograd convolution": fast}


def compare_all(work: Work, what: str) -> list[dict[str, Any]]:
    """Median seconds of each, in turns, and how many times as fast as the first and as the one before."""
    forget_compiled()
    for function in work.values():
        seconds(function, CPU)
    rounds = [{name: seconds(function, CPU) for name, function in work.items()} for _ in range(REPEATS)]
    rows: list[dict[str, Any]] = []
    for index, name in enumerate(work):
        before = list(work)[max(index - 1, 0)]
        rows.append(
            {
                "case": what,
                "change": name,
                "seconds": statistics.median(each[name] for each in rounds),
                "ratio_to_twin": statistics.median(each["plain twin"] / each[name] for each in rounds),
                "ratio_to_previous": statistics.median(each[before] / each[name] for each in rounds),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            }
        )
        row = rows[-1]
        print(f"{what:<27} {name:<38} {row['seconds']:8.4f} s {row['ratio_to_twin']:6.2f}x {row['ratio_to_previous']:6.2f}x")
    return rows


def main() -> None:
    """Measures, prints and writes."""
    chosen = options(__doc__ or "", quick=False)
    rows = compare_all(real_gradient(), "real gradient, 256")
    for batch in (10, 100):
        rows += compare_all(training_step(batch), f"5 training steps, {batch}")
    rows += compare_all(small_alexnet_steps(), "5 steps, Small AlexNet, 60")
    rows += compare_all(alexnet_gradient(), "real gradient, AlexNet, 256")
    rows += compare_all(alexnet_steps(), "5 steps, AlexNet, 10")
    write_rows(rows, chosen.out)


if __name__ == "__main__":
    main()
