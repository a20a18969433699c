"""Checkpoints of stage C: where a run stands, written so that a kill at any moment leaves a complete one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from condense.errors import CondenseError
from condense.randomness import Device
from condense.sealed import load_sealed, save_sealed
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
    content = {
        "state": asdict(checkpoint.state),
        "seconds": checkpoint.seconds,
        "identity": json.dumps(checkpoint.identity, sort_keys=True),
    }
    save_sealed(path, FORMAT, content)


def stored_identity(path: Path) -> dict[str, Any]:
    """The identity of the run that a checkpoint is of. Raises `CondenseError` when it is damaged."""
    return json.loads(load_sealed(path, FORMAT)["identity"])


def load_checkpoint(path: Path, identity: dict[str, Any], device: Device) -> Checkpoint:
    """Reads a checkpoint of the run with this identity.

    Raises `CondenseError` when it is damaged, or belongs to another run (naming the settings that differ).
    """
    content = load_sealed(path, FORMAT, device)
    stored = json.loads(content["identity"])
    differing = sorted(key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key))
    if differing:
        changes = "; ".join(f"{key}: {stored.get(key)!r} there, {identity.get(key)!r} now" for key in differing)
        raise CondenseError(f"The checkpoint {path} belongs to another run ({changes}). Use those settings, or delete it.")
    return Checkpoint(State(**content["state"]), content["seconds"], stored)
