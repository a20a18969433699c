"""Problems of stage C with how they are computed, and walks over a method's steps."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.execution import Execution, Work, for_learning
from condense.networks.network import Network
from condense.networks.registry import build
from condense.randomness import generator
from condense.stage_c.expert_matching import ExpertMatching
from condense.stage_c.experts import Expert
from condense.stage_c.method import Method
from condense.stage_c.problem import Problem
from condense.training.layout import Layout

CPU = torch.device("cpu")

PATHS: dict[str, dict[str, Any]] = {"in turn": {}, "all classes": {"together": True}, "compiled": {"path": "compiled"}}
"""The ways of computing stage C, by what is changed of an execution."""


def execution_of(network: Network, *, batch: int, **changed: Any) -> Execution:
    """How short runs are computed on the CPU with so many real images of a class, with something changed."""
    return replace(for_learning(network, CPU, Work(multiply_adds=1.0, batch=batch)), **changed)


def problem_of(
    data: LabelledImages,
    network: str,
    images_per_class: int = 1,
    *,
    seed: int = 0,
    batch: int = 256,
    dtype: torch.dtype = torch.float64,
    **changed: Any,
) -> Problem:
    """A problem on these images; changed: of its execution."""
    built = build(network, data.shape, data.classes)
    execution = execution_of(built, batch=batch, **changed)
    return Problem(data, built, images_per_class, seed, dtype, given=execution)


def with_drawn_experts(problem: Problem, count: int, epochs: int) -> Problem:
    """The problem with experts whose weights at every epoch are drawn, so that they are the same on every machine."""

    def expert(seed: int) -> Expert:
        statistics = problem.network.initial_statistics()
        drawn = {
            epoch: Layout.of(problem.network).flatten(problem.network.initial(generator(seed, "drawn expert", epoch)))
            for epoch in range(epochs + 1)
        }
        losses = (1.0,) * epochs
        return Expert(seed, drawn, dict.fromkeys(drawn, statistics), losses, seconds=1.0, digest=str(seed), made={})

    return replace(problem, experts=tuple(map(expert, range(count))))


def walked(method: Method, problem: Problem, count: int) -> tuple[Any, list[float]]:
    """The state after so many steps, and the first loss of each."""
    state, losses = method.begin(problem), list[float]()
    for number in range(count):
        state, found = method.step(problem, state, number)
        losses.append(float(next(iter(found.values()))))
    return state, losses


def steps_equal_the_twin(
    settings: ExpertMatching, problem: Problem, twin: Iterable[tuple[float, float, Tensor]], *, absolute: float = 1e-12
) -> int:
    """Compares each step with the twin's (distance, cross-entropy, images after it); how many there were.

    absolute: by what values of images may differ.
    """
    state, number = settings.begin(problem), 0
    for distance, loss, images in twin:
        state, losses = settings.step(problem, state, number)
        number += 1
        assert float(losses["distance"]) == pytest.approx(distance, rel=1e-10)
        assert float(losses["cross-entropy"]) == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=absolute)
    return number


def ends_as_class_by_class(settings: ExpertMatching, problem: Problem, images: Tensor) -> None:
    """Compares the images after two steps with those of a walk class by class, with momentum .5, of ten classes."""
    begun, (state, _) = settings.begin(problem).images, walked(settings, problem, 2)
    # What momentum has still to move when the last sweep ends is .5 to the power of the classes that follow: compared are
    # the first half of ten.
    moved, apart = ((one - begun)[:5].norm() for one in (images, images + begun - state.images))
    assert moved > 0 and apart < 0.5**5 * moved
