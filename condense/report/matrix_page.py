"""The page about a cross-architecture matrix: its parts, and the main result in a sentence."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np

from condense.data.naming import shareable
from condense.records import Record, needed
from condense.report.experiment import Configuration, Picture, Report, Section, provenance
from condense.report.html import Figure
from condense.report.images import first_images, strip
from condense.report.matrix import Matrix, matrix_tables
from condense.report.matrix_figures import heat_map, strips
from condense.report.numbers import decimal, duration, percent
from condense.report.rendering import Column, Table
from condense.report.tables import own_accuracy
from condense.stage_c.method import Occasion
from condense.stage_c.schedules import schedule_text
from condense.synthetic_set import SyntheticSet


def matrix_report(matrices: Sequence[Matrix], sets: Sequence[tuple[str, SyntheticSet]], records: Sequence[Record]) -> Report:
    """What is said of some matrices.

    sets: (name, set) of each that is learned; records: all of the matrix, of learning and of evaluating.
    """
    kinds = {(matrix.dataset, matrix.images_per_class, matrix.method) for matrix in matrices}
    return Report(
        title=f"Cross-architecture matrix, {', '.join(dict.fromkeys(matrix.dataset for matrix in matrices))}",
        headline=headline(matrices),
        sections=(
            *(_section(matrix, whole=len(kinds) > 1) for matrix in matrices),
            Section("Images", tuple(_picture(name, one) for name, one in sets)),
            Section("Cost", (_costs(records),) if records else ()),
            Section("Configuration", tuple(Configuration(name, shareable(one.provenance.config)) for name, one in sets)),
        ),
        provenance=provenance(records),
    )


def headline(matrices: Sequence[Matrix]) -> str:
    """How well images carry over, in a sentence about the first matrix that has results."""
    matrix = next((matrix for matrix in matrices if matrix.cells), None)
    if matrix is None:
        return "No cell has been run yet."
    means, own = matrix.means, np.zeros(matrix.means.shape, dtype=bool)
    for row, name in enumerate(matrix.rows):
        column = matrix.own_column(name)
        if column is not None:
            own[row, column] = True
    known = ~np.isnan(means)
    parts = {"their own architecture": known & own, "another": known & ~own}
    both = np.all([chosen.any(axis=0) for chosen in parts.values()], axis=0)
    texts = []
    for what, chosen in parts.items():  # of the same networks, so far as there are any on sets of both kinds
        columns = np.flatnonzero(both if both.any() else chosen.any(axis=0))
        found = [means[chosen[:, column], column].mean() for column in columns]
        texts += [f"{percent(decimal(float(np.mean(found))))} on images learned with {what}"] if found else []
    if not texts:
        return f"All networks diverged ({matrix.title})."
    done = f"{known.sum() - len(matrix.unfinished)} of {len(matrix.asked)} cells complete"
    means_of = "means over the networks that have both" if both.any() else "means over networks"
    return f"Networks trained from scratch reach {' and '.join(texts)} ({means_of}; {done}; {matrix.title})."


def _section(matrix: Matrix, *, whole: bool) -> Section:
    """whole: with all that the matrix is of in its title."""
    title = matrix.title if whole else f"Schedule {matrix.learned_by}, protocol {matrix.protocol}"
    tables = matrix_tables([matrix], published=True, bold_best=True)
    return Section(title, (*tables, *(_figures(matrix) if matrix.cells else ())))


def _figures(matrix: Matrix) -> tuple[Figure, ...]:
    seen = "; ".join(f"{row} on {column} {own_accuracy(cell)} %" for (row, column), cell in matrix.cells.items())
    framed = "Mean test accuracy; framed: the network the set was learned with, or its instance-norm twin."
    points = "Every network trained as a point, one strip a cell."
    return (
        Figure(f"accuracies-{matrix.name}", framed, partial(heat_map, matrix), seen),
        Figure(f"networks-{matrix.name}", points, partial(strips, matrix), seen),
    )


def _picture(name: str, one: SyntheticSet) -> Picture:
    images = first_images(one)
    return Picture(name, strip(images), f"{len(images)} images: {name}")


def _costs(records: Sequence[Record]) -> Table:
    """Mean wall time of learning a set with each network and schedule, and of training and testing one by each protocol."""
    found: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for record in records:
        if record.task == "learn":
            # Not record.config["schedule"]: records made before schedules had names do not say it.
            occasion = Occasion(*(needed(record, name) for name in ("dataset", "ipc", "network")))
            schedule = schedule_text(record.config, occasion)
            work, count = f"learning a set, schedule {schedule}", 1
        else:
            work, count = f"training and testing one, protocol {needed(record, 'protocol')}", len(record.seeds)
        found[needed(record, "network"), work].append((record.wall_seconds, count))
    means = {key: sum(seconds for seconds, _ in of) / sum(count for _, count in of) for key, of in found.items()}
    columns: list[Column[tuple[str, str]]] = [
        Column("network", lambda key: key[0], key="network", numeric=False),
        Column("work", lambda key: key[1], key="work", numeric=False),
        Column("mean", lambda key: means[key], duration, key="seconds"),
    ]
    return Table.of("Mean wall time", columns, sorted(means))
