"""Training recipes as data: optimiser, schedule, augmentation."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """Epochs at one learning rate. Every stage starts a new optimiser, so momentum starts from zero."""

    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Recipe:
    """SGD on the cross-entropy, the mean over each batch.

    weight_decay is added to the gradient (coupled, as in torch.optim.SGD) of every parameter, biases included.
    The last batch of an epoch may be smaller. augmentation: operations of which each image gets one a step, drawn uniformly.
    decay: the learning rate is multiplied by it after each epoch of a stage.
    """

    stages: tuple[Stage, ...]
    batch_size: int = 256
    momentum: float = 0.0
    weight_decay: float = 0.0
    augmentation: tuple[str, ...] = ()
    decay: float = 1.0

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return sum(stage.epochs for stage in self.stages)

    def facts(self) -> dict[str, Any]:
        """The recipe as plain JSON values; the decay only where there is one, as in records older than it."""
        values = asdict(self)
        values |= {"stages": list(values["stages"]), "augmentation": list(self.augmentation)}
        return values if self.decay != 1 else {name: value for name, value in values.items() if name != "decay"}
