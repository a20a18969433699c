"""The table of differences between rows: which of them are real."""

from collections.abc import Sequence

from condense.report.numbers import NONE, signed
from condense.report.rendering import Table
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
    data = tuple(
        {"first": one.first, "second": one.second, "difference": 100 * one.mean, "seeds": one.seeds, "p": one.p}
        for one in found
    )
    title = f"Differences of {on} accuracy in percentage points"
    if not square:
        rows = tuple((one.second, _difference(one), NONE if one.p is None else f"{one.p:.3g}") for one in found)
        header = ("row", f"row {found[0].first} (highest mean) minus it", "p, corrected")
        return Table(title, header, rows, tuple(notes), data, (False, True, True))
    cells = {(one.first, one.second): _difference(one) for one in found}
    names = [result.row.name for result in results]
    rows = tuple((name, *(cells.get((name, other), "") for other in names[1:])) for name in names[:-1])
    header = ("row minus", *names[1:])
    return Table(title, header, rows, tuple(notes), data, (False, *(True for _ in names[1:])))


def _difference(one: Difference) -> str:
    return f"{signed(100 * one.mean, 2)}{'*' if one.real else ''}"
