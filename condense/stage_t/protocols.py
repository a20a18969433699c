"""Protocols of stage T: how networks are trained on a set before they are tested."""

from condense.errors import unknown_name
from condense.training.recipe import Recipe, Stage

PROTOCOLS = {
    "published": "the authors' code: SGD .01, momentum .9, weight decay .0005, rate / 10 half way, MNIST augmented",
    "report": "the reproduction report's reading of the paper: plain SGD .01, 300 epochs",
}
WHOLE_EPOCHS = 30


def recipe(protocol: str, dataset: str, network: str) -> Recipe:
    """The recipe of a protocol for a network trained on a synthetic set of a data set (catalog name).

    'published' (evaluate_synset of the authors' code): batch 256; the epochs counted there as 0 .. E are E + 1 in all, and
    the learning rate drops, with a new optimiser, after epoch index E // 2 + 1. E is 1000 with augmentation and 300 without.
    MNIST is augmented by one of crop, scale and rotate an image, ConvNetBN on any data set by crop or noise.
    Raises `CondenseError` for an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if protocol == "report":
        return Recipe((Stage(300, 0.01),), batch_size=256)
    augmentation = ("crop", "scale", "rotate") if dataset == "mnist" else ()
    if network == "ConvNetBN":
        augmentation = ("crop", "noise")
    last = 1000 if augmentation else 300
    first_stage = last // 2 + 2
    stages = Stage(first_stage, 0.01), Stage(last + 1 - first_stage, 0.001)
    return Recipe(stages, batch_size=256, momentum=0.9, weight_decay=5e-4, augmentation=augmentation)


def whole_recipe() -> Recipe:
    """Training on the whole real set, the upper bound: the published optimiser for 30 epochs, no augmentation."""
    stages = Stage(WHOLE_EPOCHS // 2, 0.01), Stage(WHOLE_EPOCHS - WHOLE_EPOCHS // 2, 0.001)
    return Recipe(stages, batch_size=256, momentum=0.9, weight_decay=5e-4)
