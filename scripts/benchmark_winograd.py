#!/usr/bin/env python3
"""How many times as fast Winograd convolution is as a direct one, layer by layer, beside what its costs are counted to be.

    python scripts/benchmark_winograd.py [--threads 1] [--out winograd.jsonl]

Output and gradients of random images and weights, channels last, on the CPU; medians of 7 turns in one process. The costs in
`condense.networks.winograd` were fitted to such ratios on one thread.
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from benchmarking import options, seconds, write_rows
from torch import Tensor

from condense.networks.winograd import winograd_conv2d, winograd_gain

CPU = torch.device("cpu")
REPEATS = 7
LAYERS = [
    *((5, images, 128, 192, 16) for images in (10, 32)),
    *((5, images, 64, 64, 14) for images in (10, 60)),
    *((3, images, 192, 256, 8) for images in (10, 32)),
    *((3, images, 128, 128, 16) for images in (10, 32)),
    *((3, images, 128, 128, 8) for images in (10, 32)),
    *((3, images, 512, 512, 4) for images in (8, 16, 32)),
    *((3, 32, *rest) for rest in ((64, 64, 28), (64, 128, 16), (128, 128, 14), (256, 256, 7))),
    *((3, 60, *rest) for rest in ((64, 48, 28), (160, 96, 14), (336, 160, 7))),
]
"""Kernel, images, channels in and out, side: layers of AlexNet, ConvNet, VGG11, ResNet18, small Inception and AlexNet."""


def measure(kernel: int, images: int, channels: int, outputs: int, side: int) -> dict[str, Any]:
    """One layer: both in turn, after one call of each."""
    x, weight, given = (
        torch.randn(shape).to(memory_format=torch.channels_last)
        for shape in (
            (images, channels, side, side),
            (outputs, channels, kernel, kernel),
            (images, outputs, side, side),
        )
    )
    leaves = x.requires_grad_(), weight.requires_grad_()

    def both(convolve: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(convolve(*leaves), leaves, given)

    direct = both(lambda x, w: F.conv2d(x, w, padding=kernel // 2))
    winograd = both(lambda x, w: winograd_conv2d(x, w, kernel // 2))
    rounds = [(seconds(direct, CPU), seconds(winograd, CPU)) for _ in range(REPEATS + 1)][1:]
    return {
        "layer": f"{images} images, {channels} to {outputs} channels, {kernel}x{kernel}, side {side}",
        "counted": winograd_gain(kernel, images, channels, (outputs, side, side)),
        "ratio": statistics.median(slow / quick for slow, quick in rounds),
        "direct_seconds": statistics.median(slow for slow, _ in rounds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    """Measures, prints and writes."""
    chosen = options(__doc__ or "", quick=False)
    rows = []
    for layer in LAYERS:
        rows.append(measure(*layer))
        print("{layer:<52} counted {counted:5.2f}x, measured {ratio:5.2f}x".format(**rows[-1]), flush=True)
    write_rows(rows, chosen.out)


if __name__ == "__main__":
    main()
