"""What a method of stage C works on: the real images, the network, how many images to make, the seed, and how to compute."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.data.images import ClassBatches, LabelledImages
from condense.errors import CondenseError, shortened
from condense.execution import Execution, for_testing
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.randomness import generator
from condense.stage_c.experts import Expert
from condense.training.layout import Layout

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class Problem:
    """One set to be made.

    data: real training images, on the device where everything happens; images_per_class: to make of each class; seed: of
    every draw; dtype: of the images in the making; execution: how to compute, by default plainly; experts: the networks
    trained beforehand that the method asked for.
    """

    data: LabelledImages
    network: Network
    images_per_class: int = 1
    seed: int = 0
    dtype: torch.dtype = torch.float32
    given: Execution | None = None
    experts: tuple[Expert, ...] = ()
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
        return self.data.inputs(self.initial_indices(multiple), self.dtype)

    def initial_indices(self, multiple: int = 1, *, first: bool = False) -> Tensor:
        """Indices (classes * multiple * images_per_class,), class by class, of real images to begin with: drawn at random,
        or the first of each class.
        """
        count = multiple * self.images_per_class
        if first:
            return torch.cat([start + torch.arange(count) for start in self._starts]).to(self.data.device)
        return self.data.draw_class_batches(count, self.random("initial images")).indices

    def epoch_batches(self, size: int, number: int, purpose: str) -> ClassBatches:
        """The batch of this number, of so many real images of each class (all of a smaller one), without replacement.

        Each class has epochs of its own, whose orders are drawn for this purpose; images at the end of one that fill no
        batch are left out.
        """
        parts = []
        for label, (start, count) in enumerate(zip(self._starts, self.data.counts, strict=True)):
            batch = min(size, count)
            epoch, place = divmod(number, count // batch)
            random = self.random(purpose, label, epoch)
            order = torch.randperm(count, generator=random, device=random.device)
            parts.append(start + order[place * batch : (place + 1) * batch])
        return ClassBatches(torch.cat(parts), tuple(map(len, parts)))

    @property
    def _starts(self) -> list[int]:
        """Where the images of each class begin."""
        return [sum(self.data.counts[:label]) for label in range(self.data.classes)]

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
