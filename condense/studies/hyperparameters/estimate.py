"""What a row will take, said before it runs: explicit models of time and memory, calibrated by a probe of the machine.

Time: networks in turn (or stacks of them) x (steps x constant + images x multiply-adds / rate). The constant of a step is
what launching its operations and passing over the parameters takes, whatever the batch; the rate is that of one network's
architecture, as operations differ in how much they do for a multiply-add.

Memory: context + data + weights, gradients, optimiser state + activations of one batch. The context is the process with its
libraries, resident before anything is trained (on a GPU what is allocated); the rest is counted.
"""

from dataclasses import dataclass

import torch

from condense.data.images import DataSet
from condense.execution import for_few, for_testing, outputs_of, widest_activation
from condense.networks.network import TRAINING_PASSES, Network
from condense.training.recipe import Recipe

FLOAT, INDEX = 4, 8
COPIES = 5
"""Vectors as long as the parameters: initial, trained, optimiser state, gradient by parameter, gradient in one piece; one
more, the sum, where a batch goes through in parts. Of 80 MB each (mlp-2x4096) 4.8 to 5.0 were measured, of 23 to 26 MB 4.6
to 6.7, as the allocator keeps smaller pieces."""


@dataclass(frozen=True)
class Speed:
    """Calibration of a network: seconds of a step whatever its batch, and multiply-adds a second (of all its passes)."""

    constant: float
    rate: float


@dataclass(frozen=True)
class Work:
    """What the training of a row consists of: `groups` times `steps` steps, each group of `members` networks together."""

    groups: int
    members: int
    steps: int
    images: int
    multiply_adds: int

    @staticmethod
    def of(network: Network, recipe: Recipe, networks: int, images: int, together: int) -> "Work":
        """The work of training so many networks on so many images, `together` at a time."""
        groups = -(-networks // together)
        steps = recipe.epochs * -(-images // recipe.batch_size)
        return Work(groups, min(together, networks), steps, recipe.epochs * images, network.multiply_adds)


def group_size(network: Network, networks: int, batch: int, device: torch.device) -> int:
    """How many networks to train together: one at a time with dropout, and on a CPU (`for_few`)."""
    return min(networks, for_few(network, device, batch=batch).stack)


def training_seconds(work: Work, speed: Speed) -> float:
    """Seconds of training."""
    arithmetic = TRAINING_PASSES * work.members * work.images * work.multiply_adds / speed.rate
    return work.groups * (work.steps * speed.constant + arithmetic)


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a row's training, by what they hold."""

    context: int
    data: int
    parameters: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.context + self.data + self.parameters + self.activations


def memory(
    network: Network, batch: int, images: int, together: int, data: int, context: int, device: torch.device
) -> Memory:
    """The estimate for `together` networks and batches of `batch` of `images` images.

    Activations: every layer's output is kept for the backward pass, and of the widest a value and a gradient are in flight;
    the batch itself is gathered, converted and normalised. A test of as many images as go through at once may need more.
    """
    outputs, widest, pixels = outputs_of(network), widest_activation(network), outputs_of(network)[0]
    part = batch if together > 1 else for_few(network, device, batch=batch).part
    training = together * (part * (sum(outputs) + 2 * widest) + batch * 2 * pixels)
    testing = for_testing(network, device).part * (2 * pixels + 2 * widest)
    order = 2 * INDEX * images * together
    copies = COPIES + (part < batch)
    return Memory(
        context=context,
        data=data,
        parameters=FLOAT * copies * together * network.parameter_count,
        activations=FLOAT * max(training, testing) + order,
    )


def data_bytes(data: DataSet) -> int:
    """Bytes of all images and labels on the device."""
    tensors = (tensor for part in (data.train, data.test) for tensor in (part.pixels, part.labels))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
