"""Checkpoints of stage C: where a run stands, written so that a kill at any moment leaves a complete one."""

import io
import json
import pickle
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from condense.errors import CondenseError
from condense.files import write_atomically
from condense.randomness import Device
from condense.stage_c.gradient_matching import State

FORMAT = "condense checkpoint 1"


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
    torch.save(
        {
            "format": FORMAT,
            "state": asdict(checkpoint.state),
            "seconds": checkpoint.seconds,
            "identity": json.dumps(checkpoint.identity, sort_keys=True),
        },
        buffer,
    )
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, identity: dict[str, Any], device: Device) -> Checkpoint:
    """Reads a checkpoint of the run with this identity.

    Raises `CondenseError` when it is damaged, or belongs to another run (naming the settings that differ).
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CondenseError(f"{path} is not a checkpoint of this version of condense.")
        stored = json.loads(content["identity"])
        checkpoint = Checkpoint(State(**content["state"]), content["seconds"], stored)
    except (
        OSError,
        RuntimeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CondenseError(f"The checkpoint {path} is damaged and cannot be resumed; delete it to start anew.") from error
    differing = sorted(key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key))
    if differing:
        changes = "; ".join(f"{key}: {stored.get(key)!r} there, {identity.get(key)!r} now" for key in differing)
        raise CondenseError(f"The checkpoint {path} belongs to another run ({changes}). Use those settings, or delete it.")
    return checkpoint
