"""Rows of a grid: one configuration each, with its network and its training recipe."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from condense.checking import Positive
from condense.networks import registry
from condense.networks.convnet import ACTIVATIONS, NORMS, POOLINGS
from condense.networks.layers import Dropout, Linear, Shape
from condense.networks.network import Network
from condense.training.recipe import Recipe, Stage

OBJECTIVES = {
    "mean": "the mean cross-entropy per image",
    "summed": "the cross-entropy summed over the batch, divided by the number of classes",
}
FAMILIES: dict[str, tuple[str, ...]] = {
    "mlp": ("width", "depth"),
    "ConvNet": ("width", "depth", "norm", "activation", "pooling"),
}
"""Networks named by what makes them up, and the keys that do so."""


Whole = Annotated[int, Field(ge=1, le=10**9)]
"""A count that a row may state."""

Percentage = Annotated[float, Field(ge=0, le=100)]
Loss = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Reported:
    """What a source states of a row: accuracies as percentages, its own loss figure, memory in MiB, time in seconds."""

    training_accuracy: Percentage
    training_loss: Loss
    test_accuracy: Percentage
    memory_mib: Positive
    seconds: Positive


@dataclass(frozen=True, kw_only=True)
class Row:
    """One configuration.

    learning_rate and weight_decay belong to the objective: a step is w <- w - learning_rate (gradient of the objective +
    weight_decay w), so an L2 penalty of weight_decay / 2 |w|^2. dropout: probability with which an input of every fully
    connected layer but the first of all is zeroed in training.
    """

    name: str
    network: str
    learning_rate: Positive
    batch_size: Whole
    epochs: Whole
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Loss = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    objective: str = "mean"
    reported: Reported | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All that its results depend on, as plain values: not its name, nor what was reported."""
        return {name: value for name, value in asdict(self).items() if name not in ("name", "reported")}

    def build(self, shape: Shape, classes: int) -> Network:
        """Its network for images (C, H, W); raises `CondenseError` for images it cannot take."""
        network = registry.build(self.network, shape, classes)
        return with_dropout(network, self.dropout) if self.dropout else network

    def recipe(self, classes: int, *, epochs_factor: int = 1) -> Recipe:
        """Its recipe in the engine's terms, which minimises the mean over each batch.

        The summed objective of a batch of B images is B / classes times the mean, so its rate r is r B / classes in those
        terms, and its decay d, added to a gradient that is smaller by as much, d classes / B: the step is the same.
        epochs_factor: so many times the row's epochs.
        """
        scale = self.batch_size / classes if self.objective == "summed" else 1.0
        return Recipe(
            (Stage(self.epochs * epochs_factor, self.learning_rate * scale),),
            batch_size=self.batch_size,
            momentum=self.momentum,
            weight_decay=self.weight_decay / scale,
        )

    @property
    def in_proportion(self) -> bool:
        """Whether a last batch of fewer images counts for less, as it does in a sum."""
        return self.objective == "summed"


def with_dropout(network: Network, probability: float) -> Network:
    """The network with dropout before every fully connected layer but one that takes the image itself."""
    layers: list[Any] = []
    for layer in network.layers:
        if isinstance(layer, Linear) and layers:
            layers.append(Dropout(probability))
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def network_name(settings: dict[str, Any]) -> str:
    """The registry's name of a family's member, such as mlp-1x256 of network mlp, depth 1, width 256."""
    if settings["network"] == "mlp":
        return f"mlp-{settings.get('depth', 1)}x{settings['width']}"
    token: dict[str, Callable[[Any], str]] = {
        "width": lambda value: f"W{value}",
        "depth": lambda value: f"D{value}",
        "norm": _token(NORMS),
        "activation": _token(ACTIVATIONS),
        "pooling": _token(POOLINGS),
    }
    return "ConvNet" + "".join(token[key](settings[key]) for key in FAMILIES["ConvNet"] if key in settings)


def _token(tokens: dict[str, str]) -> Callable[[str], str]:
    by_value = {value: token for token, value in tokens.items()}
    return lambda value: by_value[value]
