"""What a score is of, as it stands in the study's file: all that its cells follow from, without reading any image."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from condense.checking import AtLeastOne, Count, Seed
from condense.config import LearnConfig, Seeds
from condense.networks.own import NETWORKS
from condense.networks.registry import build
from condense.stage_t.evaluate import describe_made
from condense.stage_t.own_protocols import ChosenProtocol
from condense.stage_t.protocols import recipe
from condense.studies.matrix.images import ImageFacts
from condense.studies.score.twins import AnyProtocol, Twins, twins_of
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe


@dataclass(frozen=True)
class ScoredSet:
    """The set that is scored.

    file: its name when it was first given; described: as records of networks on it name it; counts: how many random real
    images of each class take its place; images: that networks are trained on, decoded; learning_rate: that comes with it.
    """

    file: str
    described: dict[str, Any]
    soft: bool
    counts: tuple[Count, ...]
    images: AtLeastOne
    learning_rate: float | None = None

    @classmethod
    def of(cls, synthetic: SyntheticSet, file: str) -> "ScoredSet":
        """Of a set that is there.

        As many real images take its place as it stores, of each class as many where its classes are unequal: so many have
        as many bytes.
        """
        facts = synthetic.provenance
        equal = (facts.images_per_class,) * len(facts.class_names)
        return cls(
            file=file,
            described=json.loads(json.dumps(describe_made(synthetic))),
            soft=synthetic.soft,
            counts=synthetic.counts if synthetic.unequal else equal,
            images=len(synthetic),
            learning_rate=synthetic.learning_rate,
        )

    @property
    def sha256(self) -> str:
        """Its identity."""
        return str(self.described["sha256"])

    @property
    def dataset(self) -> str:
        """The name of its real images, by which protocols go."""
        return str(self.described["dataset"])


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked for.

    source: the stored name of the real images; images: facts of those that the set was made from; train_size, draw_seed: of
    the subset that they are of these, if any; whole_seeds: of the networks on all real images; whole_given: whether a record
    of these was given.
    """

    set: ScoredSet
    source: str
    images: ImageFacts
    network: str
    protocol: ChosenProtocol
    schedule: str
    seeds: Seeds
    whole_seeds: tuple[Seed, ...]
    seeds_per_cell: Seeds | None = None
    train_size: AtLeastOne | None = None
    draw_seed: Seed = 0
    whole_given: bool = False

    @cached_property
    def twins(self) -> Twins:
        """The protocols that networks are trained by. Raises `CondenseError` for an unknown one."""
        return twins_of(self.protocol, self.set.dataset, self.network, soft=self.set.soft)

    def recipe(self, protocol: AnyProtocol) -> Recipe:
        """What a protocol comes to. Raises `CondenseError` where it takes the set's own learning rate and there is none."""
        return recipe(protocol, self.set.dataset, self.network, self.set.learning_rate)

    @cached_property
    def multiply_adds(self) -> int:
        """Of one image through the network; 0 where that is code that the folder alone names."""
        if self.images.shape is None or NETWORKS.is_named_by_file(self.network):
            return 0
        return build(self.network, self.images.shape, self.images.classes).multiply_adds

    def drawing(self, seed: int) -> LearnConfig:
        """How the random real images of a seed are drawn, with labels of the set's kind; as many of each class as of the
        largest.
        """
        method = "random-soft" if self.set.soft else "random"
        named: dict[str, Any] = {"dataset": self.source, "network": self.network, "schedule": self.schedule}
        return LearnConfig(**named, method=method, ipc=max(self.set.counts), seed=seed)
