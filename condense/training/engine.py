"""The training engine: E networks of one architecture, each with its own seed, trained together.

All parameters lie in one (E, P) tensor. Members are trained in turn, or stacked through `torch.func.vmap`, whichever is
quicker (`execution`); a member's draws depend on its own seed alone,
and its numbers differ with its company by rounding at most.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad_and_value, vmap

from condense.execution import Execution, for_training
from condense.machine import compiled_function, moved
from condense.networks.layers import PLAIN, Arithmetic, Tensors
from condense.networks.network import Network
from condense.randomness import Device, generator
from condense.training.layout import Layout
from condense.training.optimisers import fresh_state, optimiser_step, start_anew
from condense.training.recipe import Recipe
from condense.training.sources import AugmentingSource, Source
from condense.training.variation import varied


@dataclass
class Members:
    """E networks: vector (E, P) of parameters, BatchNorm statistics each (E, channels)."""

    vector: Tensor
    statistics: Tensors

    def __len__(self) -> int:
        return len(self.vector)

    def __getitem__(self, part: slice | list[int]) -> "Members":
        return Members(self.vector[part], {name: value[part] for name, value in self.statistics.items()})


AfterEpoch = Callable[[int, "Members"], bool | None]
"""Told epochs done and the members as they are (to be copied if kept); True ends the training."""


@dataclass(frozen=True)
class Seen:
    """What one training step saw before its update: mean losses (E,), logits (E, B, classes) and labels (E, B)."""

    losses: Tensor
    logits: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Standing:
    """Where training stands after some epochs: all that the next one depends on but the draws.

    optimiser: its state (`optimisers.fresh_state`), the members along the first dimension of each tensor.
    """

    epoch: int
    members: Members
    optimiser: Tensors


AfterStep = Callable[[Seen], None]


@dataclass(frozen=True)
class MemberDraws:
    """The generators of one member: batch order, augmentation, dropout."""

    order: torch.Generator
    augmentation: torch.Generator
    dropout: torch.Generator

    @staticmethod
    def of(seed: int, purpose: str, *steps: int, device: Device = "cpu") -> "MemberDraws":
        """Generators derived from a seed and a purpose, the last two on the device.

        The order is drawn on the CPU: it is the same for every device, and costs a GPU one copy for all members instead of
        a dozen launches for each.
        """
        order = generator(seed, f"{purpose} order", *steps)
        return MemberDraws(
            order, *(generator(seed, f"{purpose} {use}", *steps, device=device) for use in ("augmentation", "dropout"))
        )

    @property
    def states(self) -> list[Tensor]:
        """How far the generators have got, as uint8 tensors on the CPU."""
        return [draw.get_state() for draw in (self.order, self.augmentation, self.dropout)]

    def restore(self, states: Sequence[Tensor]) -> None:
        """Puts the generators where `states` were taken; they must be of the same kind of device."""
        for draw, state in zip((self.order, self.augmentation, self.dropout), states, strict=True):
            draw.set_state(state.cpu())


def fresh_members(
    network: Network, seeds: Sequence[int], purpose: str, device: Device = "cpu", dtype: torch.dtype = torch.float32
) -> Members:
    """Newly initialised networks, drawn on the CPU so that a seed means the same network on every device."""
    layout = Layout.of(network)
    vectors = [layout.flatten(network.initial(generator(seed, purpose), dtype)) for seed in seeds]
    statistics = network.initial_statistics(device, dtype)
    return Members(
        moved(torch.stack(vectors), device), {name: v.expand(len(seeds), -1).clone() for name, v in statistics.items()}
    )


def train(
    network: Network,
    members: Members | Standing,
    source: Source | Sequence[Source],
    recipe: Recipe,
    draws: Sequence[MemberDraws],
    *,
    execution: Execution | None = None,
    in_proportion: bool = False,
    after_epoch: AfterEpoch = lambda epoch, members: None,
    after_step: AfterStep = lambda seen: None,
    keep: Callable[[Standing], None] = lambda standing: None,
) -> Members:
    """Trains every member by the recipe on `source` and returns the trained members; the given ones stay as they are.

    members: new ones, or where an earlier call stood, which is gone on with from there, the draws being as they were then;
    source: one for all, or one a member, all with equally many images. Members are one stack here; the caller chooses how
    many it gives at a time. `after_epoch` is told each finished epoch, and ends the training by returning True; `after_step`
    is told what each step saw, `keep` after each epoch where training stands (to be copied if kept).
    Dropout needs members one at a time. execution: how the gradient is computed, by default as in short training; what is
    compiled takes no dropout. With `in_proportion` the gradient of a batch of fewer images than `recipe.batch_size` counts
    in proportion to them, as it does where the loss is a sum.
    """
    if isinstance(members, Standing):
        state = {name: value.clone() for name, value in members.optimiser.items()}
        first, members = members.epoch, members.members
    else:
        first, state = 0, fresh_state(recipe, members.vector)
    sources = source if isinstance(source, Sequence) else [source] * len(members)
    size = len(sources[0].labels)
    fetch = _fetching(sources, draws, members.vector.dtype)
    batch, device = min(recipe.batch_size, size), members.vector.device
    step = _Step(network, batch, device, execution or for_training(network, device, batch=batch))
    vector, statistics = members.vector.clone(), dict(members.statistics)
    for epoch, (rate, anew) in enumerate(recipe.course()[first:], first + 1):
        if anew:
            start_anew(state)
        for indices in _batches(size, recipe.batch_size, draws, vector.device):
            x, y = fetch(indices)
            x, y = varied(x, y, recipe, [draw.augmentation for draw in draws], network.classes)
            gradient, statistics, seen = step.gradient(vector, statistics, x, y, draws)
            after_step(seen)
            if in_proportion and x.shape[1] < recipe.batch_size:
                gradient = gradient * (x.shape[1] / recipe.batch_size)
            optimiser_step(vector, state, gradient, rate, recipe)
            del gradient  # or it would live beside the next one
        members = Members(vector, statistics)
        if after_epoch(epoch, members):
            return members
        keep(Standing(epoch, members, state))
    return Members(vector, statistics)


def _batches(size: int, batch: int, draws: Sequence[MemberDraws], device: Device) -> Iterator[Tensor]:
    """Indices (E, B) of each batch of one epoch, every member in its own random order."""
    orders = [torch.randperm(size, generator=draw.order, device=draw.order.device) for draw in draws]
    yield from moved(torch.stack(orders), device).split(batch, dim=1)


def _fetching(
    sources: Sequence[Source], draws: Sequence[MemberDraws], dtype: torch.dtype
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """What gives images (E, B, C, H, W) and labels (E, B) of every member's batch, for indices (E, B)."""
    first = sources[0]
    if all(source is first for source in sources) and not isinstance(first, AugmentingSource):
        return lambda indices: (first.inputs(indices, dtype), first.labels[indices])

    def images(source: Source, draw: MemberDraws) -> Callable[[Tensor], Tensor]:
        if isinstance(source, AugmentingSource):
            return lambda own: source.augmented(own, draw.augmentation, dtype)
        return lambda own: source.inputs(own, dtype)

    each = [(images(source, draw), source) for source, draw in zip(sources, draws, strict=True)]

    def fetch(indices: Tensor) -> tuple[Tensor, Tensor]:
        x, y = zip(*((of(own), source.labels[own]) for (of, source), own in zip(each, indices, strict=True)), strict=True)
        return torch.stack(x), torch.stack(y)

    return fetch


