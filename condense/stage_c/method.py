"""What a method of stage C is, and which there are: built in, or added by an installed package.

A method is a frozen dataclass of its settings with a few functions; its instance is one way to make a set. It is written in
one file, and nothing else in the package speaks of it: commands, records, checkpoints and tables ask it for what they need.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from torch import Tensor

from condense.errors import CondenseError, quoted, shortened, unknown_name
from condense.stage_c.problem import Problem

GROUP = "condense.methods"
"""The entry points by which an installed package adds methods: a name, and 'package.module:Class'."""

State = TypeVar("State")


def setting(default: Any, help: str) -> Any:
    """A field of a method's settings, with its line of help."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Occasion:
    """What a method's published settings may depend on: the data set's name, images per class, the network's name."""

    dataset: str
    images_per_class: int
    network: str


@dataclass(frozen=True)
class Method(ABC, Generic[State]):
    """One way to make a synthetic set; every field a setting, made by `setting`.

    name, title: what it is called, for machines and for people; paper: where it is from; kind: 'learned', or 'selected'
    where the images are real ones, which no network learns.
    A state is a frozen dataclass of tensors, numbers, and tuples and dictionaries of them: all that the next step depends
    on beside settings and problem. Every draw is made by `problem.random`, so that a run can be resumed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    kind: ClassVar[Literal["learned", "selected"]]

    @classmethod
    @abstractmethod
    def published(cls, occasion: Occasion) -> Self:
        """The settings it was published with."""

    @classmethod
    @abstractmethod
    def fast(cls, occasion: Occasion) -> Self:
        """Settings for two CPU cores, chosen on held-out training images; the published ones where there are no others."""

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where the method cannot work on a problem: said before anything is computed."""

    @abstractmethod
    def steps(self, problem: Problem) -> int:
        """How many steps there are; 0 where the state to begin with is the result."""

    @abstractmethod
    def begin(self, problem: Problem) -> State:
        """The state before the first step."""

    def step(self, problem: Problem, state: State) -> tuple[State, dict[str, float]]:
        """The state after the next step, and losses by name, for people to watch.

        Raises `RunFailed` where it is not finite.
        """
        raise NotImplementedError(f"{self.name} has steps, but no step.")

    @abstractmethod
    def images(self, problem: Problem, state: State) -> Tensor:
        """The set's images (classes * images per class, C, H, W), class by class, in the space of `problem.data.inputs`."""

    def losses(self, state: State) -> tuple[float, ...]:
        """What the record keeps of the course; of finished iterations."""
        return ()

    def work(self, problem: Problem) -> float:
        """Multiply-adds, roughly: for estimates, and for what pays."""
        return 0.0


def defaults(method: type[Method]) -> dict[str, Any]:
    """The settings of a method with the values that hold where neither a schedule nor a user says anything."""
    return {each.name: each.default for each in fields(method) if each.default is not MISSING}


def with_settings(method: Method, given: Mapping[str, Any]) -> Method:
    """The method with some settings replaced; those not known to it raise `CondenseError`."""
    known = [each.name for each in fields(method)]
    for name in given:
        if name not in known:
            raise unknown_name(f"setting of {method.name}", name, known)
    return replace(method, **given)


@cache
def methods() -> dict[str, type[Method]]:
    """Every method by name: those of the package, then those of installed packages.

    Raises `CondenseError` for a package whose method cannot be imported, is none, or has a name that is taken.
    """
    found: dict[str, type[Method]] = {}
    for module, name in _BUILT_IN:
        method = getattr(import_module(f"condense.stage_c.methods.{module}"), name)
        found[method.name] = method
    for point in entry_points(group=GROUP):
        method = _added(point.name, point.load)
        if method.name in found:
            raise CondenseError(f"The method {quoted(method.name)} of {shortened(point.value)} has a name that is taken.")
        found[method.name] = method
    return found


_BUILT_IN = (("dm", "DM"),)


def _added(name: str, load: Any) -> type[Method]:
    try:
        method = load()
    except Exception as error:  # whatever another package's import may raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CondenseError(
            f"The method {quoted(name)} of an installed package cannot be imported ({shortened(reason, 200)}); mend that "
            "package, or remove it."
        ) from error
    if not (isinstance(method, type) and issubclass(method, Method) and is_dataclass(method)):
        raise CondenseError(f"The method {quoted(name)} of an installed package is no dataclass derived from condense's Method.")
    return method
