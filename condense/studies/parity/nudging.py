"""Initial weights moved a little, in pairs of opposite directions: what rounding can do to a trajectory is measured so."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from condense.randomness import generator

UNITS = 256
"""Units in the last place by which weights are moved. What rounding does to a run is the effect of some units; moved by many
times as much, a run crosses every kink of the loss (a ReLU at 0, two equal entries of a maximum) that rounding could."""

NUDGES = 4
"""Moved runs: two pairs. Of two moved in opposite directions one goes to the other side of any kink within reach."""


def moved(value: Tensor, nudge: int, index: int) -> Tensor:
    """Each number of tensor number `index` `UNITS` units in the last place up or down; zeros stay.

    The directions are drawn with `nudge // 2`; nudges 2k and 2k + 1 have opposite ones.
    """
    up = torch.rand(value.shape, generator=generator(nudge // 2, "parity nudge", index)) < 0.5
    signs = torch.where(up if nudge % 2 == 0 else ~up, UNITS, -UNITS).to(value.dtype)
    unit = torch.nextafter(value.abs(), torch.full_like(value, torch.inf)) - value.abs()
    return torch.where(value == 0, value, value + signs * unit)


def nudged(initial: dict[str, np.ndarray], dtype: torch.dtype, nudge: int) -> dict[str, np.ndarray]:
    """Weights rounded to `dtype`, then `moved`; returned in float64."""
    return {
        name: moved(torch.from_numpy(value).to(dtype), nudge, index).double().numpy()
        for index, (name, value) in enumerate(initial.items())
    }


def with_nudges(name: str) -> tuple[str, ...]:
    """The name of a run and those of its moved ones, as parts name them."""
    return (name, *(moved_name for moved_name, _ in nudges_of(name)))


def nudges_of(name: str) -> Iterator[tuple[str, int]]:
    """(Name, nudge) of each moved run of the run of that name."""
    return ((f"{name}-moved{number}", number) for number in range(NUDGES))
