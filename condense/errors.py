"""Errors that end with one clear sentence instead of a traceback."""

import difflib
from collections.abc import Iterable


class CondenseError(Exception):
    """A mistake in what was asked for; the message says what was wrong, where, and what would be right."""

    exit_code = 2


class RunFailed(CondenseError):
    """A run that was asked for correctly but could not finish (a loss that is not finite, for example)."""

    exit_code = 1


class Interrupted(CondenseError):
    """Ctrl-C or SIGTERM; what was computed so far is on disk and resumes."""

    exit_code = 130


def unknown_name(kind: str, name: str, known: Iterable[str]) -> CondenseError:
    """The error for a name that is not in `known`, with the nearest match when there is one."""
    names = sorted(known)
    near = {candidate.lower(): candidate for candidate in names}
    match = difflib.get_close_matches(name.lower(), near, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[match[0]]}'?" if match else ""
    return CondenseError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names)}.")


def shortened(value: object, most: int = 80) -> str:
    """A value as text for a message: characters that cannot be shown escaped, and cut with '…' beyond `most` characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
