"""Configurations: typed, frozen, checked all at once, and stored with every result."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from condense.data import catalog
from condense.data.reading import READING_NAMES, Reading
from condense.errors import CondenseError, in_any_case, in_sentences, quoted, shortened, unknown_name
from condense.files import check_path
from condense.networks import registry
from condense.stage_c.distance import DISTANCES
from condense.stage_c.precision import PRECISIONS
from condense.stage_c.schedules import IMAGE_CLIPS, IMAGE_DECAYS, SCHEDULES, Schedule, schedule
from condense.stage_t.own_protocols import ChosenProtocol

METHODS = {
    "dc": "gradient matching (Zhao et al., ICLR 2021)",
    "random": "real images drawn at random from each class: the baseline",
}


def one_of(kind: str, known: dict[str, Any]) -> AfterValidator:
    """A check that a name is known, in any case, with the nearest match in its error; what it gives is the name proper."""

    def check(name: str) -> str:
        proper = in_any_case(name, known)
        if proper is None:
            raise ValueError(str(unknown_name(kind, name, known)))
        return proper

    return AfterValidator(check)


def _network(name: str) -> str:
    try:
        return registry.check_name(name)
    except CondenseError as error:
        raise ValueError(str(error)) from error


def _dataset(name: str) -> str:
    try:
        check_path(name, "the data set")
        proper = None if Path(name).exists() else in_any_case(name, catalog.PUBLISHED)
        return catalog.check_name(proper or name)
    except CondenseError as error:
        raise ValueError(str(error)) from error
    except RuntimeError as error:  # of pathlib
        raise ValueError(f"{shortened(name)}: there is no user of that name, so no home folder.") from error
    except OSError as error:
        raise ValueError(f"{shortened(name)} cannot be looked at: {error.strerror or error}.") from error


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


NetworkName = Annotated[str, AfterValidator(_network)]
NetworkNames = Annotated[tuple[NetworkName, ...], BeforeValidator(_several)]
"""Names of networks; one name stands for itself."""
LARGEST_COUNT = 10**9
MOST_NETWORKS, MOST_SETS, MOST_IMAGES = 10_000, 1_000, 100_000
"""Of one command: networks on a set, sets a row, and images a class; more would fill memory before they were counted."""
AtLeastOne = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Protocol = ChosenProtocol
Protocols = Annotated[tuple[Protocol, ...], BeforeValidator(_several)]
"""One protocol's name, or the path of its file, stands for itself."""
Seeds = Annotated[int, Field(ge=1, le=MOST_NETWORKS)]
Sets = Annotated[int, Field(ge=1, le=MOST_SETS)]
ImagesPerClass = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
DatasetName = Annotated[str, AfterValidator(_dataset)]
ScheduleName = Annotated[str, one_of("schedule", SCHEDULES)]
PUBLISHED_ROWS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11BN", "ResNet18BN_AP")
PUBLISHED_COLUMNS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11", "ResNet18")


@dataclass(frozen=True, kw_only=True)
class StageC(Reading):
    """What stage C learns, and how; the settings of every command that learns."""

    dataset: DatasetName = "digits"
    """Name or path of the real images."""
    ipc: ImagesPerClass = 1
    """Images per class."""
    init: Annotated[str, one_of("initialisation", {"noise": "", "real": ""})] | None = None
    """Start from noise or from real images; published: noise, fast: noise for one image per class, else real."""
    distance: Annotated[str, one_of("distance", DISTANCES)] = "ours"
    """Distance between gradients: ours, mse or cos."""
    iterations: Count | None = None
    """Iterations, each with a new network; published: 1000, fast: 600 (LeNet 1200) for one image per class."""
    outer_loop: AtLeastOne | None = None
    """Image updates an iteration; as many as images per class, up to 50 (fast: 10)."""
    inner_loop: Count | None = None
    """Passes of network training between image updates; published: 1 for one image per class, else 50 to 10,
    falling with --ipc; fast: at most 10."""
    image_learning_rate: Positive | None = None
    """Learning rate of the images; published: 0.1, fast: 0.5 (LeNet 0.1), a tenth of it with the MLP."""
    image_decay: Annotated[str, one_of("decay", IMAGE_DECAYS)] | None = None
    """Learning rate of the images over the run; published: constant, fast: cosine."""
    image_clip: Annotated[str, one_of("clip", IMAGE_CLIPS)] | None = None
    """Shorten gradients of images: none, or median (to three times the median image's); published: none, fast: median
    with the MLP."""
    image_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Momentum of the images."""
    network_learning_rate: Positive | None = None
    """Learning rate of the network between image updates; published: 0.01, fast: 0.01 for one
    image per class, else 0.05."""
    real_batch: AtLeastOne | None = None
    """Real images a class and step; published: 256, fast: 8 (LeNet 32) for one image per class, else 32."""
    precision: Annotated[str, one_of("precision", PRECISIONS)] = "auto"
    """auto, fp32, tf32 (on a GPU) or mixed: bfloat16 convolutions on real images."""
    train_size: AtLeastOne | None = None
    """Use a class-balanced subset of this many real images."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class LearnConfig(StageC):
    """Stage C: which images to learn, and how."""

    network: NetworkName = "ConvNet"
    """Network whose gradients are matched."""
    method: Annotated[str, one_of("method", METHODS)] = "dc"
    """dc or random."""
    schedule: ScheduleName = "published"
    """published or fast: gives settings such as --iterations their values where they are not set."""
    seed: Seed = 0
    """Seed of every random draw."""

    def resolved(self) -> "LearnConfig":
        """The same with every default that depends on another value filled in."""
        return replace(self, **asdict(self.plan()))

    def plan(self) -> Schedule:
        """The schedule, with what was given in place of its values."""
        named = schedule(self.schedule, self.ipc, self.network)
        given = {f.name: value for f in fields(named) if (value := getattr(self, f.name)) is not None}
        return replace(named, **given)


