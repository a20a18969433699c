"""A short probe of the machine: how long training steps of a network take, from which the estimates follow."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.execution import for_testing
from condense.networks.network import TRAINING_PASSES, Network
from condense.randomness import generator
from condense.studies.hyperparameters.estimate import Speed
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe, Stage

ROUNDS, ROUND_SECONDS = 3, 0.2
"""Each batch size is timed so often, in turn with the other, for about so long."""


@dataclass(frozen=True)
class _Drawn:
    """Images drawn from all over a data set, so that they are fetched from memory as in training."""

    images: LabelledImages
    chosen: Tensor

    @property
    def labels(self) -> Tensor:
        """int64 (N,)"""
        return self.images.labels[self.chosen]

    def inputs(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The images of `indices`, (S, C, H, W)."""
        return self.images.inputs(self.chosen[indices], dtype)


def probe(
    network: Network,
    images: LabelledImages,
    batches: Sequence[int],
    together: int,
    momentum: bool,
    seconds: float = 0.0,
) -> Speed:
    """The speed of `together` networks in one stack, from steps with two batch sizes at the ends of `batches`.

    momentum: whether the steps have any, which takes one more pass over the parameters. seconds: to spend on it where that
    is more than `ROUNDS` rounds take.

    Seconds of a step are a straight line in the batch size: its slope gives the rate, its value at zero the constant.
    """
    tested = for_testing(network, images.device).part
    largest = min(max(batches), tested)
    smallest = min(batches) if min(batches) < largest else max(1, largest // 4)
    largest = max(largest, 2)
    sizes = (smallest, largest) if smallest < largest else (1, largest)
    members = fresh_members(network, range(together), "probe", images.device)
    recipes = {size: Recipe((Stage(1, 1e-6),), batch_size=size, momentum=0.9 if momentum else 0.0) for size in sizes}
    steps = {size: _steps_to_time(network, members, images, recipes[size]) for size in sizes}
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(max(ROUNDS, round(seconds / (len(sizes) * ROUND_SECONDS)))):
        for size in sizes:
            found[size].append(_step_seconds(network, members, images, recipes[size], steps[size]))
    accuracies(network, members, _draw(images, tested))  # warms up testing for the context
    (low, at_low), (high, at_high) = ((size, median(found[size])) for size in sizes)
    slope = max((at_high - at_low) / (high - low), at_high / high / 100)
    arithmetic = TRAINING_PASSES * together * network.multiply_adds
    return Speed(constant=max(at_low - slope * low, 0.0), rate=arithmetic / slope)


def _steps_to_time(network: Network, members: Members, images: LabelledImages, recipe: Recipe) -> int:
    """How many steps fill a round; the first step warms up."""
    _step_seconds(network, members, images, recipe, 1)
    once = _step_seconds(network, members, images, recipe, 2)
    return max(1, round(ROUND_SECONDS / once))


def _step_seconds(network: Network, members: Members, images: LabelledImages, recipe: Recipe, steps: int) -> float:
    draws = [MemberDraws.of(seed, "probe", device=images.device) for seed in range(len(members))]
    source = _draw(images, recipe.batch_size * steps)
    began = time.perf_counter()
    train(network, members, source, recipe, draws)
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return (time.perf_counter() - began) / steps


def _draw(images: LabelledImages, count: int) -> _Drawn:
    random = generator(0, "probe images", device=images.device)
    return _Drawn(images, torch.randint(len(images), (count,), generator=random, device=images.device))
