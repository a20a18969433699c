"""The configuration of a sweep."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from condense.checking import AtLeastOne, Seed
from condense.config import Seeds

EPOCHS_ON_A_PROXY = 30
"""With it a row of 10 epochs trains for 300 on a small set, as is usual there."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A grid of configurations, trained on a data set, and on small sets in its place."""

    grid: str | None = None
    """TOML file of a grid, or a built-in one (report-fashion-mnist, report-cifar10, convnets, small-convnets, mlps); by
    default the report's."""
    seeds: Seeds = 5
    """Networks trained in each row, with seeds 0, 1, ..."""
    seeds_per_cell: AtLeastOne | None = None
    """Networks of a row trained by one process; by default all that are asked for at once."""
    sample: AtLeastOne | None = None
    """Draw so many rows of the grid."""
    seed: Seed = 0
    """Seed of that draw, and of the subset of --train-size."""
    proxy: tuple[Path, ...] = ()
    """Small sets (.h5), condensed or drawn at random, on which the same grid is trained too."""
    proxy_epochs: AtLeastOne = EPOCHS_ON_A_PROXY
    """Epochs on a small set for each epoch of the grid."""
    train_size: AtLeastOne | None = None
    """Use a class-balanced subset of this many real images for training."""

    __pydantic_config__ = ConfigDict(extra="forbid")