@dataclass(frozen=True, kw_only=True)
class MatrixConfig(StageC):
    """A cross-architecture matrix: sets learned with some networks, each used to train others."""

    learn: Annotated[NetworkNames, Field(min_length=1)] = PUBLISHED_ROWS
    """Networks to learn sets with, the rows; the published six by default."""
    train: Annotated[NetworkNames, Field(min_length=1)] = PUBLISHED_COLUMNS
    """Networks to train on the sets, the columns; the published six by default."""
    schedule: Annotated[tuple[ScheduleName, ...], Field(min_length=1)] = ("published",)
    """Schedules to learn under: published, fast or both."""
    protocol: Annotated[Protocols, Field(min_length=1)] = ("published",)
    """Protocols to train under: published, report, dsa, idc, or TOML files of your own (docs/protocol.md)."""
    sets: Sets = 1
    """Sets a row, with seeds from --seed on."""
    seeds: Seeds = 20
    """Networks trained on every set, with seeds 0, 1, ..."""
    seed: Seed = 0
    """Seed of the first set of a row."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Stage T: which networks to train on a set, and how."""

    network: NetworkNames = ()
    """Networks to train; by default the one the set was learned with (--whole: ConvNet)."""
    protocol: Protocol = "published"
    """How networks are trained on a set: published (the authors' code), report (plain SGD, 300 epochs), dsa or idc
    (1,000 epochs with those papers' augmentation), or a TOML file of your own (docs/protocol.md)."""
    seeds: Seeds = 20
    """Number of networks, seeds 0, 1, ..."""

    __pydantic_config__ = ConfigDict(extra="forbid")


Config = TypeVar("Config")


def checked(
    kind: type[Config], values: dict[str, Any], *, called: Callable[[str], str] = str, strict: bool = False
) -> Config:
    """A configuration from plain values; raises `CondenseError` with a line for each mistake: place, value, what is right.

    called: the name of a field's value for the user, such as its flag; strict: no conversions, such as of '1' to 1.
    """
    adapter = TypeAdapter(kind)
    try:
        return (
            adapter.validate_json(json.dumps(values, default=str), strict=True)
            if strict
            else adapter.validate_python(values)
        )
    except ValidationError as error:
        raise in_sentences([_sentence(detail, called, kind) for detail in error.errors()]) from error
    except RecursionError as error:
        raise CondenseError("A value is a list or table nested too deeply to be one of a setting.") from error


def verified(config: Config) -> Config:
    """A configuration made in Python as its own checks have it: names proper, one network as a tuple.

    Raises `CondenseError` as `checked` does. The data set may be called anything, as its images are given.
    """
    values = as_dict(config)
    named = {name: values.pop(name) for name in ("dataset",) if name in values}
    return replace(checked(type(config), values), **named)  # type: ignore[type-var]


def _sentence(detail: Any, called: Callable[[str], str], kind: type) -> str:
    """One error of pydantic's as a sentence with the place, the value and what is allowed."""
    name, *inner = (shortened(str(part), 40) for part in detail["loc"])
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{called(name)}: {unknown_name('setting', name, [f.name for f in fields(kind)])}"
    place = ".".join([called(name), *inner[:3]])
    if detail["type"] == "value_error":  # a check of ours, which names the value
        return f"{place}: {detail['msg'].removeprefix('Value error, ')}"
    allowed = detail["msg"].partition(", unable to parse")[0]
    return f"{place} = {quoted(detail['input'])}: {shortened(allowed, 200)}."


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values. How images are read is left out as far as nothing is stated on it, so that a
    configuration of before it could be stated is the same configuration now.
    """
    unstated = {name for name in READING_NAMES if getattr(config, name, None) in (None, False)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(config).items()
        if name not in unstated
    }
