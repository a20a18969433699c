"""The cells of a score: networks of some seeds, on the set, on random real images in its place, or on all real images."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from condense.events import OfTraining
from condense.networks.network import TRAINING_PASSES
from condense.records import Record, Task
from condense.stage_c import embedding
from condense.stage_c.methods.random_soft import RandomSoft
from condense.stage_t.evaluate import evaluate_network, evaluate_network_whole
from condense.stage_t.protocols import WHOLE, whole_recipe
from condense.studies.score.asked import Asked
from condense.studies.score.materials import Materials
from condense.studies.score.twins import AnyProtocol
from condense.study.cell import Cell, Place, Progress, in_epochs
from condense.training.recipe import Recipe, Stage


@dataclass(frozen=True, kw_only=True)
class ScoreCell(Cell):
    """Networks of these seeds, all of one architecture."""

    asked: Asked
    seeds: tuple[int, ...]
    part: bool = False
    """Whether there are others of the same images and protocol."""

    images: ClassVar[str]
    """What they are trained on, in names of files."""
    task: ClassVar[Task]
    """Of their records."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Images and protocol, in names of files."""

    @property
    @abstractmethod
    def described(self) -> str:
        """The same for people."""

    @property
    def key(self) -> str:
        """In a folder of their own."""
        return f"networks/{self.name}{f'-seeds{self.seeds[0]}-{self.seeds[-1]}' if self.part else ''}"

    @property
    def label(self) -> str:
        """For people."""
        seeds = f", seeds {self.seeds[0]} to {self.seeds[-1]}" if self.part else ""
        return f"{len(self.seeds)} {self.asked.network} {self.described}{seeds}"

    @property
    def pace(self) -> str:
        """Of all cells with the same images and protocol."""
        return self.name

    @property
    def unit(self) -> str:
        """Progress is in epochs, of all networks together."""
        return "epoch"

    @property
    @abstractmethod
    def recipe(self) -> Recipe:
        """How one of them is trained."""

    @property
    @abstractmethod
    def training_images(self) -> int:
        """In an epoch of one of them."""

    @property
    def epochs(self) -> int:
        """Of all of them together."""
        return len(self.seeds) * self.recipe.epochs

    @property
    def step(self) -> Recipe:
        """One step of their training, for a probe: a full batch, augmented as they have it, at a rate next to nothing."""
        batch = min(self.recipe.batch_size, self.training_images)
        return replace(self.recipe, stages=(Stage(1, 1e-6),), batch_size=batch, cosine=None)

    def telling(self, progress: Progress, number: int) -> OfTraining:
        """What passes on how far network `number` is, of those that are trained one after the other."""

        def tell(done: int, total: int, loss: float | None = None) -> None:
            progress(number * total + done, len(self.seeds) * total)

        return in_epochs(tell)

    @property
    def passes(self) -> tuple[int, int]:
        """(Images of training, images tested), of all networks."""
        return self.epochs * self.training_images, len(self.seeds) * self.asked.images.test_images

    @property
    def work(self) -> float:
        """Multiply-adds; 0 where nothing is known of the network."""
        trained, tested = self.passes
        return float((TRAINING_PASSES * trained + tested) * self.asked.multiply_adds)


@dataclass(frozen=True, kw_only=True)
class UnderProtocol(ScoreCell):
    """Networks trained by a protocol."""

    protocol: AnyProtocol

    @property
    def name(self) -> str:
        """Images and protocol."""
        return f"{self.images}-{self.protocol}"

    @property
    def recipe(self) -> Recipe:
        """What the protocol comes to."""
        return self.asked.recipe(self.protocol)


@dataclass(frozen=True, kw_only=True)
class OnSet(UnderProtocol):
    """On the set."""

    images: ClassVar[str] = "set"
    task: ClassVar[Task] = "evaluate"

    @property
    def described(self) -> str:
        """For people."""
        return f"on the set ({self.protocol})"

    @property
    def training_images(self) -> int:
        """What is stored, decoded."""
        return self.asked.set.images

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains and tests them."""
        record = evaluate_network(
            *(self.asked.network, self.protocol, materials.synthetic, materials.as_learned, self.seeds),
            checkpoint=place.checkpoint,
            progress=in_epochs(progress),
        )
        return [record]


@dataclass(frozen=True, kw_only=True)
class OnRandom(UnderProtocol):
    """On random real images, drawn anew for each network. after: the cell whose networks give them their labels."""

    after: tuple[str, ...] = ()
    images: ClassVar[str] = "random"
    task: ClassVar[Task] = "evaluate"

    @property
    def needs(self) -> tuple[str, ...]:
        """Networks that give labels, where labels are soft."""
        return self.after

    @property
    def described(self) -> str:
        """For people."""
        return f"on random images ({self.protocol})"

    @property
    def training_images(self) -> int:
        """As many as the set stores."""
        return sum(self.asked.set.counts)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """One after the other, each with images of its own; one record each."""
        records = list[Record]()
        for number, seed in enumerate(self.seeds):
            drawn, _ = materials.drawn(seed)
            records.append(
                evaluate_network(
                    *(self.asked.network, self.protocol, drawn, materials.as_learned, [seed]),
                    checkpoint=place.checkpoint / f"seed{seed}",
                    progress=self.telling(progress, number),
                )
            )
        return records


@dataclass(frozen=True, kw_only=True)
class OnWhole(ScoreCell):
    """On all real images, by a recipe of its own."""

    images: ClassVar[str] = WHOLE
    task: ClassVar[Task] = "whole"

    @property
    def name(self) -> str:
        """They are under no protocol."""
        return WHOLE

    @property
    def described(self) -> str:
        """For people."""
        return "on all real images"

    @property
    def recipe(self) -> Recipe:
        """The same whatever the set."""
        return whole_recipe()

    @property
    def training_images(self) -> int:
        """All of them."""
        return sum(self.asked.images.counts)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains and tests them."""
        record = evaluate_network_whole(
            *(self.asked.network, materials.data, self.seeds),
            checkpoint=place.checkpoint,
            progress=in_epochs(progress),
        )
        return [record]


@dataclass(frozen=True, kw_only=True)
class Labelling(ScoreCell):
    """Networks that stop early in training on all real images, and label the random images of their seed; kept as experts.

    Its records say how the random images came about.
    """

    images: ClassVar[str] = "labels"
    task: ClassVar[Task] = "learn"

    @property
    def name(self) -> str:
        """They are under no protocol."""
        return self.images

    @property
    def described(self) -> str:
        """For people."""
        return "to label random images"

    @property
    def pace(self) -> str:
        """Their time is not in what their records say of their own work, so that nothing follows from it."""
        return self.key

    @property
    def recipe(self) -> Recipe:
        """As the method has it, so far as it takes time."""
        method = self.asked.drawing(0).plan(self.asked.set.dataset)
        assert isinstance(method, RandomSoft)
        return Recipe((Stage(method.expert_epochs, method.network_learning_rate),), batch_size=embedding.BATCH)

    @property
    def passes(self) -> tuple[int, int]:
        """Nothing is tested."""
        return self.epochs * self.training_images, 0

    @property
    def training_images(self) -> int:
        """All of them."""
        return sum(self.asked.images.counts)

    def run(self, materials: Materials, place: Place, progress: Progress) -> Sequence[Record]:
        """Trains those that are not kept already; stopped, each goes on where it was."""
        told = [self.telling(progress, number) for number in range(len(self.seeds))]
        return [materials.drawn(seed, tell)[1] for seed, tell in zip(self.seeds, told, strict=True)]
