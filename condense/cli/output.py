"""Standard output and error that take any text, whatever their encoding: ASCII and code page 1252 too."""

import codecs
import io
import sys

PLAIN = {
    "…": "...",
    "–": "-",
    "−": "-",
    "×": "x",
    "±": "+/-",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "’": "'",
    "—": "-",
    "✓": "yes",
    "│": "|",
    "─": "-",
}
"""What stands for characters of tables and help where they cannot be written; all else is escaped."""


def print_anything() -> None:
    """From now on nothing that is printed fails for its characters."""
    codecs.register_error("condense", _in_plain_characters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="condense")


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in unknown)
    return plain, error.end
