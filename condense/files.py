"""Writing files so that a kill, a crash or a full disk never damages what was there before."""

import contextlib
import os
from pathlib import Path

from condense.errors import CondenseError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes `content` to a temporary neighbour of `path`, flushes it to disk, then renames it into place.

    Raises `CondenseError` when the folder cannot be made or written to, or the disk is full; `path` is then as before.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> CondenseError:
    """The error for a file that could not be written."""
    return CondenseError(f"Cannot write {path}: {error.strerror or error}. Nothing that was there has been changed.")


def refuse_overwrite(path: Path, force: bool) -> None:
    """Raises `CondenseError` when `path` exists and `force` is not set."""
    if path.exists() and not force:
        raise CondenseError(f"{path} exists already. Choose another --out, or pass --force to replace it.")
