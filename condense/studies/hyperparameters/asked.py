"""What is asked for in a sweep: rows, the real images and small sets they are trained on, and the seeds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from condense.config import MOST_NETWORKS
from condense.data.images import DataSet
from condense.studies.hyperparameters.grid import Grid
from condense.studies.hyperparameters.rows import Whole


def _of_a_set(described: dict[str, Any]) -> dict[str, Any]:
    """What tables and names of files need of a small set; a ValueError, as pydantic takes it, where it is not there."""
    made = described.get("set")
    if not isinstance(made, dict) or not isinstance(made.get("method"), str):
        raise ValueError("it does not say how the set was made")
    if not re.fullmatch("[0-9a-f]{64}", str(made.get("sha256"))):
        raise ValueError("it has no SHA-256 of the set")
    if type(made.get("images_per_class")) is not int or not 1 <= made["images_per_class"] < 10**9:
        raise ValueError("it does not say how many images per class the set has")
    return described


def _one_after_the_other(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    starts = [0, *(last + 1 for _, last in ranges)]
    if not ranges or any(first != start or last < first for (first, last), start in zip(ranges, starts, strict=False)):
        raise ValueError("ranges of seeds begin at 0 and follow each other")
    return ranges


SeedRanges = Annotated[tuple[tuple[int, Annotated[int, Field(lt=MOST_NETWORKS)]], ...], AfterValidator(_one_after_the_other)]
"""First and last seed of each, in order."""


@dataclass(frozen=True)
class Proxy:
    """A small set a grid was trained on: its file's name and its own, what identifies it, and what learning it took.

    learn_seconds, learned_on (device and threads): as its record beside it says; None where there is none. 0 and None for a
    set that was not learned. images: how many it is trained as; None where version 0.1 wrote this.
    """

    file: str
    label: str
    described: Annotated[dict[str, Any], AfterValidator(_of_a_set)]
    epochs_factor: Whole
    learn_seconds: Annotated[float, Field(ge=0)] | None
    learned_on: str | None = None
    images: Whole | None = None

    @property
    def sha256(self) -> str:
        """Of the set."""
        return self.described["set"]["sha256"]

    @property
    def identity(self) -> tuple[str, int]:
        """What tells it apart in its folder."""
        return self.sha256, self.epochs_factor


@dataclass(frozen=True)
class TrainingImages:
    """What rows are trained on, as far as it is known without the images.

    name: in names of files; label: for people; described: what identifies them in records; images: how many they are;
    epochs_factor: epochs for each of the grid's; proxy: the small set, None for the real images.
    """

    name: str
    label: str
    described: dict[str, Any]
    images: int
    epochs_factor: int = 1
    proxy: Proxy | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for in a folder.

    dataset: what results call the images; source: the name they are found under. shape: (C, H, W) of an image.
    seed_ranges: of the networks of every row, a cell each; they stay as they are when more are asked for.
    train_images, whole_images: real training images used, and of how many in the data set; held_out: how many of those used
    were held out, to compare rows on; draw_seed: that of drawing those used, where they are not all. None in folders of
    versions that did not say, or held none out.
    begun: seeds that version 0.1 finished of rows, of which it had not finished all, by `row_name` (a cell of their own).
    """

    dataset: str
    source: str
    described: dict[str, Any]
    classes: Whole
    grid: Grid
    seed_ranges: SeedRanges
    shape: tuple[Whole, Whole, Whole] | None = None
    proxies: tuple[Proxy, ...] = ()
    train_images: Whole | None = None
    whole_images: Whole | None = None
    held_out: Whole | None = None
    draw_seed: int = 0
    begun: dict[str, tuple[Annotated[int, Field(ge=0)], ...]] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def seeds(self) -> int:
        """Networks of each row."""
        return self.seed_ranges[-1][1] + 1

    @property
    def subset(self) -> bool:
        """Whether rows are trained on fewer images than the data set has."""
        return self.train_images != self.whole_images

    @property
    def label(self) -> str:
        """The real images that rows are trained on, as people read it."""
        if self.train_images is None:
            return "real images"
        return real_images(self.train_images - (self.held_out or 0), self.whole_images or 0)

    @property
    def compared_on(self) -> str:
        """The images that rows are compared and ranked on, in a word."""
        return "test" if self.held_out is None else "held-out"

    @property
    def from_more(self) -> list[Proxy]:
        """The proxies that were made from the whole data set where rows are trained on a part of it."""
        own = self.described.get("dataset_fingerprint")
        return [proxy for proxy in self.proxies if proxy.described.get("dataset_fingerprint") != own]

    @property
    def trained_on(self) -> list[TrainingImages]:
        """All real images but those held out, then the small sets."""
        real = max((self.train_images or 0) - (self.held_out or 0), 0)
        return [TrainingImages("real-images", self.label, self.described, real), *map(self._small, self.proxies)]

    def _small(self, proxy: Proxy) -> TrainingImages:
        made, factor = proxy.described["set"], proxy.epochs_factor
        images = proxy.images or made["images_per_class"] * self.classes
        name = f"{in_file_names(made['method'])}-{proxy.sha256[:8]}-x{factor}"
        return TrainingImages(name, proxy.label, proxy.described, images, factor, proxy)

    def sized(self, whole: DataSet) -> DataSet:
        """Of a data set the part that is used here."""
        return part_of(whole, self.train_images if self.subset else None, self.draw_seed)

    def as_recorded(self, data: DataSet) -> DataSet:
        """The images under the fingerprints that are in this folder, where they are known as these."""
        every = [self.described, *(proxy.described for proxy in self.proxies)]
        train, test = ([one[name] for one in every if name in one] for name in ("dataset_fingerprint", "test_fingerprint"))
        return data.as_recorded(train, test)


def part_of(whole: DataSet, train_size: int | None, seed: int) -> DataSet:
    """The data set with so many of its training images, drawn with a seed; all of them for None."""
    return whole if train_size is None else replace(whole, train=whole.train.subset(train_size, seed))


def real_images(count: int, whole: int) -> str:
    """What so many real training images, of so many in the data set, are called."""
    return "all images" if count == whole else f"{count:,} of {whole:,} training images"


def more_ranges(before: Sequence[tuple[int, int]], seeds: int, per_cell: int | None) -> tuple[tuple[int, int], ...]:
    """The ranges there are, and those of the seeds that are missing, so many in each (None: all in one)."""
    there = before[-1][1] + 1 if before else 0
    step = per_cell or max(seeds - there, 1)
    new = ((first, min(first + step, seeds) - 1) for first in range(there, seeds, step))
    return (*before, *new)


def joined_proxies(before: Sequence[Proxy], now: Sequence[Proxy]) -> tuple[Proxy, ...]:
    """The sets asked for before, with what is known of them now where they are asked for again, then those that are new.

    They stay described as they were, as their records are.
    """
    again = {proxy.identity: proxy for proxy in now}
    kept = [replace(again.get(proxy.identity, proxy), described=proxy.described) for proxy in before]
    known = {proxy.identity for proxy in before}
    return (*kept, *(proxy for identity, proxy in again.items() if identity not in known))


def in_file_names(text: str) -> str:
    """Of any text what can be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text[:40]).strip("-") or "x"
