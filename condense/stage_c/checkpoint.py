"""Checkpoints of stage C: where a run stands, written so that a kill at any moment leaves a complete one."""

import json
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch

from condense.errors import CondenseError, quoted, shortened
from condense.execution import Execution
from condense.randomness import Device
from condense.sealed import are_like, damaged, is_finite, load_sealed, save_sealed
from condense.stage_c.method import Method, state_tensors
from condense.stage_c.problem import Problem

FORMAT = "condense checkpoint 3"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands.

    state: the method's; step: the next one's number; series: the losses of the steps before it, by name; seconds: of
    computing them; identity: of the run, its configuration and fingerprint; surroundings: what its last bits depend on;
    execution: how it computes; moves: what was otherwise when it was resumed elsewhere, a sentence each time.
    """

    state: Any
    step: int
    series: dict[str, list[float]]
    seconds: float
    identity: dict[str, Any]
    surroundings: dict[str, Any]
    execution: Execution
    moves: tuple[str, ...] = ()


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of a set to be saved at `out` lies."""
    return out.with_name(out.name + ".checkpoint")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes atomically; raises `CondenseError` when the disk is full, the checkpoint before it then still being there."""
    content = {
        "state": {one.name: getattr(checkpoint.state, one.name) for one in fields(checkpoint.state)},
        "step": checkpoint.step,
        "series": checkpoint.series,
        "seconds": checkpoint.seconds,
        "identity": json.dumps(checkpoint.identity, sort_keys=True),
        "surroundings": json.dumps(checkpoint.surroundings, sort_keys=True),
        "execution": json.dumps(checkpoint.execution.facts(), sort_keys=True),
        "moves": list(checkpoint.moves),
    }
    save_sealed(path, FORMAT, content)


@dataclass(frozen=True)
class Begun:
    """What a checkpoint says of its run, of which nothing but the outer form is certain."""

    content: dict[str, Any]
    identity: dict[str, Any]
    surroundings: dict[str, Any]
    execution: Execution
    moves: tuple[str, ...]


def read_begun(path: Path, device: Device = "cpu") -> Begun:
    """How a run was begun. Raises `CondenseError` when the checkpoint is damaged."""
    content = load_sealed(path, FORMAT, device)
    try:
        if set(content) != {"state", "step", "series", "seconds", "identity", "surroundings", "execution", "moves"}:
            raise ValueError(content)
        identity, surroundings = json.loads(content["identity"]), json.loads(content["surroundings"])
        execution = Execution.of(json.loads(content["execution"]))
    except (TypeError, ValueError, RecursionError) as error:
        raise damaged(path) from error
    moves = content["moves"]
    sound = isinstance(moves, list) and all(isinstance(move, str) for move in moves)
    if not (sound and isinstance(identity, dict) and isinstance(surroundings, dict)):
        raise damaged(path)
    return Begun(content, identity, surroundings, execution, tuple(moves))


def differences(there: dict[str, Any], now: dict[str, Any]) -> str:
    """What two descriptions say otherwise, in words; nothing where they agree."""
    names = sorted(name for name in there.keys() | now.keys() if there.get(name) != now.get(name))
    if "method" in names:  # which has settings of its own, so that others differ of themselves
        names = ["method"]
    texts = (f"{shortened(name)}: {quoted(there.get(name))} there, {quoted(now.get(name))} now" for name in names[:8])
    return "; ".join(texts)


def check_same_run(path: Path, there: dict[str, Any], now: dict[str, Any], *, anywhere: bool = True) -> None:
    """Raises `CondenseError` where a checkpoint is of another run than that of now, naming the settings that differ.

    anywhere: whether the settings are those that no --resume-anywhere leaves aside.
    """
    if changes := differences(there, now):
        instead = "" if anywhere else " --resume-anywhere goes on all the same, to other last digits."
        raise CondenseError(
            f"The checkpoint {path} belongs to another run ({changes}). Use those settings, or delete it.{instead}"
        )


def load_checkpoint(path: Path, begun: Begun, method: Method, problem: Problem) -> Checkpoint:
    """The checkpoint of a run, for the method that goes on with it.

    Raises `CondenseError` where it states what no state of this run can be.
    """
    content = begun.content
    step, series, seconds = content["step"], content["series"], content["seconds"]
    steps = method.steps(problem)
    if not (type(step) is int and 0 <= step <= steps and is_finite(seconds) and seconds >= 0 and _are_losses(series, step)):
        raise damaged(path)
    state = _state(content["state"], method.shape_of_state(problem, step))
    if state is None:
        raise damaged(path)
    return Checkpoint(state, step, series, seconds, begun.identity, begun.surroundings, begun.execution, begun.moves)


def _are_losses(series: Any, step: int) -> bool:
    """Whether these are losses by name, one for each of so many steps."""
    if not (isinstance(series, dict) and bool(series) == bool(step)):
        return False
    return all(
        isinstance(name, str) and isinstance(values, list) and len(values) == step and all(map(is_finite, values))
        for name, values in series.items()
    )


def _state(found: Any, wanted: Any) -> Any:
    """The state of these fields, where its tensors are like those wanted and finite; else None."""
    names = [one.name for one in fields(wanted)] if is_dataclass(wanted) else []
    if not (isinstance(found, dict) and set(found) == set(names)):
        return None
    if not all(isinstance(found[name], type(getattr(wanted, name))) for name in names):
        return None
    state = type(wanted)(**found)
    tensors = state_tensors(state)
    if not are_like(tensors, state_tensors(wanted)):
        return None
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values() if tensor.is_floating_point())
    return state if finite else None
