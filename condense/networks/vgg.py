"""VGG11 (Simonyan & Zisserman, 2015) for small images, with instance or batch norm, and one linear layer."""

from condense.networks.convnet import norm
from condense.networks.layers import Activation, Conv, Layer, Linear, Pool, Shape
from condense.networks.network import Network

PLAN = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")


def vgg11(shape: Shape, classes: int, *, norm_kind: str = "instance") -> Network:
    """Eight 3x3 convolutions; with one channel the first pads by 3, as published."""
    layers: list[Layer] = []
    index = 0
    for entry in PLAN:
        if isinstance(entry, str):
            layers.append(Pool("max"))
            continue
        index += 1
        padding = 3 if index == 1 and shape[0] == 1 else 1
        layers.extend((Conv(f"conv{index}", entry, 3, padding=padding), *norm(norm_kind, f"norm{index}", entry)))
        layers.append(Activation("relu"))
    name = "VGG11BN" if norm_kind == "batch" else "VGG11"
    return Network(name, shape, classes, (*layers, Linear("classifier", classes)))
