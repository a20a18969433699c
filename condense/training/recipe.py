"""Training recipes as data: optimiser, schedule, augmentation."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """Epochs at one learning rate."""

    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Recipe:
    """SGD on the cross-entropy, the mean over each batch.

    weight_decay is added to the gradient (coupled, as in torch.optim.SGD) of every parameter, biases included.
    The last batch of an epoch may be smaller. augmentation: operations, drawn by a law: 'each' image gets one of the
    published ones a step (`augmentation.published`), 'single' or 'several' as `augmentation.laws` has them.
    cutmix: probability that a batch is mixed, with soft labels then (`augmentation.mixing`).
    decay: the learning rate is multiplied by it after each epoch of a stage. new_optimisers: every stage starts a new one,
    so that momentum starts from zero.
    """

    stages: tuple[Stage, ...]
    batch_size: int = 256
    momentum: float = 0.0
    weight_decay: float = 0.0
    augmentation: tuple[str, ...] = ()
    decay: float = 1.0
    law: str = "each"
    cutmix: float = 0.0
    new_optimisers: bool = True

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return sum(stage.epochs for stage in self.stages)

    def facts(self) -> dict[str, Any]:
        """The recipe as plain JSON values; what came later than the first records only where it is used."""
        values = asdict(self)
        values |= {"stages": list(values["stages"]), "augmentation": list(self.augmentation)}
        return {name: value for name, value in values.items() if _LATER.get(name) != value}


_LATER = {"decay": 1.0, "law": "each", "cutmix": 0.0, "new_optimisers": True}
"""Settings that older recipes do not have, with what held for those."""
