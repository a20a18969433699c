"""How well trained networks do on images: predictions, accuracy, mean cross-entropy."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.execution import Execution, for_testing, shrinking
from condense.networks.layers import Arithmetic
from condense.networks.network import Network
from condense.training.engine import Members
from condense.training.layout import Layout
from condense.training.sources import Source


@torch.no_grad()
def each_logits(
    network: Network, members: Members, source: Source, execution: Execution | None = None
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(Member, indices (B,), logits (B, classes)) of all images in parts. BatchNorm uses running statistics.

    execution: by default what `for_testing` says.
    """
    layout, count = Layout.of(network), len(source.labels)
    device = members.vector.device
    execution = execution or for_testing(network, device)
    arithmetic = Arithmetic(winograd=execution.winograd)
    for indices in torch.arange(count, device=device).split(execution.part):
        x = source.inputs(indices, members.vector.dtype).contiguous(memory_format=execution.memory_format)
        for member in range(len(members)):
            statistics = {name: value[member] for name, value in members.statistics.items()}
            parameters = layout.views(members.vector[member])
            yield member, indices, network.logits(parameters, x, statistics, arithmetic=arithmetic)


def predictions(network: Network, members: Members, source: Source) -> Tensor:
    """The class of the largest logit for every member and image: int64 (E, N)."""
    predicted = torch.empty(len(members), len(source.labels), dtype=torch.int64, device=members.vector.device)

    def fill(execution: Execution) -> Tensor:
        for member, indices, logits in each_logits(network, members, source, execution):
            predicted[member, indices] = logits.argmax(dim=1)
        return predicted

    return shrinking(for_testing(network, members.vector.device), fill)[1]


def accuracies_and_losses(network: Network, members: Members, source: Source) -> tuple[list[float], list[float]]:
    """(Accuracies, mean cross-entropies per image) of every member; soft labels count as the class of their largest."""
    soft = source.labels.is_floating_point()
    labels, classes = (source.labels.double(), source.labels.argmax(dim=1)) if soft else (source.labels,) * 2

    def add_up(execution: Execution) -> Tensor:
        sums = torch.zeros(2, len(members), dtype=torch.float64, device=members.vector.device)
        for member, indices, logits in each_logits(network, members, source, execution):
            sums[0, member] += (logits.argmax(dim=1) == classes[indices]).sum()
            sums[1, member] += F.cross_entropy(logits.double(), labels[indices], reduction="sum")
        return sums

    _, sums = shrinking(for_testing(network, members.vector.device), add_up)
    correct, loss = (sums / len(labels)).tolist()
    return correct, loss


def accuracies(network: Network, members: Members, source: Source) -> list[float]:
    """Fraction of images whose predicted class is their label, for every member."""
    correct = predictions(network, members, source) == source.labels
    return correct.double().mean(dim=1).tolist()
