"""What a method of stage C works on: the real images, the network, how many images to make, and the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.data.images import LabelledImages
from condense.execution import images_at_once
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.randomness import generator
from condense.training.layout import Layout


@dataclass(frozen=True, eq=False)
class Problem:
    """One set to be made.

    data: real training images, on the device where everything happens; images_per_class: to make of each class; seed: of
    every draw; dtype: of the images in the making.
    """

    data: LabelledImages
    network: Network
    images_per_class: int
    seed: int
    dtype: torch.dtype = torch.float32

    @property
    def labels(self) -> Tensor:
        """Labels (classes * images_per_class,) int64 of the set, class by class."""
        return torch.arange(self.data.classes, device=self.data.device).repeat_interleave(self.images_per_class)

    def random(self, purpose: str, *steps: int) -> torch.Generator:
        """The generator of a purpose (and a step), on the device."""
        return generator(self.seed, purpose, *steps, device=self.data.device)

    def new_network(self, step: int) -> tuple[Tensors, Tensors]:
        """(Parameters, BatchNorm's running statistics) of the network drawn for a step: the same on every device."""
        layout = Layout.of(self.network)
        vector = layout.flatten(self.network.initial(generator(self.seed, "network", step), self.dtype))
        return layout.views(vector.to(self.data.device)), self.network.initial_statistics(self.data.device, self.dtype)

    def real_images(self) -> Tensor:
        """Real images (classes * images_per_class, C, H, W) of each class to begin with, drawn at random."""
        drawn = self.data.draw_class_batches(self.images_per_class, self.random("initial images"))
        return self.data.inputs(drawn.indices, self.dtype)

    def siamese(self, law: Law, step: int) -> Draw:
        """One draw for each class, for all its images of this step, real and synthetic."""
        drawn = law.draw(self.data.classes, self.data.shape[1:], generator(self.seed, "siamese augmentation", step))
        return drawn.to(self.data.device)

    @property
    def chunk(self) -> int:
        """Real images that go through the network at once; with BatchNorm all, as it looks at the whole batch."""
        if self.network.has_batch_norm:
            return len(self.data)
        return images_at_once(self.network, self.data.device)
