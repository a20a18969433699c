"""One run of these experiments: a network, a version of the training set, a recipe; and how it ends."""

from dataclasses import asdict, dataclass
from typing import Any

from condense.data.corrupt import CORRUPTIONS, corrupted_labels, shuffled_pixels
from condense.data.images import LabelledImages
from condense.records import config_hash
from condense.studies.generalization.images import Augmented, Cropped, Standardised, centred, fitted, is_resized
from condense.studies.generalization.subset import Subset

BATCH = 60
DECAY, DECAY_IMAGES = 0.95, 50_000
"""The learning rate falls by this factor with every so many images seen: an epoch of the paper's."""
FITTED_LOSS = 0.1
"""Mean cross-entropy of an epoch's training steps below which, with all images right in them, a run has fitted."""
RATES = {"small-inception": 0.1, "small-inception-nobn": 0.003}
OTHER_RATE = 0.01
HE_NETWORKS = ("small-inception-nobn", "small-inception-partbn")
SOURCES = {"none": Standardised, "crop": Cropped, "all": Augmented}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is trained.

    corruption: 'labels', each replaced with probability p, or one of the pixels (`CORRUPTIONS`); augmentation: none, crop
    or all; epochs: the most there are; stops: whether the run ends as soon as it has fitted; test_every: epochs between
    tests, 0: only in the end.
    """

    network: str
    corruption: str = "labels"
    p: float = 0.0
    seed: int = 0
    learning_rate: float = OTHER_RATE
    weight_decay: float = 0.0
    augmentation: str = "none"
    epochs: int = 100
    stops: bool = True
    test_every: int = 0

    def config(self, subset: Subset) -> dict[str, Any]:
        """The configuration of its record: all that its outcome depends on."""
        recipe = {"batch_size": BATCH, "momentum": 0.9, "decay": DECAY, "fitted_loss": FITTED_LOSS, "fitted": "in training"}
        return {**asdict(self), **subset.config, **recipe, **self._exceptions(subset)}

    def _exceptions(self, subset: Subset) -> dict[str, str]:
        # Only where they apply, so that runs recorded before they did are done anew and all others are not.
        _, height, width = subset.shape
        resized = {"resized": f"from {height}x{width}"} if is_resized(subset.shape) else {}
        start = {"initialisation": "He"} if self.network in HE_NETWORKS else {}
        corrupted = {} if self.corruption == "labels" else {"corrupted_pixels": "after the crop"}
        return {**resized, **start, **corrupted}

    def key(self, subset: Subset) -> str:
        """The hash of its configuration."""
        return config_hash(self.config(subset))

    def sources(self, train: LabelledImages, test: LabelledImages) -> tuple[Standardised, Standardised]:
        """Training and test images; test images are corrupted only where the whole task is another (shuffled pixels).

        Pixels are corrupted after the crop, so that no pixel is moved out of the image or into it. Images larger than those
        that are cropped are resized first.
        """
        train, test = fitted(train), fitted(test)
        if self.corruption == "labels":
            seen = corrupted_labels(train, self.p, self.seed)
        else:
            seen = CORRUPTIONS[self.corruption](centred(train), self.seed)
        tested = shuffled_pixels(centred(test), self.seed) if self.corruption == "shuffled pixels" else test
        return SOURCES[self.augmentation](seen), Standardised(tested)


def rate_of(network: str) -> float:
    """The paper's initial learning rate: 0.1 for Inception with BatchNorm, 0.01 for the others; of Inception without
    BatchNorm 0.003, as its loss jumps at higher ones and smaller ones take longer.
    """
    return RATES.get(network.removesuffix("-partbn").removesuffix("-dropout5"), OTHER_RATE)
