"""A sweep as a study: a cell for each row, set of images and range of seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from condense.data.images import DataSet
from condense.data.split import held_out
from condense.errors import CondenseError
from condense.records import Record
from condense.report.rendering import Table
from condense.studies.hyperparameters import earlier
from condense.studies.hyperparameters.asked import Asked, Proxy, joined_proxies, more_ranges
from condense.studies.hyperparameters.cells import RowCell, row_name
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.grid import Grid
from condense.studies.hyperparameters.materials import Materials
from condense.studies.hyperparameters.plan import plan_table
from condense.studies.hyperparameters.proxies import kept_path, lacking
from condense.studies.hyperparameters.proxy_study import studied
from condense.studies.hyperparameters.report import write_report
from condense.studies.hyperparameters.results import results_of
from condense.studies.hyperparameters.tables import sweep_tables
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.study import Study


@dataclass(frozen=True, kw_only=True)
class Sweep(Asked, Study):
    """A grid of configurations, trained on a data set, and on small sets in its place."""

    kind: ClassVar[str] = "sweep"
    title: ClassVar[str] = "hyper-parameters, and small sets as their proxy"

    def joined(self, before: Self, where: str) -> Self:
        """What is asked for in all: more seeds, and more small sets."""
        if before.held_out is None:
            raise ranked_on_test_images(where)
        for name, there, now in (
            ("images", (before.dataset, before.described), (self.dataset, self.described)),
            ("rows", _plain_rows(before.grid), _plain_rows(self.grid)),
        ):
            if there != now:
                raise CondenseError(f"{where} holds a sweep with other {name}. Choose another --out.")
        new = self.seed_ranges[0][1] - self.seed_ranges[0][0] + 1  # what --seeds-per-cell says
        per_cell = new if len(self.seed_ranges) > 1 else None
        return replace(
            self,
            seed_ranges=more_ranges(before.seed_ranges, self.seeds, per_cell),
            proxies=joined_proxies(before.proxies, self.proxies),
            begun=before.begun,
        )

    @classmethod
    def earlier(cls, path: Path) -> Self | None:
        """The sweep that version 0.1 described, with what it finished of rows that it did not finish."""
        content = earlier.content_of(path)
        if content is None:
            return None
        found = cls.of(content, f"{path / earlier.DESCRIPTION} is damaged")
        begun = {name: seeds for name, seeds in found._finished_seeds(path).items() if seeds != tuple(range(found.seeds))}
        return replace(found, begun=begun)

    def _finished_seeds(self, path: Path) -> dict[str, tuple[int, ...]]:
        """Seeds of the networks that version 0.1 finished, by `row_name`, of rows of which there are any."""
        of_rows = earlier.by_row(self, earlier.finished(path))
        seeds = {
            row_name(row, on): sorted({seed for record in of_rows[row.name, on.name] for seed in record.seeds})
            for on in self.trained_on
            for row in self.grid.rows
        }
        return {name: tuple(there) for name, there in seeds.items() if there}

    def earlier_records(self, path: Path) -> Mapping[str, Sequence[Record]]:
        """The records that version 0.1 wrote, by the cells of their seeds."""
        of_rows = earlier.by_row(self, earlier.finished(path))
        found: dict[str, list[Record]] = {}
        for cell in self.cells():
            own = [record for record in of_rows[cell.row.name, cell.on.name] if {*record.seeds} <= {*cell.seeds}]
            if {seed for record in own for seed in record.seeds} == {*cell.seeds}:
                found[cell.key] = own
        return found

    def cells(self) -> list[RowCell]:
        """Every row on the real images, then on each small set."""
        return [
            RowCell(row, on, seeds, self.shape, self.classes)
            for on in self.trained_on
            for row in self.grid.rows
            for seeds in self._seeds(self.begun.get(row_name(row, on), ()))
        ]

    def _seeds(self, begun: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The seeds of each cell of a row, of which some were finished by version 0.1."""
        ranges = [tuple(seed for seed in range(first, last + 1) if seed not in begun) for first, last in self.seed_ranges]
        return [seeds for seeds in (begun, *ranges) if seeds]

    def materials(self, machine: Machine, folder: StudyFolder) -> Materials:
        """The images, split. Raises `CondenseError` where they are others, or a set of cells that are left is not there."""
        if self.held_out is None:
            raise ranked_on_test_images(str(folder.path))
        data = self.as_recorded(self.sized(machine.load(self.source)))
        if described_images(data) != self.described:
            raise CondenseError(f"The images {self.source} found here are others than those of the sweep in {folder.path}.")
        return Materials(data, *held_out(data.train), folder)

    def check(self, materials: Materials, folder: StudyFolder, asked: Self) -> None:
        """Raises `CondenseError` where cells that are left need a set that is not kept, nor named now."""
        check_sets(self, folder, asked.proxies)

    def paces(self, cells: Sequence[RowCell], materials: Materials) -> dict[str, float]:
        """From the probe of every network, all cells of a kind of network together."""
        trials = [(materials.trial(cell.row, cell.on), len(cell.seeds)) for cell in cells]
        calibration = materials.calibrate(trials)
        seconds, work = dict[str, float](), dict[str, float]()
        for cell, (trial, networks) in zip(cells, trials, strict=True):
            seconds[cell.pace] = seconds.get(cell.pace, 0.0) + trial.estimated_seconds(networks, calibration)
            work[cell.pace] = work.get(cell.pace, 0.0) + cell.work
        return {pace: seconds[pace] / work[pace] for pace in seconds if work[pace]}

    def plan(self, folder: StudyFolder, materials: Materials, seconds: Mapping[str, float]) -> Table:
        """What is left of every row, and its estimated time and memory."""
        return plan_table(self.cells(), folder, materials)

    def report(self, folder: StudyFolder) -> Path:
        """Tables, figures and the page."""
        return write_report(results_of(self, self.cells(), folder), folder.path)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """Accuracies, costs, differences, and what the small sets are worth."""
        results = results_of(self, self.cells(), folder)
        return sweep_tables(results, studied(results))


