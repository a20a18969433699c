"""The images of a run: what keys, tables and records need to know of them, and how they are drawn from a data set."""

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ConfigDict

from condense.checking import AtLeastOne
from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError, quoted


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Class-balanced training and test images, or all that there are.

    dataset: the name that records have it under; shape: (channels, height, width) of an image as it was read.
    """

    dataset: str
    classes: AtLeastOne
    shape: tuple[AtLeastOne, AtLeastOne, AtLeastOne]
    train_images: AtLeastOne
    test_images: AtLeastOne
    dataset_fingerprint: str
    test_fingerprint: str

    __pydantic_config__ = ConfigDict(extra="forbid")

    @staticmethod
    def of(data: DataSet) -> "Subset":
        """What these images are."""
        return Subset(
            dataset=data.train.name,
            classes=data.train.classes,
            shape=data.train.shape,
            train_images=len(data.train),
            test_images=len(data.test),
            dataset_fingerprint=data.train.fingerprint,
            test_fingerprint=data.test.fingerprint,
        )

    @property
    def config(self) -> dict[str, Any]:
        """Its part of the configuration of a record."""
        names = ("dataset", "dataset_fingerprint", "test_fingerprint", "train_images", "test_images")
        return {name: getattr(self, name) for name in names}

    def drawn_from(self, whole: DataSet) -> DataSet:
        """These images of a whole data set. Raises `CondenseError` where it is another one."""
        if self.train_images <= len(whole.train) and self.test_images <= len(whole.test):
            data = replace(
                whole, train=balanced(whole.train, self.train_images), test=balanced(whole.test, self.test_images)
            )
            data = data.as_recorded([self.dataset_fingerprint], [self.test_fingerprint])
            if Subset.of(data) == self:
                return data
        raise CondenseError(
            f"The images of {quoted(self.dataset)} are not those that this study was begun with. Choose another --out."
        )


def balanced(images: LabelledImages, count: int) -> LabelledImages:
    """All of these images, or a class-balanced subset of so many. Raises `CondenseError` where there is none."""
    return images if count == len(images) else images.subset(count, seed=0)