_Found = tuple[Tensor, tuple[Tensor, tuple[Tensors, Tensor]]]
"""What torch.func gives for a loss: (gradient, (loss, (running statistics after, logits)))."""


class _Loss:
    """The training loss of one member as a function of its parameter vector."""

    def __init__(self, network: Network, arithmetic: Arithmetic) -> None:
        self.network, self.layout, self.arithmetic = network, Layout.of(network), arithmetic

    def __call__(
        self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, dropout: torch.Generator | None = None
    ) -> tuple[Tensor, tuple[Tensors, Tensor]]:
        """(mean cross-entropy, (running statistics after, logits)) for images x (B, C, H, W) with labels y (B,), or
        soft ones (B, classes).
        """
        return self.of_parameters(self.layout.views(vector), statistics, x, y, dropout)

    def of_parameters(
        self, parameters: Tensors, statistics: Tensors, x: Tensor, y: Tensor, dropout: torch.Generator | None
    ) -> tuple[Tensor, tuple[Tensors, Tensor]]:
        """The same of parameters by name."""
        logits, after = self.network.train_logits(parameters, x, statistics, dropout, self.arithmetic)
        return F.cross_entropy(logits, y), (after, logits.detach())


@cache
def _compiled_gradient(network: Network, device: Device, *, stacked: bool) -> Callable[..., Any]:
    """The compiled gradient of one member or of a stack, and what comes with it; kept, as each is compiled but once."""
    function = grad_and_value(_Loss(network, Arithmetic(explicit_norm=True)), has_aux=True)
    return compiled_function(vmap(function) if stacked else function, device)


