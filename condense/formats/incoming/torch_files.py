"""PyTorch files of unknown origin: tensors and plain values alone; whatever else a pickle names is never run."""

import math
import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condense.errors import CondenseError, shortened
from condense.sizes import check_honest

TORCH_SUFFIXES = (".pt", ".pth", ".pyth", ".tar")
_CODES = {"f2": "e", "f4": "f", "f8": "d", "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
_CODES |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_NAMED = re.compile(r"GLOBAL ([\w.]+)")


class _Kind:
    """Stands in for `numpy.dtype` in a file: the type of a number, as text and byte order."""

    def __init__(self, code: object, *flags: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = ">" if state[1] == ">" else "<"
        else:
            raise pickle.UnpicklingError("a type of NumPy that is no number")


def _number(kind: object, data: object = b"") -> Any:
    """Stands in for NumPy's `scalar`: the number that bytes of a type are."""
    code = _CODES.get(kind.code) if isinstance(kind, _Kind) and isinstance(kind.code, str) else None
    data = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(kind, _Kind) or code is None or not isinstance(data, bytes) or len(data) != struct.calcsize(code):
        raise pickle.UnpicklingError("a value of NumPy that is no number")
    return struct.unpack(f"{kind.order}{code}", data)[0]


_ALLOWED: list[Any] = [
    (_Kind, "numpy.dtype"),
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
]
"""What a file may name beyond PyTorch's own: the numbers of NumPy that VICO's files hold, and of those only what is here is
run, nothing of NumPy's."""


def load_torch(path: Path) -> Any:
    """What a file holds: tensors on the CPU, lists, dictionaries, texts and numbers.

    Raises `CondenseError` for a file that is damaged, of another kind, or names code, which is not run.
    """
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_ALLOWED):
            warnings.simplefilter("ignore")  # about protocols of pickle and old storages
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CondenseError(f"{shortened(path)}: cannot be read ({error.strerror or 'damaged'}).") from error
    except pickle.UnpicklingError as error:
        named = _NAMED.search(str(error))
        if named is None:
            raise _damaged(path) from error
        raise CondenseError(
            f"{shortened(path)}: names {shortened(named[1])}, which reading it would run; nothing of it was run. Sets are "
            "read as tensors, lists, dictionaries, texts and numbers alone: save it anew as these."
        ) from error
    except Exception as error:  # PyTorch raises many kinds for damaged or foreign bytes
        raise _damaged(path) from error


def _damaged(path: Path) -> CondenseError:
    return CondenseError(
        f"{shortened(path)}: cannot be read as a PyTorch file of tensors; damaged, or it holds other objects. Nothing of it "
        "was run."
    )


def is_plain(value: object) -> bool:
    """Whether a value is a dense tensor of real numbers."""
    if not isinstance(value, Tensor):
        return False
    dense = value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu"
    return dense and not value.is_complex()


def plain(value: Tensor, path: Path, what: str) -> Tensor:
    """A tensor of a file by itself. Raises `CondenseError` for one that states more than its file can hold."""
    size = math.prod(value.shape) * value.element_size()
    check_honest(size, path.stat().st_size, f"{shortened(path)}: {what}")
    return value.detach().contiguous()
