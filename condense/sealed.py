"""Tensors in a file whose first line is the digest of the rest: damage is found, and no code is run in reading."""

import hashlib
import io
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.files import write_atomically
from condense.randomness import Device


def save_sealed(path: Path, format: str, content: dict[str, Any]) -> None:
    """Writes tensors, numbers and texts (in lists and dictionaries too) atomically; format: its name and version.

    Raises `CondenseError` when the disk is full, the file before it then still being there.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    # torch.load does not notice a flipped byte in a tensor, so a first line holds the digest of what follows it.
    write_atomically(path, f"{format} {hashlib.sha256(data).hexdigest()}\n".encode() + data)


def load_sealed(path: Path, format: str, device: Device = "cpu") -> dict[str, Any]:
    """Reads what `save_sealed` wrote, onto a device.

    Raises `CondenseError` for what is damaged or of another format. A digest says that a file is whole, not who made it, so
    nothing is known of the content but that it is a dictionary of tensors and plain values.
    """
    data = _intact(path, format)
    try:
        if not _has_honest_size(data):
            raise damaged(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on tensors of kinds that are never written, and refused by whoever reads them
            content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a forged file makes the reader raise; its advice is to run the code in it
        raise damaged(path) from error
    if not isinstance(content, dict):
        raise damaged(path)
    return content


def damaged(path: Path) -> CondenseError:
    """The error for a checkpoint that is not what was written."""
    return CondenseError(f"The checkpoint {path} is damaged and cannot be resumed; delete it to start anew.")


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number, and a finite one as a float too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def are_like(found: Mapping[Any, Any], expected: Mapping[str, Tensor]) -> bool:
    """Whether the tensors have the names, shapes and types of those expected, each number in a place of its own."""
    return set(found) == set(expected) and all(
        isinstance(found[name], Tensor)
        and not found[name].requires_grad  # no tensor of ours does
        and (found[name].shape, found[name].dtype, found[name].layout) == (wanted.shape, wanted.dtype, torch.strided)
        and found[name].untyped_storage().nbytes() >= wanted.numel() * wanted.element_size()
        for name, wanted in expected.items()
    )


def _has_honest_size(data: bytes) -> bool:
    """Whether the archive unpacks to no more than it takes itself."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(member.file_size for member in archive.infolist()) <= len(data)


def _intact(path: Path, format: str) -> bytes:
    """What follows the first line, once it agrees with the digest there."""
    try:
        header, _, data = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CondenseError(f"Cannot read the checkpoint {path}: {error.strerror or error}.") from error
    name, _, digest = header.decode(errors="replace").rpartition(" ")
    if name != format:
        raise CondenseError(f"{path} is not a checkpoint of this version of condense; delete it to start anew.")
    if digest != hashlib.sha256(data).hexdigest():
        raise damaged(path)
    return data
