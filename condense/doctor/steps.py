"""Checks of whole steps of the methods, as `condense learn` does them, against the twins: draws, augmentation, the update of
the images, the training of the network between.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from condense.augmentation.laws import SIAMESE
from condense.doctor.agreement import Check, Verdict, agreement
from condense.doctor.gradients import EXACT
from condense.doctor.scope import Scope
from condense.execution import Work, for_learning
from condense.reference import distribution_matching
from condense.reference.gradient_matching import PlainGradientMatching
from condense.stage_c.method import Method, Occasion
from condense.stage_c.methods.dc import DC
from condense.stage_c.methods.dm import DM
from condense.stage_c.methods.dsa import DSA
from condense.stage_c.problem import Problem

SEED = 3
"""Of draws under which the few steps of dsa take a sampling, a hole and a change of colour."""


def checks(scope: Scope, device: torch.device) -> Iterator[Check]:
    """Of dc, dsa and dm, in float64."""
    name, occasion = scope.networks[0], Occasion("random pixels", 1, scope.networks[0])
    loops = {"iterations": 1, "outer_loop": 2, "inner_loop": 2, "real_batch": scope.real}
    dc, dm = DC.published(occasion), DM.published(occasion)
    dsa = replace(DSA.published(occasion), augmentation=SIAMESE)
    problem = problem_of(scope, device)
    for method in (replace(dc, **loops), replace(dsa, **loops)):
        twin = (images for _, images, _ in PlainGradientMatching(method, problem).steps())
        yield Check(f"{name}, {method.name}, 2 outer steps, float64", partial(_compared, method, problem, twin))
    dm = replace(dm, iterations=2, real_batch=scope.real)
    twin = (images for _, images in distribution_matching.steps(dm, problem))
    yield Check(f"{name}, {dm.name}, 2 steps, float64", partial(_compared, dm, problem, twin))


def problem_of(scope: Scope, device: torch.device) -> Problem:
    """A problem in float64, computed as a short run is."""
    network, data = scope.network(), scope.images(device)
    execution = for_learning(network, device, Work(multiply_adds=1.0, batch=scope.real))
    return Problem(data, network, 1, SEED, torch.float64, given=execution)


def _compared(method: Method, problem: Problem, twin: Iterator[Tensor]) -> Verdict:
    """What the steps of method and twin made of the images."""
    begun = state = method.begin(problem)
    for number in range(method.steps(problem)):
        state, _ = method.step(problem, state, number)
    *_, right = twin
    return Verdict(agreement(state.images - begun.images, right - begun.images), EXACT)
