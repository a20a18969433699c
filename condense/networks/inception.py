"""The small Inception of Zhang et al. (ICLR 2017) for 28x28 images, with BatchNorm everywhere, nowhere or in part.

A convolution followed by BatchNorm has no bias, and that BatchNorm no scale: this gives the paper's count of 1,649,402
parameters, with BatchNorm and without.

Convolutions without BatchNorm start as He et al. (2015) have it: with PyTorch's default the logits of different images
differ by 1e-5 at the start, and nothing is learned at any rate.
"""

from condense.networks.layers import Activation, BatchNorm, Conv, Dropout, Layer, Linear, Parallel, Pool, Shape
from condense.networks.network import Network

VARIANTS = {
    "": "BatchNorm everywhere",
    "-nobn": "BatchNorm nowhere",
    "-partbn": "BatchNorm in the two downsample modules only",
    "-dropout5": "BatchNorm everywhere and 5 % dropout before the last layer",
}
"""Suffixes of the name, and what they mean."""

PLAN = (
    *((32, 32), (32, 48), 80),
    *((112, 48), (96, 64), (80, 80), (48, 96), 96),
    *((176, 160), (176, 160)),
)
"""Inception modules as (1x1 filters, 3x3 filters), downsample modules as 3x3 filters."""


def small_inception(shape: Shape, classes: int, *, suffix: str = "") -> Network:
    """3x3 convolution of 96, the modules of `PLAN`, mean over what is left of the image, one linear layer."""
    inside, down = suffix in ("", "-dropout5"), suffix != "-nobn"
    layers: list[Layer] = [*_conv("stem", 96, 3, inside)]
    for index, sizes in enumerate(PLAN, 1):
        name = f"module{index}"
        if isinstance(sizes, int):
            layers.append(Parallel((_conv(f"{name}.conv", sizes, 3, down, stride=2), (Pool("max", 3, 2, padding=1),))))
        else:
            one, three = sizes
            layers.append(Parallel((_conv(f"{name}.conv1", one, 1, inside), _conv(f"{name}.conv3", three, 3, inside))))
    last = shape
    for layer in layers:
        last = layer.output(last)
    layers += [Pool("avg", last[1], last[1]), *([Dropout(0.05)] if suffix == "-dropout5" else [])]
    return Network(f"small-inception{suffix}", shape, classes, (*layers, Linear("classifier", classes)))


def _conv(name: str, channels: int, kernel: int, norm: bool, stride: int = 1) -> tuple[Layer, ...]:
    """Convolution of 'same' size, BatchNorm where it is asked for, ReLU."""
    conv = Conv(name, channels, kernel, stride, padding=kernel // 2, bias=not norm, he=not norm)
    return conv, *((BatchNorm(f"{name}_norm", channels, scale=False),) if norm else ()), Activation("relu")
