"""TGDD (Trajectory-Guided Dataset Distillation, AAAI 2026): DANCE's two views along the training of experts.

Every step matches mean features in a network that is as far in its training as was drawn, and moves the images to what the
same network, a few epochs later, names rightly: both in one step. The authors take it class by class with momentum .5 (their
command line's default) and rate .01 times the images per class, which comes to DANCE's rate here (`expert_matching.py`).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch

from condense.checking import Count
from condense.stage_c.expert_matching import ExpertMatching
from condense.stage_c.experts import Plan
from condense.stage_c.fixed_network import Fixed, trained_for
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods.dance import DANCE
from condense.stage_c.problem import Problem


@dataclass(frozen=True, kw_only=True)
class TGDD(ExpertMatching):
    """Mean features at an epoch of an expert's training, and classes a little later."""

    name: ClassVar[str] = "tgdd"
    title: ClassVar[str] = "mean features and classes along the training of networks (TGDD, AAAI 2026)"
    joint: ClassVar[bool] = True

    ahead: Count = setting(
        "Epochs by which the network that names the images is further in training, at most; published: 6, fast: 1."
    )

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code, which beside the networks has DANCE's settings."""
        return cls(**vars(DANCE.published(occasion)), ahead=6)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As DANCE's, by the same reasoning and not yet chosen on held-out images; a tenth of the epochs ahead too."""
        return cls(**vars(DANCE.fast(occasion)), ahead=1)

    def experts(self, problem: Problem) -> Plan:
        """All epochs of each are kept."""
        return replace(super().experts(problem), epochs=tuple(range(1, self.expert_epochs)))

    def networks(self, problem: Problem, place: int) -> tuple[Fixed, Fixed]:
        """(An expert after some of its epochs, the same up to `ahead` later), both uniform."""
        random = problem.random("expert", place)

        def drawn(low: int, high: int) -> int:
            return int(torch.randint(low, high + 1, (), generator=random, device=random.device))

        which, epoch = drawn(0, self.expert_count - 1), drawn(0, self.expert_epochs)
        later = drawn(epoch, min(epoch + self.ahead, self.expert_epochs))
        return trained_for(problem, which, epoch), trained_for(problem, which, later)
