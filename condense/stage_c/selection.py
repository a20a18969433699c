"""Selections: real images in the place of learned ones, at random or by where they lie among a network's features.

The laws are those behind the tables of Zhao et al. (ICLR 2021), as its authors state them: class by class, on the features
of a network trained on all real images, with Euclidean distances. Both begin with the image nearest to the class mean.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.execution import for_testing
from condense.networks.layers import Arithmetic, Tensors
from condense.networks.network import Network
from condense.randomness import generator


def random_selection(data: LabelledImages, images_per_class: int, seed: int) -> Tensor:
    """Real images drawn at random without replacement from each class: float32 (classes * ipc, C, H, W), normalised."""
    drawn = data.draw_class_batches(images_per_class, generator(seed, "random selection", device=data.device))
    return data.inputs(drawn.indices, torch.float32)


def herding(features: Tensor, count: int) -> Tensor:
    """Indices (count,) of rows of (n, d) whose mean stays nearest to the mean mu of all (Welling, ICML 2009).

    Step k takes the unused row x that minimises || (k + 1) mu - (sum of the chosen) - x ||, k counted from 0.
    """
    mean, chosen = features.mean(0), []
    wanted = mean.clone()
    unused = torch.ones(len(features), dtype=torch.bool, device=features.device)
    for _ in range(count):
        nearest = int(_distances(features, wanted).masked_fill(~unused, torch.inf).argmin())
        chosen.append(nearest)
        unused[nearest] = False
        wanted += mean - features[nearest]
    return torch.tensor(chosen, device=features.device)


def k_center(features: Tensor, count: int) -> Tensor:
    """Indices (count,) of rows of (n, d): the one nearest to the mean, then always the one farthest from all chosen.

    The greedy algorithm of Sener and Savarese (ICLR 2018).
    """
    chosen = [int(_distances(features, features.mean(0)).argmin())]
    apart = _distances(features, features[chosen[0]])
    while len(chosen) < count:
        apart[chosen] = -torch.inf  # none twice, even where others lie in the same place
        chosen.append(int(apart.argmax()))
        apart = torch.minimum(apart, _distances(features, features[chosen[-1]]))
    return torch.tensor(chosen, device=features.device)


def by_features(
    select: Callable[[Tensor, int], Tensor], data: LabelledImages, features: Tensor, images_per_class: int
) -> Tensor:
    """Indices (classes * ipc,), class-major, of images that `select` picks among the features (N, d) of each class."""
    parts, first = [], 0
    for count in data.counts:
        parts.append(first + select(features[first : first + count], images_per_class))
        first += count
    return torch.cat(parts)


@torch.no_grad()
def features_of(network: Network, parameters: Tensors, statistics: Tensors, data: LabelledImages) -> Tensor:
    """Features (N, d) of all real images, in their order; BatchNorm on its running statistics."""
    execution, dtype = for_testing(network, data.device), next(iter(parameters.values())).dtype
    arithmetic = Arithmetic(winograd=execution.winograd)
    found = []
    for indices in torch.arange(len(data), device=data.device).split(execution.part):
        x = data.inputs(indices, dtype).contiguous(memory_format=execution.memory_format)
        found.append(network.features(parameters, x, statistics, arithmetic=arithmetic))
    return torch.cat(found)


def _distances(features: Tensor, point: Tensor) -> Tensor:
    return (features - point).norm(dim=1)
