"""From the folder of a matrix to its tables' content."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from condense.checking import as_dict
from condense.errors import CondenseError, shortened
from condense.records import Record, needed
from condense.report.matrix import Matrix, merged_cells
from condense.stage_c.schedules import occasion_of, overridden
from condense.studies.matrix.cells import SET, NetworksCell, SetCell, load_set
from condense.study.cell import Cell
from condense.study.folder import StudyFolder
from condense.synthetic_set import SyntheticSet

Value = TypeVar("Value")


def sets_of(cells: Sequence[Cell]) -> list[SetCell]:
    """Those that are sets."""
    return [cell for cell in cells if isinstance(cell, SetCell)]


def networks_of(cells: Sequence[Cell]) -> list[NetworksCell]:
    """Those that are networks on sets."""
    return [cell for cell in cells if isinstance(cell, NetworksCell)]


def learned(cell: SetCell, folder: StudyFolder) -> Record | None:
    """The record of a finished set; None for one that is not finished."""
    return next(iter(folder.records(cell.key)), None)


def trained(cell: NetworksCell, folder: StudyFolder) -> list[Record]:
    """The records of networks, none where they or their set are not finished.

    Raises `CondenseError` for those of another set, network or protocol, or of other seeds.
    """
    path, of = folder.records_path(cell.key), learned(cell.of, folder)
    records = [] if of is None else folder.records(cell.key)
    for record in records:
        if of is None or record.task != "evaluate" or needed(record, "set", "sha256") != needed(of, "set"):
            raise CondenseError(f"{path} holds records that do not belong to {path.with_name(SET)}.")
        network, protocol = needed(record, "network"), needed(record, "protocol")
        if (network, protocol) != (cell.trained, str(cell.protocol)):
            raise CondenseError(f"{path} holds records of {network} under the protocol {protocol}.")
    seeds = sorted(seed for record in records for seed in record.seeds)
    if records and seeds != list(cell.seeds):
        named = shortened(", ".join(map(str, seeds)))
        raise CondenseError(f"{path} holds networks with the seeds {named}, not {cell.seeds[0]} to {cell.seeds[-1]}.")
    return records


def recorded_networks(cells: Sequence[Cell], folder: StudyFolder) -> dict[str, int]:
    """How many networks the files of cells hold that are there, by key, whatever was asked for."""
    there = dict.fromkeys(cell.base for cell in networks_of(cells))
    return {key: sum(len(record.seeds) for record in folder.records(key)) for key in there if folder.is_done(key)}


def lost_sets(cells: Sequence[Cell], folder: StudyFolder) -> frozenset[str]:
    """Keys of sets that have a record, but no file."""
    paths = {cell.key: folder.records_path(cell.key) for cell in sets_of(cells)}
    return frozenset(key for key, path in paths.items() if path.exists() and not path.with_name(SET).exists())


def finished_sets(cells: Sequence[Cell], folder: StudyFolder) -> list[tuple[SetCell, SyntheticSet]]:
    """The sets that are learned, as they were asked for. Raises `CondenseError` for a damaged one."""
    return [(cell, load_set(folder.records_path(cell.key).parent)) for cell in sets_of(cells) if folder.is_done(cell.key)]


def check_results(cells: Sequence[Cell], folder: StudyFolder) -> None:
    """Raises `CondenseError` where a set or a record is damaged: found before hours of work, not after."""
    finished_sets(cells, folder)
    for cell in networks_of(cells):
        trained(cell, folder)


def all_records(cells: Sequence[Cell], folder: StudyFolder) -> list[Record]:
    """Those of sets, then those of networks."""
    of_sets = [record for cell in sets_of(cells) if (record := learned(cell, folder))]
    return of_sets + [record for cell in networks_of(cells) for record in trained(cell, folder)]


def matrices(cells: Sequence[Cell], folder: StudyFolder) -> list[Matrix]:
    """One matrix for each data set, number of images per class, method, schedule and protocol that was asked for.

    Raises `CondenseError` for damaged records.
    """
    groups: dict[tuple[Any, ...], list[NetworksCell]] = {}
    for cell in sorted(networks_of(cells), key=_order(networks_of(cells))):
        groups.setdefault(_matrix_of(cell), []).append(cell)
    several_methods = len({cell.of.config.method for cell in networks_of(cells)}) > 1
    return [_matrix(of, folder, with_method=several_methods) for of in groups.values()]


def _matrix_of(cell: NetworksCell) -> tuple[Any, ...]:
    config = cell.of.config
    return config.dataset, config.ipc, config.method, config.schedule, str(cell.protocol)


def _order(cells: Sequence[NetworksCell]) -> Callable[[NetworksCell], list[int]]:
    """Each of what tells matrices apart in the order it was asked for, the protocol last."""
    columns: list[Mapping[Any, int]] = [
        {value: place for place, value in enumerate(dict.fromkeys(values))}
        for values in zip(*map(_matrix_of, cells), strict=True)
    ]
    return lambda cell: [places[value] for places, value in zip(columns, _matrix_of(cell), strict=True)]


def _matrix(cells: list[NetworksCell], folder: StudyFolder, *, with_method: bool) -> Matrix:
    of_sets = [record for cell in _each(cells, lambda cell: cell.of) if (record := learned(cell, folder))]
    records = [record for cell in cells for record in trained(cell, folder)]
    asked: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        asked[cell.of.row, cell.trained] += len(cell.seeds)
    first = cells[0].of
    schedule, config = first.config.schedule, first.config
    front = (*first.front, *([config.method] if with_method else []))
    return Matrix(
        dataset=_images(needed(records[0], "set", "dataset") if records else first.dataset, config.train_size),
        images_per_class=config.ipc,
        schedule=schedule,
        protocol=str(cells[0].protocol),
        rows=tuple(_each(cells, lambda cell: cell.of.row)),
        columns=tuple(_each(cells, lambda cell: cell.trained)),
        asked=asked,
        cells=merged_cells([*of_sets, *records]),
        settings=_overridden(cells, schedule),
        method=config.method,
        name="-".join([*front, schedule, str(cells[0].protocol)]),
    )


def _images(dataset: str, train_size: int | None) -> str:
    return dataset if train_size is None else f"{dataset} ({train_size:,} images of it)"


def _overridden(cells: list[NetworksCell], schedule: str) -> dict[str, Any]:
    """The settings of the sets that are not their schedule's, whichever network's schedule has others."""
    resolved = [as_dict(one.config.resolved()) for one in _each(cells, lambda cell: cell.of)]
    found = [overridden(settings, schedule, occasion_of(settings)) for settings in resolved]
    return {name: value for one in found for name, value in one.items()}


def _each(cells: list[NetworksCell], value: Callable[[NetworksCell], Value]) -> list[Value]:
    """Every value once, in order."""
    return list(dict.fromkeys(map(value, cells)))
