"""The help of `condense` and of its commands."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from condense.cli.options import COMMANDS

_KINDS = {int: "INT", float: "FLOAT", str: "STR", Path: "PATH"}
_optional = ConstructorRegistry()


def overview() -> str:
    """The help of `condense` itself."""
    lines = [f"  {name:<10} {(kind.__doc__ or '').splitlines()[0]}" for name, kind in COMMANDS.items()]
    return "\n".join(
        [
            "condense: learn a few synthetic images per class that train networks nearly as well as the whole set",
            "",
            "usage: condense COMMAND [OPTIONS]     (condense COMMAND --help lists its options)",
            "",
            *lines,
            "",
            "Try it:  condense run --dataset digits --iterations 50",
        ]
    )


def print_help(name: str, kind: type) -> None:
    """Prints the options of a command, read from its dataclass and the docstrings there; exits with code 0."""
    tyro.cli(
        kind,
        prog=f"condense {name}",
        args=["--help"],
        config=(tyro.conf.FlagCreatePairsOff,),
        registry=_optional,
    )


@_optional.primitive_rule
def _named_without_none(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """What an option takes that may also be left out: INT, not {None}|INT."""
    if get_origin(info.type) not in (Union, UnionType):
        return None
    kind = next(part for part in get_args(info.type) if part is not NoneType)
    kind = _plain(kind)
    several = get_origin(kind) is tuple
    name = _name_of(_plain(get_args(kind)[0]) if several else kind)
    return PrimitiveConstructorSpec(
        nargs="*" if several else 1,
        metavar=f"{name} ..." if several else name,
        instance_from_str=lambda words: words if several else words[0],
        is_instance=lambda value: True,
        str_from_instance=lambda value: ["unset" if value is None else str(value)],
    )


def _name_of(kind: Any) -> str:
    return f"{{{','.join(get_args(kind))}}}" if get_origin(kind) is Literal else _KINDS[kind]


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
