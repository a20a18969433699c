"""Checkpoints of runs in the middle of their training, so that a kill costs minutes of a long run and not all of it."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.sealed import are_like, damaged, load_sealed, save_sealed
from condense.studies.generalization.course import Course
from condense.training.engine import MemberDraws
from condense.training.optimisers import fresh_state
from condense.training.recipe import Recipe

FORMAT = "condense generalization checkpoint 2"
SECONDS = 60.0
"""Between the checkpoints of a stack, at least: shorter runs have none."""


@dataclass(frozen=True)
class Saved:
    """A run after so many epochs: vector (P,) of parameters, the optimiser's state, each tensor without the dimension of
    members, BatchNorm statistics each (channels,), the states of its generators, and its course.
    """

    epoch: int
    vector: Tensor
    optimiser: Tensors
    statistics: Tensors
    draws: list[Tensor]
    course: Course


_COURSE = TypeAdapter(Course)


def checkpoint_path(folder: Path, key: str, device: torch.device) -> Path:
    """The file of the run with this key. Generators of one kind of device say nothing to another's."""
    return folder / f"{key}-{device.type}"


def save(path: Path, saved: Saved) -> None:
    """Writes atomically; raises `CondenseError` when the disk is full."""
    save_sealed(path, FORMAT, {**vars(saved), "course": asdict(saved.course)})


def load(path: Path, network: Network, recipe: Recipe, device: torch.device) -> Saved | None:
    """What was saved of a run of a network by a recipe, None where nothing was.

    Raises `CondenseError` for a damaged file, and one that states what no such run can have come to.
    """
    if not path.exists():
        return None
    content = load_sealed(path, FORMAT, device)
    try:
        saved = Saved(**{**content, "course": _COURSE.validate_json(json.dumps(content["course"]), strict=True)})
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path) from error
    if not _is_possible(saved, network, recipe, device):
        raise damaged(path)
    return saved


def _is_possible(saved: Saved, network: Network, recipe: Recipe, device: torch.device) -> bool:
    """Whether these are tensors of the network and its optimiser, generators' states, and a course of as many epochs."""
    vector = torch.empty(network.parameter_count)
    expected = {"vector": vector}
    expected |= {f"optimiser.{name}": value[0] for name, value in fresh_state(recipe, vector[None]).items()}
    expected |= {f"statistics.{spec.name}": torch.empty(spec.shape) for spec in network.statistics_specs}
    if not (type(saved.epoch) is int and 0 < saved.epoch < recipe.epochs):
        return False
    if not (isinstance(saved.statistics, dict) and isinstance(saved.optimiser, dict)):
        return False
    found = {"vector": saved.vector}
    found |= {f"optimiser.{name}": value for name, value in saved.optimiser.items()}
    found |= {f"statistics.{name}": value for name, value in saved.statistics.items()}
    return are_like(found, expected) and _are_draws(saved.draws, device) and _is_course(saved.course, saved.epoch)


def _are_draws(states: object, device: torch.device) -> bool:
    """Whether generators can be put where these states were taken."""
    draws = MemberDraws.of(0, "any", device=device)
    expected = {str(place): state for place, state in enumerate(draws.states)}
    if not (isinstance(states, list) and len(states) == len(expected)):
        return False
    moved = {str(place): state.cpu() if isinstance(state, Tensor) else state for place, state in enumerate(states)}
    if not are_like(moved, expected):
        return False
    try:
        draws.restore(list(moved.values()))
    except RuntimeError:
        return False
    return True


def _is_course(course: Course, epoch: int) -> bool:
    """Whether a run that goes on can have come so far."""
    series = course.series
    losses, shares = series.get("train_loss", []), series.get("train_accuracy", [])
    numbers = [*(value for values in series.values() for value in values), course.final_test, course.seconds]
    return (
        not course.ended
        and len(losses) == len(shares) == epoch
        and len(series.get("test_accuracy", [])) == len(series.get("tested_at", []))
        and 0 <= course.epochs_at_chance <= epoch
        and all(map(math.isfinite, numbers))
        and all(0 <= share <= 1 for share in (*shares, course.final_test))
        and course.seconds >= 0
    )
