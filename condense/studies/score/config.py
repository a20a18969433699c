"""What is asked of a score."""

from dataclasses import dataclass

from pydantic import ConfigDict

from condense.config import NetworkName, Protocol, ScheduleName, Seeds


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Networks trained on a set, on random real images in its place, and on all real images."""

    network: NetworkName | None = None
    """Network to train; by default the one the set was learned with."""
    protocol: Protocol = "dsa"
    """How networks are trained on the set and on random images: dsa, published, report, idc, or a TOML file of your own
    (docs/protocol.md); ARS takes it with DSA's augmentation and without any."""
    seeds: Seeds = 20
    """Networks on the set, and on as many draws of random real images, with seeds 0, 1, ..."""
    whole_seeds: Seeds = 5
    """Networks trained on all real images, which costs most."""
    schedule: ScheduleName = "published"
    """Of a set with soft labels: how long the networks are trained that label the random images, published or fast."""
    seeds_per_cell: Seeds | None = None
    """Networks that one process trains at a time; by default all on the same images under one protocol."""

    __pydantic_config__ = ConfigDict(extra="forbid")
