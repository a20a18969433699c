"""The training engine: E networks of one architecture, each with its own seed, trained together.

All parameters lie in one (E, P) tensor. Members are trained in turn, or stacked through `torch.func.vmap`, whichever is
quicker (`stacking`); a member's draws depend on its own seed alone,
and its numbers differ with its company by rounding at most.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad_and_value, vmap

from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.randomness import Device, generator
from condense.training.augmentation import augment
from condense.training.layout import Layout
from condense.training.recipe import Recipe
from condense.training.sources import Source
from condense.training.stacking import images_at_once


@dataclass
class Members:
    """E networks: vector (E, P) of parameters, BatchNorm statistics each (E, channels)."""

    vector: Tensor
    statistics: Tensors

    def __len__(self) -> int:
        return len(self.vector)

    def __getitem__(self, part: slice) -> "Members":
        return Members(self.vector[part], {name: value[part] for name, value in self.statistics.items()})

    @staticmethod
    def join(parts: Sequence["Members"]) -> "Members":
        """Several groups of members as one."""
        names = parts[0].statistics
        return Members(
            torch.cat([p.vector for p in parts]), {name: torch.cat([p.statistics[name] for p in parts]) for name in names}
        )


@dataclass(frozen=True)
class MemberDraws:
    """The generators of one member: batch order, augmentation, dropout."""

    order: torch.Generator
    augmentation: torch.Generator
    dropout: torch.Generator

    @staticmethod
    def of(seed: int, purpose: str, *steps: int, device: Device = "cpu") -> "MemberDraws":
        """Generators derived from a seed and a purpose."""
        return MemberDraws(
            *(generator(seed, f"{purpose} {use}", *steps, device=device) for use in ("order", "augmentation", "dropout"))
        )


def fresh_members(
    network: Network, seeds: Sequence[int], purpose: str, device: Device = "cpu", dtype: torch.dtype = torch.float32
) -> Members:
    """Newly initialised networks, drawn on the CPU so that a seed means the same network on every device."""
    layout = Layout.of(network)
    vectors = [layout.flatten(network.initial(generator(seed, purpose), dtype)) for seed in seeds]
    statistics = network.initial_statistics(device, dtype)
    return Members(
        torch.stack(vectors).to(device), {name: v.expand(len(seeds), -1).clone() for name, v in statistics.items()}
    )


def train(
    network: Network,
    members: Members,
    source: Source,
    recipe: Recipe,
    draws: Sequence[MemberDraws],
    *,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> Members:
    """Trains every member by the recipe on `source` and returns the trained members; the given ones stay as they are.

    Members are one stack here; the caller chooses how many it gives at a time. `after_epoch` is told each finished epoch.
    Dropout needs members one at a time.
    """
    step = _Step(network, recipe)
    vector, statistics = members.vector.clone(), dict(members.statistics)
    epoch = 0
    for stage in recipe.stages:
        velocity = torch.zeros_like(vector)
        for _ in range(stage.epochs):
            for indices in _batches(len(source.labels), recipe.batch_size, draws, vector.device):
                x, y = source.inputs(indices, vector.dtype), source.labels[indices]
                x = augment(x, recipe.augmentation, [draw.augmentation for draw in draws])
                gradient, statistics = step.gradient(vector, statistics, x, y, draws)
                sgd_step(vector, velocity, gradient, stage.learning_rate, recipe)
            epoch += 1
            after_epoch(epoch)
    return Members(vector, statistics)


def sgd_step(vector: Tensor, velocity: Tensor, gradient: Tensor, learning_rate: float, recipe: Recipe) -> None:
    """One step of SGD in place: v <- momentum v + gradient + weight decay w;  w <- w - learning rate v."""
    if recipe.weight_decay:
        gradient = gradient.add(vector, alpha=recipe.weight_decay)
    if recipe.momentum:
        gradient = velocity.mul_(recipe.momentum).add_(gradient)
    vector.sub_(gradient, alpha=learning_rate)


def _batches(size: int, batch: int, draws: Sequence[MemberDraws], device: Device) -> Iterator[Tensor]:
    """Indices (E, B) of each batch of one epoch, every member in its own random order."""
    orders = [torch.randperm(size, generator=draw.order, device=draw.order.device) for draw in draws]
    yield from torch.stack(orders).to(device).split(batch, dim=1)


class _Step:
    """The gradient of the training loss of stacked members."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        self.network, self.layout = network, Layout.of(network)
        self.stacked = vmap(grad_and_value(self._loss, has_aux=True), randomness="error")

    def _loss(self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, dropout: torch.Generator | None = None):
        logits, after = self.network.train_logits(self.layout.views(vector), x, statistics, dropout)
        return F.cross_entropy(logits, y), after

    def gradient(
        self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, draws: Sequence[MemberDraws]
    ) -> tuple[Tensor, Tensors]:
        """Gradient (E, P) and the running statistics after the step; x is (E, B, C, H, W)."""
        if len(vector) > 1:
            gradients, (_, after) = self.stacked(vector, statistics, x, y)
            return gradients, after
        x = x[0].contiguous(memory_format=torch.channels_last)
        gradient, after = self._single(vector[0], {n: v[0] for n, v in statistics.items()}, x, y[0], draws[0].dropout)
        return gradient[None], {name: value[None] for name, value in after.items()}

    def _single(
        self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, dropout: torch.Generator | None
    ) -> tuple[Tensor, Tensors]:
        """One member's gradient (P,): the sum over chunks that fit the caches, each weighted by its share of the batch."""
        vector = vector.detach().requires_grad_()
        # BatchNorm takes its statistics over the whole batch, so there a batch cannot be taken in parts.
        chunk = len(x) if self.network.has_batch_norm else images_at_once(self.network, x.device)
        total, after = torch.zeros_like(vector), {}
        for part, labels in zip(x.split(chunk), y.split(chunk), strict=True):
            loss, after = self._loss(vector, statistics, part, labels, dropout)
            total.add_(torch.autograd.grad(loss, vector)[0], alpha=len(part) / len(x))
        return total, after
