"""Protocols of stage T as data: how networks are trained on a set before they are tested."""

import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from condense.augmentation.laws import DIGITS, OPERATIONS, SIAMESE, operation, siamese_operations
from condense.data.known import PUBLISHED
from condense.errors import CondenseError, in_any_case, quoted, unknown_name
from condense.networks import registry
from condense.sealed import is_finite
from condense.training.recipe import Cosine, Recipe, Stage

PROTOCOLS = {
    "published": "the authors' code: SGD .01, momentum .9, weight decay .0005, rate / 10 half way, MNIST augmented",
    "report": "the reproduction report's reading of the paper: plain SGD .01, 300 epochs",
    "dsa": "DSA's and DM's code: as published, 1,001 epochs, each batch augmented by one siamese operation",
    "idc": "IDC's code: SGD .01, batches of 64, 1,000 epochs, rate / 5 at 2/3 and 5/6, colour and a move an image, CutMix",
}
"""The built-in ones, in words; `condense methods` lists them."""

WHOLE = "whole"
"""In place of a protocol's name, of networks trained on all real images."""
WHOLE_EPOCHS = 30

OWN_RATE = "own"
"""In place of a learning rate: the one that comes with the set."""

LARGEST_COUNT = 10**6
"""Epochs of one network, and images of a batch."""
MOST = 30
"""Exceptions of a protocol, and data sets or networks of one."""
LONGEST_NAME = 40


def _network(name: str) -> str:
    try:
        return registry.check_name(name)
    except CondenseError as error:
        raise ValueError(str(error)) from error


def _dataset(name: str) -> str:
    """A published data set's name proper; one's own data sets may be called anything."""
    return in_any_case(name, PUBLISHED) or name


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _rate(value: object) -> object:
    if value == OWN_RATE:
        return value
    if is_finite(value) and value > 0:
        return float(value)
    raise ValueError(f"{quoted(value)} is neither a finite number above 0 nor '{OWN_RATE}', the rate that comes with a set.")