class _Step:
    """The gradient of the training loss of stacked members, for batches of `batch` images or fewer."""

    def __init__(self, network: Network, batch: int, device: torch.device, execution: Execution) -> None:
        self.network, self.device, self.execution, self.compiled = network, device, execution, execution.compiled
        self.stacked = vmap(grad_and_value(_Loss(network, PLAIN), has_aux=True), randomness="error")
        # One member's gradient is written to the same place each step: fresh memory costs more than what is written there.
        self.written: Tensor | None = None
        # BatchNorm takes its statistics over the whole batch, so there a batch cannot be taken in parts.
        self.batch, self.part = batch, batch if network.has_batch_norm else min(execution.part, batch)
        self.loss = _Loss(network, Arithmetic(winograd=execution.winograd))

    def gradient(
        self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, draws: Sequence[MemberDraws]
    ) -> tuple[Tensor, Tensors, Seen]:
        """Gradient (E, P), which the next call may overwrite, statistics after, and what was seen of x (E, B, ...)."""
        if len(vector) > 1:
            whole = self.compiled and x.shape[1] == self.batch
            function = _compiled_gradient(self.network, self.device, stacked=True) if whole else self.stacked
            gradients, (losses, (after, logits)) = function(vector, statistics, x, y)
            return gradients, after, Seen(losses, logits, y)
        x = x[0].contiguous(memory_format=self.execution.memory_format)
        alone = {name: value[0] for name, value in statistics.items()}
        gradient, (loss, (after, logits)) = self._single(vector[0], alone, x, y[0], draws[0].dropout)
        return gradient[None], {name: value[None] for name, value in after.items()}, Seen(loss[None], logits[None], y)

    def _single(self, vector: Tensor, statistics: Tensors, x: Tensor, y: Tensor, dropout: torch.Generator | None) -> _Found:
        """One member's gradient (P,): the sum over parts that fit the caches, each weighted by its share of the batch."""
        (part, labels), *others = zip(x.split(self.part), y.split(self.part), strict=True)
        if self.written is None and not self.compiled:
            self.written = torch.empty_like(vector)
        found = self._of_part(vector, statistics, part, labels, dropout, self.written)
        if not others:
            return found
        gradient, (loss, (after, logits)) = found
        share = len(part) / len(x)
        total, mean, seen = gradient.mul_(share), loss * share, [logits]
        for part, labels in others:
            gradient, (loss, (after, logits)) = self._of_part(vector, statistics, part, labels, dropout)
            share = len(part) / len(x)
            total.add_(gradient, alpha=share)
            mean += loss * share
            seen.append(logits)
        return total, (mean, (after, torch.cat(seen)))

    def _of_part(
        self,
        vector: Tensor,
        statistics: Tensors,
        x: Tensor,
        y: Tensor,
        dropout: torch.Generator | None,
        out: Tensor | None = None,
    ) -> _Found:
        # A part of another size would be compiled anew; the eager gradient is the same.
        if self.compiled and len(x) == self.part:
            return _compiled_gradient(self.network, self.device, stacked=False)(vector, statistics, x, y)
        return self._eager(vector, statistics, x, y, dropout, out)

    def _eager(
        self,
        vector: Tensor,
        statistics: Tensors,
        x: Tensor,
        y: Tensor,
        dropout: torch.Generator | None,
        out: Tensor | None,
    ) -> _Found:
        # torch.autograd costs less a call than torch.func, and parameters of their own less than parts of one vector.
        layout = self.loss.layout
        parameters = {name: value.requires_grad_() for name, value in layout.views(vector.detach()).items()}
        loss, seen = self.loss.of_parameters(parameters, statistics, x, y, dropout)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        return layout.flatten(dict(zip(parameters, gradients, strict=True)), out), (loss.detach(), seen)
