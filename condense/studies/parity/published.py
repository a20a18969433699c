"""What the course report on simpleNN printed, on 5,000-image subsets; every number with where it stands."""

from dataclasses import dataclass

SOURCE = "UCLA course report on PyTorch and simpleNN's MATLAB code (patriciaxiao, hwan252)"
ANSWER = "codemia.io on a question of a 400 % higher error with PyTorch than with Keras"
EPOCHS = 500
SETTINGS = {"train_size": 5000, "preparation": "minmax", "batch": 128, "momentum": 0.9}
RATES = {"mnist": 0.001, "cifar10": 0.003}
"""What the report's runs had, as names of our configuration; learning rates by data set."""


@dataclass(frozen=True)
class Printed:
    """Test accuracies in percent at some epoch; ours: the name of the cause whose setting it was, '' for the aligned run.

    runs: one number a run, each with its own seed; 'MATLAB' is one number, as all ten of its runs had one seed.
    """

    program: str
    ours: str
    epoch: int
    runs: tuple[float, ...]
    where: str


PRINTED = {
    "mnist": (
        Printed("MATLAB", "", 500, (97.68,), "Table 1"),
        Printed(
            "PyTorch",
            "reduction-mean",
            500,
            (97.88, 98.01, 97.95, 98.03, 98.27, 97.84, 97.85, 97.90, 97.92, 98.10),
            "Table 1",
        ),
    ),
    "cifar10": (
        Printed("MATLAB", "", 500, (44.90,), "Table 2"),
        Printed(
            "PyTorch",
            "reduction-mean",
            100,
            (43.02, 43.45, 42.75, 43.02, 43.71, 42.26, 42.66, 42.48, 43.19, 41.73),
            "Table 2",
        ),
        Printed(
            "PyTorch",
            "reduction-mean",
            500,
            (38.24, 38.33, 37.62, 37.32, 38.70, 38.55, 38.85, 39.21, 38.72, 37.17),
            "Table 2",
        ),
    ),
}
"""By data set."""
