"""The loop over the steps of any method: clock, progress, checkpoints, resuming, finite numbers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condense.errors import Interrupted, RunFailed
from condense.events import OfSteps, Step
from condense.execution import Execution, shrinking
from condense.sealed import damaged
from condense.stage_c.answers import answering, check_state, checked_step, counts_of
from condense.stage_c.checkpoint import Checkpoint, save_checkpoint
from condense.stage_c.method import Method, all_finite, state_tensors
from condense.stage_c.problem import Problem
from condense.synthetic_set import SyntheticSet

CHECKPOINT_SECONDS = 60.0

STEPS_BETWEEN_LOOKS = {"cpu": 1, "cuda": 50}
"""Steps after which losses and states are looked at, for numbers that are not finite: a GPU is waited for each time."""

Made = Callable[[Problem, Any, int], SyntheticSet]
"""The set of a problem that a state stands for after so many steps."""


@dataclass
class _Reached:
    """Where a run stands, with the losses that were looked at."""

    state: Any
    step: int = 0
    series: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What a run came to: the last state, the losses of all steps by name, seconds of computing, and how it computed."""

    state: Any
    series: dict[str, list[float]]
    seconds: float
    problem: Problem


class Driver:
    """One run of a method on a problem.

    identity, surroundings, moves: of the run, for its checkpoint at `path` (None: it keeps none).
    """

    def __init__(
        self,
        method: Method,
        problem: Problem,
        path: Path | None,
        *,
        identity: dict[str, Any],
        surroundings: dict[str, Any],
        moves: tuple[str, ...] = (),
    ) -> None:
        self.method, self.problem, self.path = method, problem, path
        self.identity, self.surroundings, self.moves = identity, surroundings, moves
        self.steps, self.round = counts_of(method, problem)
        self.look_after = STEPS_BETWEEN_LOOKS[problem.data.device.type]
        self.seconds = 0.0
        self.names: list[str] | None = None

    def finish(self, begun: Checkpoint | None, progress: OfSteps, made: Made) -> Finished:
        """Does all steps that are left. Raises `RunFailed` where numbers are no longer finite, `Interrupted` on Ctrl-C.

        begun: where an earlier call stood; made: the set of where a run stands, for who is told of progress. What `progress`
        raises comes out, and the checkpoint keeps the step before.
        """
        if begun is None:
            reached = self._begun()
        else:
            reached = _Reached(begun.state, begun.step, begun.series)
            self.seconds = begun.seconds
        try:
            self._go_on(reached, progress, made)
        except KeyboardInterrupt as error:
            done = f"Stopped after {reached.step:,} of {self.steps:,} steps"
            raise Interrupted(f"{done}{self._kept(reached)}") from error
        except RunFailed as error:
            kept = "" if self.path is None else f" {self.path} keeps the state before that step."
            self._save(reached)
            raise RunFailed(f"{error}{kept}") from error
        self._save(reached)  # whatever fails from here on, in making the set or saving it, loses nothing
        return Finished(reached.state, reached.series, self.seconds, self.problem)

    def _begun(self) -> _Reached:
        with answering(self.method):
            state = self.method.begin(self.problem)
        check_state(self.method, self.problem, state, 0)
        return _Reached(state)

    def _go_on(self, reached: _Reached, progress: OfSteps, made: Made) -> None:
        saved = mark = time.perf_counter()
        while reached.step < self.steps:
            self._some_steps(reached, min(self.look_after, self.steps - reached.step))
            now = time.perf_counter()
            self.seconds, mark = self.seconds + now - mark, now
            self._tell(reached, progress, made)
            if now - saved > CHECKPOINT_SECONDS:
                self._save(reached)
                saved = now

    def _tell(self, reached: _Reached, progress: OfSteps, made: Made) -> None:
        losses = {name: values[-1] for name, values in reached.series.items()}
        as_set = partial(made, self.problem, reached.state, reached.step)
        event = Step(reached.step, self.steps, self._latest_loss(reached), losses, self.seconds, as_set)
        try:
            progress(event)
        except Exception:
            self._save(reached)
            raise

    def _some_steps(self, reached: _Reached, count: int) -> None:
        """So many steps; what is reached changes only once their losses and the last state are seen to be finite."""
        state, losses = reached.state, list[dict[str, float | Tensor]]()
        for number in range(reached.step, reached.step + count):
            state, found = self._step(state, number, reached)
            losses.append(found)
        series = {name: _numbers([found[name] for found in losses]) for name in losses[0]}
        floating = [tensor for tensor in state_tensors(state).values() if tensor.is_floating_point()]
        finite = all(torch.isfinite(torch.tensor(values)).all() for values in series.values())
        if not (finite and bool(all_finite(floating))):
            raise RunFailed(
                f"Stage C stopped at step {reached.step + count:,} of {self.steps:,}: the loss or the images are no longer "
                "finite. Try a smaller learning rate."
            )
        reached.state, reached.step = state, reached.step + count
        for name, values in series.items():
            reached.series.setdefault(name, []).extend(values)

    def _step(self, state: Any, number: int, reached: _Reached) -> tuple[Any, dict[str, float | Tensor]]:
        """A step; where a GPU's memory runs out, again in smaller parts, in which the run goes on."""

        def step(execution: Execution) -> Any:
            if execution != self.problem.execution:
                self.problem = replace(self.problem, given=execution)
            with answering(self.method):
                return self.method.step(self.problem, state, number)

        answer = shrinking(self.problem.execution, step, divisible=not self.problem.network.has_batch_norm)[1]
        after, losses = checked_step(self.method, answer, self.names)
        if self.names is None:  # of the first step: what holds then is taken to hold of all
            check_state(self.method, self.problem, after, number + 1)
            if self.path is not None and reached.series and reached.series.keys() != losses.keys():
                raise damaged(self.path)  # what it says of the steps before is not of this method
            self.names = list(losses)
        return after, losses

    def _save(self, reached: _Reached) -> None:
        if self.path is not None:
            save_checkpoint(
                self.path,
                Checkpoint(
                    reached.state,
                    reached.step,
                    reached.series,
                    self.seconds,
                    self.identity,
                    self.surroundings,
                    self.problem.execution,
                    self.moves,
                ),
            )

    def _kept(self, reached: _Reached) -> str:
        if self.path is None:
            return "."
        self._save(reached)
        return f"; {self.path} keeps it."

    def _latest_loss(self, reached: _Reached) -> float:
        """Of the iteration that the last step belongs to, as far as it is done."""
        values = next(iter(reached.series.values()))
        done = reached.step % self.round or self.round
        with answering(self.method):
            return self.method.loss(self.problem, values[-done:])


def losses_of(method: Method, problem: Problem, series: dict[str, list[float]]) -> list[float]:
    """The loss of each finished iteration."""
    if not series:
        return []
    values, size = next(iter(series.values())), method.round(problem)
    with answering(method):
        return [method.loss(problem, values[first : first + size]) for first in range(0, len(values) - size + 1, size)]


def _numbers(values: list[float | Tensor]) -> list[float]:
    """Losses as numbers; those of tensors are fetched at once."""
    if all(isinstance(value, Tensor) for value in values):
        return torch.stack([value.detach().double().reshape(()) for value in values if isinstance(value, Tensor)]).tolist()
    return [float(value) for value in values]
