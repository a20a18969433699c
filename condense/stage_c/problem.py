"""What a method of stage C works on: the real images, the network, how many images to make, the seed, and how to compute."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.data.images import LabelledImages
from condense.errors import CondenseError, shortened
from condense.execution import Execution, for_testing
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.randomness import generator
from condense.training.layout import Layout

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class Problem:
    """One set to be made.

    data: real training images, on the device where everything happens; images_per_class: to make of each class; seed: of
    every draw; dtype: of the images in the making; execution: how to compute, by default plainly.
    """

    data: LabelledImages
    network: Network
    images_per_class: int = 1
    seed: int = 0
    dtype: torch.dtype = torch.float32
    given: Execution | None = None
    parts: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def execution(self) -> Execution:
        """How to compute."""
        return self.given or self.once("execution", lambda: for_testing(self.network, self.data.device))

    def once(self, key: object, make: Callable[[], Part]) -> Part:
        """What is made once for this problem and kept with it, such as functions that are compiled."""
        if key not in self.parts:
            self.parts[key] = make()
        return cast(Part, self.parts[key])

    @property
    def labels(self) -> Tensor:
        """Labels (classes * images_per_class,) int64 of the set, class by class."""
        return torch.arange(self.data.classes, device=self.data.device).repeat_interleave(self.images_per_class)

    def random(self, purpose: str, *steps: int) -> torch.Generator:
        """The generator of a purpose (and a step), on the device."""
        return generator(self.seed, purpose, *steps, device=self.data.device)

    def new_network(self, step: int) -> tuple[Tensor, Tensors]:
        """(Parameters (P,), BatchNorm's running statistics) of the network drawn for a step: the same on every device."""
        parameters = self.network.initial(generator(self.seed, "network", step), self.dtype)
        vector = Layout.of(self.network).flatten(parameters).to(self.data.device)
        return vector, self.network.initial_statistics(self.data.device, self.dtype)

    def real_images(self, multiple: int = 1) -> Tensor:
        """Real images (classes * multiple * images_per_class, C, H, W) of each class to begin with, drawn at random."""
        drawn = self.data.draw_class_batches(multiple * self.images_per_class, self.random("initial images"))
        return self.data.inputs(drawn.indices, self.dtype)

    def noise(self) -> Tensor:
        """Images (classes * images_per_class, C, H, W) from N(0, 1) to begin with: the same on every device."""
        shape = (len(self.labels), *self.data.shape)
        drawn = torch.randn(shape, generator=generator(self.seed, "initial images"))
        return drawn.to(self.data.device, self.dtype)

    def siamese(self, operations: tuple[str, ...], *step: int, law: str = "single") -> Draw | None:
        """What a law draws from the operations for each class, for all its images of this step, real and synthetic; on the
        CPU, for any device. None where there are no operations.
        """
        if not operations:
            return None
        random = generator(self.seed, "siamese augmentation", *step)
        return Law(law, operations).draw(self.data.classes, self.data.shape[1:], random).to(self.data.device)

    def synthetic_draws(self, siamese: Draw | None) -> Draw | None:
        """The draw of its class for each image of the set."""
        return siamese and siamese.repeated([self.images_per_class] * self.data.classes)

    def real_batch_images(self, real_batch: int) -> int:
        """Images in a batch of so many real images of each class, of fewer where a class has fewer."""
        return sum(min(count, real_batch) for count in self.data.counts)

    def check_classes(self, multiple: int = 1, advice: str = "") -> None:
        """Raises `CondenseError` where a class has fewer real images than are to be made of it.

        multiple: real images that become one of those that are made; advice: what would help.
        """
        counts = self.data.counts
        fewest = counts.index(min(counts))
        if counts[fewest] < multiple * self.images_per_class:
            name, images = shortened(self.data.class_names[fewest]), f"{counts[fewest]} image{'s' * (counts[fewest] != 1)}"
            wanted = f"{self.images_per_class} images per class asked for"
            if multiple > 1:
                wanted = f"{multiple * self.images_per_class} that the {wanted} are packed from, {multiple} in each"
            raise CondenseError(
                f"Class {name} of {shortened(self.data.name)} has {images}, fewer than the {wanted}."
                f"{' ' * bool(advice)}{advice}"
            )

    def small_classes(self, real_batch: int) -> list[str]:
        """A sentence on classes of fewer images than the real batch, which are used whole; none where there are none."""
        counts = self.data.counts
        small = sum(count < real_batch for count in counts)
        if not small:
            return []
        fewest = counts.index(min(counts))
        return [
            f"{small} of the {self.data.classes} classes of {shortened(self.data.name)} have fewer than {real_batch} images "
            f"({shortened(self.data.class_names[fewest])}: {min(counts)}), so each step takes all there are."
        ]
