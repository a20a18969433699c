"""A network in training on all real images, an epoch a step: what selections look at, and what labels come from."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from condense.execution import Work, for_testing, within_learning
from condense.networks.layers import Arithmetic, Tensors
from condense.stage_c.problem import Problem
from condense.training.engine import MemberDraws, Members, Standing, fresh_members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import Source, TensorSource

BATCH = 256
"""Images in a batch of the network's training."""


@dataclass(frozen=True)
class Embedding:
    """A network in training: parameters (P,), their momentum, BatchNorm's running statistics."""

    vector: Tensor
    velocity: Tensor
    statistics: Tensors


def new_embedding(problem: Problem, which: int = 0) -> Embedding:
    """A newly drawn network, the first of a run or another."""
    purpose = f"embedding network {which}" if which else "embedding network"
    members = fresh_members(problem.network, [problem.seed], purpose, problem.data.device, problem.dtype)
    statistics = {name: value[0] for name, value in members.statistics.items()}
    return Embedding(members.vector[0], torch.zeros_like(members.vector[0]), statistics)


def after_epoch(problem: Problem, state: Embedding, rate: float, number: int) -> tuple[Embedding, Tensor]:
    """(The network, its mean cross-entropy) after an epoch of SGD on all real images, with stage T's published optimiser.

    number: of the run's step, which the order of the images comes from.
    """
    return _trained(problem, problem.data, state, rate, number)


def warm_up(problem: Problem, rate: float) -> None:
    """Calls what is compiled once: a step of training on one batch."""
    first = torch.arange(min(BATCH, len(problem.data)), device=problem.data.device)
    source = TensorSource(problem.data.inputs(first, problem.dtype), problem.data.labels[first])
    _trained(problem, source, new_embedding(problem), rate, 0)


def work(problem: Problem, epochs: int, passes: float = 0.0) -> Work:
    """So many epochs of training on all real images, and passes forward over them."""
    images = len(problem.data) * (3.0 * epochs + passes)
    return Work(multiply_adds=problem.network.multiply_adds * images, batch=min(BATCH, len(problem.data)))


def _trained(problem: Problem, source: Source, state: Embedding, rate: float, number: int) -> tuple[Embedding, Tensor]:
    recipe = Recipe((Stage(1, rate),), batch_size=BATCH, momentum=0.9, weight_decay=5e-4, new_optimisers=False)
    members = Members(state.vector[None], {name: value[None] for name, value in state.statistics.items()})
    reached, losses, batch = list[Standing](), list[Tensor](), min(BATCH, len(source.labels))
    train(
        problem.network,
        Standing(0, members, {"velocity": state.velocity[None]}),
        source,
        recipe,
        [MemberDraws.of(problem.seed, "embedding", number, device=problem.data.device)],
        execution=within_learning(problem.execution, problem.network, problem.data.device, batch=batch),
        after_step=lambda seen: losses.append(seen.losses.mean()),
        keep=reached.append,
    )
    found, statistics = reached[-1], {name: value[0] for name, value in reached[-1].members.statistics.items()}
    after = Embedding(found.members.vector[0].clone(), found.optimiser["velocity"][0].clone(), statistics)
    return after, torch.stack(losses).mean()


def features_of(problem: Problem, state: Embedding) -> Tensor:
    """Features (N, d) of all real images, in their order; BatchNorm on its running statistics."""
    return torch.cat([features for features, _ in seen(problem, state)])


@torch.no_grad()
def seen(problem: Problem, state: Embedding, images: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """(Features (n, d), logits (n, classes)) of images (N, C, H, W), by default of all real ones, in parts and in order."""
    network, data, dtype = problem.network, problem.data, state.vector.dtype
    execution, parameters = for_testing(network, data.device), Layout.of(network).views(state.vector)
    arithmetic = Arithmetic(winograd=execution.winograd)
    for part in torch.arange(len(data if images is None else images), device=data.device).split(execution.part):
        x = data.inputs(part, dtype) if images is None else images[part].to(dtype)
        x = x.contiguous(memory_format=execution.memory_format)
        features = network.features(parameters, x, state.statistics, arithmetic=arithmetic)
        yield features, network.classified(parameters, features)
