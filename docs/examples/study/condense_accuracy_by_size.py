"""A study of condense: how accuracy grows with the number of images per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from condense import (
    Cell,
    DataSet,
    LearnConfig,
    Machine,
    Place,
    Progress,
    Record,
    Study,
    StudyFolder,
    in_epochs,
    learn,
    summarise,
)
from condense.networks.registry import build
from condense.report.experiment import Report, Section, provenance, write_experiment
from condense.report.html import Figure
from condense.report.rendering import Table
from condense.report.sheet import Format, encoded, sheet
from condense.stage_t.evaluate import evaluate_network


@dataclass(frozen=True)
class Size(Cell):
    """Real images drawn at random, so many per class, and networks trained on them."""

    dataset: str
    network: str
    images_per_class: int
    seeds: int

    @property
    def key(self) -> str:
        """Its file of records is sizes/10.jsonl."""
        return f"sizes/{self.images_per_class}"

    @property
    def label(self) -> str:
        """As the progress bar and tables have it."""
        return f"{self.network} on {self.images_per_class} per class"

    @property
    def unit(self) -> str:
        """What the progress bar counts."""
        return "epoch"

    @property
    def work(self) -> float:
        """In proportion to the images, as every network has the same number of epochs."""
        return float(self.images_per_class * self.seeds)

    def run(self, materials: DataSet, place: Place, progress: Progress) -> Sequence[Record]:
        """Draws the images with seed 0, trains networks with seeds 0, 1, ... and tests them."""
        config = LearnConfig(dataset=self.dataset, method="random", network=self.network, ipc=self.images_per_class)
        drawn = learn(config, materials.train)
        trained = evaluate_network(
            *(self.network, "report", drawn.set, materials, range(self.seeds)),
            checkpoint=place.checkpoint,
            progress=in_epochs(progress),
        )
        return [drawn.record, trained]


@dataclass(frozen=True, kw_only=True)
class AccuracyBySize(Study):
    """Train networks on more and more real images per class."""

    kind: ClassVar[str] = "accuracy-by-size"
    title: ClassVar[str] = "accuracy against the number of images per class, drawn at random"

    dataset: str = "digits"
    """Name of the real images."""
    network: str = "MLP"
    """Network that is trained."""
    ipc: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 5, 10)
    """Images per class."""
    seeds: Annotated[int, Field(ge=1)] = 5
    """Networks trained on each set."""

    def cells(self) -> list[Size]:
        """One for each size."""
        return [Size(self.dataset, self.network, count, self.seeds) for count in sorted(set(self.ipc))]

    def materials(self, machine: Machine, folder: StudyFolder) -> DataSet:
        """The real images, on the device."""
        data = machine.load(self.dataset)
        build(self.network, data.test.shape, data.test.classes)  # refuses images that it cannot take
        return data

    def report(self, folder: StudyFolder) -> Path:
        """A page with the curve and the table."""
        accuracies = self._accuracies(folder)
        caption = f"Test accuracy of {self.network} on {self.dataset}: every network as a point, and their means."
        figure = Figure("accuracy", caption, partial(_curve, accuracies), caption)
        records = [record for cell in self.cells() for record in folder.records(cell.key)]
        report = Report(
            title=f"Accuracy by size, {self.dataset}",
            headline=f"{len(accuracies)} of {len(self.cells())} sizes are done.",
            sections=(Section("Accuracy", ((figure,) if accuracies else ()) + tuple(self.tables(folder))),),
            provenance=provenance(records),
        )
        return write_experiment(report, folder.path)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """Mean and deviation of the networks on each size that is done."""
        accuracies = self._accuracies(folder)
        summaries = {count: summarise(values) for count, values in accuracies.items()}
        return [
            Table(
                title=f"Test accuracy (%) of {self.network} on {self.dataset}, protocol report",
                header=("images per class", "networks", "mean ± deviation"),
                rows=tuple((str(c), str(s.n), f"{100 * s.mean:.1f} ± {100 * s.std:.1f}") for c, s in summaries.items()),
                notes=(),
                data=tuple({"images_per_class": c, "networks": s.n, "mean": s.mean} for c, s in summaries.items()),
                numeric=(True, True, True),
            )
        ]

    def _accuracies(self, folder: StudyFolder) -> dict[int, list[float]]:
        """Fractions by images per class, of the cells that are done."""
        records = {cell.images_per_class: folder.records(cell.key) for cell in self.cells()}
        return {count: list(found[-1].accuracies) for count, found in records.items() if found}


def _curve(accuracies: dict[int, list[float]], format: Format) -> bytes:
    with sheet(6.4, 3.2) as drawing:
        axes = drawing.add_subplot(xlabel="images per class", ylabel="test accuracy (%)", xscale="log")
        for count, values in accuracies.items():
            axes.plot([count] * len(values), [100 * value for value in values], "o", color="#0072b2", alpha=0.5)
        means = [100 * sum(values) / len(values) for values in accuracies.values()]
        axes.plot(list(accuracies), means, color="#333333")
        axes.set_xticks(list(accuracies), [str(count) for count in accuracies], minor=False)
        axes.minorticks_off()
        return encoded(drawing, format)
