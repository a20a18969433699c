"""Synthetic images as pictures: every pixel enlarged to a square, one group for each class."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from condense.synthetic_set import SyntheticSet

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

# A power of two, so that a size in pixels divided by it and multiplied again stays exact.
_DPI = 128
_GAP = 4
_LABEL_HEIGHT = 20
_WIDEST = 1800
_LONGEST_ABOVE, _LONGEST_BESIDE = 24, 36


def images_by_class(synthetic_set: SyntheticSet) -> list[tuple[str, np.ndarray]]:
    """(class name, uint8 images (n, H, W, 3)) of every class as networks see them, decoded, and as they look, denormalised;
    a soft label counts for its likeliest class.
    """
    pixels, labels = synthetic_set.decoded_pixels()
    pixels, labels = pixels.permute(0, 2, 3, 1).numpy(), labels if labels.dim() == 1 else labels.argmax(dim=1)
    pixels = np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels
    return [(name, pixels[labels.numpy() == index]) for index, name in enumerate(synthetic_set.provenance.class_names)]


def strip(images: np.ndarray) -> bytes:
    """PNG of uint8 images (n, H, W, 3) side by side at their own size, with one transparent column between neighbours."""
    count, height, width, _ = images.shape
    canvas = np.zeros((height, max(count * (width + 1) - 1, 1), 4), dtype=np.uint8)
    for index, image in enumerate(images):
        canvas[:, index * (width + 1) :][:, :width] = np.dstack([image, np.full((height, width), 255, np.uint8)])
    return _png(canvas)


def image_grid(synthetic_set: SyntheticSet) -> bytes:
    """PNG of all images with their class names, enlarged by a whole factor (nearest neighbour).

    With one image per class a compact grid of up to ten columns; otherwise one row for each class, many
    classes in several columns.
    """
    return grid(images_by_class(synthetic_set))


def image_rows(sets: Sequence[tuple[str, SyntheticSet]]) -> bytes:
    """PNG with a row of images for each of several sets of equally large images, under a name of its own."""
    return grid([(name, first_images(one)) for name, one in sets])


def first_images(synthetic_set: SyntheticSet) -> np.ndarray:
    """uint8 (n, H, W, 3): all images, class by class, or the first ones of each class where those are more than 20."""
    groups = images_by_class(synthetic_set)
    each = max(1, 20 // len(groups))
    return np.concatenate([images[:each] for _, images in groups])


def grid(groups: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """PNG of groups of uint8 images (n, H, W, 3) with their names, laid out as `image_grid` says."""
    most = max(len(images) for _, images in groups)
    names = [_short(name, _LONGEST_ABOVE if most == 1 else _LONGEST_BESIDE) for name, _ in groups]
    height, width = groups[0][1].shape[1:3]
    layout = (_compact if most == 1 else _rows)(names, most, height, width)
    canvas = np.full((layout.height, layout.width, 3), 255, dtype=np.uint8)
    for (_, images), (top, left) in zip(groups, layout.corners, strict=True):
        for index, image in enumerate(images):
            x = left + index * (width * layout.scale + _GAP)
            enlarged = image.repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
            canvas[top : top + enlarged.shape[0], x : x + enlarged.shape[1]] = enlarged
    return _with_labels(canvas, names, layout)


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels. corners: (top, left) of each class's first image; labels: (x, y from the top) of its name."""

    width: int
    height: int
    scale: int
    corners: list[tuple[int, int]]
    labels: list[tuple[int, int]]
    align: str


def _compact(names: list[str], most: int, height: int, width: int) -> _Layout:
    """One image per class, names above, at most ten in a row."""
    scale = max(1, round(96 / width))
    columns = min(10, len(names))
    step_x = max(width * scale, _text_width(names)) + 2 * _GAP
    step_y = height * scale + _LABEL_HEIGHT + 2 * _GAP
    places = [(_GAP + index // columns * step_y, index % columns * step_x) for index in range(len(names))]
    inset = (step_x - width * scale) // 2
    return _Layout(
        width=columns * step_x,
        height=_GAP + -(-len(names) // columns) * step_y,
        scale=scale,
        corners=[(top + _LABEL_HEIGHT, left + inset) for top, left in places],
        labels=[(left + step_x // 2, top + _LABEL_HEIGHT // 2) for top, left in places],
        align="center",
    )


def _rows(names: list[str], most: int, height: int, width: int) -> _Layout:
    """One row of images for each class, names at the left; many classes stand in several columns side by side."""
    scale = max(1, min(round(64 / width), _WIDEST // (most * width)))
    step_y = max(height * scale, _LABEL_HEIGHT) + _GAP
    left = _text_width(names) + 3 * _GAP
    step_x = left + most * (width * scale + _GAP)
    columns = max(1, min(-(-len(names) // 20), _WIDEST // step_x))
    lines = -(-len(names) // columns)
    places = [(_GAP + index % lines * step_y, index // lines * step_x) for index in range(len(names))]
    return _Layout(
        width=columns * step_x,
        height=_GAP + lines * step_y,
        scale=scale,
        corners=[(top, x + left) for top, x in places],
        labels=[(x + left - 2 * _GAP, top + height * scale // 2) for top, x in places],
        align="right",
    )


def _with_labels(canvas: np.ndarray, names: list[str], layout: _Layout) -> bytes:
    """The canvas with its class names written on it."""
    figure, agg, font = _drawn_on(figsize=(layout.width / _DPI, layout.height / _DPI))
    figure.figimage(canvas, origin="upper")
    for name, (x, y) in zip(names, layout.labels, strict=True):
        figure.text(
            x / layout.width,
            1 - y / layout.height,
            name,
            ha=layout.align,
            va="center",
            color="#333333",
            fontproperties=font,
            parse_math=False,
        )
    agg.draw()
    return _png(np.asarray(agg.buffer_rgba()))


def _text_width(names: list[str]) -> int:
    """Width in pixels of the widest name."""
    figure, agg, font = _drawn_on()
    renderer = agg.get_renderer()
    texts = [figure.text(0, 0, name, fontproperties=font, parse_math=False) for name in names]
    return int(max(text.get_window_extent(renderer).width for text in texts)) + 1


def _short(name: str, longest: int) -> str:
    line = " ".join(name.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _drawn_on(**size: Any) -> tuple["Figure", "FigureCanvasAgg", "FontProperties"]:
    """A figure, what draws it, and the font of its names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and few commands draw
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    figure = Figure(**size, dpi=_DPI)
    return figure, FigureCanvasAgg(figure), FontProperties(family="DejaVu Sans", size=8)


def _png(pixels: np.ndarray) -> bytes:
    import matplotlib.image

    buffer = io.BytesIO()
    without_program: dict[str, Any] = {"Software": None}
    matplotlib.image.imsave(buffer, pixels, format="png", metadata=without_program)
    return buffer.getvalue()
