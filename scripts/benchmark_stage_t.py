#!/usr/bin/env python3
"""Seconds of stage T: what `condense evaluate` runs against the plain loop over networks, as published, in float32.

    python scripts/benchmark_stage_t.py [--quick] [--threads 2] [--out stage_t.jsonl]

Training: some epochs of 20 networks (fewer for large ones, in both alike) on random images with MNIST's augmentation,
compiled where a whole evaluation of 20 networks would be. Testing: one network on 2,000 random images.
"""

from collections.abc import Iterator
from typing import Any

import torch
from benchmarking import compare, options, report

from condense.execution import for_training
from condense.machine import forget_compiled
from condense.networks.registry import build
from condense.reference import training as plain
from condense.reference.networks import load, module
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

SHAPE = (1, 28, 28)
EVALUATION_EPOCHS = 1001
"""Epochs of MNIST's published evaluation, of one step each."""
QUICK = [("MLP", 1, 20, 10), ("LeNet", 1, 20, 3), ("ConvNet", 1, 2, 5)]
FULL = [
    *(("MLP", 1, 20, 20), ("MLP", 10, 20, 5), ("LeNet", 1, 20, 5), ("LeNet", 10, 20, 2)),
    *(("ConvNet", 1, 4, 10), ("ConvNet", 10, 2, 3), ("AlexNet", 1, 2, 5), ("VGG11", 1, 2, 5), ("ResNet18", 1, 2, 3)),
]


def training(name: str, ipc: int, seeds: int, epochs: int, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Training `seeds` networks for some epochs."""
    network, layout = build(name, SHAPE, 10), Layout.of(build(name, SHAPE, 10))
    images, labels = torch.randn(10 * ipc, *SHAPE, device=device), torch.arange(10, device=device).repeat_interleave(ipc)
    source = TensorSource(images, labels)
    recipe = Recipe((Stage(epochs, 0.01),), momentum=0.9, weight_decay=5e-4, augmentation=("crop", "scale", "rotate"))
    members = fresh_members(network, range(seeds), "benchmark", device)
    execution = for_training(network, device, batch=10 * ipc, steps=EVALUATION_EPOCHS)
    group = min(seeds, execution.stack)
    forget_compiled()

    def fast() -> None:
        for first in range(0, seeds, group):
            draws = [MemberDraws.of(seed, "benchmark", device=device) for seed in range(first, first + group)]
            train(network, members[first : first + group], source, recipe, draws, execution=execution)

    def twin() -> None:
        for seed in range(seeds):
            net = load(module(name, SHAPE, 10), layout.views(members.vector[seed].cpu())).to(device)
            plain.train(net, source.images, source.labels, recipe, MemberDraws.of(seed, "benchmark", device=device))

    case = f"{epochs} epochs of {seeds} networks, {name}, {ipc} a class"
    return compare(case, twin, {"fp32": fast}, repeats, device)


def testing(name: str, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Testing one network."""
    network = build(name, SHAPE, 10)
    members = fresh_members(network, [0], "benchmark", device)
    net = load(module(name, SHAPE, 10), Layout.of(network).views(members.vector[0].cpu())).to(device)
    source = TensorSource(torch.randn(2000, *SHAPE, device=device), torch.zeros(2000, dtype=torch.int64, device=device))
    twin, fast = lambda: plain.accuracy(net, source.images, source.labels), lambda: accuracies(network, members, source)
    return compare(f"test on 2,000 images, {name}", twin, {"fp32": fast}, repeats, device)


def cases(quick: bool, device: torch.device) -> Iterator[dict[str, Any]]:
    """All cases, in order."""
    repeats = 3
    for name, ipc, seeds, epochs in QUICK if quick else FULL:
        yield from training(name, ipc, seeds, epochs, repeats, device)
    for name in ("MLP", "ConvNet") if quick else ("MLP", "LeNet", "ConvNet", "AlexNet", "VGG11", "ResNet18"):
        yield from testing(name, repeats, device)


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(cases(chosen.quick, chosen.device), chosen.out)
