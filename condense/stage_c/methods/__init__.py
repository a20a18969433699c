"""Which methods there are: those built in, and those that installed packages add through entry points."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract

from condense.errors import CondenseError, in_any_case, quoted, shortened, unknown_name
from condense.stage_c.method import Method
from condense.stage_c.methods.dc import DC
from condense.stage_c.methods.dm import DM
from condense.stage_c.methods.dsa import DSA
from condense.stage_c.methods.selections import Herding, KCenter, Random

GROUP = "condense.methods"
"""Of the entry points by which a package adds methods: `name = "package.module:Class"`."""

BUILT_IN: dict[str, type[Method]] = {method.name: method for method in (DC, DSA, DM, Random, Herding, KCenter)}
DEFAULT = DC.name


@cache
def added() -> dict[str, EntryPoint]:
    """The methods of installed packages by name, not imported yet."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def method_names() -> list[str]:
    """The names of all methods, those built in first."""
    return [*BUILT_IN, *sorted(added())]


def proper_name(name: str) -> str:
    """A method's name as it is written, of one in any case. Raises `CondenseError` for an unknown one."""
    known = method_names()
    found = in_any_case(name, known)
    if found is None:
        raise unknown_name("method", name, known)
    return found


def method_class(name: str) -> type[Method]:
    """A method by its name. Raises `CondenseError` for an unknown one, or where its package cannot be used."""
    name = proper_name(name)
    return BUILT_IN[name] if name in BUILT_IN else _of_package(added()[name])


def is_known(name: str) -> bool:
    """Whether there is a method of this name here: records may name those of packages that are not installed."""
    return name in method_names()


def looks_at_network(name: str) -> bool:
    """Whether sets made by a method depend on the network they were made with; of a method that is not here they do."""
    return BUILT_IN[name].uses_network if name in BUILT_IN else True


@cache
def _of_package(point: EntryPoint) -> type[Method]:
    try:
        found = point.load()
    except Exception as error:  # whatever foreign code may raise
        raise CondenseError(
            f"Method {quoted(point.name)} of {_package(point)} cannot be imported: {_why(error)}."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Method)) or isabstract(found):
        raise CondenseError(
            f"Method {quoted(point.name)} of {_package(point)}: {point.value} is no complete subclass of condense.Method."
        )
    if getattr(found, "name", None) != point.name:
        raise CondenseError(
            f"Method {quoted(point.name)} of {_package(point)} calls itself {quoted(getattr(found, 'name', None))}."
        )
    return found


def titles() -> dict[str, str]:
    """What each method does, in a line; of one that cannot be used, why."""
    found = {}
    for name in method_names():
        try:
            found[name] = method_class(name).title
        except CondenseError as error:
            found[name] = str(error)
    return found


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else "an installed package"


def _why(error: Exception) -> str:
    lines = str(error).splitlines()
    return shortened(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200).rstrip(".")
