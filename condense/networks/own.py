"""Networks of one's own by name: registered in Python, `package.module:factory`, timm's, or those of installed packages.

A name proper ends in a digest of the code (`source`): `mine@0123456789`. So records, checkpoints, experts and sets made with
a network are not taken for those of another one that is called the same.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any

from condense.errors import CondenseError, quoted, shortened, why
from condense.networks.layers import Shape
from condense.networks.module import Factory, network_of
from condense.networks.network import Network
from condense.networks.source import DIGITS, digest

GROUP = "condense.networks"
"""Of the entry points by which a package adds networks: `name = "package.module:factory"`."""
TIMM = "timm"
"""Before the colon, of the models of timm by their names."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
IN_A_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z0-9_][\w.]*", re.ASCII)
_NO_FACTORY = "Network {}: {} is no factory, which is called with the shape (C, H, W) of images and a number of classes."
_DIGEST = re.compile(rf"(?P<name>[^@]+)@(?P<digest>[0-9a-f]{{{DIGITS}}})")

_registered: dict[str, Factory] = {}
_asked: set[str] = set()
_kept: dict[tuple[str, Shape, int], tuple[Factory, Network]] = {}


def register(name: str, factory: Factory) -> None:
    """Makes a network known by this name in this process; one that is called so already is replaced.

    factory: called with the shape (C, H, W) of the images and the number of classes, gives a `torch.nn.Module`, newly
    initialised by PyTorch's own generator. Raises `CondenseError` for a name that is no name, and for what cannot be called.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CondenseError(
            f"{quoted(name)} is no name of a network: it begins with a letter, and has letters, digits, '_', '.' and '-' "
            "only, 40 at most."
        )
    if not callable(factory):
        raise CondenseError(_NO_FACTORY.format(quoted(name), shortened(factory)))
    _registered[name] = factory


def registered() -> list[str]:
    """The names of networks that are registered here or come with installed packages."""
    return sorted({*_registered, *(point.name for point in entry_points(group=GROUP))})


def is_named_by_file(name: str) -> bool:
    """Whether a name stands for code of a module, and nobody has asked for it in this process: only a file has named it."""
    plain, _ = _parts(name)
    return plain not in {*_registered, *_asked} and bool(IN_A_MODULE.fullmatch(plain))


def proper_name(name: str) -> str | None:
    """The name with the digest of its code; None where none of one's own is called so.

    A name that has a digest already is left as it is, and nothing is imported: what files name runs no code until a network
    is built. Raises `CondenseError` where a module cannot be imported or has no such factory.
    """
    plain, stated = _parts(name)
    if stated:
        return name if IN_A_MODULE.fullmatch(plain) or NAME.fullmatch(plain) else None
    factory = _factory(plain, here=True)
    _asked.add(plain)
    return None if factory is None else f"{plain}@{digest(factory)}"


def build(name: str, shape: Shape, classes: int) -> Network:
    """The network of a name proper, for images (C, H, W) and a number of classes.

    Raises `CondenseError` where none is called so here, where its code is another now, and as `network_of`.
    """
    plain, stated = _parts(name)
    factory = _factory(plain, here=False)
    if factory is None:
        raise CondenseError(
            f"There is no network {quoted(plain)} in this process: register it before (condense.register_network), or name "
            "it as package.module:factory."
        )
    if stated != (now := digest(factory)):
        raise CondenseError(
            f"Network {quoted(plain)} is another one than before: its code has the digest {now}, not {stated}. "
            "Take back what was changed, or begin anew."
        )
    return _built(factory, name, shape, classes)


def _built(factory: Factory, name: str, shape: Shape, classes: int) -> Network:
    """The network, which is looked at once for as long as the factory is the same object."""
    place = name, shape, classes
    if place not in _kept or _kept[place][0] is not factory:
        _kept[place] = factory, network_of(factory, name, shape, classes)
    return _kept[place][1]


def _parts(name: str) -> tuple[str, str]:
    """(The name, its digest or nothing)."""
    found = _DIGEST.fullmatch(name)
    return (found["name"], found["digest"]) if found else (name, "")


def _factory(name: str, *, here: bool) -> Factory | None:
    """What makes the network of a name without digest; here: whether modules are sought in the current folder too."""
    if name in _registered:
        return _registered[name]
    if name.startswith(f"{TIMM}:"):
        return _timm_factory(name.removeprefix(f"{TIMM}:"))
    if IN_A_MODULE.fullmatch(name):
        return _in_module(name, here)
    if not NAME.fullmatch(name):
        return None
    points = list(entry_points(group=GROUP, name=name))
    if len(points) > 1:
        raise CondenseError(f"Network {quoted(name)} is added by several packages: uninstall all but one of them.")
    return _loaded(name, points[0].load) if points else None


def _in_module(name: str, here: bool) -> Factory:
    module, _, attribute = name.partition(":")
    if here:
        _find_here(module.partition(".")[0])

    def load() -> Any:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found

    return _loaded(name, load)


def _loaded(name: str, load: Callable[[], Any]) -> Factory:
    try:
        found: Any = load()
    except (Exception, SystemExit) as error:  # whatever foreign code may raise
        raise CondenseError(f"Network {quoted(name)} cannot be imported: {why(error)}.") from error
    if not callable(found):
        raise CondenseError(_NO_FACTORY.format(quoted(name), shortened(found)))
    return found  # pyright: ignore[reportReturnType] - what it makes is looked at when it is called


def _find_here(package: str) -> None:
    """Has a package of the current folder found, by processes that this one starts too, if it is nowhere else."""
    if package in sys.modules or importlib.util.find_spec(package) is not None:
        return
    here = os.getcwd()
    if any(os.path.exists(os.path.join(here, one)) for one in (f"{package}.py", package)):
        sys.path.append(here)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{before}{os.pathsep}{here}" if before else here


@cache
def _timm_factory(model: str) -> Factory:
    """What makes a model that timm has. Raises `CondenseError` where it has none of that name, or is not installed."""
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise CondenseError(f"'{TIMM}:{shortened(model)}' needs timm, which is not installed: pip install timm.") from error
    if model not in timm.list_models():
        raise CondenseError(f"timm has no model {quoted(model)}: timm.list_models() names those it has.")
    return partial(_timm_model, model)


def _timm_model(model: str, shape: Shape, classes: int) -> Any:
    """A model of timm, without pretrained weights; of those that are made for one size of images, for this one."""
    import timm  # pyright: ignore[reportMissingImports]

    given = {"pretrained": False, "in_chans": shape[0], "num_classes": classes}
    try:
        return timm.create_model(model, img_size=shape[1:], **given)
    except TypeError:  # most have no such size
        return timm.create_model(model, **given)
