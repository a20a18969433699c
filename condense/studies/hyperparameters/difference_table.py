"""The table of differences between rows: which of them are real."""

from collections.abc import Sequence
from dataclasses import replace

from condense.report.numbers import signed
from condense.report.rendering import Column, Table, Value
from condense.studies.hyperparameters.comparison import LEVEL, Difference, against_best, differences
from condense.studies.hyperparameters.results import RowResult

SQUARE = 12
"""Rows up to which every pair is compared, in a square table."""


def difference_table(results: Sequence[RowResult], on: str) -> Table:
    """Which rows differ: every pair of a small grid, each row against that of the highest mean of a large one.

    on: whether rows are compared on 'held-out' or 'test' images.
    """
    square = len(results) <= SQUARE
    found = differences(results) if square else against_best(results)
    real, pairs = sum(one.real for one in found), len(results) * (len(results) - 1) // 2
    every = f"all {pairs:,} pairs of rows, as the best was found in the same data"
    corrected = f"{'all of them' if square else every} (but those without p)"
    note = (
        f"{real} of {len(found)} differences are real (*): paired t-test over the seeds two rows share, p < {LEVEL} after "
        f"Holm's correction for {corrected}."
    )
    untested = (
        "Without p: fewer than two seeds are shared, or all differences are equal, and a t-test has nothing to divide by."
    )
    notes = [note, *([] if all(one.p is not None for one in found) else [untested])]
    title = f"Differences of {on} accuracy in percentage points"
    if not square:
        columns: list[Column[Difference]] = [
            Column("row", lambda one: one.second, numeric=False),
            Column(f"row {found[0].first} (highest mean) minus it", _difference),
            Column("p, corrected", lambda one: one.p, "{:.3g}".format),
        ]
        return Table.of(title, columns, found, notes, _data)
    pairs = {(one.first, one.second): one for one in found}
    names = [result.row.name for result in results]

    def minus(other: str) -> Column[str]:
        return Column(other, lambda name: pairs.get((name, other)), _difference, missing="")

    minus_row: Column[str] = Column("row minus", str, numeric=False)
    table = Table.of(title, [minus_row, *map(minus, names[1:])], names[:-1], notes)
    return replace(table, data=tuple(map(_data, found)))


def _data(one: Difference) -> dict[str, Value]:
    return {"first": one.first, "second": one.second, "difference": 100 * one.mean, "seeds": one.seeds, "p": one.p}


def _difference(one: Difference) -> str:
    return f"{signed(100 * one.mean, 2)}{'*' if one.real else ''}"
