"""Differentiable siamese augmentation (Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML
2021): gradient matching in which one random operation per class and step changes real and synthetic images alike.
"""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Self

from condense.augmentation.laws import OneOfSeveral, siamese_operations
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods.dc import DC


@dataclass(frozen=True, kw_only=True)
class DSA(DC):
    """Gradient matching; the network is trained on augmented images too, by one operation a batch."""

    name: ClassVar[str] = "dsa"
    title: ClassVar[str] = "gradient matching with siamese augmentation (Zhao and Bilen, ICML 2021)"

    augmentation: OneOfSeveral = setting(
        "Operations, one of which is drawn per class and step; published: all but flip for digits."
    )

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """As dc's but for the augmentation, and images that begin as real ones."""
        settings = replace(DC.published(occasion), init="real")
        return cls(**asdict(settings), augmentation=siamese_operations(occasion.dataset))

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As dc's `fast`, with real images to begin with."""
        settings = replace(DC.fast(occasion), init="real")
        return cls(**asdict(settings), augmentation=siamese_operations(occasion.dataset))
