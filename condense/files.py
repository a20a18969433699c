"""Writing files so that a kill, a crash or a full disk never damages what was there before."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from condense.errors import CondenseError, shortened

LONGEST_NAME, LONGEST_PATH = 255, 4095
"""Bytes in one name and in a whole path on usual file systems."""


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes `content` to a temporary neighbour of `path`, flushes it to disk, then renames it into place.

    Raises `CondenseError` when the folder cannot be made or written to, or the disk is full; `path` is then as before.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:  # on Ctrl-C too; after the renaming there is nothing left to remove
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error


def write_folder_atomically(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes a new folder, `files` by their paths in it, as a temporary neighbour of `path`, then renames it into place.

    Raises `CondenseError` when it cannot be written, the disk is full, or something is at `path`; nothing is there then that
    was not before.
    """
    temporary = _temporary(path)
    try:
        try:
            for name, data in files.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                with (temporary / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            os.rename(temporary, path)
        finally:  # on Ctrl-C too; after the renaming there is nothing left to remove
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error


def append_line(path: Path, line: str) -> None:
    """Appends a line in a single write, so that concurrent writers do not mix lines.

    Raises `CondenseError` when it cannot be written whole; the file is then as before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = f"{line}\n".encode()
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            written = file.write(data)
            if written != len(data):  # the disk is full; what came through goes, unless others wrote after it
                if file.seek(0, os.SEEK_END) == end + written:
                    file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error


def check_writable(path: Path) -> None:
    """Raises `CondenseError` when a file cannot be written at `path`: found before hours of work, not after."""
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.lstat()  # a name that is too long
        temporary.touch()
        temporary.unlink()
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error


def check_room(path: Path, size: int) -> None:
    """Raises `CondenseError` when a file of `size` bytes to come has no room at `path`, whose folder is there."""
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise CondenseError(
            f"{shortened(path)}: the disk has {free / 2**20:,.1f} MiB left, fewer than the {size / 2**20:,.1f} MiB needed."
        )


def check_path(path: Path | str, called: str) -> None:
    """Raises `CondenseError` for what no file can be called, said of the option or argument `called` so."""
    text = os.fspath(path)
    try:
        names = [os.fsencode(name) for name in text.split(os.sep)]
    except UnicodeEncodeError as error:
        raise CondenseError(f"{called} {shortened(path)}: this system's file names cannot hold '{error.reason}'.") from error
    if "\0" in text:
        raise CondenseError(f"{called} {shortened(path)}: no path holds a zero byte.")
    if max(map(len, names)) > LONGEST_NAME or len(os.fsencode(text)) > LONGEST_PATH:
        raise CondenseError(
            f"{called} {shortened(path, 80)}: File name too long (at most {LONGEST_NAME} bytes, a path {LONGEST_PATH})."
        )


def cannot_write(path: Path, error: OSError | ValueError) -> CondenseError:
    """The error for a file that could not be written."""
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    reason = f"{error.filename} is not a folder" if in_the_way else getattr(error, "strerror", None) or error
    return CondenseError(f"Cannot write {shortened(path)}: {reason}. Nothing that was there has been changed.")


def refuse_overwrite(path: Path, force: bool) -> None:
    """Raises `CondenseError` when `path` is a folder, or exists and `force` is not set."""
    if os.path.isdir(path):
        raise CondenseError(f"{path} is a folder; the name of a file is needed.")
    if os.path.lexists(path) and not force:
        raise CondenseError(f"{path} exists already. Choose another --out, or pass --force to replace it.")


def refuse_existing(path: Path) -> None:
    """Raises `CondenseError` when there is anything at `path` already, for what is never replaced."""
    if os.path.lexists(path):
        raise CondenseError(f"{shortened(path)} exists already, and is never overwritten. Choose another --out.")


def refuse_other_files(own: Path, wanted: str) -> None:
    """Raises `CondenseError` when the folder of `own`, a file that every `wanted` has, holds others and not that."""
    folder = own.parent
    others = [found.name for found in folder.glob("[!.]*")] if folder.is_dir() else []
    if others and own.name not in others:
        raise CondenseError(f"{folder} holds other files ({min(others)}) and no {wanted}. Choose another --out.")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Takes the lock file `path` within a `with` statement: True, or False where another process has it.

    wait: until that gives it back, instead. Raises `CondenseError` when the file cannot be made.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, until it ends; raises `CondenseError` where one is at work in it."""
    check_writable(folder / ".lock")
    with locked(folder / ".lock") as free:
        if not free:
            raise CondenseError(f"Another process is at work in {shortened(folder)}.")
        yield


@contextlib.contextmanager
def taken_files(*paths: Path) -> Iterator[None]:
    """Keeps other processes from writing any of these files, until it ends.

    Raises `CondenseError` where one is about to. Each is taken by a hidden file beside it, which goes with the work; one
    that a kill left behind takes nothing.
    """
    with contextlib.ExitStack() as locks:
        # In one order everywhere, so that of two processes one gets all.
        for path in sorted(set(paths)):
            lock = path.parent / f".{path.name}.lock"
            check_writable(path)
            if not locks.enter_context(locked(lock)):
                raise CondenseError(
                    f"Another process is writing {shortened(path)}. Let it end, or choose another --out for this one."
                )
            locks.callback(_remove, lock)  # while it is still held
        yield


def check_not_taken(*paths: Path) -> None:
    """Raises `CondenseError` where another process is writing one of these files: said before images are read."""
    with taken_files(*paths):
        pass


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows keeps what is open
        path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    # Processes of two hosts on one file system may have the same number.
    return path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}.tmp"
