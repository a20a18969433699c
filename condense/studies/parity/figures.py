"""Figures of a parity run: losses of both programs, their difference against the floor, the causes' effects."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from condense.records import Record
from condense.report.figures import legend_above, name_rows, strip
from condense.report.sheet import COLOURS, INK, MARK, MUTED, Format, encoded, sheet
from condense.statistics import paired
from condense.studies.parity.nudging import UNITS
from condense.studies.parity.parts import Part, compared, measured_floor
from condense.studies.parity.trajectory import Trajectory

_DASHES = ("-", "-.", ":")
_FLOOR_DASHES = ("--", ":", (0, (6, 2, 1, 2, 1, 2)))
_ENTRY = 0.18
"""Inches that one line of a legend takes."""
SMALLEST = 1e-17
"""Where differences of 0 are drawn on a logarithmic scale."""


def losses(sides: Mapping[str, Trajectory], names: Sequence[str], format: Format = "png") -> bytes:
    """The loss of each step's batch, one line a run; runs that agree lie on each other."""
    with sheet(6.4, 2.6 + _ENTRY * -(-len(names) // 2)) as figure:
        axes = figure.add_subplot(xlabel="step", ylabel="loss of the batch", yscale="log")
        for index, name in enumerate(names):
            loss = sides[name].loss
            width = max(1, len(loss) // 120)
            means = np.convolve(loss, np.full(width, 1 / width), "valid")
            style: dict[str, Any] = {"linewidth": 3.2 - 0.6 * min(index, 4), "alpha": 0.55 if index == 0 else 0.9}
            axes.plot(np.arange(width, len(loss) + 1), means, label=name, **_told_apart(index), **style)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        return encoded(figure, format)


def difference_lines(sides: Mapping[str, Trajectory], parts: Sequence[Part], format: Format = "png") -> bytes:
    """The relative loss difference up to each step (running maximum) of each part, and the floors, on logarithmic scales."""
    floors = {part.nudged[0]: part for part in reversed(parts) if part.nudged}  # the first part's of each run
    with sheet(6.4, 3.2 + _ENTRY * (len(parts) + len(floors))) as figure:
        axes = figure.add_subplot(xlabel="step", ylabel="relative loss difference", yscale="log", xscale="log")
        for index, part in enumerate(parts):
            found, _ = compared(part, sides)
            values = np.maximum(np.maximum.accumulate(np.minimum(found.loss, 1e3)), SMALLEST)
            axes.plot(np.arange(1, len(values) + 1), values, label=part.title, linewidth=1.5, **_told_apart(index))
        for index, (name, part) in enumerate(sorted(floors.items())):
            floor = np.maximum(measured_floor(part, sides), SMALLEST)
            kind = name.removeprefix("torch-").replace("-norm", " with BatchNorm")
            style: dict[str, Any] = {"linestyle": _FLOOR_DASHES[index % len(_FLOOR_DASHES)], "linewidth": 1.2, "color": INK}
            axes.plot(
                np.arange(1, len(floor) + 1),
                floor,
                label=f"floor of {kind}: {UNITS} units in the last place",
                **style,
            )
        axes.axhline(1e-11, color=MUTED, linewidth=0.8)
        place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        axes.annotate("tolerance of float64, 1e-11", (1, 1.4e-11), fontsize=7, color=MUTED, **place)
        figure.legend(loc="outside upper left", ncols=1, fontsize=8)
        return encoded(figure, format)


def _told_apart(index: int) -> dict[str, Any]:
    """Colour and dashes of a line; lines beyond the colours are dashed."""
    again, colour = divmod(index, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": _DASHES[again % len(_DASHES)]}


def effects(records: Sequence[Record], format: Format = "png") -> bytes:
    """Each cause's effect on the test loss, in percent of the aligned run's: every seed, mean and standard error."""
    causes = [record for record in records if record.task == "cause"]
    with sheet(6.4, 0.9 + 0.27 * len(causes)) as figure:
        axes = figure.add_subplot(xlabel="difference of the test loss to the aligned run (%, linear within ±1)")
        for row, record in enumerate(causes):
            aligned = [value for value in record.results["aligned_test_loss"] if value is not None]
            unit = 100 / (sum(aligned) / len(aligned))
            pairs = zip(record.results["test_loss"], record.results["aligned_test_loss"], strict=True)
            values = [unit * (a - b) for a, b in pairs if a is not None and b is not None]
            if not values:
                axes.annotate("not finite", (1, row), color=MARK, va="center", fontsize=8)
                continue
            found = paired(record.results["aligned_test_loss"], record.results["test_loss"])
            mean, error = unit * found.mean, unit * (found.error or 0)
            strip(axes, row, values, (mean - error, mean, mean + error), middle="mean, standard error")
        axes.set_xscale("symlog", linthresh=1)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        name_rows(axes, [f"{record.results['name']} ({record.results['base']})" for record in causes], fontsize=7)
        legend_above(axes)
        return encoded(figure, format)
