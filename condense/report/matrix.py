"""A cross-architecture matrix as tables: accuracies, differences to published ones, spread, and how images carry over."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from condense.records import Record
from condense.report.cells import Cell, cells, protocol_notes
from condense.report.numbers import NONE, decimal, difference, mean_and_std
from condense.report.published import Published
from condense.report.rendering import Column, Table, Value
from condense.report.tables import cell_data, own_accuracy
from condense.stage_c.methods import DEFAULT
from condense.stage_c.schedules import with_settings
from condense.stage_t.protocols import PROTOCOLS
from condense.statistics import rank_agreement, spread

_CORNER = "learned with ↓, trained with →"
_DEVIATION = "Percent of the test images classified correctly, mean ± standard deviation over all networks (ddof = 0)."
_INTERVAL = (
    "± the half width of the 95 % interval of our own mean (Student's t, ddof = 1; over networks for one set, over sets and "
    "networks for several); none for fewer than three; the {} mean is taken as it is printed."
)
_SPREAD = (
    "Standard deviation in points between sets (of their means) / between networks on one set (pooled), ddof = 0: "
    "weighted by the number of networks their squares add up to that of all networks."
)
_TRANSFER = (
    "Each row is about one network trained. Own: on the set learned with it (a BatchNorm network's is its instance-norm "
    "twin); others: the same network on the sets of all other rows that have results, and how many those are; drop: own "
    "minus others; rank agreement: mean Spearman correlation of the row's accuracies with those of each other row, over the "
    "columns both have. The last row: means of the networks that have an own set and results on every set, as only those "
    "are of the same sets."
)
_LOST = "Diverged: networks whose training ended in numbers that are not finite; they are left out of all else."
_BOLD = "Bold: the best of a column whose cells have equally many networks, unless it is at chance."
_WHOSE = {"published": "published", "reported": "reproduction report's"}
_OF_OTHERS = ("published_", "reported_")


@dataclass(frozen=True, eq=False)
class Matrix:
    """All cells of one schedule of stage C under one protocol of stage T.

    rows, columns: networks learned with ("–" where the method looks at none) and trained; asked: how many networks
    were asked for, over all sets, by (row, column); cells: those with results; settings: those that stood in place of the
    schedule's own; name: what its files are called by, of all that tells it apart from others in its folder.
    """

    dataset: str
    images_per_class: int
    schedule: str
    protocol: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    asked: Mapping[tuple[str, str], int]
    cells: dict[tuple[str, str], Cell]
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: str = DEFAULT
    name: str = "matrix"

    @property
    def learned_by(self) -> str:
        """The schedule, with the settings that stood in place of its own."""
        return with_settings(self.schedule, self.settings)

    @property
    def title(self) -> str:
        """What the matrix is of."""
        plural = "" if self.images_per_class == 1 else "s"
        what = f"{self.dataset}, {self.images_per_class} image{plural} per class"
        what += "" if self.method == DEFAULT else f", method {self.method}"
        return f"{what}, schedule {self.learned_by}, protocol {self.protocol}"

    @property
    def means(self) -> np.ndarray:
        """Mean accuracies in percent (rows, columns); NaN where nothing was run, or all networks diverged."""
        found = [[self.cells.get((row, column)) for column in self.columns] for row in self.rows]
        return np.array([[100 * cell.summary.mean if cell and cell.networks else np.nan for cell in line] for line in found])

    @cached_property
    def usual_size(self) -> str:
        """What n is in most cells."""
        return Counter(cell.size for cell in self.cells.values()).most_common(1)[0][0]

    @property
    def missing(self) -> dict[str, list[str]]:
        """Columns without results, by row, whether asked for or not."""
        gaps = {row: [column for column in self.columns if (row, column) not in self.cells] for row in self.rows}
        return {row: columns for row, columns in gaps.items() if columns}

    @property
    def unfinished(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(Networks there are, networks asked for) of the cells with results that have fewer than were asked for."""
        counts = {place: (len(cell.networks) + cell.lost, self.asked.get(place, 0)) for place, cell in self.cells.items()}
        return {place: (there, asked) for place, (there, asked) in counts.items() if there < asked}

    def own_column(self, row: str) -> int | None:
        """Where the network stands that a row was learned with, or its instance-norm twin."""
        twin = row.partition("BN")[0] if row not in self.columns else row
        return self.columns.index(twin) if twin in self.columns else None


