"""What is one's own by name: registered in Python, `package.module:name`, or that of installed packages.

A name proper ends in a digest of the code (`source`): `mine@0123456789`. So what records, checkpoints, experts and sets were
made with is not taken for other code that is called the same.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from condense.errors import CondenseError, quoted, why
from condense.source import DIGITS, digest

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
IN_A_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z0-9_][\w.]*", re.ASCII)
_DIGEST = re.compile(rf"(?P<name>[^@]+)@(?P<digest>[0-9a-f]{{{DIGITS}}})")

Code = TypeVar("Code")


class Own(Generic[Code]):
    """What is one's own of one kind, in this process.

    kind: what it is called, such as 'network'; fault: why something is none of it, after its name, or None where it is one;
    group: of the entry points by which packages add some (`name = "package.module:name"`), if any; also: finds code by names
    of another kind, None for others.
    """

    def __init__(
        self,
        kind: str,
        fault: Callable[[object], str | None],
        *,
        group: str | None = None,
        also: Callable[[str], Code | None] = lambda name: None,
    ) -> None:
        self.kind, self.fault, self.group, self.also = kind, fault, group, also
        self._registered: dict[str, Code] = {}
        self._asked = dict[str, str]()

    def register(self, name: str, code: Code) -> None:
        """Makes code known by this name in this process; what is called so already is replaced.

        Raises `CondenseError` for a name that is no name, and for what is none of the kind.
        """
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise CondenseError(
                f"{quoted(name)} is no name of {_a(self.kind)}: it begins with a letter, and has letters, digits, '_', '.' "
                "and '-' only, 40 at most."
            )
        self._registered[name] = self._checked(name, code)

    def forget(self) -> None:
        """Nothing is registered or asked for any more."""
        self._registered.clear()
        self._asked.clear()

    def registered(self) -> list[str]:
        """The names that are registered here or come with installed packages."""
        return sorted({*self._registered, *(point.name for point in self._points())})

    def is_named_by_file(self, name: str) -> bool:
        """Whether a name stands for code of a module that nobody has asked for in this process: only a file has named it."""
        plain, _ = parts(name)
        return not self._is_asked(plain) and bool(IN_A_MODULE.fullmatch(plain))

    def is_at_hand(self, name: str) -> bool:
        """Whether a name proper is that of code as it was registered or asked for in this process."""
        plain, stated = parts(name)
        found = self._registered.get(plain)
        return bool(stated) and stated == (digest(found) if found else self._asked.get(plain))

    def proper_name(self, name: str) -> str | None:
        """The name with the digest of its code; None where nothing of one's own is called so.

        A name that has a digest already is left as it is, and nothing is imported: what files name runs no code until it is
        needed. Raises `CondenseError` where a module cannot be imported or has no such thing.
        """
        plain, stated = parts(name)
        if stated:
            return name if IN_A_MODULE.fullmatch(plain) or NAME.fullmatch(plain) else None
        found = self._found(plain, here=True)
        if found is None:
            return None
        self._asked[plain] = digest(found)
        return f"{plain}@{self._asked[plain]}"

    def named(self, name: str) -> Code | None:
        """What a name without digest stands for; None where nothing of one's own is called so. Raises `CondenseError` as
        `proper_name` does.
        """
        return self._found(name, here=True)

    def code(self, name: str) -> Code:
        """What a name proper stands for. Raises `CondenseError` where nothing is called so here, and where its code is
        another one now.
        """
        plain, stated = parts(name)
        found = self._found(plain, here=False)
        if found is None:
            raise CondenseError(
                f"There is no {self.kind} {quoted(plain)} in this process: register it before "
                f"(condense.register_{self.kind}), or name it as package.module:name."
            )
        if stated != (now := digest(found)):
            raise CondenseError(
                f"{self.kind.capitalize()} {quoted(plain)} is another one than before: its code has the digest {now}, not "
                f"{stated}. Take back what was changed, or begin anew."
            )
        return found

    def _is_asked(self, plain: str) -> bool:
        return plain in self._registered or plain in self._asked

    def _points(self) -> list[EntryPoint]:
        return list(entry_points(group=self.group)) if self.group else []

    def _found(self, name: str, *, here: bool) -> Code | None:
        """What a name without digest stands for; here: whether modules are sought in the current folder too."""
        if name in self._registered:
            return self._registered[name]
        if (found := self.also(name)) is not None:
            return found
        if IN_A_MODULE.fullmatch(name):
            return self._in_module(name, here)
        points = [point for point in self._points() if point.name == name] if NAME.fullmatch(name) else []
        if len(points) > 1:
            raise CondenseError(
                f"{self.kind.capitalize()} {quoted(name)} is added by several packages: uninstall all but one of them."
            )
        return self._loaded(name, points[0].load) if points else None

    def _in_module(self, name: str, here: bool) -> Code:
        module, _, attribute = name.partition(":")
        if here:
            _find_here(module.partition(".")[0])

        def load() -> Any:
            found: Any = importlib.import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
            return found

        return self._loaded(name, load)

    def _loaded(self, name: str, load: Callable[[], Any]) -> Code:
        try:
            found: Any = load()
        except (Exception, SystemExit) as error:  # whatever foreign code may raise
            raise CondenseError(
                f"{self.kind.capitalize()} {quoted(name)} cannot be imported: {why(error)}.{_hint(name, error)}"
            ) from error
        return self._checked(name, found)

    def _checked(self, name: str, found: Any) -> Code:
        if fault := self.fault(found):
            raise CondenseError(f"{self.kind.capitalize()} {quoted(name)}: {fault}.")
        return found


def is_own(name: str) -> bool:
    """Whether a name is one proper of code of one's own."""
    return bool(parts(name)[1])


def parts(name: str) -> tuple[str, str]:
    """(The name, its digest or nothing)."""
    found = _DIGEST.fullmatch(name)
    return (found["name"], found["digest"]) if found else (name, "")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _hint(name: str, error: BaseException) -> str:
    """What to do where a module lies in the current folder, but was not to be sought there."""
    top = name.partition(":")[0].partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and error.name == top and _is_here(top):
        return " It lies in the current folder: a file that names it does not have it imported, but PYTHONPATH=. does."
    return ""


def _find_here(package: str) -> None:
    """Has a package of the current folder found, by processes that this one starts too, if it is nowhere else."""
    if package in sys.modules or importlib.util.find_spec(package) is not None:
        return
    if _is_here(package):
        sys.path.append(os.getcwd())
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{before}{os.pathsep}{os.getcwd()}" if before else os.getcwd()


def _is_here(package: str) -> bool:
    return any(os.path.exists(os.path.join(os.getcwd(), one)) for one in (f"{package}.py", package))
