"""Checkpoints of stage C: where a run stands, written so that a kill at any moment leaves a complete one."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from condense.errors import CondenseError
from condense.files import write_atomically
from condense.randomness import Device
from condense.stage_c.gradient_matching import State

FORMAT = "condense checkpoint 2"


@dataclass(frozen=True)
class Checkpoint:
    """A state, the seconds of computing it took, and the identity of its run (configuration and fingerprint)."""

    state: State
    seconds: float
    identity: dict[str, Any]


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of a set to be saved at `out` lies."""
    return out.with_name(out.name + ".checkpoint")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes atomically; raises `CondenseError` when the disk is full, the checkpoint before it then still being there."""
    buffer = io.BytesIO()
    content = {
        "state": asdict(checkpoint.state),
        "seconds": checkpoint.seconds,
        "identity": json.dumps(checkpoint.identity, sort_keys=True),
    }
    torch.save(content, buffer)
    data = buffer.getvalue()
    # torch.load does not notice a flipped byte in a tensor, so a first line holds the digest of what follows it.
    write_atomically(path, f"{FORMAT} {hashlib.sha256(data).hexdigest()}\n".encode() + data)


def load_checkpoint(path: Path, identity: dict[str, Any], device: Device) -> Checkpoint:
    """Reads a checkpoint of the run with this identity.

    Raises `CondenseError` when it is damaged, or belongs to another run (naming the settings that differ).
    """
    content = torch.load(io.BytesIO(_intact(path)), map_location=device, weights_only=True)
    stored = json.loads(content["identity"])
    differing = sorted(key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key))
    if differing:
        changes = "; ".join(f"{key}: {stored.get(key)!r} there, {identity.get(key)!r} now" for key in differing)
        raise CondenseError(f"The checkpoint {path} belongs to another run ({changes}). Use those settings, or delete it.")
    return Checkpoint(State(**content["state"]), content["seconds"], stored)


def _intact(path: Path) -> bytes:
    """What follows the first line, once it agrees with the digest there."""
    try:
        header, _, data = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CondenseError(f"Cannot read the checkpoint {path}: {error.strerror or error}.") from error
    name, _, digest = header.decode(errors="replace").rpartition(" ")
    if name != FORMAT:
        raise CondenseError(f"{path} is not a checkpoint of this version of condense; delete it to start anew.")
    if digest != hashlib.sha256(data).hexdigest():
        raise CondenseError(f"The checkpoint {path} is damaged and cannot be resumed; delete it to start anew.")
    return data
