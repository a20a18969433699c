"""Errors that end with one clear sentence instead of a traceback."""

import difflib
import os
from collections.abc import Iterable, Sequence


class CondenseError(Exception):
    """A mistake in what was asked for; the message says what was wrong, where, and what would be right.

    Whatever a message quotes, from a file or a library, its control characters and others that do not print are escaped.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__("\n".join(map(_printable, message.split("\n"))))


class RunFailed(CondenseError):
    """A run that was asked for correctly but could not finish (a loss that is not finite, for example)."""

    exit_code = 1


class Interrupted(CondenseError):
    """Ctrl-C or SIGTERM; what was computed so far is on disk and resumes."""

    exit_code = 130


def shortened(value: object, most: int | None = None) -> str:
    """A value as it may stand in a sentence, whatever it holds: on one line, and no longer than `most` characters (80, and
    240 for a path, whose end says most).

    Text and paths stand without quotes, all else as Python writes it. Control characters and others that do not print are
    escaped, as Python would; what is too long ends in '…'.
    """
    most = most or (240 if isinstance(value, os.PathLike) else 80)
    whole = value if isinstance(value, str) else os.fsdecode(value) if isinstance(value, os.PathLike) else _written(value)
    text = _printable(whole[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def quoted(value: object, most: int | None = None) -> str:
    """The same with quotes around text, to tell '1' from 1."""
    return f"'{shortened(value, most)}'" if isinstance(value, str | os.PathLike) else shortened(value, most)


def _written(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # whole numbers of thousands of digits; lists a thousand levels deep
        return f"<{type(value).__name__} too large to be shown>"


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


def why(error: BaseException) -> str:
    """An error of foreign code in a few words, without a full stop."""
    lines = str(error).splitlines()
    return shortened(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, 200).rstrip(".")


MOST_SENTENCES = 15


def in_sentences(mistakes: Sequence[str]) -> CondenseError:
    """The error of several mistakes, a line for each of the first ones, and how many more there are."""
    more = len(mistakes) - MOST_SENTENCES
    told = [*mistakes[:MOST_SENTENCES], *([f"There are {more} more mistakes."] if more > 0 else [])]
    return CondenseError("\n".join(told))


def unknown_name(kind: str, name: str, known: Iterable[str]) -> CondenseError:
    """The error for a name that is not in `known`, with the nearest match when there is one."""
    names = sorted(known)
    near = {candidate.lower(): candidate for candidate in names}
    # Nothing is near a name of thousands of letters, and looking would take seconds.
    match = difflib.get_close_matches(name[:80].lower(), near, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[match[0]]}'?" if match else ""
    return CondenseError(f"Unknown {kind} {quoted(name)}.{hint} Known: {', '.join(names)}.")


def in_any_case(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that a name is, whatever its case: the same, or the only one like it; None where there is none."""
    names = list(known)
    alike = [candidate for candidate in names if candidate.lower() == name.lower()]
    return name if name in names else alike[0] if len(alike) == 1 else None
