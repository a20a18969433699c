"""A network that stays as it is: parameters by name, and BatchNorm's running statistics."""

from dataclasses import dataclass

from torch import Tensor

from condense.networks.layers import Tensors
from condense.stage_c.problem import Problem
from condense.training.layout import Layout


@dataclass(frozen=True)
class Fixed:
    """A network at a step: parameters by name, BatchNorm's running statistics."""

    parameters: Tensors
    statistics: Tensors


def fixed_at(problem: Problem, vector: Tensor, statistics: Tensors) -> Fixed:
    """A network of these parameters (P,), in the problem's type."""
    statistics = {name: value.to(problem.dtype) for name, value in statistics.items()}
    return Fixed(Layout.of(problem.network).views(vector.to(problem.dtype)), statistics)


def trained_for(problem: Problem, which: int, epoch: int) -> Fixed:
    """An expert of the problem after so many epochs."""
    expert = problem.experts[which]
    return fixed_at(problem, expert.vectors[epoch], expert.statistics[epoch])
