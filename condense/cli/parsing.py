"""From the command line (and a TOML file) to a checked options object."""

import tomllib
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from condense.checking import checked
from condense.cli.arguments import called, read
from condense.cli.help import overview, print_help
from condense.cli.options import COMMANDS
from condense.errors import CondenseError, in_sentences, shortened, unknown_name
from condense.files import check_path
from condense.versions import CODE_VERSION


def parse(arguments: list[str]) -> Any:
    """The options of the command named first. Raises `CondenseError`; exits with code 0 after printing help."""
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print(overview())
        raise SystemExit(0)
    if name == "--version":
        print(f"condense {CODE_VERSION}")
        raise SystemExit(0)
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    if "-h" in rest or "--help" in rest:
        print_help(name)
        raise SystemExit(0)
    return _options(name, rest)


def _options(name: str, words: list[str]) -> Any:
    """The options of a command; raises `CondenseError` with all that is wrong on the command line and in the file."""
    kind = COMMANDS[name]
    typed, mistakes = read(kind, name, words)
    path = typed.get("config")
    in_file = _read_toml(path) if path else {}
    kept = {key: value for key, value in in_file.items() if key not in typed}
    mistakes += _mistakes(kind, kept, called=lambda field: f"{shortened(path)}: {field}", strict=True)
    mistakes += _mistakes(kind, typed, called=partial(called, kind))
    if mistakes:
        raise in_sentences(mistakes)
    chosen = checked(kind, kept | typed)
    _check_paths(chosen)
    return chosen


def _mistakes(kind: type, values: dict[str, Any], **how: Any) -> list[str]:
    try:
        checked(kind, values, **how)
    except CondenseError as error:
        return str(error).splitlines()
    return []


def _check_paths(chosen: Any) -> None:
    """Raises `CondenseError` where an option names what no file can be called."""
    for field in fields(chosen):
        value = getattr(chosen, field.name)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path):
                check_path(path, called(type(chosen), field.name))


def _read_toml(text: str) -> dict[str, Any]:
    check_path(text, "--config")
    path = Path(text)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CondenseError(f"Cannot read the configuration {shortened(path)}: {reason}.") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, lists thousands deep too
        why = "it is nested too deeply" if isinstance(error, RecursionError) else shortened(str(error), 200)
        raise CondenseError(f"The configuration {shortened(path)} is not valid TOML: {why}.") from error
    if "config" in values:
        raise CondenseError(f"{shortened(path)}: config can be given on the command line only.")
    return values
