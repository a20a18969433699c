"""What identifies code of one's own: a digest of its source, without comments, layout and docstrings.

It covers the function or class itself, and what it names that is of the same package (of a script or notebook: of that):
functions, classes with those they derive from, numbers and texts; of other packages it holds the version. Code that is found
in other ways, such as by a text, is not looked at.
"""

import ast
import hashlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

DIGITS = 10
"""Hexadecimal digits of a digest."""
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def digest(code: Any) -> str:
    """The digest of a function, a class, a partial of either, or an object that can be called."""
    seen: dict[int, object] = {}
    lines = sorted(set(_described(code, _package(code), seen)))
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()[:DIGITS]


def _described(thing: object, package: str, seen: dict[int, object]) -> Iterator[str]:
    """Lines that say what a thing is, and whatever it names in the package."""
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # which keeps it, so that no other has its number
    if isinstance(thing, partial):
        yield f"partial {_plain(thing.args)} {_plain(thing.keywords)}"
        for part in (thing.func, *thing.args, *thing.keywords.values()):
            yield from _described(part, package, seen)
    elif isinstance(thing, ModuleType):
        if _top(thing.__name__) == package:
            yield f"module {thing.__name__} {_source(thing)}"
        else:
            yield _version(thing.__name__)
    elif isinstance(thing, type | FunctionType):
        module = thing.__module__ or package  # what dataclasses write has none in code that is of no module's file
        if _top(module) != package:
            yield _version(module)
            return
        yield f"{thing.__qualname__} {_source(thing)}"
        yield from _named(thing, package, seen)
    elif isinstance(thing, tuple | list):
        for part in thing:
            yield from _described(part, package, seen)
    elif callable(thing) and not isinstance(thing, BuiltinFunctionType):
        yield from _described(getattr(thing, "__func__", type(thing)), package, seen)


def _named(thing: type | FunctionType, package: str, seen: dict[int, object]) -> Iterator[str]:
    """What is said of all that a function or class names."""
    for function in [thing] if isinstance(thing, FunctionType) else _functions(thing):
        code, own = function.__code__, function.__globals__
        held = {name: cell.cell_contents for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)}
        given = {"defaults": function.__defaults__ or (), **(function.__kwdefaults__ or {})}
        for name, value in (held | given | {name: own[name] for name in _names(code) if name in own}).items():
            yield f"{function.__qualname__}: {name} = {_plain(value)}"
            yield from _described(value, package, seen)
    if isinstance(thing, type):
        for base in thing.__bases__:
            yield from _described(base, package, seen)


def _functions(kind: type) -> Iterator[FunctionType]:
    """Those of a class's own body."""
    for value in vars(kind).values():
        plain = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(plain, FunctionType):
            yield plain


def _names(code: CodeType) -> list[str]:
    """All names in code and in the functions inside of it."""
    return [*code.co_names, *(name for one in code.co_consts if isinstance(one, CodeType) for name in _names(one))]


def _source(thing: type | FunctionType | ModuleType) -> str:
    """The source without comments and docstrings; of what has none that can be parsed alone, its compiled code."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        return _compiled(thing)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _has_docstring(node: Any) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _compiled(thing: object) -> str:
    functions = [thing] if isinstance(thing, FunctionType) else _functions(thing) if isinstance(thing, type) else []
    return " ".join(_code(function.__code__) for function in functions)


def _code(code: CodeType) -> str:
    inner = " ".join(_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts)
    return f"{code.co_code.hex()} {code.co_names} {inner}"


def _plain(value: object) -> str:
    """A value as Python writes it, without places in memory; of code its name alone, as it is described by itself."""
    if isinstance(value, type | FunctionType | ModuleType | BuiltinFunctionType):
        return value.__name__
    return _ADDRESS.sub("", repr(value))


def _package(code: Any) -> str:
    """The package that code is of; of a partial or an object, that of its function or class."""
    while isinstance(code, partial):
        code = code.func
    return _top(getattr(code, "__module__", None) or type(code).__module__)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _version(name: str) -> str:
    """Name and version of the package that a module is of; of PyTorch and the standard library the name alone, as networks
    that are built in hold no more either.
    """
    top = _top(name)
    try:
        return top if top == "torch" or top in sys.stdlib_module_names else f"{top} {version(top)}"
    except PackageNotFoundError:
        return f"{top} {getattr(sys.modules.get(top), '__version__', '')}"
