"""Figures of a cross-architecture matrix: a heat map, and every network's accuracy as a point. Equal input, equal bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from condense.report.figures import marks_of, name_rows, percent_ends, published_mark, strip
from condense.report.matrix import Matrix
from condense.report.numbers import decimal
from condense.report.sheet import MUTED, Format, encoded, framed, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND_WIDTH = 5.1
"""Inches that the legend of the strips takes."""


def heat_map(matrix: Matrix, format: Format = "png") -> bytes:
    """Mean accuracies as colours and numbers; the network's own is framed. Cells that were not run, or all of whose networks
    diverged, are empty.
    """
    means = matrix.means
    low, high = _limits(matrix)
    width, height = 1.9 + 0.85 * len(matrix.columns), 1.2 + 0.5 * len(matrix.rows)
    with sheet(width, height, grid=False) as figure:
        axes = figure.add_subplot()
        axes.imshow(np.ma.masked_invalid(means), cmap="cividis", aspect="auto", vmin=low, vmax=high)
        for row, column in np.ndindex(*means.shape):
            if not np.isnan(means[row, column]):
                colour = "white" if means[row, column] < (low + high) / 2 else "black"
                axes.text(column, row, decimal(float(means[row, column])), ha="center", va="center", color=colour)
        for row, name in enumerate(matrix.rows):
            own = matrix.own_column(name)
            if own is not None:
                corner = own - 0.46, row - 0.44
                framed(axes, corner, 0.92, 0.88)
        axes.set_xticks(range(len(matrix.columns)), matrix.columns)
        axes.set_yticks(range(len(matrix.rows)), matrix.rows)
        axes.tick_params(length=0)
        axes.xaxis.set_ticks_position("top")
        axes.set_xlabel("trained with; mean test accuracy (%)")
        axes.set_ylabel("learned with")
        for spine in axes.spines.values():
            spine.set_visible(False)
        return encoded(figure, format)


def strips(matrix: Matrix, format: Format = "png") -> bytes:
    """One panel a row of the matrix, in it one strip a network trained: networks as points, mean, published mean."""
    rows, columns = len(matrix.rows), len(matrix.columns)
    across = min(rows, 3)
    down = -(-rows // across)
    width = max(0.9 + 2.5 * across, LEGEND_WIDTH)
    with sheet(width, 0.7 + down * (0.6 + 0.3 * columns)) as figure:
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
        for axes, row in zip(panels, matrix.rows, strict=False):
            _panel(axes, matrix, row)
        for axes in panels[rows:]:
            axes.set_visible(False)
        for axes in panels[rows - across : rows]:  # the lowest of each column, wherever that is
            axes.tick_params(labelbottom=True)
        panels[0].set_xlim(*_limits(matrix))
        figure.supxlabel("test accuracy (%)", fontsize=9)
        marks = marks_of(panels)
        figure.legend(marks.values(), marks.keys(), loc="outside upper left", ncols=3, handletextpad=0.3)
        return encoded(figure, format)


def _limits(matrix: Matrix) -> tuple[float, float]:
    """The tens of percent between which all accuracies and published means lie."""
    own = [100 * accuracy for cell in matrix.cells.values() for accuracy in cell.networks] or [0.0, 100.0]
    values = own + [cell.published.mean for cell in matrix.cells.values() if cell.published and cell.difference is not None]
    return min(90, 10 * math.floor(min(values) / 10)), min(100, 10 * math.floor(max(values) / 10 + 1))


def _panel(axes: Axes, matrix: Matrix, row: str) -> None:
    axes.set_title(f"learned with {row}", fontsize=9, loc="left", parse_math=False)
    for place, column in enumerate(matrix.columns):
        cell = matrix.cells.get((row, column))
        if cell is None:
            _instead(axes, place, "not run")
        elif not cell.networks:
            _instead(axes, place, "diverged")
        else:
            values = [100 * one for one in cell.networks]
            strip(axes, place, values, percent_ends(cell.summary), published_mark(cell), size=8)
    name_rows(axes, matrix.columns)


def _instead(axes: Axes, place: int, text: str) -> None:
    axes.annotate(text, (0.01, place), xycoords=("axes fraction", "data"), color=MUTED, va="center", fontsize=8)
