"""From the folder of a matrix to its tables' content."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any, TypeVar

from condense.checking import as_dict
from condense.data.naming import stored_name
from condense.records import needed
from condense.report.matrix import Matrix, merged_cells
from condense.stage_c.schedules import occasion_of, overridden
from condense.stage_t.protocols import Protocol
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.tasks import CellTask, SetTask
from condense.synthetic_set import SyntheticSet

Value = TypeVar("Value")


def matrices(folder: MatrixFolder) -> list[Matrix]:
    """One matrix for each schedule and protocol that was asked for. Raises `CondenseError` for damaged records."""
    tasks = folder.cells_asked()
    schedules, protocols = _each(tasks, lambda task: task.of.config.schedule), _each(tasks, lambda task: task.protocol)
    found = [
        _matrix(folder, schedule, protocol, [t for t in tasks if (t.of.config.schedule, t.protocol) == (schedule, protocol)])
        for schedule, protocol in product(schedules, protocols)
    ]
    return [matrix for matrix in found if matrix.asked]


def finished_sets(folder: MatrixFolder) -> list[tuple[SetTask, SyntheticSet]]:
    """The sets that are learned, as they were asked for."""
    tasks = _each(folder.cells_asked(), lambda task: task.of)
    return [(task, folder.load(task)) for task in tasks if folder.learned(task) is not None]


def check_results(folder: MatrixFolder) -> None:
    """Raises `CondenseError` where a set or a record is damaged: found before hours of work, not after."""
    if folder.description.exists():
        matrices(folder)
        finished_sets(folder)


def _matrix(folder: MatrixFolder, schedule: str, protocol: str | Protocol, tasks: list[CellTask]) -> Matrix:
    first = folder.asked()[0]
    learned = [record for of in _each(tasks, lambda task: task.of) if (record := folder.learned(of))]
    records = [record for task in tasks for record in folder.tested(task)]
    asked: Counter[tuple[str, str]] = Counter()
    for task in tasks:
        asked[task.of.row, task.network] += task.seeds
    return Matrix(
        dataset=_images(needed(records[0], "set", "dataset") if records else stored_name(first.dataset), first.train_size),
        images_per_class=first.ipc,
        schedule=schedule,
        protocol=str(protocol),
        rows=tuple(_each(tasks, lambda task: task.of.row)),
        columns=tuple(_each(tasks, lambda task: task.network)),
        asked=asked,
        cells=merged_cells([*learned, *records]),
        settings=_overridden(tasks, schedule),
        method=first.method,
    )


def _images(dataset: str, train_size: int | None) -> str:
    return dataset if train_size is None else f"{dataset} ({train_size:,} images of it)"


def _overridden(tasks: list[CellTask], schedule: str) -> dict[str, Any]:
    """The settings of the sets that are not their schedule's, whichever network's schedule has others."""
    configs = [task.of.config for task in tasks]
    resolved = [as_dict(one.resolved()) for one in configs]
    found = [overridden(settings, schedule, occasion_of(settings)) for settings in resolved]
    return {name: value for one in found for name, value in one.items()}


def _each(tasks: list[CellTask], value: Callable[[CellTask], Value]) -> list[Value]:
    """Every value once, in order."""
    return list(dict.fromkeys(map(value, tasks)))
