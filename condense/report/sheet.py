"""What every figure is drawn on: an empty one in our style, and its bytes. Equal input gives equal bytes.

Nothing here touches pyplot's global state; colours are from the Okabe-Ito palette, which colour-blind readers can tell
apart (Okabe & Ito, Color Universal Design, 2008). matplotlib is imported where something is drawn, as it takes a second.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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


@contextmanager
def sheet(width: float, height: float, *, grid: bool = True) -> Iterator["Figure"]:
    """An empty figure of so many inches; what is drawn within the block is in our style."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "axes.grid": grid}):
        yield Figure(figsize=(width, height), layout="constrained")


def ticks(axes: "Axes", most: int, **chosen: Any) -> None:
    """About so many numbers along x at most, at steps of 1, 2 or 5 times a power of ten if nothing else is chosen."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, **{"steps": [1, 2, 5, 10], **chosen}))


def framed(axes: "Axes", corner: tuple[float, float], width: float, height: float) -> None:
    """Draws a frame in the colour that marks."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=MARK, linewidth=1.6))


def encoded(figure: "Figure", format: Format) -> bytes:
    """The finished figure as bytes, without the date and program that would make equal figures differ."""
    buffer = io.BytesIO()
    if format == "svg":
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    else:
        figure.savefig(buffer, format="png", metadata={"Software": None}, dpi=160)
    return buffer.getvalue()
