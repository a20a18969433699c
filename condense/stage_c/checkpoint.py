"""Checkpoints of stage C: where a run stands, written so that a kill at any moment leaves a complete one."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from condense.errors import CondenseError, quoted, shortened
from condense.networks.layers import ParameterSpec
from condense.randomness import Device
from condense.sealed import are_like, damaged, is_finite, load_sealed, save_sealed
from condense.stage_c.gradient_matching import GradientMatching, State
from condense.stage_c.precision import PRECISIONS

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


def stored_precision(path: Path) -> str:
    """The precision of the run that a checkpoint is of. Raises `CondenseError` when it is damaged."""
    precision = _read(path, "cpu")[1].get("precision")
    if precision not in PRECISIONS:
        raise damaged(path)
    return precision


def load_checkpoint(path: Path, identity: dict[str, Any], matching: GradientMatching) -> Checkpoint:
    """Reads a checkpoint of the run with this identity, for the algorithm that goes on with it.

    Raises `CondenseError` when it is damaged, belongs to another run (naming the settings that differ), or states what no
    state of this run can be.
    """
    content, stored = _read(path, matching.data.device)
    # Which images they are is said by the fingerprint, whatever they are called.
    names = (stored.keys() | identity.keys()) - {"dataset"}
    differing = sorted(name for name in names if stored.get(name) != identity.get(name))
    if differing:
        changes = "; ".join(
            f"{shortened(key)}: {quoted(stored.get(key))} there, {quoted(identity.get(key))} now" for key in differing[:8]
        )
        raise CondenseError(f"The checkpoint {path} belongs to another run ({changes}). Use those settings, or delete it.")
    state, seconds = content["state"], content["seconds"]
    if not (_is_state(state, matching) and is_finite(seconds) and seconds >= 0):
        raise damaged(path)
    return Checkpoint(State(**{**state, "losses": tuple(state["losses"])}), seconds, stored)


def _read(path: Path, device: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Content, identity), of which nothing but the outer form is certain."""
    content = load_sealed(path, FORMAT, device)
    try:
        if set(content) != {"state", "seconds", "identity"}:
            raise ValueError(content)
        identity = json.loads(content["identity"])
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(path) from error
    if not isinstance(identity, dict):
        raise damaged(path)
    return content, identity


def _is_state(state: Any, matching: GradientMatching) -> bool:
    """Whether these are the fields of a `State` that a run of this algorithm can be in."""
    if not (isinstance(state, dict) and set(state) == {field.name for field in fields(State)}):
        return False
    plan, start = matching.plan, matching.start()
    iteration, outer, losses = state["iteration"], state["outer"], state["losses"]
    if not (type(iteration) is type(outer) is int and 0 <= iteration <= plan.iterations and 0 <= outer < plan.outer_loop):
        return False
    if not (isinstance(losses, list | tuple) and len(losses) == iteration and all(map(is_finite, losses))):
        return False
    in_mid = outer > 0
    expected = {
        **{f"{name}.": image for name, image in (("images", start.images), ("velocity", start.velocity))},
        "vector.": start.images.new_empty(matching.network.parameter_count if in_mid else 0),
        **({f"statistics.{spec.name}": start.images.new_empty(spec.shape) for spec in _statistics(matching, in_mid)}),
    }
    if not isinstance(state["statistics"], dict):
        return False
    found = {f"{name}.": state[name] for name in ("images", "velocity", "vector")}
    found |= {f"statistics.{name}": value for name, value in state["statistics"].items()}
    whole = is_finite(state["pending"]) and (in_mid or state["pending"] == 0) and (iteration < plan.iterations or not in_mid)
    return whole and are_like(found, expected) and bool(torch.isfinite(state["images"]).all())


def _statistics(matching: GradientMatching, in_mid: bool) -> tuple[ParameterSpec, ...]:
    """The running statistics that a state has: those of the network in mid-iteration."""
    return matching.network.statistics_specs if in_mid else ()
