"""MLP and LeNet as published with dataset condensation, LeNet-5 as the reproduction report built it, MLPs of any size."""

import re

from condense.networks.layers import Activation, Conv, Linear, Pool, Shape
from condense.networks.network import Network


def mlp(shape: Shape, classes: int) -> Network:
    """Two hidden layers of 128 units with ReLU."""
    relu = Activation("relu")
    return Network("MLP", shape, classes, (Linear("fc1", 128), relu, Linear("fc2", 128), relu, Linear("fc3", classes)))


def sized_mlp(name: str, shape: Shape, classes: int) -> Network:
    """`mlp-DEPTHxWIDTH`: so many hidden layers of so many units with ReLU. The name must be one `is_sized_mlp` knows."""
    depth, width = map(int, name.removeprefix("mlp-").split("x"))
    hidden = [layer for index in range(depth) for layer in (Linear(f"fc{index + 1}", width), Activation("relu"))]
    return Network(name, shape, classes, (*hidden, Linear(f"fc{depth + 1}", classes)))


def is_sized_mlp(name: str) -> bool:
    """Whether a name is that of an MLP with a depth and a width, such as mlp-3x512."""
    return re.fullmatch(r"mlp-[1-9]\d?x[1-9]\d{0,4}", name) is not None


def lenet(shape: Shape, classes: int) -> Network:
    """LeNet with ReLU and max pooling (published code); the first convolution pads by 2 with one channel."""
    return _lenet("LeNet", shape, classes, "relu", "max")


def lenet_classic(shape: Shape, classes: int) -> Network:
    """LeNet-5 with sigmoid and average pooling, as in the reproduction report."""
    return _lenet("lenet-classic", shape, classes, "sigmoid", "avg")


def _lenet(name: str, shape: Shape, classes: int, activation: str, pooling: str) -> Network:
    act, pool = Activation(activation), Pool(pooling)
    features = (Conv("conv1", 6, 5, padding=2 if shape[0] == 1 else 0), act, pool, Conv("conv2", 16, 5), act, pool)
    head = (Linear("fc1", 120), act, Linear("fc2", 84), act, Linear("fc3", classes))
    return Network(name, shape, classes, features + head)
