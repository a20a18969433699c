"""How many members to train at once, and how many images to push through a network at once."""

import torch

from condense.networks.layers import Linear
from condense.networks.network import Network

ACTIVATION_BUDGET = 2**22
"""Elements of the widest activation of one chunk: 16 MiB in float32, about what a CPU's caches hold."""


STACK_BUDGET = 2**28
"""Elements of the widest activation of all stacked members on a GPU: 1 GiB in float32, of which training keeps dozens."""


def members_at_once(network: Network, members: int, batch: int, device: torch.device) -> int:
    """How many to stack where stacking pays: fully connected networks, and any network without dropout on a GPU.

    On a CPU stacked convolutions become grouped ones, which are slower than training in turn. On a GPU the number is bounded
    by the memory that a batch of every member takes.
    """
    only_linear = not any(len(spec.shape) > 2 for spec in network.specs)
    if device.type == "cuda" and not network.has_dropout:
        return max(1, min(members, STACK_BUDGET // (batch * widest_activation(network))))
    return members if only_linear else 1


def images_at_once(network: Network, device: torch.device) -> int:
    """Images in one chunk: a power of two that keeps activations in a CPU's cache; 1,024 on a GPU."""
    if device.type == "cuda":
        return 1024
    chunk = max(1, ACTIVATION_BUDGET // widest_activation(network))
    return min(1024, 1 << (chunk.bit_length() - 1))


def widest_activation(network: Network) -> int:
    """Elements of the largest layer output for one image."""
    shape, widest = network.input_shape, 1
    for layer in network.layers:
        widest = max(widest, shape[0] * shape[1] * shape[2]) if not isinstance(layer, Linear) else widest
        shape = layer.output(shape)
        widest = max(widest, shape[0] * shape[1] * shape[2])
    return widest
