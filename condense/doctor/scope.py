"""What an examination takes: networks, sizes and time."""

from dataclasses import dataclass

import torch

from condense.data.images import LabelledImages
from condense.networks.network import Network
from condense.networks.registry import build


@dataclass(frozen=True)
class Scope:
    """How much is examined. The first of the networks is the one for which every way of computing is checked.

    seconds: after which nothing new is begun; shape, classes, real: images of the checks, and real ones of each class;
    timed_shape, timed_classes, timed_real: the same of the outer step that is timed; seeds, epochs: of the training that is.
    """

    networks: tuple[str, ...] = ("ConvNet", "AlexNet", "VGG11", "ResNet18")
    seconds: float = 100.0
    shape: tuple[int, int, int] = (3, 32, 32)
    classes: int = 2
    real: int = 3
    timed_shape: tuple[int, int, int] = (1, 28, 28)
    timed_classes: int = 10
    timed_real: int = 64
    seeds: int = 20
    epochs: int = 5

    def network(self, name: str | None = None) -> Network:
        """A network for the images of the checks, by default the first."""
        return build(name or self.networks[0], self.shape, self.classes)

    def images(self, device: torch.device) -> LabelledImages:
        """Random images of the checks."""
        return random_images(self.shape, self.classes, 4 * self.real, device)


def random_images(shape: tuple[int, int, int], classes: int, each: int, device: torch.device) -> LabelledImages:
    """Images of random pixels, so many of each class: arithmetic does not depend on what they show."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (classes * each, *shape), dtype=torch.uint8, generator=random)
    labels = torch.arange(classes).repeat_interleave(each)
    return LabelledImages.from_arrays(pixels, labels, name="random pixels").to(device)


def scope_for(device: torch.device) -> Scope:
    """What is examined of a device in about two minutes: of a GPU the step that is timed has the published batch."""
    return Scope(timed_real=256) if device.type == "cuda" else Scope()
