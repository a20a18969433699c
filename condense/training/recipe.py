"""Training recipes as data: optimiser, schedule, augmentation."""

from dataclasses import dataclass


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
    """

    stages: tuple[Stage, ...]
    batch_size: int = 256
    momentum: float = 0.0
    weight_decay: float = 0.0
    augmentation: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return sum(stage.epochs for stage in self.stages)
