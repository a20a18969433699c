"""Paths as users name them, made safe to look at: every one that the system refuses is an error in one sentence."""

import os
from pathlib import Path

from condense.data.known import PUBLISHED
from condense.errors import CondenseError, shortened


def shown(path: str | Path) -> str:
    """A path for a message."""
    return shortened(path, 160)


def expanded(named: str | Path) -> Path:
    """The path with `~` and `~user` filled in.

    Raises `CondenseError` for a user who is not there, a NUL character, and a name that is not UTF-8, which no result could
    hold.
    """
    text = str(named)
    if "\0" in text:
        raise CondenseError(f"{shortened(text)}: a path cannot hold a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CondenseError(
            f"{shown(text)}: this name is not in UTF-8, so no result could say where it is from; rename it."
        ) from error
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise CondenseError(f"{shown(text)}: the home folder of that user is not known here.") from error


def there(path: Path) -> bool:
    """Whether there is a file or folder at `path`; raises `CondenseError` where the system does not let one look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_read(path, error) from error
    return True


def cannot_read(path: Path, error: OSError) -> CondenseError:
    """The error for what is there and cannot be read; it names the file of the system's error where there is one."""
    named = error.filename if isinstance(error.filename, str) else path
    return CondenseError(f"{shown(named)}: cannot be read ({error.strerror or error}).")


def check_apart(dataset: str, out: Path) -> None:
    """Raises `CondenseError` where results would lie in the folder of the images, and be taken for one more class there."""
    if dataset not in PUBLISHED and os.path.isdir(dataset) and out.resolve().is_relative_to(Path(dataset).resolve()):
        raise CondenseError(
            f"{shortened(out)} lies in {shortened(Path(dataset))}, the folder of the images, where it would be one more "
            "class. Choose another --out."
        )
