"""Which axes of an array are images, channels, rows and columns; where several readings fit, the user is asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from condense.data.reading import parse_shape
from condense.data.source import Array

CHANNELS = (1, 3)
# Images (channels, side) of which simpleNN's files may lack trailing columns that are 0 everywhere.
_SHORTENED = ((1, 28), (3, 32))
LONGEST = 2
"""How many times as long as the other a side of an image may be for a row of values to be read as such an image unasked."""


@dataclass(frozen=True)
class Layout:
    """One way to read an array as `count` images of shape (C, H, W).

    order: what the axes are, for people; split: the shape that rows of values first get (without padding: `lacking` values
    are appended to each as zeros); axes: then the permutation to (N, C, H, W).
    """

    count: int
    image: tuple[int, int, int]
    order: str
    split: tuple[int, ...] | None
    axes: tuple[int, ...]
    lacking: int = 0

    def apply(self, array: Array) -> Array:
        """(N, C, H, W) of the array."""
        if self.lacking:
            array = np.pad(array, ((0, 0), (0, self.lacking)))
        if self.split is not None:
            array = array.reshape(len(array), *self.split)
        return array.transpose(self.axes)

    @property
    def is_svhn(self) -> bool:
        """Whether images lie along the last axis of four, as in SVHN's `.mat` files."""
        return self.order == "(H, W, C, N)"

    @property
    def option(self) -> str:
        """What `--image-shape` says to get this reading."""
        channels, height, width = self.image
        if not self.order.startswith("rows") or channels == 1:
            return f"{height}x{width}"
        return f"{height}x{width}x{channels}" if self.order.endswith("last") else f"{channels}x{height}x{width}"


def layouts(
    shape: tuple[int, ...], count: int | None, stated: str | None = None, *, matlab: bool = False, planar: bool = False
) -> list[Layout]:
    """Every reading that fits an array of this shape with `count` labels, and the stated image shape.

    matlab: images may lie along the last axis, as MATLAB's users have them; planar: rows are simpleNN's, one channel after
    another.
    """
    found = _layouts_of_rows(shape, stated, planar) if len(shape) == 2 else _layouts_of_axes(shape, matlab)
    if count is not None:
        found = [layout for layout in found if layout.count == count]
    if stated is not None and len(shape) != 2:
        found = _as_stated(found, parse_shape(stated))
    return found


def _layouts_of_axes(shape: tuple[int, ...], matlab: bool) -> list[Layout]:
    found: list[Layout] = []
    if len(shape) == 3:
        n, a, b = shape
        found.append(Layout(n, (1, a, b), "(N, H, W)", (1, a, b), (0, 1, 2, 3)))
        if matlab:
            found.append(Layout(b, (1, n, a), "(H, W, N)", (a, b, 1), (2, 3, 0, 1)))
        if a in CHANNELS and (side := _square(b)):
            found.append(Layout(n, (a, side, side), "(N, C, H*W)", (a, side, side), (0, 1, 2, 3)))
        if b in CHANNELS and (side := _square(a)):
            found.append(Layout(n, (b, side, side), "(N, H*W, C)", (side, side, b), (0, 3, 1, 2)))
    if len(shape) == 4:
        n, a, b, c = shape
        if c in CHANNELS:
            found.append(Layout(n, (c, a, b), "(N, H, W, C)", None, (0, 3, 1, 2)))
        if a in CHANNELS:
            found.append(Layout(n, (a, b, c), "(N, C, H, W)", None, (0, 1, 2, 3)))
        if matlab and b in CHANNELS:
            found.append(Layout(c, (b, n, a), "(H, W, C, N)", None, (3, 2, 0, 1)))
    return found


def _square(values: int) -> int:
    """The side of a square of so many values, more than one; 0 where there is none."""
    side = math.isqrt(values)
    return side if side > 1 and side * side == values else 0


def _as_stated(found: Sequence[Layout], stated: tuple[int, ...]) -> list[Layout]:
    """The readings that give images of the stated shape."""
    if len(stated) == 2:
        return [layout for layout in found if layout.image[1:] == stated]
    fitting = [layout for layout in found if layout.image in (stated, (stated[2], *stated[:2]))]
    first = [layout for layout in fitting if layout.order == "(N, C, H, W)"]
    return first if first and stated[0] == stated[2] else fitting  # both could be the channels; then the first are


def _layouts_of_rows(shape: tuple[int, ...], stated: str | None, planar: bool) -> list[Layout]:
    count, values = shape
    if stated is None:
        found = [
            layout
            for channels in CHANNELS
            if values % channels == 0
            for height, width in _sides(values // channels)
            for layout in _rows(count, channels, height, width, 0, planar)
        ]
        known = [(c, side, c * side**2 - values) for c, side in _SHORTENED if planar]
        return found + [_rows(count, c, side, side, lacking, planar)[0] for c, side, lacking in known if 0 < lacking < side]
    sides = parse_shape(stated)
    lacking = math.prod(sides) - values
    last = sides[-1] if len(sides) == 2 or sides[0] in CHANNELS else sides[1]
    if not 0 <= lacking < last or (lacking and not planar):
        return []
    if len(sides) == 2:
        return _rows(count, 1, sides[0], sides[1], lacking, planar)
    if sides[0] in CHANNELS:
        return _rows(count, sides[0], sides[1], sides[2], lacking, planar)[:1]
    return [] if lacking else _rows(count, sides[2], sides[0], sides[1], 0, False)[-1:]


def _rows(count: int, channels: int, height: int, width: int, lacking: int, planar: bool) -> list[Layout]:
    image = (channels, height, width)
    first = Layout(count, image, "rows" if channels == 1 else "rows, channels first", image, (0, 1, 2, 3), lacking)
    if channels == 1 or planar:
        return [first]
    return [first, Layout(count, image, "rows, channels last", (height, width, channels), (0, 3, 1, 2))]


def _sides(values: int) -> list[tuple[int, int]]:
    """(height, width) of so many values, neither more than `LONGEST` times the other; the squarest first."""
    found = [
        (side, values // side) for side in range(math.isqrt(values // LONGEST), math.isqrt(values * LONGEST) + 1) if side
    ]
    fitting = [(h, w) for h, w in found if h * w == values and max(h, w) <= LONGEST * min(h, w)]
    return sorted(fitting, key=lambda sides: abs(sides[0] - sides[1]))
