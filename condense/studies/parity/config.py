"""What a parity run is: the command's settings, and what follows from them for each framework."""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import ConfigDict, Field

from condense.checking import AtLeastOne, Positive, Seed, one_of
from condense.config import DatasetName, Seeds
from condense.data.images import DataSet
from condense.errors import CondenseError
from condense.studies.parity.preparation import PREPARATIONS

FRAMEWORKS = {"simplenn": "simpleNN's MATLAB algorithm", "keras": "Keras on JAX"}

Framework = Annotated[str, one_of("framework", FRAMEWORKS)]

SHORT = 2000
"""Training images of the short form."""


@dataclass(frozen=True, kw_only=True)
class ParityConfig:
    """Which framework PyTorch is compared to, and on what."""

    framework: Framework | None = None
    """simplenn or keras."""
    dataset: DatasetName = "mnist"
    """Name or path of the real images; a path may be a .mat file in simpleNN's layout."""
    train_size: AtLeastOne | None = None
    """Class-balanced subset of so many training images; by default 2000, or all where there are fewer."""
    preparation: Annotated[str, one_of("preparation", PREPARATIONS)] | None = None
    """simplenn (/255, pixel means off), minmax (each image by its own, one mean off), unit (/255) or raw."""
    epochs: AtLeastOne | None = None
    """Epochs; simplenn: 6, keras: 20."""
    batch: AtLeastOne | None = None
    """Images in a mini-batch; simplenn: 128, keras: 32."""
    learning_rate: Positive = 0.001
    """Learning rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of simpleNN's gradient method."""
    regularisation: Positive = 0.01
    """simpleNN's C: weight decay is 1 / (C times the training images)."""
    cause: tuple[str, ...] = ()
    """Causes to measure with paired seeds: names, or all."""
    seeds: Annotated[Seeds, Field(ge=2)] = 8
    """Networks a cause is measured with, all trained at once."""
    seed: Seed = 0
    """Seed of every draw; causes use this and the following ones."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def resolved(self) -> Self:
        """With every default that depends on the framework filled in."""
        of_framework = {"simplenn": ("simplenn", 6, 128), "keras": ("unit", 20, 32)}
        if self.framework is None:
            raise CondenseError(f"Name the framework: condense parity {' or '.join(of_framework)}.")
        preparation, epochs, batch = of_framework[self.framework]
        return replace(
            self,
            preparation=self.preparation or preparation,
            epochs=self.epochs or epochs,
            batch=self.batch or batch,
        )

    def subset(self, data: DataSet) -> DataSet:
        """The data with the training images this asks for. Raises `CondenseError` where that cannot be."""
        size = self.train_size or (SHORT if len(data.train) > SHORT else None)
        train = data.train if size is None else data.train.subset(size, self.seed)
        if self.framework == "simplenn" and self.batch and len(train) < self.batch:
            raise CondenseError(
                f"--batch {self.batch} is more than the {len(train)} training images; simpleNN needs full batches."
            )
        if self.framework == "simplenn" and min(data.train.shape[1:]) < 8:
            raise CondenseError(
                f"{data.name}: images of {data.train.shape[1:]} pixels are too small for three poolings; 8x8 will do."
            )
        return replace(data, train=train)
