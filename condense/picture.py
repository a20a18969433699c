"""A synthetic set in a notebook and at a prompt: a table of its images as HTML, and one line on what it is."""

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

from condense.errors import CondenseError, shortened

if TYPE_CHECKING:
    from condense.synthetic_set import SyntheticSet

MOST_CLASSES, MOST_IMAGES = 20, 12
"""Shown of a set, of each class."""
_HEIGHT = 48
"""Of an image on the screen, at least."""


def summary(one: "SyntheticSet") -> str:
    """One line: how many images, of what, by what."""
    facts, count = one.provenance, len(one.provenance.class_names)
    size = " x ".join(map(str, one.images.shape[1:]))
    each = "up to " * one.unequal + str(facts.images_per_class)
    soft = ", soft labels" if one.soft else ""
    decoded = f", {one.decoder}" if one.decoder.multiple > 1 else ""
    form = f"{count} classes x {each}, {size}{decoded}{soft}"
    return f"{shortened(facts.dataset, 40)}: {form}, by {shortened(facts.method, 40)}, {one.sha256[:12]}"


def html_of(one: "SyntheticSet") -> str:
    """The first stored images of each class as they look, under the line on what it is."""
    line = html.escape(f"SyntheticSet({summary(one)})")
    try:
        pixels = one.pixels().permute(0, 2, 3, 1).numpy()
    except CondenseError as error:
        return f"<p><code>{line}</code></p>\n<p>{html.escape(str(error))}</p>"
    labels = (one.labels.argmax(dim=1) if one.soft else one.labels).numpy()
    names = one.provenance.class_names
    rows = [
        f"<tr><th>{html.escape(shortened(name, 40))}</th><td>{_strip(pixels[labels == label][:MOST_IMAGES])}</td></tr>"
        for label, name in enumerate(names[:MOST_CLASSES])
    ]
    more = len(names) - MOST_CLASSES
    left = f"\n<p>and {more} more classes</p>" if more > 0 else ""
    return f"<p><code>{line}</code></p>\n<table>\n{chr(10).join(rows)}\n</table>{left}"


def _strip(images: np.ndarray) -> str:
    """Images uint8 (n, H, W, C) side by side as one that is part of the page; nothing of none."""
    from PIL import Image

    if not len(images):
        return ""
    count, height, width, channels = images.shape
    strip = np.full((height, count * (width + 1) - 1, channels), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        strip[:, place * (width + 1) :][:, :width] = image
    buffer = io.BytesIO()
    Image.fromarray(strip[:, :, 0] if channels == 1 else strip).save(buffer, "PNG")
    scale = max(1, -(-_HEIGHT // height))
    coded = base64.b64encode(buffer.getvalue()).decode()
    return f'<img style="image-rendering: pixelated" height="{height * scale}" src="data:image/png;base64,{coded}">'