def ranked_on_test_images(where: str) -> CondenseError:
    """The error for folders of version 0.1 that are to be continued."""
    return CondenseError(
        f"{where} holds a sweep of an earlier version, which compared rows on the test images; now a fifth of the training "
        "images is held out for that. Choose another --out."
    )


def described_images(data: DataSet) -> dict[str, Any]:
    """What identifies the real images in records."""
    fingerprints = {"dataset_fingerprint": data.train.fingerprint, "test_fingerprint": data.test.fingerprint}
    return {"dataset": data.name, **fingerprints, "set": None}


def asked_for(
    grid: Grid, config: SweepConfig, data: DataSet, proxies: Sequence[Proxy] = (), *, source: str, whole_images: int
) -> Sweep:
    """The sweep of a command. data: the images that are used; source: the name they are found under."""
    images = len(data.train)
    return Sweep(
        dataset=data.name,
        source=source,
        described=described_images(data),
        classes=data.train.classes,
        shape=data.train.shape,
        grid=grid,
        seed_ranges=more_ranges((), config.seeds, config.seeds_per_cell),
        proxies=tuple(proxies),
        train_images=images,
        whole_images=whole_images,
        held_out=len(held_out(data.train)[1]),
        draw_seed=config.seed,
    )


def check_sets(study: Sweep, folder: StudyFolder, named: Sequence[Proxy]) -> None:
    """Raises `CondenseError` where cells that are left need a set that is not kept there, nor named now."""
    there = {proxy.sha256 for proxy in named}
    left = (cell.on.proxy for cell in study.cells() if not folder.is_done(cell.key))
    for proxy in left:
        if proxy and proxy.sha256 not in there and not kept_path(folder.path, proxy).exists():
            raise lacking(folder.path, proxy)


def _plain_rows(grid: Grid) -> list[dict[str, Any]]:
    return [{"name": row.name, **row.settings} for row in grid.rows]
