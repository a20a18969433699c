"""Figures of the generalization experiments: every seed thin or as a point, a band over seeds. Equal input, equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from condense.report.sheet import COLOURS, MUTED, Format, encoded, sheet, ticks
from condense.studies.generalization.results import Result, by_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "D", "P", "*", "h", "8", "p")
"""No triangle or cross, which mark unfitted and diverged runs. After the last colour come the first, with other markers."""
SHARE = "share of corrupted labels p"


def course_figure(results: Sequence[Result], series: str, label: str, title: str, format: Format = "png") -> bytes:
    """A series of every line against the epochs: all seeds thin, each to its end; their mean, and a band from the least to
    the largest, to which a run that has fitted adds its last value from then on.

    Runs that diverged end in a cross, and are in neither mean nor band.
    """
    return _drawn(partial(_courses, results, series), "epoch", label, title, format)


def _courses(results: Sequence[Result], series: str, axes: Axes) -> None:
    percent = 100 if "accuracy" in series else 1
    for index, result in enumerate(results):
        epochs, values = result.course(series)
        if not values.size:
            continue
        colour, marker = _look(index)
        values *= percent
        known, diverged = np.isfinite(values), result.outcomes("diverged")
        for row, here, (seed, record) in zip(values, known, result.records.items(), strict=True):
            own = here & (epochs <= len(record.series["train_loss"]))
            axes.plot(epochs[own], row[own], color=colour, alpha=0.4, linewidth=0.7)
            if seed in diverged:
                axes.plot(epochs[here][-1:], row[here][-1:], "x", color=colour, markersize=7)
        left = [row for row, seed in enumerate(result.records) if seed not in diverged]
        # A run that diverged was tested when it ended, at an epoch that no other run has a value at.
        here = known[left].any(0)
        shown = np.ma.masked_invalid(values[left][:, here])
        _band(axes, epochs[here], shown, colour)
        label, every = result.line.name([one.line for one in results]), max(1, here.sum() // 8)
        style = {"linewidth": 1.8, "marker": marker, "markersize": 4, "markevery": every}
        axes.plot(epochs[here], shown.mean(0), color=colour, label=label, **style)
    if any(result.outcomes("diverged") for result in results):
        axes.plot([], [], "x", color=MUTED, markersize=7, label="diverged, or at chance")
    axes.set_ylim(bottom=0)


def slowdown_figure(results: Sequence[Result], title: str, format: Format = "png") -> bytes:
    """Epochs to fit, divided by those of the same seed at p = 0, against p; runs that did not fit point upwards, hollow.

    A seed that did not fit at p = 0 has no ratios and is left out. The line is the geometric mean, where all have fitted.
    """
    return _drawn(partial(_slowdowns, results), SHARE, "epochs to fit, relative to p = 0", title, format)


def ratios(of_network: Sequence[Result]) -> list[dict[int, float]]:
    """For each result of one network, epochs over those of the same seed at p = 0, for the seeds that had fitted there."""
    start = {seed: result.epochs[seed] for result in of_network if not result.line.x for seed in result.outcomes("fitted")}
    return [{seed: count / start[seed] for seed, count in one.epochs.items() if seed in start} for one in of_network]


def _slowdowns(results: Sequence[Result], axes: Axes) -> None:
    for index, (_, of_network) in enumerate(by_network(results)):
        _points_and_line(axes, index, of_network, ratios(of_network), lambda values: np.exp(np.log(values).mean(0)))
    _explain(axes, results, "not fitted: at least so long", diverged=False)
    axes.set_ylim(bottom=0)


def error_figure(results: Sequence[Result], title: str, format: Format = "png", *, classes: int) -> bytes:
    """Test error in percent against p: every seed as a point, hollow where it had not fitted; the mean of fitted ones as a
    line where all had, and a band over them; chance among so many classes dotted, diverged runs crosses there.
    """
    return _drawn(partial(_errors, results, 100 * (1 - 1 / classes)), SHARE, "test error (%)", title, format)


def _errors(results: Sequence[Result], chance: float, axes: Axes) -> None:
    for index, (_, of_network) in enumerate(by_network(results)):
        errors = [{seed: 100 * error for seed, error in result.test_errors.items()} for result in of_network]
        _points_and_line(axes, index, of_network, errors)
        for result in of_network:
            diverged = result.outcomes("diverged")
            axes.plot([result.line.x] * len(diverged), [chance] * len(diverged), "x", color=_look(index)[0], markersize=7)
    _explain(axes, results, "not fitted", diverged=True)
    axes.axhline(chance, color=MUTED, linestyle=":", linewidth=1, label="chance")
    axes.set_ylim(top=100)


def _points_and_line(
    axes: Axes,
    index: int,
    of_network: Sequence[Result],
    values: Sequence[dict[int, float]],
    mean: Callable[[np.ma.MaskedArray], np.ma.MaskedArray] = lambda values: values.mean(0),
) -> None:
    """Each seed's value against p, hollow where its run is censored; mean (over rows) and band where all have fitted."""
    colour, marker = _look(index)
    x = np.array([result.line.x for result in of_network])
    seeds = sorted({seed for of_line in values for seed in of_line})
    drawn = np.full((max(1, len(seeds)), len(x)), np.nan)
    for place, (result, of_line) in enumerate(zip(of_network, values, strict=True)):
        known, lower = (
            [of_line[seed] for seed in result.outcomes(kind) if seed in of_line] for kind in ("fitted", "censored")
        )
        axes.plot([x[place]] * len(known), known, marker, color=colour, alpha=0.5, markersize=4)
        axes.plot([x[place]] * len(lower), lower, "^", color=colour, markerfacecolor="none", markersize=7)
        if not lower and not result.outcomes("diverged"):
            drawn[: len(known), place] = known
    shown = np.ma.masked_invalid(drawn)
    _band(axes, x, shown, colour)
    axes.plot(x, mean(shown), color=colour, marker=marker, label=of_network[0].line.group)


def _explain(axes: Axes, results: Sequence[Result], censored: str, *, diverged: bool) -> None:
    """What hollow triangles and crosses mean, where there are any."""
    if any(result.outcomes("censored") for result in results):
        axes.plot([], [], "^", color=MUTED, markerfacecolor="none", markersize=7, label=censored)
    if diverged and any(result.outcomes("diverged") for result in results):
        axes.plot([], [], "x", color=MUTED, markersize=7, label="diverged, or at chance")


def _band(axes: Axes, x: np.ndarray, values: np.ma.MaskedArray, colour: str) -> None:
    """From the least to the largest of the seeds (rows)."""
    axes.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)


def _look(index: int) -> tuple[str, str]:
    """Colour and marker of a line; those of the first 24 differ."""
    return COLOURS[index % len(COLOURS)], MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def _drawn(draw: Callable[[Axes], None], xlabel: str, ylabel: str, title: str, format: Format) -> bytes:
    """What `draw` puts on its axes, as a figure with title and legend."""
    with sheet(6.4, 3.9) as figure:
        axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
        draw(axes)
        ticks(axes, 8, steps=[1, 2, 2.5, 5, 10])
        axes.set_title(title, loc="left", fontsize=9, color=MUTED)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        return encoded(figure, format)
