"""Classification accuracy on held-out images."""

import torch
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


def accuracies(network: Network, members: Members, source: Source) -> list[float]:
    """Fraction of images whose predicted class is their label, for every member."""
    correct = predictions(network, members, source) == source.labels
    return correct.double().mean(dim=1).tolist()
