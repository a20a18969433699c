"""Figures of the generalization experiments: every seed thin or as a point, a band over seeds. Equal input, equal bytes."""

from collections.abc import Callable, Sequence
from functools import partial

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from condense.experiments.generalization.results import Result
from condense.report.figures import MUTED, STYLE, Format, encoded

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "D", "^", "v", "P")
SHARE = "share of corrupted labels p"


def course_figure(results: Sequence[Result], series: str, label: str, title: str, format: Format = "png") -> bytes:
    """A series of every line against the epochs: all seeds thin, their mean, and a band from the least to the largest."""
    return _drawn(partial(_courses, results, series), "epoch", label, title, format)


def _courses(results: Sequence[Result], series: str, axes: Axes) -> None:
    percent = 100 if "accuracy" in series else 1
    for result, colour in zip(results, COLOURS, strict=False):
        epochs, values = result.course(series)
        if not len(values):
            continue
        values = percent * values
        axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(epochs, values.T, color=colour, alpha=0.4, linewidth=0.7)
        axes.plot(epochs, values.mean(0), color=colour, linewidth=1.8, label=result.line.label)
    axes.set_ylim(bottom=0)


def slowdown_figure(results: Sequence[Result], title: str, format: Format = "png") -> bytes:
    """Epochs to fit, divided by those of the same seed at p = 0, against p; runs that did not fit point upwards, hollow."""
    return _drawn(partial(_slowdowns, results), SHARE, "epochs to fit, relative to p = 0", title, format)


def _slowdowns(results: Sequence[Result], axes: Axes) -> None:
    for (network, of_network), colour, marker in zip(_by_network(results), COLOURS, MARKERS, strict=False):
        start = of_network[0].epochs
        means = []
        for result in of_network:
            relative = {seed: count / start[seed] for seed, count in result.epochs.items() if seed in start}
            lower = {seed: relative[seed] for seed in result.outcomes("censored") if seed in relative}
            known = [value for seed, value in relative.items() if seed in result.outcomes("fitted")]
            x = result.line.x
            axes.plot([x] * len(known), known, marker, color=colour, alpha=0.5, markersize=4)
            axes.plot([x] * len(lower), list(lower.values()), "^", color=colour, markerfacecolor="none", markersize=7)
            means.append(np.mean(known) if known and not lower else np.nan)
        axes.plot([result.line.x for result in of_network], means, color=colour, marker=marker, label=network)
    axes.plot([], [], "^", color=MUTED, markerfacecolor="none", markersize=7, label="not fitted: at least so long")
    axes.set_ylim(bottom=0)


def error_figure(results: Sequence[Result], title: str, format: Format = "png") -> bytes:
    """Test error in percent against p: every seed as a point, the mean as a line, chance dotted."""
    return _drawn(partial(_errors, results), SHARE, "test error (%)", title, format)


def _errors(results: Sequence[Result], axes: Axes) -> None:
    for (network, of_network), colour, marker in zip(_by_network(results), COLOURS, MARKERS, strict=False):
        drawn = [result for result in of_network if result.records]
        for result in drawn:
            values = [100 * error for error in result.test_errors.values()]
            axes.plot([result.line.x] * len(values), values, marker, color=colour, alpha=0.5, markersize=4)
        means = [100 * np.mean(list(result.test_errors.values())) for result in drawn]
        axes.plot([result.line.x for result in drawn], means, color=colour, marker=marker, label=network)
    axes.axhline(90, color=MUTED, linestyle=":", linewidth=1, label="chance")
    axes.set_ylim(top=100)


def _by_network(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    names = dict.fromkeys(result.line.group for result in results)
    return [(name, [result for result in results if result.line.group == name]) for name in names]


def _drawn(draw: Callable[[Axes], None], xlabel: str, ylabel: str, title: str, format: Format) -> bytes:
    """What `draw` puts on its axes, as a figure with title and legend."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
        draw(axes)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]))
        figure.suptitle(title, x=0.01, ha="left", fontsize=9, color=MUTED)
        axes.legend(fontsize=8)
        return encoded(figure, format)
