"""Configurations: typed, frozen, checked all at once, and stored with every result."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, make_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, get_type_hints

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from tyro.conf import arg

from condense.checking import AtLeastOne, Seed, Several, Varying, one_of, several
from condense.data import catalog
from condense.data.reading import READING_NAMES, Reading
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
        method_class(name)
        return proper_name(name)
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


def _numbers(value: object) -> object:
    """One number as a tuple of it, a list as a tuple."""
    return (value,) if isinstance(value, int) else several(value)


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
Precisions = Annotated[str, one_of("precision", PRECISIONS)]
PUBLISHED_ROWS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11BN", "ResNet18BN_AP")
PUBLISHED_COLUMNS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11", "ResNet18")


TAKEN = ("name", "set", "path", "execution", "reading", "dataset_fingerprint")
"""What no setting of a method may be called, beside the settings of all: tables of TOML and records say other things so."""

Kind = TypeVar("Kind", bound="OfMethods")


@dataclass(frozen=True, kw_only=True)
class OfMethods(Varying, Reading):
    """A configuration whose field `method` names one method or several, and which has their settings as fields too.

    An object is of a class with these fields (`of_methods`).
    """

    own_settings: ClassVar[tuple[str, ...]] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    if TYPE_CHECKING:  # the fields beside these are those of the methods

        def __init__(self, **settings: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    def __new__(cls, **settings: Any) -> Self:
        """An object of the class with the methods' fields."""
        return object.__new__(cls.kind_for(settings))

    def __reduce__(self) -> tuple[Any, ...]:
        """For copies and other processes, as the class with the methods' fields has no name of its own."""
        return _remade, (type(self).__mro__[1], {one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def kind_for(cls, values: dict[str, Any]) -> type[Self]:
        """The class with the fields of the methods named among the values.

        Raises `CondenseError` for an unknown one, and for others than this class has the fields of.
        """
        here = _names(getattr(cls, "method", DEFAULT))
        methods = tuple(map(proper_name, _names(values.get("method", here)))) or here
        if cls.own_settings and methods != here:
            own, others = (", ".join(map(quoted, names)) for names in (here, methods))
            given = repr(methods[0] if len(methods) == 1 else methods)
            raise CondenseError(
                f"These settings are those of {own}, and those of {others} are others: make a new "
                f"{cls.__name__}(method={given}, ...)."
            )
        return cls if cls.own_settings else of_methods(cls, methods)


@dataclass(frozen=True, kw_only=True)
class StageC(OfMethods):
    """What stage C makes, and how; the settings of every command that makes a set, but for the method's own."""

    dataset: DatasetName = "digits"
    """Name or path of the real images."""
    ipc: ImagesPerClass = 1
    """Images per class."""
    method: MethodName = DEFAULT
    """How sets are made: one of those that condense methods lists, such as dc or random; each has options of its own, which
    --method NAME --help lists."""
    precision: Precisions = "auto"
    """auto, fp32, tf32 (on a GPU) or mixed: bfloat16 convolutions on real images."""
    train_size: AtLeastOne | None = None
    """Use a class-balanced subset of this many real images."""


def _names(methods: object) -> tuple[str, ...]:
    named = several(methods)
    return tuple(map(str, named)) if isinstance(named, tuple) else (str(named),)


def _remade(kind: type[OfMethods], values: dict[str, Any]) -> OfMethods:
    return kind(**values)


def of_methods(kind: type[Kind], methods: tuple[str, ...]) -> type[Kind]:
    """A class of configurations with the settings of methods as fields; unset they are as the schedule has them.

    Of several methods, only what all of them have can be set. Raises `CondenseError` where a method cannot be used.
    """
    return _with_settings(kind, methods, tuple(map(method_class, methods)))


@cache  # by the methods themselves, as a name may come to mean another one
def _with_settings(kind: type[Kind], methods: tuple[str, ...], classes: tuple[type[Method], ...]) -> type[Kind]:
    taken, own = {*TAKEN, *(one.name for one in fields(kind))}, []
    for name in dict.fromkeys(name for settings in classes for name in settings.settings()):
        if name in taken or hasattr(kind, name):
            whose = next(of for of, settings in zip(methods, classes, strict=True) if name in settings.settings())
            raise CondenseError(
                f"Method {quoted(whose)} has a setting called {quoted(name)}, which means something else to every method: "
                "it needs another name."
            )
        own.append((name, *_field(name, methods, classes)))
    names = ("method", *(name for name, *_ in own))
    one = next(one for one in fields(kind) if one.name == "method")
    given = methods[0] if isinstance(one.default, str) else methods
    chosen = ("method", get_type_hints(kind, include_extras=True)["method"], field(default=given))
    plain = {
        "own_settings": names,
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    return make_dataclass(kind.__name__, [chosen, *own], bases=(kind,), namespace=plain, frozen=True, kw_only=True)


def _field(name: str, methods: tuple[str, ...], classes: tuple[type[Method], ...]) -> tuple[Any, Any]:
    """(Type, field) of a setting: of one method with its default, of several without, and to be as each of them has it."""
    known = {of: settings.settings() for of, settings in zip(methods, classes, strict=True)}
    hint, one = next(settings[name] for settings in known.values() if name in settings)
    help = arg(help=one.metadata.get("help", ""))
    if len(methods) == 1:
        scheduled = one.default is MISSING
        default = None if scheduled else one.default
        return Annotated[hint | None if scheduled else hint, help], field(default=default, metadata=one.metadata)
    lacking = [of for of, settings in known.items() if name not in settings]
    check = _refused(lacking[0]) if lacking else _as_each([settings[name][0] for settings in known.values()])
    return Annotated[hint | None, help, AfterValidator(check)], field(default=None, metadata=one.metadata)


def _refused(method: str) -> Callable[[Any], Any]:
    """The check of a setting that not all methods have, which only what it was given reaches."""

    def check(value: Any) -> Any:
        if value is None:
            return value
        raise ValueError(f"The method {method} has no such setting; with several methods only settings of all can be given.")

    return check


def _as_each(hints: Sequence[Any]) -> Callable[[Any], Any]:
    """The check of a setting that all methods have, each with its own bounds."""
    adapters = [TypeAdapter(hint) for hint in hints]

    def check(value: Any) -> Any:
        try:
            values = [adapter.validate_python(value) for adapter in adapters if value is not None]
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        return values[0] if values else None

    return check


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
class MatrixConfig(OfMethods):
    """A cross-architecture matrix: sets learned with some networks, each used to train others.

    A matrix for every data set, number of images per class and method.
    """

    dataset: Annotated[tuple[DatasetName, ...], Several, Field(min_length=1)] = ("digits",)
    """Names or paths of the real images."""
    ipc: Annotated[tuple[ImagesPerClass, ...], BeforeValidator(_numbers), Field(min_length=1)] = (1,)
    """Images per class, one number or several."""
    method: Annotated[tuple[MethodName, ...], Several, Field(min_length=1)] = (DEFAULT,)
    """How sets are made: one of those that condense methods lists, such as dc or random, or several; each has options of
    its own, which --method NAME --help lists, and of several those can be given that all of them have."""
    precision: Precisions = "auto"
    """auto, fp32, tf32 (on a GPU) or mixed: bfloat16 convolutions on real images."""
    train_size: AtLeastOne | None = None
    """Use a class-balanced subset of this many real images."""
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
    seeds_per_cell: Seeds | None = None
    """Networks that one process trains at a time, of those on a set; by default all that are asked for at once."""

    if TYPE_CHECKING:  # the methods' settings too

        def __init__(self, **settings: Any) -> None: ...

    def making(self, dataset: str, ipc: int, method: str) -> dict[str, Any]:
        """The settings of stage C of the sets of one matrix, by name, but for network, schedule and seed."""
        # Of several methods a setting has no default, as each has its own.
        defaults = {name: one.default for name, (_, one) in method_class(method).settings().items()}
        own = {name: default if (value := getattr(self, name)) is None else value for name, default in defaults.items()}
        given = {name: value for name, value in own.items() if value is not MISSING}
        shared = {name: getattr(self, name) for name in (*READING_NAMES, "precision", "train_size")}
        return {**shared, **given, "dataset": dataset, "ipc": ipc, "method": method}


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
