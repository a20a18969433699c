"""Tensors in a file whose first line is the digest of the rest: damage is found, and no code is run in reading."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

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
    """Reads what `save_sealed` wrote, onto a device. Raises `CondenseError` for what is damaged or of another format."""
    return torch.load(io.BytesIO(_intact(path, format)), map_location=device, weights_only=True)


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
        raise CondenseError(f"The checkpoint {path} is damaged and cannot be resumed; delete it to start anew.")
    return data
