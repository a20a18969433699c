"""How much memory a file may ask for: what it states on its own size is checked before it is believed."""

from condense.errors import CondenseError

ALWAYS_FINE = 64 * 2**20
"""Bytes that any file may expand to."""
HONEST_RATIO = 200
"""How many times its own size a larger file may expand to. Binary images compress a hundredfold, one-hot labels eightyfold;
zeros, as of an archive made to fill memory, a thousandfold."""


def largest_honest(file_bytes: int) -> int:
    """The most bytes that a file of so many may expand to."""
    return max(ALWAYS_FINE, HONEST_RATIO * file_bytes)


def check_honest(stated: int, file_bytes: int, what: str) -> None:
    """Raises `CondenseError`, naming `what`, where more is stated than a file of `file_bytes` can honestly hold."""
    if stated > largest_honest(file_bytes):
        raise CondenseError(
            f"{what} would expand to {stated:,} bytes from a file of {file_bytes:,}; so much is not believed. If it is "
            "right, save it without compression."
        )