def merged_cells(records: Iterable[Record]) -> dict[tuple[str, str], Cell]:
    """Cells by (learned with, trained with); sets learned in different precisions are one cell here."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in cells(records)[0]:
        key = cell.learned_with or NONE, cell.trained_with
        found[key] = _merged(found[key], cell) if key in found else cell
    return found


def _merged(one: Cell, other: Cell) -> Cell:
    before, more = one.diverged, other.diverged
    return replace(
        other,
        groups={of: {**one.groups.get(of, {}), **other.groups.get(of, {})} for of in [*one.groups, *other.groups]},
        diverged={of: before.get(of, set()) | more.get(of, set()) for of in [*before, *more]},
        set_seeds={**one.set_seeds, **other.set_seeds},
        comparable=one.comparable and other.comparable,
        at_chance=[*one.at_chance, *other.at_chance],
    )


def matrix_tables(matrices: Sequence[Matrix], *, published: bool = False, bold_best: bool = False) -> list[Table]:
    """All tables of some matrices: for each its accuracies and, as far as there is something to say, the others."""
    found = []
    for matrix in matrices:
        found.append(accuracies(matrix, published=published, bold_best=bold_best))
        if published and any(cell.difference is not None for cell in matrix.cells.values()):
            found.append(differences(matrix))
        if any(len(cell.accuracies) > 1 for cell in matrix.cells.values()):
            found.append(_grid(matrix, f"Spread: {matrix.title}", _spread, [_SPREAD]))
        if len(matrix.rows) > 1 and matrix.cells:
            found.append(transfer(matrix))
    return found


def accuracies(matrix: Matrix, *, published: bool = False, bold_best: bool = False) -> Table:
    """Mean ± deviation in every cell, the published number in brackets, n where it is not the usual one."""

    def text(cell: Cell) -> str:
        known = _published(cell) if published else None
        parts = [own_accuracy(cell), f"({mean_and_std(known.mean, known.std)})" if known else ""]
        parts.append(f"[n = {cell.size}]" if cell.size != matrix.usual_size else "")
        return " ".join(filter(None, parts))

    sources = dict.fromkeys(p.source for cell in matrix.cells.values() if published and (p := _published(cell)))
    notes = [f"{_DEVIATION} {f'In brackets the {_WHOSE[_kind(matrix)]} value.' if sources else ''}".strip()]
    notes += [f"n = {matrix.usual_size} networks in every cell that does not say otherwise."] if matrix.cells else []
    notes += protocol_notes(matrix.cells.values()) or _unused(matrix)
    notes += [f"{_kind(matrix).capitalize()}: {source}." for source in sources]
    missing = [f"{row} on {', '.join(columns)}" for row, columns in matrix.missing.items()]
    notes += [f"Not run (learned with, trained with): {'; '.join(missing)}."] if missing else []
    partial = [f"{row} on {column} ({there} of {asked})" for (row, column), (there, asked) in matrix.unfinished.items()]
    notes += [f"Not complete (networks): {'; '.join(partial)}."] if partial else []
    notes += [_LOST] if any(cell.lost for cell in matrix.cells.values()) else []
    notes += [_BOLD] if bold_best else []
    table = _grid(matrix, f"Test accuracy: {matrix.title}", text, notes)
    return replace(table, bold=_best(matrix)) if bold_best else table


def differences(matrix: Matrix) -> Table:
    """Own minus published mean with its interval."""

    def text(cell: Cell) -> str:
        if cell.difference is None:
            return ""
        half = cell.summary.half
        return difference(cell.difference, None if half is None else 100 * half)

    kind = _kind(matrix)
    return _grid(matrix, f"Own minus {kind}, percentage points: {matrix.title}", text, [_INTERVAL.format(kind)])


@dataclass(frozen=True)
class Carried:
    """How well images serve one network, in percent: its own, those of so many others; and how alike rows rank."""

    name: str
    own: float
    mean: float
    others: str
    agreement: float

    @property
    def drop(self) -> float:
        """Own minus others."""
        return self.own - self.mean


_CARRIED: list[Column[Carried]] = [
    Column("learned with", lambda one: one.name, key="learned_with", numeric=False),
    Column("own", lambda one: _number(one.own), decimal, key="own_percent"),
    Column("others", lambda one: _number(one.mean), decimal, key="others_percent"),
    Column("number of others", lambda one: one.others, key="others"),
    Column("drop", lambda one: _number(one.drop), decimal, key="drop_points"),
    Column("rank agreement", lambda one: _number(one.agreement), partial(decimal, digits=2), key="rank_agreement"),
]


def transfer(matrix: Matrix) -> Table:
    """How well images learned with other networks serve each network, against those learned with itself."""
    means, complete = matrix.means, list[tuple[Carried, int]]()
    agreement, owners = rank_agreement(means), list(map(matrix.own_column, matrix.rows))
    rows = []
    for index, name in enumerate(matrix.rows):
        own = owners[index]
        values = means[:, own] if own is not None else np.full(len(means), np.nan)
        others = values[[column != own for column in owners]]
        others = others[~np.isnan(others)]
        mean = float(others.mean()) if len(others) else float("nan")
        rows.append(Carried(name, float(values[index]), mean, str(len(others)), agreement[index]))
        if len(others) and not np.isnan(values).any():
            complete.append((rows[-1], len(others)))
    of = [one for one, _ in complete]
    sizes = f"{_mean(size for _, size in complete):.3g}" if complete else NONE
    own, others, alike = (_mean(getattr(one, name) for one in of) for name in ("own", "mean", "agreement"))
    rows.append(Carried(f"mean of {len(of)}", own, others, sizes, alike))
    return Table.of(f"How images carry over, percent: {matrix.title}", _CARRIED, rows, [_TRANSFER])


def _published(cell: Cell) -> Published | None:
    """The published number, where it was obtained under the protocol of the cell."""
    return cell.published if cell.published and cell.published.protocol == cell.protocol else None


def _kind(matrix: Matrix) -> str:
    """What the numbers are called that stand beside those of a matrix."""
    return "reported" if matrix.protocol == "report" else "published"


def _spread(cell: Cell) -> str:
    if not cell.networks:
        return ""
    between, within = spread(cell.accuracies)
    return f"{decimal(100 * between) if len(cell.accuracies) > 1 else NONE} / {decimal(100 * within)}"


def _grid(matrix: Matrix, title: str, text: Callable[[Cell], str], notes: Sequence[str]) -> Table:
    """A table with a row a network learned with and a column a network trained."""

    def of(column: str) -> Column[str]:
        return Column(column, lambda row: matrix.cells.get((row, column)), text, missing="")

    columns = [Column(_CORNER, str, numeric=False), *map(of, matrix.columns)]
    asked = [(row, column) for row in matrix.rows for column in matrix.columns if (row, column) in matrix.asked]
    table = Table.of(title, columns, matrix.rows, notes)
    return replace(table, data=tuple(_data(matrix, place) for place in asked))


def _data(matrix: Matrix, place: tuple[str, str]) -> dict[str, Value]:
    stated = {"learned_with": place[0], "trained_with": place[1], "schedule": matrix.learned_by, "protocol": matrix.protocol}
    cell = matrix.cells.get(place)
    if cell is None:
        return {"dataset": matrix.dataset, "images_per_class": matrix.images_per_class, **stated, "n": 0}
    between, within = spread(cell.accuracies) if cell.networks else (None, None)
    deviations = {
        "between_sets_std_percent": round(100 * between, 4) if between is not None and len(cell.accuracies) > 1 else None,
        "between_networks_std_percent": None if within is None else round(100 * within, 4),
    }
    # No number obtained under another protocol stands beside one of this.
    others = {} if _published(cell) else {name: None for name in cell_data(cell) if name.startswith(_OF_OTHERS)}
    return {**cell_data(cell), **others, **stated, **deviations}


def _unused(matrix: Matrix) -> list[str]:
    """The sentence on a built-in protocol nothing was trained by yet."""
    return [f"Protocol '{name}': {text}." for name, text in PROTOCOLS.items() if name == matrix.protocol]


def _best(matrix: Matrix) -> frozenset[tuple[int, int]]:
    """(Row, column) in the table of the best mean of every column that has several, all of equally many networks, unless
    even that is at chance.
    """
    means, best = matrix.means, set[tuple[int, int]]()
    for place, column in enumerate(matrix.columns):
        found = [matrix.cells[row, column] for row in matrix.rows if (row, column) in matrix.cells]
        if len({cell.size for cell in found}) == 1 and (~np.isnan(means[:, place])).sum() > 1:
            row = int(np.nanargmax(means[:, place]))
            if not all(matrix.cells[matrix.rows[row], column].at_chance):
                best.add((row, place + 1))
    return frozenset(best)


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
