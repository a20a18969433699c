"""What causes do: the settings of the runs behind them, and what comes out of the runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
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


@dataclass(frozen=True, eq=False)
class CauseTable:
    """The settings of all runs on one data set, and what comes out of them."""

    config: ParityConfig
    data: DataSet

    def results(self, cause: Cause, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
        """The results of a cause, as its record holds them; outcomes: of the networks it takes, by the name of their run."""
        base = self.setting(cause.base)
        aligned_outcome = outcomes[f"{cause.base}-aligned"]
        nudges = [outcomes[name].losses for name, _ in nudges_of(cause.base)]
        changed, outcome = self.changed(base, cause), outcomes[f"{cause.base}-{cause.name}"]
        losses = outcome.losses * self.loss_unit(changed, base)
        closed = outcomes.get(f"{cause.base}-{cause.name}-closed")
        return {
            "base": cause.base,
            "closes": cause.closes,
            "claim": cause.claim,
            "steps": len(outcome.losses),
            "first_steps": effects.first_steps(losses, aligned_outcome.losses, nudges),
            "floor_units": UNITS,
            "not_finite_from": [_not_finite(column) for column in outcome.losses.T],
            "closing": None if closed is None else self._closing(cause, closed, aligned_outcome, nudges),
            "setting": asdict(changed),
            "epochs_tested": outcome.tested.tolist(),
            **_results("", outcome),
            **_results("aligned_", aligned_outcome),
        }

    def changed(self, base: Setting, cause: Cause | None, *, closed: bool = False) -> Setting:
        """The base's setting with a cause's change; closed: and with what undoes its effect."""
        if cause is None:
            return base
        changed = self._other(cause.changed(base))
        undone = cause.closed(base, self.task(changed).outputs) if closed else changed
        assert undone is not None, "Only causes that something closes are asked for it."
        return undone

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
        task, shared = self.task(setting), self.shared(base)
        order = training.orders(setting, len(task.x), task.y, shared.epochs, shared.seeds[0])
        images = (order >= 0).sum(1, keepdims=True)
        if setting.loss == base.loss or setting.loss not in REDUCTIONS:
            return np.ones(images.shape)
        return task.outputs * np.ones(images.shape) if setting.loss == "mean of squares" else 1 / images

    def shared(self, base: Setting) -> Run:
        """Seeds and epochs of all runs on a base."""
        config = self.config
        assert config.epochs
        seeds = tuple(range(config.seed, config.seed + config.seeds))
        return Run(seeds, REGRESSION_EPOCHS if base.base == "regression" else config.epochs)

    def _closing(
        self, cause: Cause, outcome: Outcome, aligned_outcome: Outcome, nudges: Sequence[np.ndarray]
    ) -> dict[str, Any]:
        """How far the closed run is from the aligned one: where its losses leave the floor, and by how much at most."""
        base = self.setting(cause.base)
        losses = outcome.losses * self.loss_unit(self.changed(base, cause, closed=True), base)
        first = effects.first_steps(losses, aligned_outcome.losses, nudges)
        apart = effects.relative(losses, aligned_outcome.losses).max()
        return {"first_steps": first, "largest": float(apart) if np.isfinite(apart) else None}

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
