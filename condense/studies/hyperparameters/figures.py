"""Figures of a sweep: every row's networks as points, and each proxy's accuracies against those on all images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from condense.report.figures import legend_above, name_rows, percent_ends, strip
from condense.report.numbers import decimal
from condense.report.sheet import ACCENT, INK, MARK, MUTED, Format, encoded, sheet, ticks
from condense.studies.hyperparameters.proxy_study import ProxyResult
from condense.studies.hyperparameters.results import Sweep
from condense.studies.hyperparameters.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 3


def row_strips(sweep: Sweep, format: Format = "png") -> bytes:
    """One strip a row: networks as points, their mean, what was reported. Needs a comparable row."""
    results, on = list(sweep.full.comparable.values()), sweep.asked.compared_on
    names = _names([result.row for result in results])
    width = 4.2 + 0.075 * max(map(len, names))
    with sheet(width, 1.2 + 0.3 * len(results)) as figure:
        axes = figure.add_subplot(xlabel=f"{on} accuracy (%)")
        for place, result in enumerate(results):
            assert result.score, "Only rows with a score are drawn."
            told = result.row.reported if sweep.reported and on == "test" else None
            other = (told.test_accuracy, "reported (one run)") if told else None
            strip(axes, place, [100 * one for one in result.compared.values()], percent_ends(result.score), other)
        name_rows(axes, names)
        ticks(axes, 7, min_n_ticks=3)
        legend_above(axes)
        return encoded(figure, format)


_SETTINGS = {
    "learning_rate": "rate {:g}",
    "momentum": "momentum {:g}",
    "batch_size": "batch {}",
    "epochs": "{} epochs",
    "weight_decay": "decay {:g}",
    "dropout": "dropout {:g}",
    "objective": "{}",
}


def _names(rows: Sequence[Row]) -> list[str]:
    """Name and network of each row, and of its settings those in which rows differ."""
    differ = {key: text for key, text in _SETTINGS.items() if len({getattr(row, key) for row in rows}) > 1}
    return [
        f"{row.name}: {', '.join([row.network, *(text.format(getattr(row, key)) for key, text in differ.items())])}"
        for row in rows
    ]


def proxy_scatter(found: Sequence[ProxyResult], label: str, on: str, format: Format = "png") -> bytes:
    """One panel a proxy, one point a configuration: accuracy trained on it against accuracy trained on real images.

    label: what these images are called, such as 'all images'; on: whether rows are compared on 'held-out' or 'test' images.
    """
    across = min(len(found), ACROSS)
    down = -(-len(found) // across)
    with sheet(0.6 + 3.1 * across, 0.7 + 3.0 * down) as figure:
        panels = figure.subplots(down, across, sharey=True, squeeze=False).flatten()
        for axes, one in zip(panels, found, strict=False):
            _panel(axes, one, label)
        for axes in panels[len(found) :]:
            axes.set_visible(False)
        for axes in panels[::across]:
            axes.set_ylabel(f"trained on {label}")
        figure.supxlabel(f"trained on the set; {on} accuracy (%)", fontsize=9)
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3 if across > 1 else 1, handletextpad=0.3
        )
        return encoded(figure, format)


def _panel(axes: Axes, one: ProxyResult, label: str) -> None:
    x, y = 100 * np.array(one.proxy), 100 * np.array(one.full)
    axes.scatter(x, y, s=16, color=ACCENT, alpha=0.6, linewidths=0, label="one configuration")
    ring: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5, "linestyle": "none"}
    chosen = list(one.chosen)
    axes.plot(x[chosen], y[chosen], "D", color=MARK, label="the set's choice", **ring)
    best = int(y.argmax())
    axes.plot(x[best], y[best], "o", color=INK, label=f"best on {label}", **ring)
    rho = "not defined" if one.spearman.value is None else decimal(one.spearman.value, 2)
    axes.set_title(f"{one.label}\nSpearman {rho}", fontsize=8, loc="left", parse_math=False)
    axes.tick_params(colors=MUTED, labelcolor=INK)
