"""A score as a study: networks on the set, on random images and on all images, and what they say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from condense.checking import as_dict, verified
from condense.config import EvaluateConfig
from condense.data.images import DataSet
from condense.errors import CondenseError, shortened
from condense.networks.registry import build
from condense.records import Record
from condense.report.rendering import Table
from condense.stage_c.learn import check, check_storable
from condense.stage_t.evaluate import data_as_learned, networks_of
from condense.studies.matrix.images import ImageFacts
from condense.studies.score.asked import Asked, ScoredSet
from condense.studies.score.cells import Labelling, OnRandom, OnSet, OnWhole, ScoreCell
from condense.studies.score.config import ScoreConfig
from condense.studies.score.materials import Materials, kept, kept_path, real_images
from condense.studies.score.probe import probed_paces
from condense.studies.score.report import write_report
from condense.studies.score.results import results_of
from condense.studies.score.tables import result_rows, score_tables
from condense.studies.score.twins import AnyProtocol
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.study import Study
from condense.synthetic_set import SyntheticSet


@dataclass(frozen=True, kw_only=True)
class Score(Asked, Study):
    """The measures of one set. given: the record of networks on all real images that is taken in place of trained ones."""

    kind: ClassVar[str] = "score"
    title: ClassVar[str] = "what a set is worth beside random real images and all of them (DD-Ranking)"

    given: Record | None = field(default=None, compare=False)

    def content(self) -> dict[str, Any]:
        """All but the record that is given, which becomes that of its cell."""
        return {name: value for name, value in as_dict(self).items() if name != "given"}

    def joined(self, before: Self, where: str) -> Self:
        """The same again. Raises `CondenseError` for anything else, as a score is of one set under one protocol."""
        if before.set.sha256 != self.set.sha256:
            raise CondenseError(
                f"{where} holds the score of another set ({shortened(before.set.file)}). Choose another --out."
            )
        if before.images != self.images:
            raise CondenseError(f"{where} holds a score beside other images of {self.source}. Choose another --out.")
        if before.set != self.set:  # the file has another name now
            return replace(self, set=before.set).joined(before, where)
        return super().joined(before, where)

    def beside_given(self, whole: Record) -> Self:
        """The same with networks on all real images that are trained already, by their record."""
        return replace(self, given=whole, whole_given=True, whole_seeds=tuple(whole.seeds))

    def earlier_records(self, path: Path) -> Mapping[str, Sequence[Record]]:
        """The record that is given, where its cell has none yet."""
        key = self.on_whole[0].key
        return {key: [self.given]} if self.given and not StudyFolder(path).is_done(key) else {}

    def cells(self) -> Sequence[ScoreCell]:
        """Set and random images under each protocol; before the latter what labels them; and all real images."""
        of_labels = self.on_labels
        on_random = [cell for protocol in dict.fromkeys(self.beside) for cell in self.on_random(protocol)]
        on_set = [cell for protocol in dict.fromkeys((*self.beside, self.twins.hard)) for cell in self.on_set(protocol)]
        return [*on_set, *of_labels, *on_random, *self.on_whole]

    @property
    def beside(self) -> tuple[AnyProtocol, ...]:
        """The protocols under which set and random images are set side by side."""
        return self.twins.own, self.twins.augmented, self.twins.plain

    def on_set(self, protocol: AnyProtocol) -> list[OnSet]:
        """Networks on the set."""
        return [OnSet(asked=self, protocol=protocol, **share) for share in self._shares(range(self.seeds))]

    def on_random(self, protocol: AnyProtocol) -> list[OnRandom]:
        """Networks on random images."""
        shares = self._shares(range(self.seeds))
        after = [(one.key,) for one in self.on_labels] or [()] * len(shares)
        return [
            OnRandom(asked=self, protocol=protocol, after=needed, **share)
            for share, needed in zip(shares, after, strict=True)
        ]

    @property
    def on_labels(self) -> list[Labelling]:
        """Networks that label random images, where labels are soft."""
        return [Labelling(asked=self, **share) for share in self._shares(range(self.seeds))] if self.set.soft else []

    @property
    def on_whole(self) -> list[OnWhole]:
        """Networks on all real images; those that are given are one cell."""
        if self.whole_given:
            return [OnWhole(asked=self, seeds=self.whole_seeds, part=False)]
        return [OnWhole(asked=self, **share) for share in self._shares(self.whole_seeds)]

    def _shares(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Seeds, and whether there are others, of each cell."""
        size = self.seeds_per_cell or len(seeds)
        parts = [tuple(seeds[first : first + size]) for first in range(0, len(seeds), size)]
        return [{"seeds": part, "part": len(parts) > 1} for part in parts]

    def materials(self, machine: Machine, folder: StudyFolder) -> Materials:
        """The real images. Raises `CondenseError` where others are there now."""
        data = real_images(machine, self.source, self.train_size, self.draw_seed)
        parts = ("training", data.train, self.images.training), ("test", data.test, self.images.test)
        for part, images, fingerprint in parts:
            if not images.is_known_as(fingerprint):
                raise CondenseError(
                    f"{shortened(folder.path)} holds a score beside other {part} images of {self.source} than are here now."
                )
        return Materials(self, data.as_recorded([self.images.training], [self.images.test]), folder)

    def check(self, materials: Materials, folder: StudyFolder, asked: Self) -> None:
        """Raises `CondenseError` where the network cannot take the images, a class has fewer of them than the set, or files
        of the folder are damaged.
        """
        train = materials.data.train
        build(self.network, train.shape, train.classes)
        check(self.drawing(0), train)
        check_storable(self.drawing(0).resolved(materials.data.name), train)
        if kept_path(folder.path).exists():
            kept(folder.path, self)
        results_of(self, self.cells(), folder)
        if self.given and folder.records(self.on_whole[0].key) != [self.given]:
            raise CondenseError(
                f"{shortened(folder.path)} holds other networks on all real images than are given now. Choose another --out."
            )

    def paces(self, cells: Sequence[ScoreCell], materials: Materials) -> dict[str, float]:
        """By a step of training of each kind, and a moment of testing."""
        test = materials.data.test
        return probed_paces(cells, build(self.network, test.shape, test.classes), test)

    def report(self, folder: StudyFolder) -> Path:
        """Tables, every network as a point, the images of the set, and the record of the score."""
        return write_report(results_of(self, self.cells(), folder), folder)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """The measures, then the accuracies that they come from."""
        return score_tables(results_of(self, self.cells(), folder))

    def data_table(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> Table:
        """Measures and accuracies, a row each."""
        results = results_of(self, self.cells(), folder)
        return replace(score_tables(results)[0], data=tuple(result_rows(results)))


def asked_for(
    config: ScoreConfig,
    synthetic: SyntheticSet,
    data: DataSet,
    *,
    source: str,
    file: str = "the set",
    train_size: int | None = None,
    draw_seed: int = 0,
) -> Score:
    """The score of a set beside the real images it was made from.

    source: the stored name they are found under, train_size, draw_seed: the subset that they are of these; file: what the
    set is called.
    Raises `CondenseError` where the set was made from other images, and for a protocol that takes the learning rate of a
    set that has none.
    """
    config = verified(config)
    data_as_learned(synthetic, data)
    names = () if config.network is None else (config.network,)
    asked = Score(
        set=ScoredSet.of(synthetic, file),
        source=source,
        images=ImageFacts.of(data),
        network=networks_of(EvaluateConfig(network=names), synthetic)[0],
        protocol=config.protocol,
        schedule=config.schedule,
        seeds=config.seeds,
        whole_seeds=tuple(range(config.whole_seeds)),
        seeds_per_cell=config.seeds_per_cell,
        train_size=train_size,
        draw_seed=draw_seed,
    )
    for protocol in asked.beside:
        asked.recipe(protocol)
    return asked
