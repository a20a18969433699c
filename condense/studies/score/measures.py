"""The measures HLR, IOR, LRS and ARS, from the accuracies of networks.

Li et al., 'DD-Ranking: Rethinking the Evaluation of Dataset Distillation' (arXiv:2505.13300). All accuracies are fractions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from condense.statistics import Contrast, contrast

WEIGHT = 0.5
"""Of IOR beside HLR in alpha, and of training with augmentation beside that without in beta."""

BySeed = Mapping[int, float]
"""Accuracies of networks by their seeds."""


def normalised(raw: float) -> float:
    """Alpha or beta, from -1 to 1, as a score from 0 to 1: (e^x - e^-1) / (e - e^-1)."""
    return (math.exp(raw) - math.exp(-1)) / (math.e - math.exp(-1))


@dataclass(frozen=True)
class LabelRobust:
    """Of training under one protocol: HLR, IOR, alpha = w IOR - (1 - w) HLR, and the score LRS that alpha comes to."""

    hlr: Contrast
    ior: Contrast
    alpha: Contrast
    lrs: Contrast


@dataclass(frozen=True)
class AugmentationRobust:
    """beta = g (gain with augmentation) + (1 - g) (gain without), and the score ARS that it comes to."""

    beta: Contrast
    ars: Contrast


def label_robust(whole: BySeed, hard: BySeed, own: BySeed, random: BySeed) -> LabelRobust | None:
    """The measures of accuracies on all real images, on the set with hard labels and with its own, and on random images.

    Networks of one seed begin alike, so what is of the set and of random images is combined seed by seed; the networks on
    all real images are as many as they are, and count as independent of those (`contrast`). Only seeds that are in all of
    hard, own and random count, so that alpha is what HLR and IOR come to. None without any.
    """
    seeds = _shared(hard, own, random)
    if not (seeds and whole):
        return None
    gains = [own[seed] - random[seed] for seed in seeds]
    recovered = [hard[seed] for seed in seeds]
    kept = [WEIGHT * gain + (1 - WEIGHT) * one for gain, one in zip(gains, recovered, strict=True)]
    of_whole = list(whole.values())
    alpha = _within(contrast([(1.0, kept), (WEIGHT - 1, of_whole)]))
    return LabelRobust(
        hlr=_within(contrast([(1.0, of_whole), (-1.0, recovered)])),
        ior=_within(contrast([(1.0, gains)])),
        alpha=alpha,
        lrs=_mapped(alpha, normalised),
    )


def augmentation_robust(
    augmented: BySeed, random_augmented: BySeed, plain: BySeed, random_plain: BySeed
) -> AugmentationRobust | None:
    """The measures of accuracies on the set and on random images, with augmentation and without; combined seed by seed.

    None where no seed is in all of them.
    """
    seeds = _shared(augmented, random_augmented, plain, random_plain)
    if not seeds:
        return None
    gains = [
        WEIGHT * (augmented[seed] - random_augmented[seed]) + (1 - WEIGHT) * (plain[seed] - random_plain[seed])
        for seed in seeds
    ]
    beta = _within(contrast([(1.0, gains)]))
    return AugmentationRobust(beta, _mapped(beta, normalised))


def _shared(*groups: BySeed) -> list[int]:
    return sorted(set.intersection(*map(set, groups)))


def _within(found: Contrast) -> Contrast:
    """The interval within -1 to 1, where every such difference of accuracies lies."""
    return _mapped(found, lambda end: min(max(end, -1.0), 1.0))


def _mapped(found: Contrast, rising: Callable[[float], float]) -> Contrast:
    """What a rising function makes of a value and the ends of its interval, which stays one of 95 %."""
    low, high = (None if end is None else rising(end) for end in (found.low, found.high))
    return Contrast(rising(found.value), low, high)
