"""Figures: synthetic images, loss curves, accuracies of all networks. Equal input gives equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from condense.errors import CondenseError
from condense.records import Record
from condense.report.cells import Cell, cells, distinguishing_settings
from condense.report.images import image_grid
from condense.report.published import WHOLE_SET
from condense.report.sheet import ACCENT, INK, MARK, MUTED, Format, encoded, sheet, ticks
from condense.report.tables import own_accuracy
from condense.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["accuracy_strip", "image_grid", "loss_curve"]

_WIDTH = 6.4


def loss_curve(losses: Sequence[float], format: Format = "png") -> bytes:
    """The matching loss of each iteration of stage C, with its running mean once there are enough iterations.

    Raises `CondenseError` when there are no losses.
    """
    if not losses:
        raise CondenseError("There are no losses to draw.")
    values = np.asarray(losses, dtype=np.float64)
    iterations = np.arange(1, len(values) + 1)
    window = len(values) // 25
    with sheet(_WIDTH, 2.9) as figure:
        axes = figure.add_subplot(xlabel="iteration", ylabel="matching loss")
        smooth = window >= 2
        each: dict[str, Any] = (
            {"alpha": 0.35, "linewidth": 0.8} if smooth else {"linewidth": 1.4, "marker": "o", "markersize": 3}
        )
        axes.plot(iterations, values, color=ACCENT, label="each iteration", **each)
        if smooth:
            means = np.convolve(values, np.full(window, 1 / window), "valid")
            centres = iterations[: len(means)] + (window - 1) / 2
            axes.plot(centres, means, color=ACCENT, linewidth=1.8, label=f"mean of {window} iterations")
            axes.legend(loc="upper right")
        axes.set_ylim(bottom=min(0, values.min()), top=max(values.max() * 1.05, 1e-12))
        ticks(axes, 8, integer=True)
        axes.grid(visible=False, axis="x")
        return encoded(figure, format)


def accuracy_strip(records: Iterable[Record], format: Format = "png") -> bytes:
    """Every network's accuracy as a point, one strip for each row of the accuracy table, with mean and 95 % interval.

    Networks that diverged are left out. A published mean under the same protocol is marked too. Raises `CondenseError` when
    nothing was evaluated.
    """
    found, _ = cells(records)
    if not found:
        raise CondenseError("There are no evaluations among the records, so there are no accuracies to draw.")
    context, labels = _labels(found)
    heights = sum(0.3 + 0.15 * max(2, label.count("\n") + 1) for label in labels)
    with sheet(_WIDTH, 1.15 + heights) as figure:
        axes = figure.add_subplot(xlabel="test accuracy (%)")
        for row, cell in enumerate(found):
            _strip(axes, row, cell)
        name_rows(axes, labels)
        axes.margins(x=0.08)
        axes.set_xlim(right=min(axes.get_xlim()[1], 100.5))
        ticks(axes, 7, min_n_ticks=3)
        figure.suptitle(context, x=0.01, ha="left", fontsize=9, color=MUTED, parse_math=False)
        legend_above(axes)
        return encoded(figure, format)


def _strip(axes: Axes, row: int, cell: Cell) -> None:
    """One row: its networks, what was published of them, numbers at the right."""
    axes.annotate(own_accuracy(cell), (1.01, row), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
    if cell.networks:
        strip(axes, row, [100 * one for one in cell.networks], percent_ends(cell.summary), published_mark(cell), size=14)


def strip(
    axes: Axes,
    row: int,
    values: Sequence[float],
    ends: tuple[float, float, float],
    other: tuple[float, str] | None = None,
    *,
    size: float = 12,
    middle: str = "mean, 95 % interval",
) -> None:
    """One row of a figure: every network as a point, spread above its line; below it their mean with its interval, and as a
    hollow diamond what others had.

    values: of the networks; ends: of the interval with the mean between, all equal where there is no interval; other: value
    and its name; size: of the points; middle: what the mean with its ends is called.
    """
    # Golden-ratio steps spread neighbours evenly without a random generator.
    above = (np.arange(len(values)) * 0.618034) % 1 * 0.3 - 0.32
    points = {"s": size, "color": ACCENT, "alpha": 0.55, "linewidths": 0}
    axes.scatter(np.sort(values), row + above, label="one network", **points)
    below = row + 0.18
    mean: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 1.8, "markevery": [1], "linewidth": 1.6}
    axes.plot(ends, [below] * 3, color=INK, label=middle, **mean)
    if other:
        diamond: dict[str, Any] = {"markersize": 5 if size < 14 else 6, "markerfacecolor": "none", "markeredgewidth": 1.4}
        axes.plot(other[0], below, "D", color=MARK, label=other[1], linestyle="none", **diamond)


def percent_ends(summary: Summary) -> tuple[float, float, float]:
    """The interval of a mean of fractions with that mean between, in percent."""
    low, high = (summary.mean if end is None else end for end in (summary.low, summary.high))
    return 100 * low, 100 * summary.mean, 100 * high


def published_mark(cell: Cell) -> tuple[float, str] | None:
    """The published mean of a cell under its own protocol, and what it is called."""
    return (cell.published.mean, f"{cell.published.kind} mean") if cell.published and cell.difference is not None else None


def name_rows(axes: Axes, names: Sequence[str], **text: Any) -> None:
    """Names the rows 0, 1, ... of strips, the first at the top."""
    axes.set_yticks(range(len(names)), names, parse_math=False, **text)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def legend_above(axes: Axes) -> None:
    """What the marks of a panel are, each said once, above it."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, "columnspacing": 1.2}
    marks = marks_of([axes])
    axes.legend(marks.values(), marks.keys(), ncols=3, handletextpad=0.3, borderpad=0, **place)


def marks_of(panels: Iterable[Axes]) -> dict[str, Any]:
    """What is to be explained of some panels: the marks by their names."""
    return {label: mark for axes in panels for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}


def _labels(found: Sequence[Cell]) -> tuple[str, list[str]]:
    """What all small sets share, in one line, and for each cell what it was trained with and what sets it apart."""
    extra = distinguishing_settings(found)
    parts = [_parts(cell, extra) for cell in found]
    small = [part for part, cell in zip(parts, found, strict=True) if cell.method != WHOLE_SET] or parts
    shared = [name for name in small[0] if name != "trained with" and len({part[name] for part in small}) == 1]
    context = ", ".join(filter(None, (small[0][name] for name in shared)))
    labels = []
    for part in parts:
        own = [text for name, text in part.items() if text and not (name in shared and text == small[0][name])]
        labels.append("\n".join([own[0], *textwrap.wrap(", ".join(own[1:]), 32)]))
    return context, labels


def _parts(cell: Cell, extra: Sequence[str]) -> dict[str, str]:
    """The facts of a cell as short texts, the network trained first."""
    return {
        "trained with": cell.trained_with,
        "data set": cell.images,
        "images/class": f"{cell.number} image{'s' if cell.number != '1' else ''}/class" if cell.number else "",
        "method": cell.fixed[2],
        "learned with": f"learned with {cell.learned_with}" if cell.learned_with else "",
        "protocol": f"protocol {cell.protocol}",
        **{name: f"{name} {cell.settings[name]}" if name in cell.settings else "" for name in extra},
    }
