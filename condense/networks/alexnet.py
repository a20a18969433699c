"""AlexNet as published with dataset condensation and with BatchNorm, the classic one, and that of Zhang et al. (2017)."""

from condense.networks.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    Linear,
    LocalResponseNorm,
    Pool,
    Resize,
    Shape,
)
from condense.networks.network import Network

RELU = Activation("relu")


def alexnet(shape: Shape, classes: int, *, batch_norm: bool = False) -> Network:
    """Five convolutions with ReLU, max pooling after the first, second and fifth, one linear layer; no dropout."""
    plan = [(128, 5, 4 if shape[0] == 1 else 2, True), (192, 5, 2, True), (256, 3, 1, False), (192, 3, 1, False)]
    layers: list[Layer] = []
    for index, (channels, kernel, padding, pooled) in enumerate([*plan, (192, 3, 1, True)], 1):
        layers.append(Conv(f"conv{index}", channels, kernel, padding=padding))
        if batch_norm:
            layers.append(BatchNorm(f"norm{index}", channels))
        # ReLU after pooling is the same function, on a quarter of the values.
        layers += [Pool("max"), RELU] if pooled else [RELU]
    return Network("AlexNetBN" if batch_norm else "AlexNet", shape, classes, (*layers, Linear("classifier", classes)))


def alexnet_classic(shape: Shape, classes: int) -> Network:
    """The ImageNet AlexNet on images resized to 227x227, with two hidden layers of 4,096 units and dropout."""
    pool = Pool("max", 3, 2)
    features = (
        *(Resize(227), Conv("conv1", 96, 11, stride=4), RELU, pool),
        *(Conv("conv2", 256, 5, padding=2), RELU, pool),
        *(Conv("conv3", 384, 3, padding=1), RELU),
        *(Conv("conv4", 384, 3, padding=1), RELU),
        *(Conv("conv5", 256, 3, padding=1), RELU, pool),
    )
    head = (Dropout(), Linear("fc1", 4096), RELU, Dropout(), Linear("fc2", 4096), RELU, Linear("fc3", classes))
    return Network("alexnet-classic", shape, classes, features + head)


def small_alexnet(shape: Shape, classes: int) -> Network:
    """Two modules of 5x5 convolution, max pooling and local response norm; 384 and 192 units (Zhang et al., 2017)."""
    features: list[Layer] = []
    for index in (1, 2):
        pool = Pool("max", 3, 2, padding=1)
        features += [Conv(f"conv{index}", 64, 5, padding=2), RELU, pool, LocalResponseNorm()]
    head = (Linear("fc1", 384), RELU, Linear("fc2", 192), RELU, Linear("fc3", classes))
    return Network("small-alexnet", shape, classes, (*features, *head))
