"""Protocols of stage T: how networks are trained on a set before they are tested."""

import itertools

from condense.errors import unknown_name
from condense.training.recipe import Recipe, Stage

PROTOCOLS = {
    "published": "the authors' code: SGD .01, momentum .9, weight decay .0005, rate / 10 half way, MNIST augmented",
    "report": "the reproduction report's reading of the paper: plain SGD .01, 300 epochs",
    "dsa": "DSA's and DM's code: as published, 1,001 epochs, each batch augmented by one siamese operation",
    "idc": "IDC's code: SGD .01, batches of 64, 1,000 epochs, rate / 5 at 2/3 and 5/6, colour and a move an image, CutMix",
}
WHOLE_EPOCHS = 30

DIGITS = ("mnist", "svhn", "digits")
"""Data sets of digits, which are not mirrored."""

SIAMESE = ("color", "crop", "cutout", "flip", "scale", "rotate")


def recipe(protocol: str, dataset: str, network: str) -> Recipe:
    """The recipe of a protocol for a network trained on a synthetic set of a data set (catalog name).

    'published' (evaluate_synset of the authors' code): batch 256; the epochs counted there as 0 .. E are E + 1 in all, and
    the learning rate drops, with a new optimiser, after epoch index E // 2 + 1. E is 1000 with augmentation and 300 without.
    MNIST is augmented by one of crop, scale and rotate an image, ConvNetBN on any data set by crop or noise.
    'dsa' (the same code with its siamese augmentation): E is 1000; one operation a batch, with parameters for each image.
    'idc' (its train.py): 1,000 epochs, colour and one of crop, scale and rotate for each image, CutMix on half the batches;
    one optimiser all along. Digits are not mirrored in either.
    Raises `CondenseError` for an unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if protocol == "report":
        return Recipe((Stage(300, 0.01),), batch_size=256)
    unmirrored = tuple(name for name in SIAMESE if name != "flip")
    siamese = unmirrored if dataset in DIGITS else SIAMESE
    if protocol == "dsa":
        return _in_two_halves(1000, siamese, law="single")
    if protocol == "idc":
        return _idc(tuple(name for name in siamese if name != "cutout"))  # CutMix takes its place
    augmentation = ("crop", "scale", "rotate") if dataset == "mnist" else ()
    if network == "ConvNetBN":
        augmentation = ("crop", "noise")
    return _in_two_halves(1000 if augmentation else 300, augmentation)


def _in_two_halves(last: int, augmentation: tuple[str, ...], law: str = "each") -> Recipe:
    """The authors' recipe for epochs 0 .. `last`."""
    first_stage = last // 2 + 2
    stages = Stage(first_stage, 0.01), Stage(last + 1 - first_stage, 0.001)
    return Recipe(stages, batch_size=256, momentum=0.9, weight_decay=5e-4, augmentation=augmentation, law=law)


def _idc(augmentation: tuple[str, ...], epochs: int = 1000) -> Recipe:
    drops = 0, 2 * epochs // 3, 5 * epochs // 6, epochs
    spans = itertools.pairwise(drops)
    return Recipe(
        tuple(Stage(end - begin, 0.01 * 0.2**index) for index, (begin, end) in enumerate(spans)),
        batch_size=64,
        momentum=0.9,
        weight_decay=5e-4,
        augmentation=augmentation,
        law="several",
        cutmix=0.5,
        new_optimisers=False,
    )


def whole_recipe() -> Recipe:
    """Training on the whole real set, the upper bound: the published optimiser for 30 epochs, no augmentation."""
    stages = Stage(WHOLE_EPOCHS // 2, 0.01), Stage(WHOLE_EPOCHS - WHOLE_EPOCHS // 2, 0.001)
    return Recipe(stages, batch_size=256, momentum=0.9, weight_decay=5e-4)
