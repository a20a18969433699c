"""One way to train: everything in which frameworks, or their users, differ, as data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Setting:
    """The aligned run of a base unless something is changed.

    init: law of the initial weights; optimiser 'adam' with epsilon and where it is placed, or 'sgd' with momentum;
    weight_decay coupled (in the gradient) or decoupled; loss, batches, preparation by name; broadcast: (N, 1) predictions
    against (N,) targets; norm_*: BatchNorm's fraction of the new statistics, epsilon, and whether running variances are
    those of the batch (Keras) or N/(N-1) times them (PyTorch); decay_scale: what weight decay is multiplied by.
    """

    base: Literal["perceptron", "batch-norm", "regression", "convolution"] = "perceptron"
    init: str = "glorot uniform"
    optimiser: Literal["adam", "sgd"] = "adam"
    rate: float = 0.001
    momentum: float = 0.9
    epsilon: float = 1e-7
    epsilon_as_keras: bool = True
    weight_decay: float = 0.0
    decoupled: bool = False
    loss: str = "cross-entropy"
    batches: str = "partition"
    batch: int = 32
    preparation: str = "unit"
    float64: bool = False
    zero_grad: bool = True
    broadcast: bool = False
    norm_momentum: float = 0.01
    norm_epsilon: float = 1e-3
    norm_biased: bool = True


def aligned(base: str, *, rate: float, momentum: float, batch: int, weight_decay: float, preparation: str) -> Setting:
    """The run all changes of a base start from: Keras' defaults, or simpleNN's."""
    if base == "convolution":
        return Setting(
            base="convolution",
            init="he normal",
            optimiser="sgd",
            rate=rate,
            momentum=momentum,
            weight_decay=weight_decay,
            loss="squares over batch",
            batches="independent",
            batch=batch,
            preparation=preparation,
        )
    loss = "mean of squares" if base == "regression" else "cross-entropy"
    return Setting(base=base, rate=rate, batch=batch, loss=loss, preparation=preparation)  # type: ignore[arg-type]
