"""Selections as their definitions say: every candidate tried, one at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor


def herding(features: Tensor, count: int) -> list[int]:
    """The row that brings the mean of the chosen ones nearest to the mean of all, so many times."""
    mean, chosen = features.mean(0), list[int]()
    for _ in range(count):
        candidates = [index for index in range(len(features)) if index not in chosen]

        def apart(index: int) -> float:
            together = [features[other] for other in [*chosen, index]]
            return float((len(together) * mean - sum(together)).norm())

        chosen.append(min(candidates, key=apart))
    return chosen


def k_center(features: Tensor, count: int) -> list[int]:
    """The row nearest to the mean, then always the one whose nearest chosen row is farthest away."""
    mean = features.mean(0)
    chosen = [min(range(len(features)), key=lambda index: float((features[index] - mean).norm()))]
    while len(chosen) < count:
        chosen.append(
            max(range(len(features)), key=lambda i: min(float((features[i] - features[c]).norm()) for c in chosen))
        )
    return chosen


def k_means(points: Tensor, draws: Sequence[float], rounds: int) -> list[Tensor]:
    """As many centres as there are draws from [0, 1), with which k-means++ begins; then Lloyd's rounds."""
    centres = list[Tensor]()
    for draw in draws:
        weights = [min((float((point - c).square().sum()) for c in centres), default=1.0) for point in points]
        weights = weights if any(weights) else [1.0] * len(points)
        place, left = 0, draw * sum(weights)
        while left >= weights[place]:
            left -= weights[place]
            place += 1
        centres.append(points[place])
    return settled(points, centres, rounds)


def settled(points: Tensor, centres: list[Tensor], rounds: int) -> list[Tensor]:
    """Centres after Lloyd's rounds, or until they rest."""
    for _ in range(rounds):
        before = centres
        owners = [_nearest(point, before) for point in points]
        clusters = [[point for point, owner in zip(points, owners, strict=True) if owner == c] for c in range(len(before))]
        centres = [torch.stack(own).mean(0) if own else centre for own, centre in zip(clusters, before, strict=True)]
        if all(torch.equal(old, new) for old, new in zip(before, centres, strict=True)):
            break
    return centres


def nearest_points(points: Tensor, centres: Sequence[Tensor]) -> list[int]:
    """For each centre in turn the point nearest to it that is not taken yet; of those as near, the first."""
    chosen = list[int]()
    for centre in centres:
        unused = [index for index in range(len(points)) if index not in chosen]
        chosen.append(min(unused, key=lambda index, centre=centre: round(float((points[index] - centre).norm()), 9)))
    return chosen


def _nearest(point: Tensor, centres: Sequence[Tensor]) -> int:
    return min(range(len(centres)), key=lambda index: float((point - centres[index]).norm()))
