"""Herding and k-center as their definitions say: every candidate tried, one at a time."""

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
