"""Measures causes: the aligned runs of each base, their floor, then each cause, one record each."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from condense.data.images import DataSet
from condense.studies.parity import effects, perceptron
from condense.studies.parity import members as training
from condense.studies.parity.causes import Cause
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.effects import Outcome, Run
from condense.studies.parity.members import Task
from condense.studies.parity.nudging import UNITS, nudges_of
from condense.studies.parity.preparation import prepared
from condense.studies.parity.setting import Setting, aligned

REGRESSION_EPOCHS = 10
REDUCTIONS = ("sum", "sum of squares", "mean of squares")
"""Losses that differ from their base's by a factor alone."""

Begins = Callable[[str], Callable[[int, int], None]]


@dataclass(eq=False)
class CauseTable:
    """Runs causes on one data set; every run is a file in `folder`, so nothing is trained twice."""

    config: ParityConfig
    data: DataSet
    folder: Path
    begins: Begins
    _bases: dict[str, tuple[Setting, Outcome, list[np.ndarray]]] = field(default_factory=dict)

    def measure(self, cause: Cause) -> dict[str, Any]:
        """The results of a cause, as its record holds them."""
        base, aligned_outcome, nudges = self.base(cause.base)
        changed = self._other(cause.changed(base))
        outcome = self._run(f"{cause.base}-{cause.name}", changed, base)
        losses = outcome.losses * self.loss_unit(changed, base)
        first = effects.first_steps(losses, aligned_outcome.losses, nudges)
        closed = cause.closed(base, self.task(changed).outputs)
        closing = self._closing(cause, closed, base, aligned_outcome, nudges) if closed else None
        return {
            "base": cause.base,
            "closes": cause.closes,
            "claim": cause.claim,
            "seeds": list(self._shared(base).seeds),
            "steps": len(outcome.losses),
            "first_steps": first,
            "floor_units": UNITS,
            "not_finite_from": [_not_finite(column) for column in outcome.losses.T],
            "closing": closing,
            "setting": asdict(changed),
            "epochs_tested": outcome.tested.tolist(),
            **_results("", outcome),
            **_results("aligned_", aligned_outcome),
        }

    def base(self, name: str) -> tuple[Setting, Outcome, list[np.ndarray]]:
        """(Aligned setting, its outcome, losses of the nudged runs) of a base."""
        if name not in self._bases:
            setting = self.setting(name)
            outcome = self._run(f"{name}-aligned", setting, setting)
            nudges = [self._run(run, setting, setting, nudge=n).losses for run, n in nudges_of(name)]
            self._bases[name] = setting, outcome, nudges
        return self._bases[name]

    def setting(self, base: str) -> Setting:
        """The aligned setting of a base under this configuration."""
        config = self.config
        assert config.batch and config.preparation
        return aligned(
            base,
            rate=config.learning_rate,
            momentum=config.momentum,
            batch=config.batch,
            weight_decay=1 / (config.regularisation * len(self.data.train)),
            preparation=config.preparation,
        )

    def loss_unit(self, setting: Setting, base: Setting) -> np.ndarray:
        """(S, 1): the factors that bring losses of another reduction to the base's unit; 1 where that is the same.

        Without them the first step above the floor would be the first, whatever the trajectory does.
        """
        task, shared = self.task(setting), self._shared(base)
        order = training.orders(setting, len(task.x), task.y, shared.epochs, shared.seeds[0])
        images = (order >= 0).sum(1, keepdims=True)
        if setting.loss == base.loss or setting.loss not in REDUCTIONS:
            return np.ones(images.shape)
        return task.outputs * np.ones(images.shape) if setting.loss == "mean of squares" else 1 / images

    def _closing(
        self, cause: Cause, closed: Setting, base: Setting, aligned_outcome: Outcome, nudges: Sequence[np.ndarray]
    ) -> dict[str, Any]:
        """How far the closed run is from the aligned one, in units of the floor; compared by test loss and by losses."""
        outcome = self._run(f"{cause.base}-{cause.name}-closed", closed, base)
        losses = outcome.losses * self.loss_unit(closed, base)
        first = effects.first_steps(losses, aligned_outcome.losses, nudges)
        apart = effects.relative(losses, aligned_outcome.losses).max()
        return {"first_steps": first, "largest": float(apart) if np.isfinite(apart) else None}

    def _run(self, name: str, setting: Setting, base: Setting, nudge: int | None = None) -> Outcome:
        task = self.task(setting)
        return effects.run(setting, base, task, self._shared(base), self.folder / f"{name}.npz", self.begins(name), nudge)

    def _shared(self, base: Setting) -> Run:
        config = self.config
        assert config.epochs
        seeds = tuple(range(config.seed, config.seed + config.seeds))
        return Run(seeds, REGRESSION_EPOCHS if base.base == "regression" else config.epochs)

    def _other(self, setting: Setting) -> Setting:
        """The preparation that simpleNN's base does not use."""
        other = "minmax" if self.config.preparation == "simplenn" else "simplenn"
        return replace(setting, preparation=other) if setting.preparation == "other" else setting

    def task(self, setting: Setting) -> Task:
        """The data of a setting: prepared images, or the regression."""
        return _task(self.data, setting.base == "regression", setting.preparation, self.config.seed)


@cache
def _task(data: DataSet, regression: bool, preparation: str, seed: int) -> Task:
    if regression:
        return Task(*perceptron.sine_sum(seed), outputs=1)
    problem = prepared(data, preparation)
    return Task(problem.x, problem.y, problem.test_x, problem.test_y, problem.classes)


def _results(prefix: str, outcome: Outcome) -> dict[str, Any]:
    accuracy = [[_number(value) for value in row] for row in outcome.accuracy]
    return {
        f"{prefix}test_loss": [_number(value) for value in outcome.test_loss],
        f"{prefix}printed_loss": [_number(value) for value in outcome.printed_loss],
        f"{prefix}accuracy": accuracy,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _not_finite(losses: np.ndarray) -> int | None:
    bad = ~np.isfinite(losses)
    return int(bad.argmax()) + 1 if bad.any() else None
