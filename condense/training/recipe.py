"""Training recipes as data: optimiser, schedule, loss, augmentation."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """Epochs at one learning rate."""

    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Cosine:
    """How the learning rate falls: as a half cosine over the epochs after `warm_up`, towards `end` times itself.

    Of E epochs, epoch e (from 0) has the rate times end + (1 - end) (1 + cos(pi (e - w) / (E - w))) / 2, w being `warm_up`
    (SGDR, Loshchilov and Hutter, ICLR 2017, once); the w before it have (e + 1) / (w + 1), rising evenly to the whole rate.
    """

    warm_up: int = 0
    end: float = 0.0

    def factor(self, epoch: int, epochs: int) -> float:
        """What the learning rate is multiplied by in an epoch of so many."""
        if epoch < self.warm_up:
            return (epoch + 1) / (self.warm_up + 1)
        share = (epoch - self.warm_up) / (epochs - self.warm_up)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Recipe:
    """An optimiser on the cross-entropy, the mean over each batch.

    optimiser: 'sgd', with momentum, or 'adamw', with betas. Weight decay is that of every parameter, biases included: added
    to the gradient (coupled, as in torch.optim.SGD), or times the learning rate taken from the parameters (AdamW).
    The last batch of an epoch may be smaller. augmentation: operations, drawn by a law: 'each' image gets one of the
    published ones a step (`augmentation.published`), 'single' or 'several' as `augmentation.laws` has them.
    cutmix: probability that a batch is mixed, with soft labels then (`augmentation.mixing`).
    decay: the learning rate is multiplied by it after each epoch of a stage; cosine: how it falls besides, over all epochs.
    new_optimisers: every stage starts a new one, so that momentum starts from zero.
    loss: 'soft' takes labels as the set has them, 'hard' the likeliest class of a soft label (the first of several).
    own_rate: the learning rates are multiples of the one that came with the set.
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
    optimiser: str = "sgd"
    betas: tuple[float, float] | None = None
    cosine: Cosine | None = None
    loss: str = "soft"
    own_rate: bool = False

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return sum(stage.epochs for stage in self.stages)

    def course(self) -> list[tuple[float, bool]]:
        """Of each epoch the learning rate, and whether it begins with a new optimiser."""
        epochs = [(stage, done) for stage in self.stages for done in range(stage.epochs)]
        factors = [1.0 if self.cosine is None else self.cosine.factor(epoch, len(epochs)) for epoch in range(len(epochs))]
        return [
            (stage.learning_rate * self.decay**done * factor, self.new_optimisers and not done)
            for (stage, done), factor in zip(epochs, factors, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """The recipe as plain JSON values; what came later than the first records only where it is used."""
        values = asdict(self)
        values |= {"stages": list(values["stages"]), "augmentation": list(self.augmentation)}
        values |= {"betas": self.betas and list(self.betas)}
        return {name: value for name, value in values.items() if name not in _LATER or _LATER[name] != value}


_LATER = {
    "decay": 1.0,
    "law": "each",
    "cutmix": 0.0,
    "new_optimisers": True,
    "optimiser": "sgd",
    "betas": None,
    "cosine": None,
    "loss": "soft",
    "own_rate": False,
}
"""Settings that older recipes do not have, with what held for those."""
