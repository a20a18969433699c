"""Networks trained on all real images that selections look through, and labels come from: `experts`, and what they see."""

from collections.abc import Iterator

import torch
from torch import Tensor

from condense.execution import for_testing
from condense.networks.layers import Arithmetic
from condense.stage_c.experts import Plan
from condense.stage_c.fixed_network import Fixed
from condense.stage_c.problem import Problem
from condense.training.recipe import Recipe, Stage

BATCH = 256
"""Images in a batch of the networks' training."""


def in_two_halves(epochs: int, rate: float) -> tuple[Stage, ...]:
    """A tenth of the rate in the second half of the epochs."""
    later = epochs // 2
    return tuple(stage for stage in (Stage(epochs - later, rate), Stage(later, 0.1 * rate)) if stage.epochs)


def trained(problem: Problem, stages: tuple[Stage, ...], count: int = 1, epochs: tuple[int, ...] = ()) -> Plan:
    """So many networks trained with stage T's published optimiser and no augmentation; other seeds have other ones."""
    recipe = Recipe(stages, batch_size=BATCH, momentum=0.9, weight_decay=5e-4, new_optimisers=False)
    return Plan(recipe, count, epochs, first=problem.seed * count)


@torch.no_grad()
def seen(problem: Problem, fixed: Fixed, images: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """(Features (n, d), logits (n, classes)) of images (N, C, H, W), by default of all real ones, in parts and in order."""
    network, data = problem.network, problem.data
    execution = for_testing(network, data.device)
    arithmetic = Arithmetic(winograd=execution.winograd)
    for part in torch.arange(len(data if images is None else images), device=data.device).split(execution.part):
        x = data.inputs(part, problem.dtype) if images is None else images[part].to(problem.dtype)
        x = x.contiguous(memory_format=execution.memory_format)
        features = network.features(fixed.parameters, x, fixed.statistics, arithmetic=arithmetic)
        yield features, network.classified(fixed.parameters, features)
