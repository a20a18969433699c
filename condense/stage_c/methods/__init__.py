"""Which methods there are: those built in, those that installed packages add through entry points, and one's own.

One's own are known by their name and the digest of their code (`condense.own`), those of packages by their name alone.
"""

import re
from dataclasses import MISSING
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from condense.errors import CondenseError, in_any_case, quoted, shortened, unknown_name, why
from condense.own import Own
from condense.stage_c.method import Method
from condense.stage_c.methods.dance import DANCE
from condense.stage_c.methods.datm import DATM
from condense.stage_c.methods.dc import DC
from condense.stage_c.methods.dm import DM
from condense.stage_c.methods.dream import DREAM
from condense.stage_c.methods.dsa import DSA
from condense.stage_c.methods.frepo import FRePo
from condense.stage_c.methods.idc import IDC
from condense.stage_c.methods.mtt import MTT, TESLA
from condense.stage_c.methods.ncfm import NCFM
from condense.stage_c.methods.random_soft import RandomSoft
from condense.stage_c.methods.scores import EL2N, Forgetting, GraNd
from condense.stage_c.methods.selections import Herding, KCenter, KMeans, Random
from condense.stage_c.methods.tgdd import TGDD

GROUP = "condense.methods"
"""Of the entry points by which a package adds methods: `name = "package.module:Class"`."""

_LEARNING = (DC, DSA, DM, DANCE, TGDD, NCFM, IDC, DREAM, FRePo, MTT, TESLA, DATM)
_SELECTING = (Random, RandomSoft, Herding, KCenter, KMeans, Forgetting, EL2N, GraNd)
BUILT_IN: dict[str, type[Method]] = {method.name: method for method in (*_LEARNING, *_SELECTING)}
DEFAULT = DC.name
NAME = "[a-z0-9]+(-[a-z0-9]+)*"
"""What a package may call its method: as it stands on the command line, and in the names of folders."""


def register_method(method: type[Method]) -> None:
    """Makes a method of one's own known by its `name`, in this process; one that is registered under it is replaced.

    Raises `CondenseError` for what is no method (docs/adding-a-method.md), and where a method that is built in or of an
    installed package is called so.
    """
    name = getattr(method, "name", None)
    if isinstance(name, str) and in_any_case(name, method_names()) is not None:
        raise CondenseError(f"There is a method {quoted(name)} already; give your own another name.")
    OWN.register(str(name), method)


@cache
def _entry_points() -> dict[str, list[EntryPoint]]:
    """Those of installed packages by the name of their method, not imported yet."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def added() -> list[str]:
    """The names of methods that installed packages add."""
    return [name for name in _entry_points() if name not in BUILT_IN]


def method_names() -> list[str]:
    """The names of all methods, those built in first."""
    return [*BUILT_IN, *sorted(added())]


def proper_name(name: str) -> str:
    """A method's name as it is written, of one in any case, for what is to be made by it.

    Raises `CondenseError` for an unknown one, and where it is not clear whose method is meant.
    """
    if (own := _own_name(name)) is not None:
        return own
    name = _name(name)
    _check_single(name)
    return name


def method_class(name: str) -> type[Method]:
    """A method by its name. Raises `CondenseError` for an unknown one, or where its package cannot be used."""
    if (own := _own_name(name)) is not None:
        return OWN.code(own)
    name = _name(name)
    if name in BUILT_IN:
        return BUILT_IN[name]
    _check_single(name)
    return _of_package(_entry_points()[name][0])


def _own_name(name: str) -> str | None:
    """The name proper of a method of one's own; None where none is called so."""
    return None if in_any_case(name, method_names()) is not None else OWN.proper_name(name)


def _name(name: str) -> str:
    known = method_names()
    found = in_any_case(name, known)
    if found is None:
        raise unknown_name("method", name, [*known, *OWN.registered()])
    return found


