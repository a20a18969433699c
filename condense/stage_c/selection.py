"""Laws of selections: which real images of a class stand for it, by their features in a network or by a score of each.

Those of herding and k-center are those behind the tables of Zhao et al. (ICLR 2021), as its authors state them: on the
features of a network trained on all real images, with Euclidean distances. Both begin with the image nearest to the class
mean.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from condense.data.images import LabelledImages
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


def largest(scores: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Indices (count,) of the largest scores (n,), largest first; which of equal ones is drawn. random: on the CPU."""
    shuffled = torch.randperm(len(scores), generator=random).to(scores.device)
    return shuffled[scores[shuffled].argsort(descending=True, stable=True)[:count]]


def by_class(select: Callable[[Tensor, int], Tensor], data: LabelledImages, values: Tensor, count: int) -> Tensor:
    """Indices (classes * count,), class-major, of images that `select` picks by the values (N, ...) of each class."""
    parts, first = [], 0
    for images in data.counts:
        parts.append(first + select(values[first : first + images], count))
        first += images
    return torch.cat(parts)


def _distances(features: Tensor, point: Tensor) -> Tensor:
    return (features - point).norm(dim=1)
