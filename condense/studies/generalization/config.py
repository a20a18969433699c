"""What is asked of the generalization experiments: which, on what, and how large."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict

from condense.checking import AtLeastOne, one_of
from condense.config import DatasetName, NetworkName, Seeds
from condense.errors import CondenseError
from condense.studies.generalization.plan import EXPERIMENTS, SCALES, Line, Scale, lines

ALL = "all"
ExperimentName = Annotated[str, one_of("experiment", {**EXPERIMENTS, ALL: ""})]
OWN_NETWORKS = ("fig2a", "fig2b")
"""Experiments that compare variants of Inception, whatever networks are named."""


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """Which experiments, and how large."""

    experiment: ExperimentName = ALL
    """fig1a, fig1b, fig1c, fig2a, fig2b, table1 or all."""
    scale: Literal["small", "full"] = "small"
    """small: 240 training images (fig1b, fig1c: 960; MLPs in fig1b: 9,600), for two cores; full: all images, as in the
    paper, for a GPU."""
    train_size: AtLeastOne | None = None
    """Class-balanced subset of so many training images instead of the scale's."""
    networks: tuple[NetworkName, ...] = ()
    """Networks instead of the paper's, in fig1a, fig1b, fig1c and table1; fig2a and fig2b are of Inception alone."""
    seeds: Seeds = 3
    """Runs of everything, with seeds 0, 1, ..."""
    epochs: AtLeastOne | None = None
    """The most epochs a run may take, instead of the scale's."""
    seeds_per_cell: Seeds | None = None
    """Runs that one process trains; by default all that differ in their seed alone."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def names(self) -> list[str]:
        """The experiments asked for."""
        return list(EXPERIMENTS) if self.experiment == ALL else [self.experiment]

    @property
    def of_scale(self) -> Scale:
        """Its sizes."""
        return SCALES[self.scale]

    def lines(self, experiment: str) -> list[Line]:
        """What an experiment consists of."""
        networks = tuple(dict.fromkeys(self.networks))
        return lines(experiment, self.of_scale, self.seeds, self.epochs, networks, self.train_size)

    def check(self) -> None:
        """Raises `CondenseError` for networks of an experiment that takes none."""
        if self.networks and self.experiment in OWN_NETWORKS:
            raise CondenseError(
                f"--networks: {self.experiment} compares variants of Inception, so it takes no other networks."
            )


@dataclass(frozen=True, kw_only=True)
class GeneralizeConfig(Experiments):
    """The same, with what images."""

    dataset: DatasetName = "cifar10"
    """Name or path of the images."""
