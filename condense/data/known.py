"""The published sets by their content: which set, and which part of it, a fingerprint is of; how the field describes them.

Needs nothing but the standard library, so that readers of records can ask without loading PyTorch.
`scripts/fingerprints_of_published_sets.py` computes the fingerprints anew from the published files.
"""

from dataclasses import dataclass

TRAIN, TEST = "train", "test"
_DIGITS = tuple("0123456789")
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)


@dataclass(frozen=True)
class Fingerprints:
    """Of the training and the test images of one set: `LabelledImages.fingerprint`, then `former_fingerprint` in the
    published order, which sets and records of earlier versions hold; None where that order is not known.
    """

    train: str
    test: str
    former_train: str | None = None
    former_test: str | None = None


@dataclass(frozen=True)
class Published:
    """A set as the field knows it: names of classes, normalisation (None: measured), content.

    fingerprints: None where the published files were not at hand to compute them; then the MD5s of the files vouch.
    """

    class_names: tuple[str, ...]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    fingerprints: Fingerprints | None


PUBLISHED: dict[str, Published] = {
    "digits": Published(
        _DIGITS,
        None,
        None,
        Fingerprints(
            "d41d843fb3b0cf62f50cd3ab14e4337faae0dbc0afe1481bae5ead4fca3101e1",
            "120886fbc56eda73a3922f28024c99f7a244f0e41a2dcae68900a652b2b978f3",
            "633fc390153918bd2184f606dafa81cce6b25ab2f8711485b5f01710860c44ea",
            "d48c12f4262124035be3e0c38b748601b20b724216028c0e691c4614114b093a",
        ),
    ),
    "mnist": Published(
        _DIGITS,
        (0.1307,),
        (0.3081,),
        Fingerprints(
            "f726cc00b6ad2b78b5e49b1da5c0a156e94864a833421cac941292380653f653",
            "64d301e7c402740bb8948c406111d892992f5841999beb922e9db2e99c7300c8",
            "a3dac35ba8e3e0eb970dc66e66a66efecc421695af45a6c0f769f3c35357e0ef",
            "a51b9adc1f7269f9ed28c2d9b8363041a6b78901dbf14112a55face6fc69e851",
        ),
    ),
    "fashion-mnist": Published(
        _CLOTHES,
        (0.2861,),
        (0.3530,),
        Fingerprints(
            "aeb9e839ca70eed910df01e3a4623717b900d77158b5a829788f0436c598862d",
            "88f1b1c5dbb07c89482564d590bbb6d78aafd46257c81ac785a5e059648a210e",
            "65426613126ad0a2c635632429cfc9436630d8430183f1f0fed3b3cdb93e2499",
            "123d31845bcf533d88842c763d5684a131998bc368355d6f0e30689cedeaae9a",
        ),
    ),
    "svhn": Published(_DIGITS, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970), None),
    "cifar10": Published(
        _CIFAR10,
        (0.4914, 0.4822, 0.4465),
        (0.2023, 0.1994, 0.2010),
        Fingerprints(
            "9f2e98e800a762a92a14ab07f48ec00c830a878bfcca04876f521b8dbaa23762",
            "8b50a38e754383ac2d9cc00cc32359bf96881b31db993bd47c1271a0722d2215",
            "5bbb14bee2d96525bf1c073c5cb35ba168231ef0b8b96a589a0f835ca6a36cf9",
            "229edadba30d5e50c3d4da98aa22db73247b613afd85a72064a3b4e9d886f384",
        ),
    ),
    "cifar100": Published(
        tuple(_CIFAR100.split()),
        (0.5071, 0.4866, 0.4409),
        (0.2673, 0.2564, 0.2762),
        Fingerprints(
            "ee9bfb61860818a7855ca67421acc2c9ae7e94d99e3d0020ea01b439a320c465",
            "b9c188dd0bb682d3fafe38b9da233addb14f9d35c1f7e4c0741e4bcda4d0d291",
        ),
    ),
}
"""By catalog name."""


def known_as(fingerprint: str) -> tuple[str, str] | None:
    """(catalog name, 'train' or 'test') of the published images that have this fingerprint, the present or the former one;
    None for all others, parts of published sets included.
    """
    for name, published in PUBLISHED.items():
        known = published.fingerprints
        if known and fingerprint in (known.train, known.former_train):
            return name, TRAIN
        if known and fingerprint in (known.test, known.former_test):
            return name, TEST
    return None


def published_as(train: str, test: str) -> str | None:
    """The catalog name of the published set whose training and test images have these fingerprints, or None."""
    found, beside = known_as(train), known_as(test)
    return found[0] if found and found[1] == TRAIN and beside == (found[0], TEST) else None
