"""What was asked for at one time: experiments, and what is known of their images without reading them again."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from condense.checking import AtLeastOne
from condense.data.images import DataSet, LabelledImages
from condense.data.naming import stored_name
from condense.errors import CondenseError
from condense.networks.registry import build
from condense.studies.generalization.config import Experiments, GeneralizeConfig
from condense.studies.generalization.images import SIDE, check_size
from condense.studies.generalization.plan import EXPERIMENTS, Line
from condense.studies.generalization.subset import Subset, balanced


@dataclass(frozen=True, kw_only=True)
class OfSize:
    """The images of the lines with this `Line.train_size`."""

    size: AtLeastOne | None
    subset: Subset


@dataclass(frozen=True, kw_only=True)
class Request(Experiments):
    """Experiments on images.

    dataset: the name that the images are loaded by; images: in every size that an experiment of these settings takes.
    """

    dataset: str
    images: tuple[OfSize, ...]

    @staticmethod
    def of(
        config: GeneralizeConfig, data: DataSet, train_known: Collection[str] = (), test_known: Collection[str] = ()
    ) -> "Request":
        """The request of a command on a data set.

        train_known, test_known: fingerprints that a folder has for images; where these are known as one of them, they stand
        under it. Raises `CondenseError` where no balanced subset has the size of --train-size, the images are smaller than
        the crop, or no network takes them.
        """
        settings: dict[str, Any] = {field.name: getattr(config, field.name) for field in fields(Experiments)}
        sizes = subsets(config, data, train_known, test_known)
        images = tuple(OfSize(size=size, subset=subset) for size, subset in sizes.items())
        return Request(**settings, dataset=stored_name(config.dataset), images=images)

    @property
    def subsets(self) -> dict[int | None, Subset]:
        """The images by `Line.train_size`."""
        return {one.size: one.subset for one in self.images}

    def subset(self, line: Line) -> Subset:
        """The images of a line. Raises `CondenseError` where nothing is known of them."""
        if line.train_size not in self.subsets:
            raise CondenseError(f"The study says nothing of its images in the size {line.train_size or 'of all'}.")
        return self.subsets[line.train_size]

    @property
    def setting(self) -> tuple[Any, ...]:
        """What experiments that are shown together have in common."""
        return self.dataset, self.scale, self.train_size, self.networks, self.epochs

    @property
    def described(self) -> str:
        """The same in words."""
        said = [f"{self.dataset}, {self.scale} scale"]
        said += [f"{self.train_size:,} training images"] if self.train_size else []
        said += [f"networks {', '.join(self.networks)}"] if self.networks else []
        said += [f"at most {self.epochs:,} epochs"] if self.epochs else []
        return ", ".join(said)

    def holds(self, other: "Request") -> bool:
        """Whether all that another request asks for is asked for here."""
        same = self.setting == other.setting and self.images == other.images
        return same and set(self.names) >= set(other.names) and self.seeds >= other.seeds


def subsets(
    config: Experiments, data: DataSet, train_known: Collection[str] = (), test_known: Collection[str] = ()
) -> dict[int | None, Subset]:
    """The images of all experiments by `Line.train_size`: those of --train-size, or of the scale, where there are so few
    images or such classes that no balanced subset has its size the largest below it. Otherwise as `Request.of`.
    """
    check_size(data.train)
    for name in config.networks:
        build(name, (data.train.shape[0], SIDE, SIDE), data.train.classes)
    most = config.of_scale.test_size
    test = data.test if most is None else balanced(data.test, _possible(data.test, most))
    found: dict[int | None, Subset] = {}
    for size in sorted({line.train_size for name in EXPERIMENTS for line in config.lines(name)}, key=lambda size: size or 0):
        train = data.train
        if size is not None:
            train = train.subset(size if config.train_size else _possible(train, size), seed=0)
        found[size] = Subset.of(DataSet(data.name, train, test).as_recorded(train_known, test_known))
    return found


def _possible(images: LabelledImages, most: int) -> int:
    """The size of the largest class-balanced subset, but no more than `most` of them (one per class at least)."""
    return max(1, min(min(images.counts), most // images.classes)) * images.classes
