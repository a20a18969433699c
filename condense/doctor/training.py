"""Checks of stage T: networks trained at once against the twin's, one after the other, and what they make of images."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from condense.doctor.agreement import Check, Verdict, agreement
from condense.doctor.gradients import EXACT
from condense.doctor.scope import Scope
from condense.execution import Execution, for_training
from condense.networks.network import Network
from condense.reference import training as plain
from condense.reference.networks import load, module
from condense.training.accuracy import each_logits
from condense.training.engine import MemberDraws, Members, fresh_members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

MEMBERS = (0, 1, 2)
PURPOSE = "doctor"
FULL_FLOAT32 = 1e-4
"""Relative error of logits in float32, of which rounding makes up to some 1e-6, and TF32 some 1e-3."""

RECIPE = Recipe((Stage(2, 0.01),), momentum=0.9, weight_decay=5e-4, augmentation=("crop", "scale", "rotate"))


def checks(scope: Scope, device: torch.device) -> Iterator[Check]:
    """Of all networks as they are trained here, in turn or stacked, and of a stack of the MLP."""
    for name in dict.fromkeys(("MLP", *scope.networks)):
        network = scope.network(name)
        execution = replace(for_training(network, device, batch=scope.classes), path="eager")
        seeds = MEMBERS if name in ("MLP", scope.networks[0]) else MEMBERS[: 2 if execution.stack > 1 else 1]
        how = f"{len(seeds)} stacked" if execution.stack > 1 else "in turn" if len(seeds) > 1 else "alone"
        yield Check(f"{name}, training, {how}, float64", partial(_trained, network, execution, seeds, device))
    for name in scope.networks:
        yield Check(f"{name}, logits, float32", partial(_logits, scope.network(name), scope, device))


def source_of(network: Network, device: torch.device, dtype: torch.dtype) -> TensorSource:
    """An image of each class."""
    random = torch.Generator().manual_seed(2)
    images = torch.randn((network.classes, *network.input_shape), generator=random, dtype=torch.float64)
    return TensorSource(images.to(device, dtype), torch.arange(network.classes, device=device))


def _trained(network: Network, execution: Execution, seeds: Sequence[int], device: torch.device) -> Verdict:
    """What training does to the parameters, in float64."""
    source = source_of(network, device, torch.float64)
    members = fresh_members(network, seeds, PURPOSE, device, torch.float64)
    vectors = trained(network, members, source, RECIPE, execution, seeds).vector
    right = plainly_trained(network, members, source, RECIPE, seeds)
    return Verdict(agreement(vectors - members.vector, right - members.vector), EXACT)


def plainly_trained(
    network: Network, members: Members, source: TensorSource, recipe: Recipe, seeds: Sequence[int]
) -> Tensor:
    """The parameters (E, P) of the members after training by the twin, one after the other."""
    layout, found = Layout.of(network), []
    for member, seed in enumerate(seeds):
        net = twin_of(network, members, member)
        plain.train(net, source.images, source.labels, recipe, MemberDraws.of(seed, PURPOSE, device=source.images.device))
        found.append(layout.flatten(dict(zip(layout.names, net.parameters(), strict=True))).detach())
    return torch.stack(found)


def twin_of(network: Network, members: Members, member: int) -> nn.Module:
    """The plain network with the parameters of a member, on its device."""
    parameters = Layout.of(network).views(members.vector[member].cpu())
    return load(module(network.name, network.input_shape, network.classes), parameters).to(members.vector.device)


def trained(
    network: Network,
    members: Members,
    source: TensorSource,
    recipe: Recipe,
    execution: Execution,
    seeds: Sequence[int],
) -> Members:
    """The members trained with the draws of their seeds, as many at a time as are stacked."""
    found: list[Members] = []
    for first in range(0, len(seeds), execution.stack):
        part = slice(first, first + execution.stack)
        draws = [MemberDraws.of(seed, PURPOSE, device=members.vector.device) for seed in seeds[part]]
        found.append(train(network, members[part], source, recipe, draws, execution=execution))
    names = found[0].statistics
    statistics = {name: torch.cat([part.statistics[name] for part in found]) for name in names}
    return Members(torch.cat([part.vector for part in found]), statistics)


def _logits(network: Network, scope: Scope, device: torch.device) -> Verdict:
    """In float32 as networks are tested, against the twin's in float64 on the CPU."""
    source = source_of(network, device, torch.float32)
    members = fresh_members(network, [0], PURPOSE, device)
    found = torch.cat([logits for _, _, logits in each_logits(network, members, source)])
    net = twin_of(network, members, 0).cpu().double().eval()
    with torch.no_grad():
        right = net(source.images.cpu().double())
    return Verdict(agreement(found, right), FULL_FLOAT32)
