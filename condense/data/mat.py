"""MATLAB `.mat` files: v4 to v7 through SciPy in a process of its own, v7.3 as HDF5."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import h5py
import numpy as np

from condense import hdf5
from condense.data import mat_child
from condense.data.npz import as_texts
from condense.data.source import Array, Source
from condense.errors import CondenseError
from condense.hdf5 import Entry
from condense.sizes import largest_honest

_CHARACTERS, _LOGICAL = b"char", b"logical"


def open_mat(path: Path) -> Source:
    """The variables of a file, with MATLAB's order of axes and its types. Raises `CondenseError` for one that is damaged, of
    another kind, crashes its reader, or states sizes that it cannot hold.
    """
    if h5py.is_hdf5(path):
        return _open_new(path)
    # SciPy's reader works in C on what the file states; where that goes wrong, it takes its process with it.
    command = [sys.executable, "-P", mat_child.__file__, str(path.absolute()), str(largest_honest(path.stat().st_size))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as child:
        try:
            content, arrays = _received(child.stdout)
        except (EOFError, ValueError) as error:
            child.kill()
            raise CondenseError(f"{path}: cannot be read as a MATLAB file; damaged, its reader breaks off.") from error
        except BaseException:
            child.kill()
            raise
    if "problem" in content:
        raise CondenseError(f"{path}: {content['problem']}.")
    entries = {name: Entry(tuple(shape), kind, problem) for name, (shape, kind, problem) in content["entries"].items()}

    def read(name: str) -> Array:
        if entries[name].problem:
            raise CondenseError(f"{path}: {name} {entries[name].problem}.")
        return _unpadded(as_texts(arrays[name], f"{path}: {name}")) if arrays[name].dtype.kind == "U" else arrays[name]

    return Source(path, entries, read, matlab=True)


@dataclass(frozen=True)
class _Pipe:
    """A pipe that NumPy reads as a stream of bytes: as a file it would be asked for its position."""

    stream: IO[bytes]

    def read(self, length: int = -1, /) -> bytes:
        """So many bytes, or all."""
        return self.stream.read(length)


def _received(stream: IO[bytes] | None) -> tuple[dict, dict[str, Array]]:
    """What the child says is in the file, and the arrays. Raises EOFError or ValueError where it breaks off."""
    if stream is None or not (line := stream.readline()):
        raise EOFError
    content, pipe = json.loads(line), _Pipe(stream)
    return content, {name: np.lib.format.read_array(pipe) for name in content.get("arrays", [])}


def _open_new(path: Path) -> Source:
    try:
        with hdf5.opened(path) as file:
            # What starts with # holds the cells and objects that others refer to.
            entries = {name: entry for name, entry in hdf5.entries(file, nested=False).items() if not name.startswith("#")}
            turned = {name: _turned(file, name, entry) for name, entry in entries.items()}
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    return Source(path, turned, partial(_read_new, path, turned), matlab=True)


def _unpadded(texts: Array) -> Array:
    """Texts without the spaces that make the rows of a matrix of characters equally long."""
    return np.array([text.rstrip() for text in texts.ravel().tolist()], dtype=object).reshape(texts.shape)


def _damaged(path: Path, error: Exception) -> CondenseError:
    said = str(error)[:80]
    return CondenseError(f"{path}: cannot be read as a MATLAB file; damaged or of another kind ({said}).")


def _turned(file: h5py.File, name: str, entry: Entry) -> Entry:
    """The entry as MATLAB has it: HDF5 has the axes in reverse."""
    if entry.kind == "group":
        what = "a sparse matrix or a struct"
        return Entry(None, what, f"is {what}, which are read from files up to v7 only; save full({name}), or with -v7")
    kind = _class(file, name) if entry.shape is not None and not entry.problem else None
    kinds = {_CHARACTERS: "text", _LOGICAL: "bool"}
    return Entry(entry.shape and entry.shape[::-1], kinds.get(kind or b"", entry.kind), entry.problem)


def _class(file: h5py.File, name: str) -> bytes | None:
    stored = hdf5.dataset_attribute(file, name, "MATLAB_class")
    return stored if isinstance(stored, bytes) else None


def _read_new(path: Path, entries: dict[str, Entry], name: str) -> Array:
    if entries[name].problem:
        raise CondenseError(f"{path}: {name} {entries[name].problem}.")
    try:
        with hdf5.opened(path) as file:
            stored = hdf5.read(file, name).T
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if entries[name].kind == "text" and stored.dtype.kind in "iu":
        return _unpadded(np.array(["".join(map(chr, row)) for row in np.atleast_2d(stored).tolist()], dtype=object))
    return stored.astype(bool) if entries[name].kind == "bool" else stored
