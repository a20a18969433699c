"""How much quicker the fast paths are than the twins here, as long runs take them: an outer step of dc, and the training of
many networks. What both come to is compared on the way.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from condense.doctor.agreement import Verdict, agreement
from condense.doctor.gradients import ROUNDED
from condense.doctor.scope import Scope, random_images
from condense.doctor.training import PURPOSE, RECIPE, plainly_trained, trained
from condense.execution import LONG_FROM, Execution, Work, for_learning, for_training, warmed_up
from condense.networks.registry import build
from condense.reference.gradient_matching import PlainGradientMatching
from condense.stage_c.method import Occasion
from condense.stage_c.methods.dc import DC
from condense.stage_c.problem import Problem
from condense.training.engine import fresh_members
from condense.training.recipe import Stage
from condense.training.sources import TensorSource

LONG = Work(multiply_adds=LONG_FROM, batch=256)
EVALUATION_STEPS = 1_000
"""Training steps of a protocol, from which it follows whether it is compiled."""

REPEATS, ENOUGH_SECONDS = 3, 10.0
"""How often both are timed at most, and after how long no more."""


@dataclass(frozen=True)
class Speed:
    """Seconds of the same work by twin and fast path, medians, how it was computed, and how well both agree."""

    twin: float
    fast: float
    execution: Execution
    verdict: Verdict

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.twin / self.fast


@dataclass(frozen=True)
class Timing:
    """Something to be timed."""

    name: str
    work: Callable[[], Speed]


def timings(scope: Scope, device: torch.device) -> list[Timing]:
    """The training of many networks, and an outer step of dc, which takes longer to compile."""
    pixels, name = "x".join(map(str, scope.timed_shape)), scope.networks[0]
    step = f"outer step of dc, {name}, {pixels}, {scope.timed_classes} classes, {scope.timed_real} real images of each"
    epochs = f"{scope.epochs} epoch{'s' * (scope.epochs != 1)}"
    training = f"{epochs} of {scope.seeds} networks, {name}, {pixels}, {scope.timed_classes} images"
    return [
        Timing(training, partial(_training, scope, device)),
        Timing(step, partial(_outer_step, scope, device)),
    ]


def _outer_step(scope: Scope, device: torch.device) -> Speed:
    data = random_images(scope.timed_shape, scope.timed_classes, scope.timed_real, device)
    network = build(scope.networks[0], data.shape, data.classes)
    published = DC.published(Occasion(data.name, 1, network.name))
    method = replace(published, outer_loop=1, real_batch=scope.timed_real)
    problem = Problem(data, network, given=for_learning(network, device, replace(LONG, batch=scope.timed_real)))
    ready: list[Problem] = []

    def attempt(execution: Execution) -> None:
        ready.append(replace(problem, given=execution))
        method.warm_up(ready[-1])

    execution = warmed_up(problem.execution, attempt)
    problem = ready[-1] if ready and ready[-1].execution == execution else replace(problem, given=execution)
    begun, twin = method.begin(problem), PlainGradientMatching(method, problem).steps()
    moves = [images - begun.images for images in (method.step(problem, begun, 0)[0].images, next(twin)[1])]
    times = _timed(lambda: next(twin), lambda: method.step(problem, begun, 0), device)
    return Speed(*times, execution, Verdict(agreement(*moves), ROUNDED))


def _training(scope: Scope, device: torch.device) -> Speed:
    network = build(scope.networks[0], scope.timed_shape, scope.timed_classes)
    random = torch.Generator().manual_seed(4)
    images = torch.randn((network.classes, *network.input_shape), generator=random).to(device)
    source = TensorSource(images, torch.arange(network.classes, device=device))
    seeds, recipe = range(scope.seeds), replace(RECIPE, stages=(Stage(scope.epochs, 0.01),))
    members = fresh_members(network, seeds, PURPOSE, device)
    execution = for_training(network, device, batch=network.classes, steps=EVALUATION_STEPS)

    def attempt(execution: Execution) -> None:
        trained(network, members[: execution.stack], source, RECIPE, execution, seeds[: execution.stack])

    execution = warmed_up(execution, attempt, divisible=not network.has_batch_norm)

    def twin() -> Tensor:
        return plainly_trained(network, members, source, recipe, seeds)

    def fast() -> Tensor:
        return trained(network, members, source, recipe, execution, seeds).vector

    moves = [vectors - members.vector for vectors in (fast(), twin())]
    return Speed(*_timed(twin, fast, device), execution, Verdict(agreement(*moves), ROUNDED))


def _timed(twin: Callable[[], object], fast: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of both, called in turn, so often as there is time for."""
    readings = [(_seconds(twin, device), _seconds(fast, device))]
    while len(readings) < REPEATS and sum(map(sum, readings)) < ENOUGH_SECONDS:
        readings.append((_seconds(twin, device), _seconds(fast, device)))
    slow, quick = zip(*readings, strict=True)
    return _middle(slow), _middle(quick)


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