def _name(name: str) -> str:
    """A name that may be part of a file's, and is not taken; a ValueError, as pydantic takes it, for any other."""
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= LONGEST_NAME):
        raise ValueError(
            f"{quoted(name)} is no name of a protocol, which has letters, digits, - and _ only, and at most {LONGEST_NAME}."
        )
    if name.lower() in (*PROTOCOLS, WHOLE):
        raise ValueError(f"{quoted(name)} is the name of a built-in protocol; give your own another.")
    return name


Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
DatasetName = Annotated[str, AfterValidator(_dataset)]
NetworkName = Annotated[str, AfterValidator(_network)]
Operation = Annotated[str, AfterValidator(partial(operation, known=(*OPERATIONS, "noise")))]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a protocol may say of training, or of where it is done otherwise; None: as it is elsewhere, else by default.

    learning_rate: a number, or 'own', the one that comes with the set. schedule: 'steps', (epochs done, what the rate is
    multiplied by then), none by default; or 'cosine', falling to `end` times the rate after `warm_up` epochs of rising
    (`Cosine`). new_optimisers: each step of the schedule starts a new optimiser. momentum is SGD's, betas are AdamW's. law,
    augmentation, cutmix and loss as in `Recipe`.
    """

    epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Annotated[float | Literal["own"], BeforeValidator(_rate)] | None = None
    optimiser: Literal["sgd", "adamw"] | None = None
    momentum: Beta | None = None
    betas: tuple[Beta, Beta] | None = None
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    schedule: Literal["steps", "cosine"] | None = None
    steps: tuple[tuple[Count, Positive], ...] | None = None
    new_optimisers: bool | None = None
    warm_up: Annotated[int, Field(ge=0, le=LARGEST_COUNT)] | None = None
    end: Share | None = None
    loss: Literal["soft", "hard"] | None = None
    law: Literal["each", "single", "several"] | None = None
    augmentation: tuple[Operation, ...] | None = None
    cutmix: Share | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    def stated(self) -> dict[str, Any]:
        """What is said, by name."""
        return {field.name: value for field in fields(Settings) if (value := getattr(self, field.name)) is not None}


@dataclass(frozen=True, kw_only=True)
class Where(Settings):
    """What is otherwise for some data sets (names as in the catalogue, or of one's own) and networks: where both are given,
    for those networks on those data sets.
    """

    dataset: Annotated[tuple[DatasetName, ...], BeforeValidator(_several), Field(max_length=MOST)] = ()
    network: Annotated[tuple[NetworkName, ...], BeforeValidator(_several), Field(max_length=MOST)] = ()

    def holds(self, dataset: str, network: str) -> bool:
        """Whether it is for networks of this name trained on sets of this data set."""
        return dataset in (self.dataset or [dataset]) and network in (self.network or [network])


@dataclass(frozen=True, kw_only=True)
class Protocol(Settings):
    """How networks are trained: settings, and where they are otherwise, of which a later one goes before an earlier one.

    A value made in Python is checked where it is used (`own_protocols.chosen`).
    """

    name: Annotated[str, AfterValidator(_name)]
    where: Annotated[tuple[Where, ...], Field(max_length=MOST)] = ()

    def __str__(self) -> str:
        return self.name

    def settings(self, dataset: str, network: str) -> dict[str, Any]:
        """All settings for networks of this name trained on sets of this data set."""
        values = DEFAULTS | self.stated()
        for exception in self.where:
            values |= exception.stated() if exception.holds(dataset, network) else {}
        return values


DEFAULTS: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 256,
    "learning_rate": 0.01,
    "optimiser": "sgd",
    "momentum": 0.0,
    "betas": (0.9, 0.999),
    "weight_decay": 0.0,
    "schedule": "steps",
    "steps": (),
    "new_optimisers": False,
    "warm_up": 0,
    "end": 0.0,
    "loss": "soft",
    "law": "each",
    "augmentation": (),
    "cutmix": 0.0,
}
"""What holds where a protocol says nothing."""


def _as_published(name: str, **others: Any) -> Protocol:
    """SGD as the authors have it, which dsa and idc took over."""
    return Protocol(name=name, learning_rate=0.01, momentum=0.9, weight_decay=5e-4, **others)


BUILT_IN = {
    # evaluate_synset counts epochs 0 .. E, which are E + 1, and lowers the rate after epoch E // 2 + 1, with a new
    # optimiser. E is 300, and 1000 with augmentation.
    "published": _as_published(
        name="published",
        epochs=301,
        steps=((152, 0.1),),
        new_optimisers=True,
        where=(
            Where(dataset=("mnist",), epochs=1001, steps=((502, 0.1),), augmentation=("crop", "scale", "rotate")),
            Where(network=("ConvNetBN",), epochs=1001, steps=((502, 0.1),), augmentation=("crop", "noise")),
        ),
    ),
    "report": Protocol(name="report", epochs=300, learning_rate=0.01),
    "dsa": _as_published(
        name="dsa",
        epochs=1001,
        steps=((502, 0.1),),
        new_optimisers=True,
        law="single",
        augmentation=SIAMESE,
        where=(Where(dataset=DIGITS, augmentation=siamese_operations(DIGITS[0])),),
    ),
    "idc": _as_published(  # CutMix takes cutout's place; one optimiser all along
        name="idc",
        epochs=1000,
        batch_size=64,
        steps=((666, 0.2), (833, 0.2)),
        law="several",
        augmentation=("color", "crop", "flip", "scale", "rotate"),
        cutmix=0.5,
        where=(Where(dataset=DIGITS, augmentation=("color", "crop", "scale", "rotate")),),
    ),
}


def recipe(protocol: str | Protocol, dataset: str, network: str, rate: float | None = None) -> Recipe:
    """The recipe of a protocol, a built-in one by its name, for a network trained on a set of a data set (catalogue name).

    rate: the learning rate that comes with the set. Raises `CondenseError` for an unknown protocol, and where it takes the
    set's own rate and there is none.
    """
    found = named(protocol)
    values = found.settings(dataset, network)
    if values["learning_rate"] == OWN_RATE:
        if rate is None:
            raise CondenseError(f"Protocol {found} trains with the learning rate of the set itself, and this set has none.")
        return replace(_recipe(values | {"learning_rate": rate}), own_rate=True)
    return _recipe(values)


def named(protocol: str | Protocol) -> Protocol:
    """A protocol itself, a built-in one for its name; raises `CondenseError` for an unknown name."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in BUILT_IN:
        raise unknown_name("protocol", protocol, BUILT_IN)
    return BUILT_IN[protocol]


def _recipe(values: dict[str, Any]) -> Recipe:
    adamw, cosine = values["optimiser"] == "adamw", values["schedule"] == "cosine"
    stages = _stages(values["epochs"], values["learning_rate"], values["steps"])
    return Recipe(
        stages,
        batch_size=values["batch_size"],
        momentum=values["momentum"],
        weight_decay=values["weight_decay"],
        augmentation=values["augmentation"],
        law=values["law"],
        cutmix=values["cutmix"],
        new_optimisers=values["new_optimisers"] or len(stages) == 1,  # the first optimiser is new in any case
        optimiser=values["optimiser"],
        betas=values["betas"] if adamw else None,
        cosine=Cosine(values["warm_up"], values["end"]) if cosine else None,
        loss=values["loss"],
    )


def _stages(epochs: int, rate: float, steps: Sequence[tuple[int, float]]) -> tuple[Stage, ...]:
    factors = itertools.accumulate((factor for _, factor in steps), operator.mul, initial=1.0)
    spans = itertools.pairwise([0, *(epoch for epoch, _ in steps), epochs])
    return tuple(Stage(end - begin, rate * factor) for (begin, end), factor in zip(spans, factors, strict=True))


def whole_recipe() -> Recipe:
    """Training on the whole real set, the upper bound: the published optimiser for 30 epochs, no augmentation."""
    stages = Stage(WHOLE_EPOCHS // 2, 0.01), Stage(WHOLE_EPOCHS - WHOLE_EPOCHS // 2, 0.001)
    return Recipe(stages, batch_size=256, momentum=0.9, weight_decay=5e-4)
