"""Published accuracies, only those whose source has been read; every one carries that source.

Where a paper's number could not be traced to a text, it is left out: an empty cell in a table is better than a number
from memory.
"""

from dataclasses import dataclass

WHOLE_SET = "whole set"

_PAPER = "Zhao, Mopuri, Bilen: Dataset Condensation with Gradient Matching, ICLR 2021"
_CONVNET_SOURCE = (
    f"{_PAPER}; means from the authors' README, deviations as quoted by Nguyen et al. "
    "(Dataset Distillation with Infinitely Wide Convolutional Networks, NeurIPS 2021, Table 1)"
)
_CROSS_SOURCE = f"{_PAPER}, Table 2, as quoted by Shi, Draganova, Sathiyakumar (COMP6248 reproduction report)"
_BASELINE_SOURCE = f"{_PAPER}, Table 1, as quoted in Table 1 of the DANCE and the NCFM paper"
_DSA_PAPER = "Zhao, Bilen: Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021"
_DM_PAPER = "Zhao, Bilen: Dataset Condensation with Distribution Matching, WACV 2023"
_DSA_SOURCE = _CONVNET_SOURCE.replace(_PAPER, _DSA_PAPER)
_DSA_QUOTED = f"{_DSA_PAPER}, as quoted in Table 1 of the DANCE and the NCFM paper"
_DM_SOURCE = f"{_DM_PAPER}, as quoted in Table 1 of the PAD paper"
_DM_QUOTED = f"{_DM_PAPER}, as quoted in Table 1 of the DANCE and the NCFM paper"
_REPORT = "Shi, Draganova, Sathiyakumar: COMP6248 reproduction report on Dataset Condensation with Gradient Matching"
_WHOLE_SOURCE = f"{_PAPER}, Table 1, as quoted in the PAD paper"


@dataclass(frozen=True)
class Published:
    """A published accuracy in percent.

    std is None where only the mean could be sourced; n is what the accuracy was taken over ('5 × 20' means 5 sets with
    20 networks on each), None where the source does not say; protocol: that of stage T it was obtained under.
    """

    mean: float
    std: float | None
    n: str | None
    source: str
    protocol: str = "published"

    @property
    def kind(self) -> str:
        """What a table calls it: 'published', or 'reported' of the reproduction report's."""
        return "reported" if self.protocol == "report" else "published"


Values = dict[str, dict[int, tuple[float, float]]]
"""{data set: {images per class: (mean, std)}}."""

# ConvNet, learned and trained.
_CONVNET: Values = {
    "mnist": {1: (91.7, 0.5), 10: (97.4, 0.2), 50: (98.8, 0.1)},
    "fashion-mnist": {1: (70.5, 0.6), 10: (82.3, 0.4), 50: (83.6, 0.4)},
    "svhn": {1: (31.2, 1.4), 10: (76.1, 0.6), 50: (82.3, 0.3)},
    "cifar10": {1: (28.3, 0.5), 10: (44.9, 0.5), 50: (53.9, 0.5)},
    "cifar100": {1: (12.8, 0.3), 10: (25.2, 0.3)},
}
_DSA: Values = {
    "mnist": {1: (88.7, 0.6), 10: (97.8, 0.1), 50: (99.2, 0.1)},
    "fashion-mnist": {1: (70.6, 0.6), 10: (84.6, 0.3), 50: (88.7, 0.2)},
    "svhn": {1: (27.5, 1.4), 10: (79.2, 0.5), 50: (84.4, 0.4)},
    "cifar10": {1: (28.8, 0.7), 10: (52.1, 0.5), 50: (60.6, 0.5)},
    "cifar100": {1: (13.9, 0.3), 10: (32.3, 0.3)},
}
_DM: Values = {"cifar10": {1: (26.0, 0.8), 10: (48.9, 0.6), 50: (63.0, 0.4)}}
_DM_OTHERS: Values = {
    "fashion-mnist": {1: (70.7, 0.6), 10: (83.5, 0.3), 50: (88.1, 0.6)},
    "cifar100": {1: (11.4, 0.3), 10: (29.7, 0.3), 50: (43.6, 0.4)},
}

# {method: [(values, n, source, protocol of stage T), ...]}, ConvNet learned and trained.
_LEARNED: dict[str, list[tuple[Values, str | None, str, str]]] = {
    "dc": [(_CONVNET, "5 × 20", _CONVNET_SOURCE, "published")],
    "dsa": [(_DSA, "5 × 20", _DSA_SOURCE, "dsa"), ({"cifar100": {50: (42.8, 0.4)}}, None, _DSA_QUOTED, "dsa")],
    "dm": [(_DM, None, _DM_SOURCE, "dsa"), (_DM_OTHERS, None, _DM_QUOTED, "dsa")],
}

