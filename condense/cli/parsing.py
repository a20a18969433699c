"""From the command line (and a TOML file) to a checked options object."""

import itertools
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from condense.checking import Varying, checked, several
from condense.cli.arguments import called, read, takes_several
from condense.cli.help import overview, print_help
from condense.cli.options import COMMANDS
from condense.config import MatrixConfig, StageC
from condense.errors import CondenseError, in_sentences, quoted, shortened, unknown_name
from condense.files import check_path
from condense.stage_c.methods import DEFAULT
from condense.texts import toml_file
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
        print_help(name, _kind(COMMANDS[name], _chosen(COMMANDS[name], rest)))
        raise SystemExit(0)
    return _options(name, rest)


def _options(name: str, words: list[str]) -> Any:
    """The options of a command; raises `CondenseError` with all that is wrong on the command line and in the file."""
    path = _value_of("config", words)
    in_file = _read_toml(path, _value_of("method", words)) if path else {}
    unusable = ""
    try:
        asked = _chosen(COMMANDS[name], words) or in_file.get(_varies_by(COMMANDS[name]))
        kind = _kind(COMMANDS[name], asked if isinstance(asked, str | list) else None)
    except CondenseError as error:  # said below, with all else that is wrong
        kind, unusable = _kind(COMMANDS[name], None), str(error).removeprefix(f"{_called(COMMANDS[name])}: ")
    typed, mistakes = read(kind, _with_name(name, kind), words)
    kept = {key: value for key, value in in_file.items() if key not in typed}
    mistakes += _mistakes(kind, kept, called=lambda field: f"{shortened(path)}: {field}", strict=True)
    mistakes += _mistakes(kind, typed, called=partial(called, kind))
    if unusable and not any(unusable in mistake for mistake in mistakes):
        mistakes.append(f"{_called(kind)}: {unusable}")
    if mistakes:
        raise in_sentences(mistakes)
    chosen = checked(kind, kept | typed)
    _check_paths(chosen)
    return chosen


def _kind(kind: type, chosen: object) -> type:
    """The options of a command, with those of a method or study; raises `CondenseError` for an unknown one."""
    if not issubclass(kind, Varying):
        return kind
    try:
        return kind.kind_for({} if chosen is None else {kind.varies_by: chosen})
    except CondenseError as error:
        raise CondenseError(f"{_called(kind)}: {error}") from error


def _varies_by(kind: type) -> str:
    """The option that a command's other options depend on."""
    return kind.varies_by if issubclass(kind, Varying) else "method"


def _called(kind: type) -> str:
    return called(kind, _varies_by(kind))


def _chosen(kind: type, words: list[str]) -> str | list[str] | None:
    """What a command's other options depend on, as it stands among its words: behind its flag, or first of all."""
    name = _varies_by(kind)
    if called(kind, name).startswith("--"):
        return _values_of(name, words) if takes_several(kind, name) else _value_of(name, words)
    return words[0] if words and not words[0].startswith("-") else None


def _with_name(name: str, kind: type) -> str:
    """A command as it is asked for help on these options."""
    methods = several(kind.method) if issubclass(kind, StageC | MatrixConfig) else (DEFAULT,)
    return name if methods == (DEFAULT,) else f"{name} --method {' '.join(methods)}"


def _value_of(option: str, words: list[str]) -> str | None:
    """What an option is given among words that are not sorted yet; the last time counts."""
    flag, found = f"--{option}", None
    for word, after in itertools.zip_longest(words, words[1:], fillvalue=""):
        if word == flag and after and not after.startswith("--"):
            found = after
        elif word.startswith(f"{flag}="):
            found = word.partition("=")[2]
    return found or None


def _values_of(option: str, words: list[str]) -> list[str]:
    """All that an option is given among words that are not sorted yet; none where it is not there."""
    found, there = list[str](), False
    for word in words:
        flag, _, value = word.partition("=")
        there = flag == f"--{option}" if word.startswith("--") else there
        found += [text for text in ([value] if flag == f"--{option}" else [word]) if there and text]
    return found


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


def _read_toml(text: str, method: str | None) -> dict[str, Any]:
    """The options in a file; method: the one that is asked for on the command line, if any."""
    check_path(text, "--config")
    path = Path(text)
    values = toml_file(path, "the configuration")
    if "config" in values:
        raise CondenseError(f"{shortened(path)}: config can be given on the command line only.")
    return _with_method(values, path, method)


def _with_method(values: dict[str, Any], path: Path, asked: str | None) -> dict[str, Any]:
    """The settings of a table [method], whose `name` is the method's, among all others.

    Raises `CondenseError` where they are those of another method than is asked for on the command line.
    """
    if not isinstance(values.get("method"), dict):
        return values
    own = dict(values.pop("method"))
    if "method" in own:
        raise CondenseError(f"{shortened(path)}: method.method: in the table [method] the method is called name.")
    twice = sorted(own.keys() & values.keys())
    if twice:
        raise CondenseError(f"{shortened(path)}: {shortened(twice[0])} is there twice, in [method] and outside of it.")
    name = own.get("name", DEFAULT)
    if asked and len(own) > ("name" in own) and str(name).lower() != asked.lower():
        others = f"[method] has settings of {quoted(name)}, and --method is {quoted(asked)}"
        raise CondenseError(f"{shortened(path)}: {others}: leave one of them out.")
    return values | ({"method": own.pop("name")} if "name" in own else {}) | own
