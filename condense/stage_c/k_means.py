"""k-means among points (Lloyd, 1982), begun as k-means++ has it, and the points nearest to its centres.

Our own, as its sums must have the same last bits at every run and its draws be the same on every device.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDS = 100
"""Moves of the centres at most; mostly they come to rest before."""
POINTS_AT_ONCE = 4096
"""Whose distances to all centres are computed together."""
ROUNDING = 100
"""Machine epsilons of the largest squared length that squared distances are off by at most."""


def k_means(points: Tensor, count: int, random: torch.Generator, rounds: int = ROUNDS) -> Tensor:
    """Centres (count, d) of points (n, d), n at least `count`; random: on the CPU, so that any device draws the same.

    A centre that is nearest to no point stays where it is.
    """
    return settled(points, _begun(points, count, random), rounds)


def settled(points: Tensor, centres: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Centres (count, d) that these come to among points (n, d): each moves to the mean of the points nearest to it, until
    all rest; one that is nearest to no point stays where it is.
    """
    count = len(centres)
    owners = torch.full((len(points),), -1, device=points.device)
    for _ in range(rounds):
        before, owners = owners, nearest_centres(points, centres)
        if torch.equal(before, owners):
            break
        members = F.one_hot(owners, count).to(points.dtype)
        sizes = members.sum(0)[:, None]
        centres = torch.where(sizes > 0, members.T @ points / sizes.clamp(min=1), centres)
    return centres


def nearest_centres(points: Tensor, centres: Tensor) -> Tensor:
    """Index (n,) of the centre that each point is nearest to, the first of several."""
    return torch.cat([_squares(part, centres).argmin(dim=1) for part in points.split(POINTS_AT_ONCE)])


def nearest_points(points: Tensor, centres: Tensor) -> Tensor:
    """Index (count,) of the point nearest to each centre, one after the other, none twice; of those as near up to rounding,
    such as both of a cluster of two, the first.
    """
    lengths = points.square().sum(dim=1)
    apart, rounding = lengths - 2 * centres @ points.T, ROUNDING * torch.finfo(points.dtype).eps * lengths.max()
    chosen = list[Tensor]()
    for squares in apart:
        chosen.append((squares <= squares.min() + rounding).byte().argmax())
        apart.index_fill_(1, chosen[-1], torch.inf)
    return torch.stack(chosen)


def _begun(points: Tensor, count: int, random: torch.Generator) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii, 2007): each next centre is a point, drawn with its squared distance to the
    nearest one so far as weight; where all lie on centres, any point.
    """
    squares, chosen = torch.ones(len(points), dtype=torch.float64, device=points.device), list[Tensor]()
    for drawn in torch.rand(count, generator=random, dtype=torch.float64).tolist():
        weights = squares if bool(squares.any()) else torch.ones_like(squares)
        reached = weights.cumsum(0)
        place = torch.searchsorted(reached, (drawn * reached[-1])[None], right=True).clamp(max=len(points) - 1)[0]
        chosen.append(points[place])
        apart = (points - chosen[-1]).square().sum(dim=1).double()
        squares = apart if len(chosen) == 1 else torch.minimum(squares, apart)
    return torch.stack(chosen)


def _squares(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances (n, count), but for what is the same for all centres."""
    return centres.square().sum(dim=1) - 2 * points @ centres.T
