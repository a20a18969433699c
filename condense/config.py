"""Configurations: typed, frozen, checked all at once, and stored with every result."""

from dataclasses import MISSING, asdict, dataclass, field, fields, make_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Field
from tyro.conf import arg

from condense.checking import AtLeastOne, Seed, Several, Varying, one_of
from condense.data import catalog
from condense.data.reading import Reading
from condense.errors import CondenseError, in_any_case, quoted, shortened
from condense.files import check_path
from condense.networks import registry
from condense.stage_c.method import Method, Occasion
from condense.stage_c.methods import DEFAULT, method_class, proper_name
from condense.stage_c.precision import PRECISIONS
from condense.stage_c.schedules import SCHEDULES, schedule
from condense.stage_t.own_protocols import ChosenProtocol


def _network(name: str) -> str:
    try:
        return registry.check_name(name)
    except CondenseError as error:
        raise ValueError(str(error)) from error


def _method(name: str) -> str:
    try:
        return method_class(name).name
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


NetworkName = Annotated[str, AfterValidator(_network)]
NetworkNames = Annotated[tuple[NetworkName, ...], Several]
"""Names of networks; one name stands for itself."""
MOST_NETWORKS, MOST_SETS, MOST_IMAGES = 10_000, 1_000, 100_000
"""Of one command: networks on a set, sets a row, and images per class; more would fill memory before they were counted."""
Protocol = ChosenProtocol
Protocols = Annotated[tuple[Protocol, ...], Several]
"""One protocol's name, or the path of its file, stands for itself."""
Seeds = Annotated[int, Field(ge=1, le=MOST_NETWORKS)]
Sets = Annotated[int, Field(ge=1, le=MOST_SETS)]
ImagesPerClass = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
DatasetName = Annotated[str, AfterValidator(_dataset)]
MethodName = Annotated[str, AfterValidator(_method)]
ScheduleName = Annotated[str, one_of("schedule", SCHEDULES)]
PUBLISHED_ROWS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11BN", "ResNet18BN_AP")
PUBLISHED_COLUMNS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11", "ResNet18")


TAKEN = ("name", "set", "path", "execution", "reading", "dataset_fingerprint")
"""What no setting of a method may be called, beside the settings of all: tables of TOML and records say other things so."""

Kind = TypeVar("Kind", bound="StageC")


@dataclass(frozen=True, kw_only=True)
class StageC(Varying, Reading):
    """What stage C makes, and how; the settings of every command that makes sets, but for the method's own.

    The method's own settings are fields beside these: an object is of a class with the fields of its method (`of_method`).
    """

    own_settings: ClassVar[tuple[str, ...]] = ()

    dataset: DatasetName = "digits"
    """Name or path of the real images."""
    ipc: ImagesPerClass = 1
    """Images per class."""
    method: MethodName = DEFAULT
    """How sets are made: dc, dsa, dm, random, herding, k-center, or one of an installed package; each has options of its
    own, which --method NAME --help lists."""
    precision: Annotated[str, one_of("precision", PRECISIONS)] = "auto"
    """auto, fp32, tf32 (on a GPU) or mixed: bfloat16 convolutions on real images."""
    train_size: AtLeastOne | None = None
    """Use a class-balanced subset of this many real images."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    if TYPE_CHECKING:  # the fields beside these are those of the method

        def __init__(self, **settings: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    def __new__(cls, **settings: Any) -> Self:
        """An object of the class with the method's fields."""
        return object.__new__(cls.kind_for(settings))

    def __reduce__(self) -> tuple[Any, ...]:
        """For copies and other processes, as the class with the method's fields has no name of its own."""
        return _remade, (type(self).__mro__[1], {one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def kind_for(cls, values: dict[str, Any]) -> type[Self]:
        """The class with the fields of the method named among the values.

        Raises `CondenseError` for an unknown one, and for another than this class has the fields of.
        """
        method = proper_name(str(values.get("method", cls.method)))
        if cls.own_settings and method != cls.method:
            raise CondenseError(
                f"These settings are those of {quoted(cls.method)}, and those of {quoted(method)} are others: make a new "
                f"{cls.__name__}(method={method!r}, ...)."
            )
        return cls if cls.own_settings else of_method(cls, method)

    @property
    def making(self) -> dict[str, Any]:
        """The settings of stage C alone, by name."""
        return {name: getattr(self, name) for name in [*(one.name for one in fields(StageC)), *self.own_settings[1:]]}


def _remade(kind: type[StageC], values: dict[str, Any]) -> StageC:
    return kind(**values)


def of_method(kind: type[Kind], method: str) -> type[Kind]:
    """A class of configurations with the settings of a method as fields; unset they are as the schedule has them.

    Raises `CondenseError` where the method cannot be used.
    """
    return _with_settings(kind, method, method_class(method))


@cache  # by the method itself, as a name may come to mean another one
def _with_settings(kind: type[Kind], method: str, settings: type[Method]) -> type[Kind]:
    taken, own = {*TAKEN, *(one.name for one in fields(kind))}, []
    for name, (hint, one) in settings.settings().items():
        if name in taken or hasattr(kind, name):
            raise CondenseError(
                f"Method {quoted(method)} has a setting called {quoted(name)}, which means something else to every method: "
                "it needs another name."
            )
        scheduled = one.default is MISSING
        typed = Annotated[hint | None if scheduled else hint, arg(help=one.metadata.get("help", ""))]
        own.append((name, typed, field(default=None if scheduled else one.default)))
    names = ("method", *(name for name, *_ in own))
    chosen = ("method", MethodName, field(default=method))
    plain = {
        "own_settings": names,
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    return make_dataclass(kind.__name__, [chosen, *own], bases=(kind,), namespace=plain, frozen=True, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class LearnConfig(StageC):
    """Stage C: which images to learn, and how."""

    network: NetworkName = "ConvNet"
    """Network that images are learned with."""
    schedule: ScheduleName = "published"
    """published or fast: gives settings such as --iterations their values where they are not set."""
    seed: Seed = 0
    """Seed of every random draw."""

    if TYPE_CHECKING:  # the method's settings too

        def __init__(self, **settings: Any) -> None: ...

    def resolved(self, dataset: str | None = None) -> Self:
        """The same with every default that depends on another value filled in; dataset: what the images are known as."""
        return replace(self, **asdict(self.plan(dataset)))

    def plan(self, dataset: str | None = None) -> Method:
        """The method: with the settings of the schedule, and what was given in place of them."""
        named = schedule(self.schedule, self.method, Occasion(dataset or self.dataset, self.ipc, self.network))
        given = {one.name: value for one in fields(named) if (value := getattr(self, one.name)) is not None}
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

    if TYPE_CHECKING:  # the method's settings too

        def __init__(self, **settings: Any) -> None: ...


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
