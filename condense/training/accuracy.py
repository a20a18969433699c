"""Classification accuracy on held-out images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.networks.network import Network
from condense.training.engine import Members
from condense.training.layout import Layout
from condense.training.sources import Source
from condense.training.stacking import images_at_once


@torch.no_grad()
def predictions(network: Network, members: Members, source: Source) -> Tensor:
    """The class of the largest logit for every member and image: int64 (E, N). BatchNorm uses running statistics."""
    layout, count = Layout.of(network), len(source.labels)
    chunk = images_at_once(network, members.vector.device)
    predicted = torch.empty(len(members), count, dtype=torch.int64, device=members.vector.device)
    for indices in torch.arange(count, device=members.vector.device).split(chunk):
        x = source.inputs(indices, members.vector.dtype).contiguous(memory_format=layout.memory_format)
        for member in range(len(members)):
            statistics = {name: value[member] for name, value in members.statistics.items()}
            logits = network.logits(layout.views(members.vector[member]), x, statistics)
            predicted[member, indices] = logits.argmax(dim=1)
    return predicted


@torch.no_grad()
def loss_and_accuracy(network: Network, members: Members, member: int, source: Source) -> tuple[float, float]:
    """Mean cross-entropy an image and fraction classified correctly, of one member; BatchNorm uses running statistics."""
    layout, labels = Layout.of(network), source.labels
    parameters = layout.views(members.vector[member])
    statistics = {name: value[member] for name, value in members.statistics.items()}
    loss, correct = members.vector.new_zeros((), dtype=torch.float64), 0
    for indices in torch.arange(len(labels), device=labels.device).split(images_at_once(network, members.vector.device)):
        x = source.inputs(indices, members.vector.dtype).contiguous(memory_format=layout.memory_format)
        logits = network.logits(parameters, x, statistics)
        loss += F.cross_entropy(logits, labels[indices], reduction="sum").double()
        correct += int((logits.argmax(dim=1) == labels[indices]).sum())
    return float(loss) / len(labels), correct / len(labels)


def accuracies(network: Network, members: Members, source: Source) -> list[float]:
    """Fraction of images whose predicted class is their label, for every member."""
    correct = predictions(network, members, source) == source.labels
    return correct.double().mean(dim=1).tolist()