def _check_single(name: str) -> None:
    """Raises `CondenseError` where more than one package adds a method of this name, or one that is built in."""
    points = _entry_points().get(name, [])
    if name in BUILT_IN and points:
        raise CondenseError(
            f"Method {quoted(name)} is built in, and {_package(points[0])} adds another of that name: uninstall it, or give "
            "its method a name of its own."
        )
    if len(points) > 1:
        raise CondenseError(
            f"Method {quoted(name)} is added by {_package(points[0])} and by {_package(points[1])}: uninstall one of them."
        )


def is_known(name: str) -> bool:
    """Whether there is a method of this name here: records may name those of packages that are not installed."""
    return name in method_names() or OWN.is_at_hand(name)


def looks_at_network(name: str) -> bool:
    """Whether sets made by a method depend on the network they were made with; those of packages are taken to, as their
    tables must be the same where the package is not installed.
    """
    return BUILT_IN[name].uses_network if name in BUILT_IN else True


@cache
def _of_package(point: EntryPoint) -> type[Method]:
    try:
        found = point.load()
        fault = _fault(found, point.value) or _misnamed(found, point)
    except (Exception, SystemExit) as error:  # whatever foreign code may raise
        raise CondenseError(f"Method {quoted(point.name)} of {_package(point)} cannot be imported: {why(error)}.") from error
    if fault:
        raise CondenseError(f"Method {quoted(point.name)} of {_package(point)} cannot be used: {fault}.")
    return found


def _fault(found: object, said: str) -> str | None:
    """Why something is no method, in words, in which it is called as `said`; None where it is one."""
    what = shortened(said)
    if not (isinstance(found, type) and issubclass(found, Method)):
        return f"{what} is no subclass of condense.Method"
    if isabstract(found):
        return f"{what} lacks {', '.join(sorted(found.__abstractmethods__))}"
    if "__dataclass_fields__" not in vars(found):
        return f"{what} is no dataclass: put @dataclass(frozen=True, kw_only=True) above it"
    if not isinstance(name := getattr(found, "name", None), str):
        return f"{what} has no name"
    if not re.fullmatch(NAME, name):
        return f"its name must be of small letters, digits and hyphens, not {quoted(name)}"
    if not isinstance(getattr(found, "title", None), str):
        return f"{what} has no title"
    for name, (hint, one) in found.settings().items():
        if not _is_typed(hint, switch=one.default is not MISSING):
            return f"its setting {quoted(name)} must be an int, float, str, a tuple of those, or a bool with a default"
    return None


def _misnamed(found: type[Method], point: EntryPoint) -> str | None:
    """Why a method has another name than its entry point, in words."""
    return None if found.name == point.name else f"{shortened(point.value)} calls itself {quoted(found.name)}"


def _is_typed(hint: Any, *, switch: bool) -> bool:
    """Whether a setting of this type can be given on the command line and in TOML; switch: whether it may be a bool."""
    plain = _plain(hint)
    if get_origin(plain) in (Union, UnionType):
        plain, *others = (_plain(part) for part in get_args(plain) if part is not NoneType)
        return not others and plain is not bool and _is_typed(plain, switch=False)
    inner = [_plain(part) for part in get_args(plain) if part is not Ellipsis]
    if get_origin(plain) is tuple:
        return bool(inner) and all(part in (int, float, str) for part in inner)
    return plain in (int, float, str) or (plain is bool and switch)


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def described() -> dict[str, tuple[str, str]]:
    """(What it does, what kind it is), a line each, of each method; of one that cannot be used (why, nothing)."""
    found = {}
    for name in [*method_names(), *OWN.registered()]:
        try:
            kind = method_class(proper_name(name))
            found[name] = kind.title, kind.traits()
        except CondenseError as error:
            found[name] = str(error), ""
    return found


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else "an installed package"


OWN: Own[type[Method]] = Own("method", lambda found: _fault(found, getattr(found, "__qualname__", repr(found))))
"""Methods of one's own: registered, or classes of modules."""
