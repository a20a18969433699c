"""Figures: synthetic images, loss curves, accuracies of all networks. Equal input gives equal bytes.

Nothing here touches pyplot's global state; colours are from the Okabe-Ito palette, which colour-blind readers can tell
apart (Okabe & Ito, Color Universal Design, 2008).
"""

import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from condense.errors import CondenseError
from condense.records import Record
from condense.report.cells import Cell, cells, distinguishing_settings
from condense.report.images import image_grid
from condense.report.published import WHOLE_SET
from condense.report.tables import own_accuracy

__all__ = ["accuracy_strip", "image_grid", "loss_curve"]

INK, MUTED, RULE, ACCENT, MARK = "#333333", "#767676", "#dcdcdc", "#0072b2", "#d55e00"
COLOURS = (ACCENT, MARK, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of several lines in one figure, in this order."""
Format = Literal["png", "svg"]

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "condense",
}
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
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.9), layout="constrained")
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
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
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
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 1.15 + heights), layout="constrained")
        axes = figure.add_subplot(xlabel="test accuracy (%)")
        for row, cell in enumerate(found):
            _strip(axes, row, cell)
        axes.set_yticks(range(len(found)), labels, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.margins(x=0.08)
        axes.set_xlim(right=min(axes.get_xlim()[1], 100.5))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, min_n_ticks=3, steps=[1, 2, 5, 10]))
        figure.suptitle(context, x=0.01, ha="left", fontsize=9, color=MUTED, parse_math=False)
        _legend(axes)
        return encoded(figure, format)


def _strip(axes: Axes, row: int, cell: Cell) -> None:
    """One row: points above, mean and interval below them, the published mean as a hollow diamond, numbers at the right."""
    axes.annotate(own_accuracy(cell), (1.01, row), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
    if not cell.networks:
        return
    values, offsets = spread_points(cell.networks)
    points = {"s": 14, "color": ACCENT, "alpha": 0.55, "linewidths": 0}
    axes.scatter(values, row + offsets, label="one network", **points)
    below, summary = row + 0.18, cell.summary
    low, high = (summary.mean if end is None else end for end in (summary.low, summary.high))
    mean: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 1.8, "markevery": [1], "linewidth": 1.6}
    axes.plot([100 * low, 100 * summary.mean, 100 * high], [below] * 3, color=INK, label="mean, 95 % interval", **mean)
    if cell.published and cell.difference is not None:
        diamond: dict[str, Any] = {"markersize": 6, "markerfacecolor": "none", "markeredgewidth": 1.4}
        axes.plot(cell.published.mean, below, "D", color=MARK, label=f"{cell.published.kind} mean", **diamond)


def spread_points(accuracies: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies in percent, sorted, and how far above its line each is drawn so that neighbours stay apart."""
    values = 100 * np.sort(accuracies)
    # Golden-ratio steps spread neighbours evenly without a random generator.
    return values, (np.arange(len(values)) * 0.618034) % 1 * 0.3 - 0.32


def _legend(axes: Axes) -> None:
    unique = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 3, "borderaxespad": 0.2}
    axes.legend(unique.values(), unique.keys(), handletextpad=0.3, columnspacing=1.2, borderpad=0, **place)


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


def encoded(figure: Figure, format: Format) -> bytes:
    """The finished figure as bytes, without the date and program that would make equal figures differ."""
    buffer = io.BytesIO()
    if format == "svg":
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    else:
        figure.savefig(buffer, format="png", metadata={"Software": None}, dpi=160)
    return buffer.getvalue()
