"""Checkpoints of stage T: the networks of one evaluation that are trained and tested already."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.execution import Execution
from condense.files import write_atomically
from condense.records import config_hash
from condense.sealed import damaged


@dataclass
class Tested:
    """Accuracy (fraction) and seconds by seed, the seeds that diverged; how they were trained
    (`Execution.facts`, empty: not begun), and the seconds that getting ready took.
    """

    accuracies: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    execution: dict[str, Any] = field(default_factory=dict)
    warm_up_seconds: float = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")


_ADAPTER = TypeAdapter(Tested)


def save_tested(path: Path, tested: Tested, identity: dict[str, Any]) -> None:
    """Writes atomically; identity: all that the accuracies depend on."""
    write_atomically(path, json.dumps({"identity": config_hash(identity), "tested": asdict(tested)}) + "\n")


def load_tested(path: Path, identity: dict[str, Any]) -> Tested:
    """What was tested before; nothing without the file.

    Raises `CondenseError` when it is damaged or belongs to an evaluation of another identity.
    """
    if not path.exists():
        return Tested()
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CondenseError(f"Cannot read the checkpoint {path}: {error.strerror or error}.") from error
    try:
        content = json.loads(text.decode())
        stored, written = content["identity"], json.dumps(content["tested"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path) from error
    if stored != config_hash(identity):
        raise CondenseError(
            f"The checkpoint {path} belongs to an evaluation of another set, under other settings, threads or versions. "
            "Use those, or delete it."
        )
    try:
        tested = _ADAPTER.validate_json(written, strict=True)
    except ValidationError as error:
        raise damaged(path) from error
    if not _is_possible(tested):
        raise damaged(path)
    return tested


def _is_possible(tested: Tested) -> bool:
    """Whether every network has an accuracy that is a fraction and seconds that can be, under a seed that can be."""
    seeds = set(tested.accuracies)
    return (
        set(tested.seconds) == seeds
        and set(tested.diverged) <= seeds
        and all(0 <= seed < 2**63 for seed in seeds)
        and all(0 <= accuracy <= 1 for accuracy in tested.accuracies.values())
        and all(0 <= seconds < math.inf for seconds in (*tested.seconds.values(), tested.warm_up_seconds))
        and (not tested.execution or _is_execution(tested.execution))
    )


def _is_execution(facts: dict[str, Any]) -> bool:
    try:
        Execution.of(facts)
    except ValueError:
        return False
    return True