# MNIST, 1 image per class: {learned with: {trained with: (mean, std)}}.
_CROSS = {
    "MLP": {"MLP": (70.5, 1.2), "ConvNet": (63.9, 6.5), "LeNet": (77.3, 5.8), "AlexNet": (70.9, 11.6)},
    "ConvNet": {"MLP": (69.6, 1.6), "LeNet": (85.3, 1.8), "AlexNet": (85.1, 3.0)},
    "LeNet": {"MLP": (71.0, 1.6), "ConvNet": (90.3, 1.2), "LeNet": (85.0, 1.7), "AlexNet": (84.7, 2.4)},
    "AlexNet": {"MLP": (72.1, 1.7), "ConvNet": (87.5, 1.6), "LeNet": (84.0, 2.8), "AlexNet": (82.7, 2.9)},
}

# The reproduction report, MNIST, 1 image per class, the same way: Table 2 with its own LeNet and AlexNet, and Table 3 with
# the published ones.
_REPORT_CLASSIC = {
    "MLP": {"MLP": (66.8, 0.7), "ConvNet": (68.5, 2.2), "lenet-classic": (10.9, 3.0), "alexnet-classic": (10.3, 3.6)},
    "ConvNet": {"MLP": (72.8, 1.0), "ConvNet": (87.7, 0.7), "lenet-classic": (9.6, 2.8), "alexnet-classic": (11.7, 2.9)},
    "lenet-classic": {
        "MLP": (47.6, 3.6),
        "ConvNet": (53.8, 5.4),
        "lenet-classic": (11.7, 3.4),
        "alexnet-classic": (10.4, 2.0),
    },
    "alexnet-classic": {
        "MLP": (21.2, 4.2),
        "ConvNet": (62.3, 3.4),
        "lenet-classic": (25.0, 10.1),
        "alexnet-classic": (19.5, 5.9),
    },
}
_REPORT_PUBLISHED = {
    "LeNet": {"MLP": (74.3, 0.9), "ConvNet": (82.9, 1.2), "LeNet": (70.8, 8.5), "AlexNet": (75.5, 1.1)},
    "AlexNet": {"MLP": (75.4, 0.6), "ConvNet": (82.9, 1.5), "LeNet": (73.7, 3.3), "AlexNet": (75.6, 1.5)},
}

# Selected real images (among the features of ConvNet), ConvNet trained; in papers' order: random, herding, k-center.
_SELECTED: dict[str, Values] = {
    "random": {
        "fashion-mnist": {1: (51.4, 3.8), 10: (73.8, 0.7), 50: (82.5, 0.7)},
        "cifar10": {1: (14.4, 2.0), 10: (26.0, 1.2), 50: (43.4, 1.0)},
        "cifar100": {1: (4.2, 0.3), 10: (14.6, 0.5), 50: (30.0, 0.4)},
    },
    "herding": {
        "fashion-mnist": {1: (67.0, 1.9), 10: (71.1, 0.7), 50: (71.9, 0.8)},
        "cifar10": {1: (21.5, 1.2), 10: (31.6, 0.7), 50: (40.4, 0.6)},
        "cifar100": {1: (8.4, 0.3), 10: (17.3, 0.3), 50: (33.7, 0.5)},
    },
    "k-center": {
        "fashion-mnist": {1: (66.9, 1.8), 10: (54.7, 1.5), 50: (68.3, 0.8)},
        "cifar10": {1: (21.5, 1.3), 10: (14.7, 0.9), 50: (27.0, 1.4)},
        "cifar100": {1: (8.3, 0.3), 10: (7.1, 0.2), 50: (30.5, 0.3)},
    },
}
_LEARNED |= {name: [(values, None, _BASELINE_SOURCE, "published")] for name, values in _SELECTED.items()}


def published_accuracy(
    dataset: str, method: str, ipc: int | None, learn_network: str | None, train_network: str, protocol: str = "published"
) -> Published | None:
    """The published accuracy of a cell, or None where no sourced number exists.

    dataset: name in the catalogue; method: by its name, or `WHOLE_SET`; ipc: images per class, None for the
    whole set; learn_network: the network of stage C (random images and the whole set have none); train_network: the
    network of stage T. Under the protocol 'report' a number of the reproduction report comes first, else the paper's.
    """
    if protocol == "report" and (dataset, method, ipc) == ("mnist", "dc", 1):
        for number, table in ((2, _REPORT_CLASSIC), (3, _REPORT_PUBLISHED)):
            found = table.get(learn_network or "", {}).get(train_network)
            if found:
                return Published(*found, None, f"{_REPORT}, Table {number}", "report")
    if method == WHOLE_SET:
        known = dataset == "cifar10" and train_network == "ConvNet"
        return Published(84.8, 0.1, None, _WHOLE_SOURCE) if known else None
    if ipc is None:
        return None
    if train_network == "ConvNet" and learn_network in ("ConvNet", None):
        for values, n, source, of_protocol in _LEARNED.get(method, []):
            if value := values.get(dataset, {}).get(ipc):
                return Published(*value, n, source, of_protocol)
        return None
    if method != "dc" or learn_network is None or (dataset, ipc) != ("mnist", 1):
        return None
    cell = _CROSS.get(learn_network, {}).get(train_network)
    return Published(*cell, None, _CROSS_SOURCE) if cell else None
