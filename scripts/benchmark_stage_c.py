#!/usr/bin/env python3
"""Seconds of one outer step of stage C: what `condense learn` runs against the plain twin, as published.

    python scripts/benchmark_stage_c.py [--quick] [--device cpu] [--threads 2] [--out stage_c.jsonl]

The images are random pixels of the data set's shape, 256 a class, ten classes: arithmetic does not depend on what they show.
"Fast" is the path of a long run, compiled where there is a compiler, in float32 and, for networks that pass the precision
test on MNIST, with bfloat16 on the real images; its first call, compiling included, is `warm_up_seconds`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from benchmarking import SHAPES, compare, options, outer_step, plain_gradient_matching, random_images, report

from condense.config import LearnConfig
from condense.execution import Precision
from condense.machine import forget_compiled
from condense.networks.registry import build

QUICK = [("ConvNet", "MNIST", 1), ("ConvNet", "CIFAR-10", 1)]
FULL = [("ConvNet", name, ipc) for name in SHAPES for ipc in (1, 10)] + [
    (name, "MNIST", 1) for name in ("MLP", "LeNet", "AlexNet", "VGG11", "ResNet18")
]
MIXED = {"ConvNet", "LeNet"}
"""Compiled networks with convolutions to reduce that pass the precision test on MNIST."""


def measure(network_name: str, dataset: str, ipc: int, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """One case: an outer step without the training of the network after it."""
    config = LearnConfig(network=network_name, ipc=ipc, iterations=10**6, outer_loop=1)
    data = random_images(SHAPES[dataset])
    network = build(network_name, data.shape, data.classes)
    steps = plain_gradient_matching(config, data.to(device), network).steps()
    forget_compiled()

    def fast(precision: Precision) -> Callable[[], object]:
        method, problem, start = outer_step(config, data.to(device), network, precision)
        return lambda: method.step(problem, start, 0)

    precisions: tuple[Precision, ...] = ("fp32", "mixed") if network_name in MIXED else ("fp32",)
    paths = {name: fast(name) for name in precisions}
    case = f"outer step, {network_name}, {dataset}, {ipc} a class"
    return compare(case, lambda: next(steps), paths, repeats, device)


def cases(quick: bool, device: torch.device) -> Iterator[dict[str, Any]]:
    """All cases, in order."""
    for network, dataset, ipc in QUICK if quick else FULL:
        yield from measure(network, dataset, ipc, 3, device)


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(cases(chosen.quick, chosen.device), chosen.out)
