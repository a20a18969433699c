"""Which runs each experiment consists of, at the scale of an afternoon on two cores ('small') or of the paper ('full')."""

from collections.abc import Sequence
from dataclasses import dataclass

from condense.studies.generalization.runs import Run, rate_of

EXPERIMENTS = {
    "fig1a": "training loss on five versions of the training set",
    "fig1b": "time to fit against the share of corrupted labels",
    "fig1c": "test error after fitting, against the share of corrupted labels",
    "fig2a": "Inception without and with regularisers",
    "fig2b": "Inception with BatchNorm everywhere, in part, and nowhere",
    "table1": "training and test accuracy with and without regularisers, and on random labels",
}
OVER_SHARES = ("fig1b", "fig1c")
"""Experiments over the share of corrupted labels."""
NETWORKS = ("small-inception", "small-alexnet", "mlp-1x512")
VERSIONS = {
    "true labels": ("labels", 0.0),
    "random labels": ("labels", 1.0),
    "shuffled pixels": ("shuffled pixels", 0.0),
    "random pixels": ("random pixels", 0.0),
    "gaussian": ("gaussian", 0.0),
}
"""The versions of the training set in Figure 1a: (corruption, p)."""
REGULARISERS = {
    "none": {},
    "weight decay": {"weight_decay": 1e-3},
    "weight decay, augmentation, dropout": {
        "weight_decay": 1e-3,
        "augmentation": "all",
        "network": "small-inception-dropout5",
    },
}
"""The models m1, m2, m3 of the report's Figure 2a."""
NORMS = {
    "BatchNorm everywhere": ("small-inception", 0.1),
    "in the downsample modules": ("small-inception-partbn", 0.1),
    "nowhere, rate 0.1": ("small-inception-nobn", 0.1),
    "nowhere, rate 0.003": ("small-inception-nobn", 0.003),
}
TABLE_NETWORKS = ("small-inception", "small-inception-nobn", "small-alexnet", "mlp-3x512", "mlp-1x512")
TABLE_SETTINGS = {
    "crop, weight decay": {"augmentation": "crop", "weight_decay": 5e-4},
    "crop": {"augmentation": "crop"},
    "weight decay": {"weight_decay": 5e-4},
    "none": {},
    "random labels": {"p": 1.0},
}


@dataclass(frozen=True)
class Scale:
    """Sizes: class-balanced subsets of so many images (None: all), the shares of corrupted labels, the most epochs.

    share_size: training images where the share of corrupted labels varies; mlp_fit_size: those of MLPs in fig1b. Few images
    are learned by heart as quickly with any labels, so that the time to fit says something of more of them only, and MLPs
    can have many; test errors (fig1c) are compared on equally many. Those of the small scale are whole batches of 60:
    BatchNorm over the few images of a last batch throws a fit back.
    """

    train_size: int | None
    share_size: int | None
    mlp_fit_size: int | None
    test_size: int | None
    shares: tuple[float, ...]
    epochs: int
    course_epochs: int
    test_every: int

    def train_images(self, experiment: str, network: str) -> int | None:
        """Training images of a network in an experiment."""
        if experiment not in OVER_SHARES:
            return self.train_size
        return self.mlp_fit_size if experiment == "fig1b" and is_mlp(network) else self.share_size


SCALES = {
    "small": Scale(240, 960, 9_600, 500, (0.0, 0.5, 1.0), epochs=300, course_epochs=30, test_every=5),
    "full": Scale(None, None, None, None, tuple(n / 10 for n in range(11)), epochs=150, course_epochs=100, test_every=1),
}


@dataclass(frozen=True)
class Line:
    """Runs that differ in their seed alone, and what they are called in a figure or a table.

    group: a network or nothing; label: a version, a setting; train_size: the class-balanced subset of the training images
    (None: all); x: the share of corrupted labels, where it matters.
    """

    group: str
    label: str
    runs: tuple[Run, ...]
    train_size: int | None
    x: float = 0.0

    def name(self, among: Sequence["Line"]) -> str:
        """Its label, after its network where the lines it is drawn with have several."""
        return self.label if len({line.group for line in among}) == 1 else f"{self.group}, {self.label}"


def lines(
    experiment: str,
    scale: Scale,
    seeds: int,
    epochs: int | None = None,
    networks: Sequence[str] = (),
    train_size: int | None = None,
) -> list[Line]:
    """The lines of an experiment, in the order of its figure; what is given takes the place of the scale's.

    In table1 MLPs and Inception without BatchNorm have no random crops, as in the paper's.
    """
    most, course = epochs or scale.epochs, epochs or scale.course_epochs

    def line(group: str, label: str, x: float = 0.0, **settings: object) -> Line:
        network = str(settings.pop("network", group))
        rate = settings.pop("learning_rate", rate_of(network))
        values = {"network": network, "learning_rate": rate, "epochs": most, **settings}
        runs = tuple(Run(seed=seed, **values) for seed in range(seeds))  # type: ignore[arg-type]
        return Line(group, label, runs, train_size or scale.train_images(experiment, network), x)

    if experiment == "fig1a":
        kinds = VERSIONS.items()
        chosen = networks or ("small-inception",)
        return [line(network, name, corruption=kind, p=p) for network in chosen for name, (kind, p) in kinds]
    if experiment in OVER_SHARES:
        return [line(network, f"p = {p:g}", p, p=p) for network in networks or NETWORKS for p in scale.shares]
    long = {"epochs": course, "stops": False, "test_every": scale.test_every}
    if experiment == "fig2a":
        return [line("small-inception", name, **settings, **long) for name, settings in REGULARISERS.items()]
    if experiment == "fig2b":
        named = NORMS.items()
        return [line("small-inception", name, network=kind, learning_rate=rate, **long) for name, (kind, rate) in named]
    return [
        line(network, name, **settings)
        for network in networks or TABLE_NETWORKS
        for name, settings in TABLE_SETTINGS.items()
        if "augmentation" not in settings or not (is_mlp(network) or network == "small-inception-nobn")
    ]


def is_mlp(network: str) -> bool:
    """Whether a network is a multilayer perceptron, by its name."""
    return network.lower().startswith("mlp")
