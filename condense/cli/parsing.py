"""From the command line (and a TOML file) to a checked options object."""

import contextlib
import io
import tomllib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import tyro

from condense.cli.options import COMMANDS
from condense.config import checked
from condense.errors import CondenseError, unknown_name
from condense.versions import CODE_VERSION


def parse(arguments: list[str]) -> Any:
    """The options of the command named first. Raises `CondenseError`; exits with code 0 after printing help."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        raise SystemExit(0)
    if arguments[0] == "--version":
        print(f"condense {CODE_VERSION}")
        raise SystemExit(0)
    name, *rest = arguments
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    kind = COMMANDS[name]
    path = _config_path(rest) if any(f.name == "config" for f in fields(kind)) else None
    default = checked(kind, _read_toml(path), str(path)) if path else None
    _check_flags(kind, name, rest)
    parsed = _flags(kind, name, rest, default)
    return checked(kind, asdict(parsed))


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


def _check_flags(kind: type, name: str, arguments: list[str]) -> None:
    """Raises `CondenseError` for flags the command does not have, all at once, each with its nearest match."""
    known = [f"--{field.name.replace('_', '-')}" for field in fields(kind)]
    given = [argument.partition("=")[0] for argument in arguments if argument.startswith("--") and argument != "--help"]
    wrong = [flag for flag in given if flag.replace("_", "-") not in known]
    if wrong:
        raise CondenseError("\n".join(str(unknown_name(f"option of condense {name}", flag, known)) for flag in wrong))


def _flags(kind: type, name: str, arguments: list[str], default: Any) -> Any:
    """The options given by flags over `default`; what the parser finds wrong becomes a `CondenseError`."""
    options: dict[str, Any] = {"prog": f"condense {name}", "args": arguments, "config": (tyro.conf.FlagCreatePairsOff,)}
    if default is not None:
        options["default"] = default
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(kind, **options)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise CondenseError(_plain(printed.getvalue(), name)) from None


def _plain(box: str, name: str) -> str:
    """The parser's framed message without its frame."""
    lines = [line.strip(" │╭╮╰╯─╷╵|+-") for line in box.splitlines()]
    kept = [line for line in lines if line and "usage:" not in line.lower() and "parsing error" not in line.lower()]
    text = " ".join(line for line in kept if "full helptext" not in line.lower() and not line.startswith("condense"))
    return f"{text or 'The options cannot be understood'} (condense {name} --help lists all options)"


def _config_path(arguments: list[str]) -> Path | None:
    for index, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return Path(argument.removeprefix("--config="))
        if argument == "--config" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CondenseError(f"Cannot read the configuration {path}: {getattr(error, 'strerror', None) or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CondenseError(f"The configuration {path} is not valid TOML: {error}.") from error
