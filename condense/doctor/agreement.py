"""How well two results of the same computation agree, and how well they must."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Agreement(NamedTuple):
    """What lies between two results: the largest difference of two numbers, the length of all differences in lengths of the
    right result, and the cosine of the angle between the two.
    """

    largest: float
    relative: float
    cosine: float


def agreement(found: Tensor | Sequence[Tensor], right: Tensor | Sequence[Tensor]) -> Agreement:
    """The agreement of tensors of the same shapes, as one vector, in float64."""
    a, b = _vector(found), _vector(right)
    length = b.norm()
    return Agreement(
        float((a - b).abs().max()),
        float((a - b).norm() / length),
        float(torch.dot(a, b) / (a.norm() * length)),
    )


def _vector(tensors: Tensor | Sequence[Tensor]) -> Tensor:
    parts = [tensors] if isinstance(tensors, Tensor) else tensors
    return torch.cat([part.detach().cpu().double().flatten() for part in parts])


@dataclass(frozen=True)
class Verdict:
    """What a check saw, and what it must see: a relative error of at most `most`."""

    seen: Agreement
    most: float

    @property
    def passed(self) -> bool:
        """Whether it is so; numbers that are not finite agree with nothing."""
        return all(map(math.isfinite, self.seen)) and self.seen.relative <= self.most


class NotHereError(Exception):
    """Why there is nothing to check on this machine, which does not compute in that way."""


@dataclass(frozen=True)
class Check:
    """One thing to be checked. work: raises `NotHereError` where it is not done on this machine."""

    name: str
    work: Callable[[], Verdict]
