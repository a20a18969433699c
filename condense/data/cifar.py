"""CIFAR's files: Python pickles of plain values and one uint8 array, read without running anything that is in them."""

import io
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condense.errors import CondenseError

SHAPE = (3, 32, 32)


@dataclass
class _Stored:
    """What a pickle says of an object of NumPy's, an array or a type: taken down, and nothing made of it."""

    arguments: tuple[Any, ...]
    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _stored(*arguments: Any) -> _Stored:
    return _Stored(arguments)


def _encoded(text: Any, encoding: Any) -> bytes:
    """What `_codecs.encode` gives: bytes, as Python 3 writes them under protocol 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes are not stored as Latin-1")
    return text.encode("latin1")


_NAMES = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _stored for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _stored for core in ("core", "_core")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _stored,
    ("_codecs", "encode"): _encoded,
}


class _Unpickler(pickle._Unpickler):  # in Python: the compiled one takes memory for any place in its memo that a file names
    """Knows only the names that these files need."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Raises `UnpicklingError` for any other name."""
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _NAMES[module, name]


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a file, its keys as text. Raises `CondenseError` for what is no such file."""
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        return {key.decode("latin1") if isinstance(key, bytes) else str(key)[:80]: value for key, value in content.items()}
    except OSError:
        raise
    except Exception as error:  # a pickle of anything can fail in any way
        raise CondenseError(
            f"{path}: damaged, or no file of CIFAR's ({str(error)[:80] or type(error).__name__})."
        ) from error


def read_batch(path: Path, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and int64 labels (N,) of one file; labels: the key they are under.

    Raises `CondenseError` for a file that is damaged or holds something else.
    """
    content = read_pickle(path)
    found = content.get(labels)
    pixels = _array(content.get("data"))
    if pixels is None or not isinstance(found, list) or len(found) != len(pixels):
        needed = f"data of {math.prod(SHAPE)} bytes an image and as many {labels} are needed"
        raise CondenseError(f"{path}: damaged, or no file of CIFAR's ({needed}).")
    if not all(type(label) is int and 0 <= label < 100 for label in found):
        raise CondenseError(f"{path}: damaged; {labels} must be whole numbers from 0 to 99.")
    return pixels.reshape(-1, *SHAPE), np.array(found, np.int64)


def read_names(path: Path, key: str) -> tuple[str, ...]:
    """The names of the classes. Raises `CondenseError` for a file that is damaged or holds something else."""
    found = read_pickle(path).get(key)
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        raise CondenseError(f"{path}: damaged, or no file of CIFAR's ({key} must be a list of texts).")
    return tuple(found)


def _array(stored: Any) -> np.ndarray | None:
    """uint8 (N, 3072) from what a pickle says of an array, in protocols below 5 and in 5; None for anything else."""
    match stored:
        case _Stored(state=(_, (int() as rows, int() as columns), _Stored(arguments=("u1", *_)), False | 0, values)):
            data = values.encode("latin1") if isinstance(values, str) else values
        case _Stored(arguments=(data, _Stored(arguments=("u1", *_)), (int() as rows, int() as columns), "C")):
            pass
        case _:
            return None
    whole = isinstance(data, bytes | bytearray) and columns == math.prod(SHAPE) and rows > 0 and len(data) == rows * columns
    return np.frombuffer(data, np.uint8).reshape(rows, columns) if whole else None
