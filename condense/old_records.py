"""Lines of records as versions up to 0.1 wrote them (they state no format), and what they are in format 2."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter

from condense.versions import Code

_DIVERGED = re.compile(r"seed (\d{1,19}): training diverged")
"""The note that was all the first records said of it."""


@dataclass
class _Finished:
    """What all lines had."""

    kind: str
    config: dict[str, Any]
    wall_seconds: float
    threads: int
    code_version: str
    library_versions: dict[str, str]
    started_at: str

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    def upgraded(self, task: str, cost: dict[str, Any], **more: Any) -> dict[str, Any]:
        cost = {name: getattr(self, name) for name in ("wall_seconds", "threads", "started_at")} | cost
        code = vars(Code.of(self.code_version, self.library_versions))
        return {"task": task, "config": self.config, "cost": cost, "code": code, **more}


@dataclass
class _Trained(_Finished):
    """Of stage C, stage T and the generalization experiments."""

    kind: Literal["learn", "evaluate", "whole", "fit"]  # pyright: ignore[reportIncompatibleVariableOverride]
    seeds: list[int]
    accuracies: list[float]
    peak_memory_bytes: int
    device: str
    losses: list[float] = field(default_factory=list)
    warm_up_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    execution: dict[str, Any] = field(default_factory=dict)

    def in_format_2(self) -> dict[str, Any]:
        cost = {name: getattr(self, name) for name in ("peak_memory_bytes", "device", "warm_up_seconds")}
        return self.upgraded(
            self.kind,
            cost | self.more_cost,
            seeds=self.seeds,
            metrics=self.metrics,
            series=self.all_series,
            notes=self.notes,
            diverged=self.all_diverged,
            execution=self.execution,
        )

    @property
    def metrics(self) -> dict[str, Any]:
        return {"accuracy": self.accuracies} if self.seeds or self.accuracies or self.kind != "learn" else {}

    @property
    def more_cost(self) -> dict[str, Any]:
        return {}

    @property
    def all_series(self) -> dict[str, Any]:
        losses = {"loss": self.losses} if self.losses else {}
        return losses | {"loss of a step" if name in losses else name: values for name, values in self.series.items()}

    @property
    def all_diverged(self) -> list[int]:
        noted = (int(found[1]) for note in self.notes if (found := _DIVERGED.fullmatch(note)))
        return list(dict.fromkeys([*self.diverged, *(seed for seed in noted if seed in self.seeds)]))


@dataclass
class _Sweep(_Trained):
    """Of the networks of a row of `condense sweep`; without held-out accuracies where rows were compared on test images."""

    kind: Literal["sweep"]  # pyright: ignore[reportIncompatibleVariableOverride]
    held_out_accuracies: list[float] = field(default_factory=list)
    training_accuracies: list[float] = field(default_factory=list)
    training_losses: list[float | None] = field(default_factory=list)
    training_seconds: float = 0.0
    estimated_seconds: float = 0.0
    estimated_memory_bytes: int = 0
    estimate: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, Any]:
        compared = self.held_out_accuracies or "held_out_images" in self.config
        held_out = {"held_out_accuracy": self.held_out_accuracies} if compared else {}
        fit = {"training_accuracy": self.training_accuracies, "training_loss": self.training_losses}
        return {"accuracy": self.accuracies, **held_out, **fit}

    @property
    def more_cost(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in ("estimated_seconds", "estimated_memory_bytes")}
        return {"training_seconds": self.training_seconds, "estimate": {**self.estimate, **said}}

    @property
    def all_diverged(self) -> list[int]:
        pairs = zip(self.seeds, self.training_losses, strict=False)  # lists of other lengths are refused with the new line
        return [seed for seed, loss in pairs if loss is None]


@dataclass
class _Parity(_Finished):
    """Of `condense parity`, always on the processor; its memory was not measured."""

    kind: Literal["part", "cause"]  # pyright: ignore[reportIncompatibleVariableOverride]
    name: str
    title: str
    results: dict[str, Any]

    def in_format_2(self) -> dict[str, Any]:
        results, seeds = dict(self.results), []
        if self.kind == "cause":
            seeds = results.pop("seeds", None)
        cost = {"device": "cpu", "peak_memory_bytes": None}
        results |= {"name": self.name, "title": self.title}
        return self.upgraded(self.kind, cost, seeds=seeds, metrics={}, results=results)


_LINES: dict[Any, TypeAdapter[Any]] = {
    **dict.fromkeys(("part", "cause"), TypeAdapter(_Parity)),
    "sweep": TypeAdapter(_Sweep),
}
_OTHERS = TypeAdapter(_Trained)


def in_format_2(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of an old line, but its `config_hash`, as those of a line of format 2; the configuration stays as it is.

    Accuracies and losses of networks become `metrics`, matching losses `series['loss']`, times and memory `cost`, the text
    of a version `code`; networks that diverged, which lines said in notes or by a loss that is not there, are in `diverged`;
    name, title and seeds of a parity line are in `results` and `seeds`. Raises `ValidationError` for what no version wrote.
    """
    kind = content.get("kind")
    adapter = _LINES.get(kind, _OTHERS) if isinstance(kind, str) else _OTHERS
    return adapter.validate_json(json.dumps(content), strict=True).in_format_2()
