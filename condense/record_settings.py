"""What is read of the configurations that records state, by the record's task: wherever it is there, it has this type.

What must be there `records.needed` asks for, and all else is kept as it is.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

_Count = Annotated[int, Field(ge=0, lt=2**63)]
_AtLeastOne = Annotated[int, Field(ge=1, lt=2**63)]


class _Settings(TypedDict, total=False):
    """A resolved configuration of stage C."""

    dataset: str
    network: str
    method: str
    schedule: str
    seed: _Count
    ipc: _AtLeastOne
    iterations: _Count | None
    outer_loop: _AtLeastOne | None
    inner_loop: _Count | None
    real_batch: _AtLeastOne | None
    image_learning_rate: float | None
    network_learning_rate: float | None
    image_momentum: float
    image_decay: str | None
    image_clip: str | None
    init: str | None
    distance: str
    precision: str
    train_size: _AtLeastOne | None


class _Learn(_Settings, total=False):
    set: str


class _Set(TypedDict, total=False):
    """A synthetic set that networks were trained on."""

    sha256: str
    dataset: str
    dataset_fingerprint: str
    method: str
    network: str
    images_per_class: _AtLeastOne
    seed: _Count
    iterations: _Count
    schedule: str
    precision: str
    init: str | None
    distance: str | None
    labels: str
    counts: list[_Count]
    decoder: str
    preprocessing: str
    learning_rate: float
    config: _Settings


class _Trained(TypedDict, total=False):
    """Networks trained and tested."""

    dataset: str
    dataset_fingerprint: str
    network: str
    protocol: str
    path: str
    recipe: dict[str, Any]
    test_images: _AtLeastOne
    test_fingerprint: str


class _Evaluate(_Trained, total=False):
    set: _Set


class _Fit(_Trained, total=False):
    """A run of `condense generalize`."""

    train_images: _AtLeastOne
    corruption: str
    augmentation: str
    p: float
    seed: _Count
    learning_rate: float
    weight_decay: float
    epochs: _Count
    batch_size: _AtLeastOne
    test_every: _Count
    stops: bool


class _Sweep(_Trained, total=False):
    """Networks of one row of `condense sweep`."""

    set: _Set | None
    row: dict[str, Any]
    train_images: _AtLeastOne
    parameters: _Count
    epochs_factor: _AtLeastOne


class _Score(_Trained, total=False):
    """What the measures of a set follow from."""

    set: _Set
    protocols: dict[str, str]
    recipes: dict[str, dict[str, Any]]
    random: dict[str, Any]
    weight: float


class _Parity(TypedDict, total=False):
    """A run of `condense parity`."""

    framework: Literal["simplenn", "keras"]
    dataset: str
    epochs: int
    batch: int


SETTINGS: dict[str, TypeAdapter[Any]] = {
    "learn": TypeAdapter(_Learn),
    "evaluate": TypeAdapter(_Evaluate),
    "whole": TypeAdapter(_Trained),
    "fit": TypeAdapter(_Fit),
    "sweep": TypeAdapter(_Sweep),
    "side": TypeAdapter(_Parity),
    "part": TypeAdapter(_Parity),
    "cause": TypeAdapter(_Parity),
    "score": TypeAdapter(_Score),
}
