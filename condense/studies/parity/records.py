"""Records of a parity study: how they come to be, and that what they hold as results is what tables and figures read."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.machine import Surroundings, reproducible
from condense.memory import start_peak
from condense.records import Cost, Record, Task

CPU = torch.device("cpu")
"""Where everything is computed, as programs are compared there."""


def recorded(
    task: Task,
    name: str,
    title: str,
    settings: dict[str, Any],
    compute: Callable[[], dict[str, Any]],
    seeds: Sequence[int] = (),
) -> Record:
    """Computes the results of a piece of work, and what that cost.

    task: 'side' (one run), 'part' (a comparison) or 'cause' (a change measured with paired seeds); name: of its kind;
    title: for people.
    """
    with reproducible(CPU):
        surroundings, peak, start = Surroundings.of(CPU), start_peak(CPU), time.perf_counter()
        results = {"name": name, "title": title, **compute()}
        seconds = round(time.perf_counter() - start, 3)
    cost = Cost.of(surroundings, wall_seconds=seconds, peak_memory_bytes=peak.bytes())
    return Record(task, settings, list(seeds), {}, cost, surroundings.code, results=results)


_Fraction = Annotated[float, Field(ge=0, le=1)]


@dataclass
class _Named:
    """What tables are told of every piece of work."""

    name: str
    title: str


@dataclass
class _Part(_Named):
    """The fields of `parts.Judgement` and, as `judged`, the SHA-256 of each dump it was given on."""

    status: Literal["PASS", "FAIL", "NOT RUN"]
    sentence: str
    loss: float | None
    gradient: float | None
    weight: float | None
    first: str | None
    limit: float | None
    judged: dict[str, str] | None = None
    programs: list[str] = field(default_factory=list)
    floor_units: int = 1


@dataclass
class _Closing:
    first_steps: list[int | None]
    largest: float | None


@dataclass
class _Cause(_Named):
    """Lists with one entry for each seed, None where a network's loss was not finite."""

    base: str
    closes: str
    claim: str
    test_loss: list[float | None]
    aligned_test_loss: list[float | None]
    printed_loss: list[float | None]
    aligned_printed_loss: list[float | None]
    accuracy: list[list[_Fraction | None]]
    aligned_accuracy: list[list[_Fraction | None]]
    epochs_tested: list[int]
    first_steps: list[int | None]
    not_finite_from: list[int | None]
    closing: _Closing | None
    setting: dict[str, Any]
    steps: int = 1
    floor_units: int = 1


_RESULTS = {"part": TypeAdapter(_Part), "cause": TypeAdapter(_Cause)}
_NEEDED = ("framework", "dataset", "epochs", "batch")
"""Of the configuration, by the tables."""


def check(record: Record, where: str) -> None:
    """Raises `CondenseError`, which `where` begins, where what is read of the results of a part or a cause is missing, of
    another type, or not one value for each seed.
    """
    try:
        if record.task not in _RESULTS or any(record.config.get(name) is None for name in _NEEDED):
            raise ValueError("of another command")
        _RESULTS[record.task].validate_json(json.dumps(record.results), strict=True)
        if record.task == "cause":
            _check_lengths(record)
    except (ValueError, ValidationError) as error:
        raise CondenseError(f"{where}: not a complete record of condense parity.") from error


def _check_lengths(record: Record) -> None:
    found, seeds = record.results, len(record.seeds)
    by_seed = [found[name] for name in ("test_loss", "aligned_test_loss", "printed_loss", "aligned_printed_loss")]
    by_seed += [found["first_steps"], found["not_finite_from"], *found["accuracy"], *found["aligned_accuracy"]]
    tests = {len(found["epochs_tested"]), len(found["accuracy"]), len(found["aligned_accuracy"])}
    if not seeds or any(len(values) != seeds for values in by_seed) or len(tests) > 1 or tests == {0}:
        raise ValueError("lists of other lengths")
