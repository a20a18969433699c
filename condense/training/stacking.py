"""How many members to train at once, and how many images to push through a network at once."""

from collections.abc import Sequence

import torch

from condense.networks.layers import Conv
from condense.networks.network import Network

ACTIVATION_BUDGET = 2**22
"""Elements of the widest activation of one chunk: 16 MiB in float32, about what a CPU's caches hold."""


STEP_SECONDS, TRAINING_RATE = 1e-3, 1e11
"""What a training step takes on two CPU cores, roughly: a constant, and multiply-adds of the forward pass a second."""

GRADIENT_WRITE = 200
"""Multiply-adds that take as long as what a part of a batch costs for each parameter: its gradient written and added up."""

CONVOLUTION_BOUND = 250
"""Multiply-adds for each activation: on MNIST ConvNet has 86, VGG11 311, AlexNet 485, ResNet18 1,326."""

REPAYING_SECONDS = 20.0
"""Training without the compiler from which compiling, some ten seconds, is repaid."""

NOMINAL_NETWORKS = 20
"""Networks of a protocol. What is stacked or compiled follows from this number and never from how many are asked for, or a
seed's network would be another one, by rounding, in other company."""

STACKED_IMAGES = 128
"""Images in a batch from which members are trained in turn on a CPU: stacked MLPs were no quicker with 100 images
uncompiled, nor with 256 compiled."""

STACK_BUDGET = 2**28
"""Elements of the widest activation of all that goes through a GPU at once: 1 GiB in float32, of which dozens are kept."""


def members_at_once(network: Network, batch: int, device: torch.device) -> int:
    """How many to stack, however many there are: fully connected networks, and any network without dropout on a GPU.

    On a CPU stacked convolutions become grouped ones, up to 3.5 times as slow as training in turn (measured by
    scripts/benchmark_stacking.py). On a GPU the number is bounded by the memory that a batch of every member takes.
    """
    only_linear = not any(len(spec.shape) > 2 for spec in network.specs)
    if device.type == "cuda" and not network.has_dropout:
        return max(1, min(NOMINAL_NETWORKS, STACK_BUDGET // (batch * widest_activation(network))))
    return NOMINAL_NETWORKS if only_linear and batch < STACKED_IMAGES else 1


def stacks(seeds: Sequence[int], size: int) -> list[tuple[range, list[int]]]:
    """The stacks of `size` members that train these seeds, each with those asked for of it: 0 to size - 1, and so on.

    A stack is always trained whole, so that a seed has the same company and place whatever else is asked for.
    """
    asked: dict[int, list[int]] = {}
    for seed in seeds:
        asked.setdefault(seed // size, []).append(seed)
    return [(range(number * size, (number + 1) * size), own) for number, own in asked.items()]


def images_at_once(network: Network, device: torch.device) -> int:
    """Images in one chunk: a power of two that keeps activations in a CPU's cache; 1,024 on a GPU."""
    if device.type == "cuda":
        return 1024
    chunk = max(1, ACTIVATION_BUDGET // widest_activation(network))
    return min(1024, 1 << (chunk.bit_length() - 1))


def gains_by_compiling(network: Network, device: torch.device) -> bool:
    """Whether compiled gradients are quicker: on a GPU, and on a CPU where other things than convolutions cost.

    AlexNet, VGG11 and ResNet18 are nearly all convolution, and compiling them takes minutes. Dropout draws from a generator,
    which cannot be compiled.
    """
    return not network.has_dropout and (device.type == "cuda" or not convolution_bound(network))


def convolution_bound(network: Network) -> bool:
    """Whether a network multiplies so much for each activation that convolutions are nearly all of its cost."""
    return network.multiply_adds > CONVOLUTION_BOUND * sum(outputs_of(network))


def prefers_channels_last(network: Network) -> bool:
    """Whether images and convolution weights lie channels last: all networks but VGG11 and ResNet18 with instance norm.

    Convolutions are quicker so, but PyTorch's group norm is several times slower, and those two are not compiled, which
    would replace it. Plain order saves a tenth of ResNet18's training step and a quarter of its test (one thread).
    """
    return not (network.has_group_norm and convolution_bound(network))


def takes_winograd(network: Network, images: int, device: torch.device) -> bool:
    """Whether there are convolutions that are quicker by Winograd's algorithm, with so many images at once."""
    quicker = (isinstance(layer, Conv) and layer.gains_by_winograd(shape, images) for layer, shape in network.leaves)
    return device.type == "cpu" and prefers_channels_last(network) and any(quicker)


def pays_to_compile(network: Network, steps: int, images: int, device: torch.device) -> bool:
    """Whether so many training steps on so many images each take long enough to repay compiling the step."""
    seconds = steps * (STEP_SECONDS + images * network.multiply_adds / TRAINING_RATE)
    return gains_by_compiling(network, device) and seconds > REPAYING_SECONDS


def classes_together(network: Network, device: torch.device) -> bool:
    """Whether stage C takes all classes in one pass: on a GPU, where launching kernels is the cost."""
    return device.type == "cuda" and not network.has_dropout


def real_images_together(network: Network, classes: int, real_batch: int) -> int:
    """Real images of each class in one pass of all classes, such that a GPU's memory holds their activations."""
    parts = -(-real_batch * classes * widest_activation(network) // STACK_BUDGET)
    return -(-real_batch // parts)


def even_parts(network: Network, batch: int, device: torch.device) -> int:
    """The size of the fewest equal parts (the last may be smaller) of a batch that go through the network at once.

    A part is as large as the caches allow, or as large as it must be for its gradient not to cost more than its images.
    """
    least = GRADIENT_WRITE * network.parameter_count // network.multiply_adds
    parts = -(-batch // max(images_at_once(network, device), least))
    return -(-batch // parts)


def widest_activation(network: Network) -> int:
    """Elements of the image or of the largest layer output, for one image."""
    return max(outputs_of(network))


def outputs_of(network: Network) -> list[int]:
    """Elements of the image and of each layer's output, for one image."""
    shapes = [network.input_shape]
    for layer in network.layers:
        shapes.append(layer.output(shapes[-1]))
    return [channels * height * width for channels, height, width in shapes]
