"""From the command line (and a TOML file) to a checked options object."""

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from condense.cli.arguments import called, read
from condense.cli.help import overview, print_help
from condense.cli.options import COMMANDS
from condense.config import checked
from condense.errors import CondenseError, unknown_name
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
    in_file = _read_toml(Path(path)) if path else {}
    kept = {key: value for key, value in in_file.items() if key not in typed}
    mistakes += _mistakes(kind, kept, called=lambda field: f"{path}: {field}", strict=True)
    mistakes += _mistakes(kind, typed, called=partial(called, kind))
    if mistakes:
        raise CondenseError("\n".join(mistakes))
    return checked(kind, kept | typed)


def _mistakes(kind: type, values: dict[str, Any], **how: Any) -> list[str]:
    try:
        checked(kind, values, **how)
    except CondenseError as error:
        return str(error).splitlines()
    return []


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CondenseError(f"Cannot read the configuration {path}: {getattr(error, 'strerror', None) or error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CondenseError(f"The configuration {path} is not valid TOML: {error}.") from error
    if "config" in values:
        raise CondenseError(f"{path}: config can be given on the command line only.")
    return values
