"""What is typed after a command's name: each option's text, and all that cannot be understood."""

import re
from collections import deque
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from tyro.conf import Positional

from condense.errors import quoted, unknown_name

_POSITIONAL = get_args(Positional[Any])[1]


def read(kind: type, command: str, words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """(Values by field, mistakes): the values texts, lists of texts where an option takes several, True for switches.

    Types are not looked at: values are checked later, together with those of the configuration file, so that all that is
    wrong is said at once.
    """
    reader = _Reader(kind, command, words)
    while reader.rest:
        word = reader.rest.popleft()
        if _is_flag(word):
            reader.flag(word)
        else:
            reader.loose.append(word)
    reader.place_loose_words()
    return reader.values, reader.mistakes


def flag_of(field: str) -> str:
    """The flag of an option's field."""
    return f"--{field.replace('_', '-')}"


def called(kind: type, field: str) -> str:
    """How an option is named to people: its flag, or in capitals where it stands without one."""
    return field.upper() if field in _positionals(kind) else flag_of(field)


def takes_several(kind: type, field: str) -> bool:
    """Whether an option takes more than one value."""
    return field in get_type_hints(kind) and _takes_several(get_type_hints(kind)[field])


def _positionals(kind: type) -> list[str]:
    """The fields whose values need no flag, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return [one.name for one in fields(kind) if _POSITIONAL in get_args(hints[one.name])[1:]]


class _Reader:
    """The words that are left, and what has been read of them."""

    def __init__(self, kind: type, command: str, words: list[str]) -> None:
        self.command, self.rest = command, deque(words)
        self.types = {field.name: get_type_hints(kind)[field.name] for field in fields(kind)}
        self.positionals = _positionals(kind)
        self.flags = {flag_of(name): name for name in self.types if name not in self.positionals}
        self.values: dict[str, Any] = {}
        self.mistakes: list[str] = []
        self.loose: list[str] = []

    def flag(self, word: str) -> None:
        """Reads a flag with its values, given as --flag=value or as the words after it; given again, it adds to them."""
        flag, equals, value = word.partition("=")
        name = self.flags.get(flag.replace("_", "-"))
        if name is None:
            self._take()
            self.mistakes.append(self._unknown(flag))
        elif self.types[name] is bool:
            self.values[name] = True
            if equals:
                self.mistakes.append(f"{flag} is a switch: it takes no value, but got {quoted(value)}.")
        else:
            several = _takes_several(self.types[name])
            taken = [value] if equals else self._take(most=None if several else 1)
            if taken:
                self.values[name] = [*self.values.get(name, []), *taken] if several else taken[0]
            else:
                self.mistakes.append(f"{flag} needs a value.")

    def place_loose_words(self) -> None:
        """Gives the words that belong to no flag to the options that need none."""
        for name in self.positionals:
            if _takes_several(self.types[name]):
                self.values |= {name: self.loose} if self.loose else {}
                return
            if self.loose:
                self.values[name] = self.loose.pop(0)
        self.mistakes += [f"condense {self.command} does not know what to do with {quoted(word)}." for word in self.loose]

    def _take(self, most: int | None = None) -> list[str]:
        """Up to `most` words from the front, as far as they are values."""
        taken: list[str] = []
        while self.rest and len(taken) != most and not _is_flag(self.rest[0]):
            taken.append(self.rest.popleft())
        return taken

    def _unknown(self, flag: str) -> str:
        if not self.flags:
            return f"condense {self.command} takes no options, but got {quoted(flag)}."
        sentence, _, _ = str(unknown_name(f"option of condense {self.command}", flag, self.flags)).partition(" Known:")
        return f"{sentence} (condense {self.command} --help lists all options)"


def _takes_several(kind: Any) -> bool:
    """Whether an option's type is a tuple, or one that may also be left out."""
    return any(get_origin(one) is tuple for one in (kind, *get_args(kind)))


def _is_flag(word: str) -> bool:
    return re.match(r"-[^0-9.]", word) is not None
