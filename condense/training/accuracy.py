"""How well trained networks do on images: predictions, accuracy, mean cross-entropy."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.execution import images_at_once, takes_winograd
from condense.networks.layers import Arithmetic
from condense.networks.network import Network
from condense.training.engine import Members
from condense.training.layout import Layout
from condense.training.sources import Source


@torch.no_grad()
def each_logits(network: Network, members: Members, source: Source) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(Member, indices (B,), logits (B, classes)) of all images in chunks. BatchNorm uses running statistics."""
    layout, count = Layout.of(network), len(source.labels)
    device = members.vector.device
    chunk = images_at_once(network, device)
    arithmetic = Arithmetic(winograd=takes_winograd(network, chunk, device))
    for indices in torch.arange(count, device=device).split(chunk):
        x = source.inputs(indices, members.vector.dtype).contiguous(memory_format=layout.memory_format)
        for member in range(len(members)):
            statistics = {name: value[member] for name, value in members.statistics.items()}
            parameters = layout.views(members.vector[member])
            yield member, indices, network.logits(parameters, x, statistics, arithmetic=arithmetic)


def predictions(network: Network, members: Members, source: Source) -> Tensor:
    """The class of the largest logit for every member and image: int64 (E, N)."""
    predicted = torch.empty(len(members), len(source.labels), dtype=torch.int64, device=members.vector.device)
    for member, indices, logits in each_logits(network, members, source):
        predicted[member, indices] = logits.argmax(dim=1)
    return predicted


def accuracies_and_losses(network: Network, members: Members, source: Source) -> tuple[list[float], list[float]]:
    """(Accuracies, mean cross-entropies per image) of every member; soft labels count as the class of their largest."""
    soft = source.labels.is_floating_point()
    labels, classes = (source.labels.double(), source.labels.argmax(dim=1)) if soft else (source.labels,) * 2
    correct, loss = torch.zeros(2, len(members), dtype=torch.float64, device=members.vector.device)
    for member, indices, logits in each_logits(network, members, source):
        correct[member] += (logits.argmax(dim=1) == classes[indices]).sum()
        loss[member] += F.cross_entropy(logits.double(), labels[indices], reduction="sum")
    return (correct / len(labels)).tolist(), (loss / len(labels)).tolist()


def accuracies(network: Network, members: Members, source: Source) -> list[float]:
    """Fraction of images whose predicted class is their label, for every member."""
    correct = predictions(network, members, source) == source.labels
    return correct.double().mean(dim=1).tolist()
