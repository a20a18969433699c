"""The real images of a matrix: what is known of them without reading them, and where they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field

from condense.checking import Count
from condense.data.images import DataSet, LabelledImages
from condense.data.naming import stored_name
from condense.errors import CondenseError
from condense.study.machine import Machine

_Size = Annotated[int, Field(ge=1, le=10**7)]


@dataclass(frozen=True)
class ImageFacts:
    """What is known of a data set: the fingerprints of its parts, the shape (C, H, W), how many training images each class
    has, and how many test images there are. Folders of version 0.1 state the fingerprints alone.
    """

    training: str
    test: str
    shape: tuple[_Size, _Size, _Size] | None = None
    counts: tuple[_Size, ...] = ()
    test_images: Count = 0

    @staticmethod
    def of(data: DataSet) -> "ImageFacts":
        """Of images that are there."""
        train, test = data.train, data.test
        return ImageFacts(train.fingerprint, test.fingerprint, train.shape, train.counts, len(test))

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.counts)

    def part(self, size: int | None) -> "ImageFacts":
        """Of a subset of so many training images, equally many of each class; None for all."""
        each = None if size is None else size // max(1, self.classes)
        counts = self.counts if each is None else (each,) * self.classes
        return ImageFacts(self.training, self.test, self.shape, counts, self.test_images)

    @cached_property
    def stand_in(self) -> LabelledImages:
        """Black training images of this shape and number, which take no memory: for what depends on nothing else of them."""
        channels, height, width = self.shape or (1, 1, 1)
        labels = torch.arange(self.classes).repeat_interleave(torch.tensor(self.counts))
        return LabelledImages(
            pixels=torch.zeros(1, dtype=torch.uint8).expand(len(labels), channels, height, width),
            labels=labels,
            class_names=tuple(map(str, range(self.classes))),
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
        )


@dataclass(frozen=True)
class Images:
    """The real images of a matrix on a machine, by the data sets' stored names; read when they are first asked for."""

    machine: Machine
    facts: Mapping[str, ImageFacts]
    where: str = "The folder"

    def of(self, dataset: str) -> DataSet:
        """A data set under the fingerprints that the matrix has, so that all its records have the same.

        Raises `CondenseError` where it is not to be found, or other images are there now.
        """
        name = stored_name(dataset)
        data, facts = self.machine.load(name), self.facts[name]
        for part, images, fingerprint in (("training", data.train, facts.training), ("test", data.test, facts.test)):
            if not images.is_known_as(fingerprint):
                raise CondenseError(
                    f"{self.where} holds a matrix of other {part} images of {data.name}. Choose another --out."
                )
        return data.as_recorded([facts.training], [facts.test])
