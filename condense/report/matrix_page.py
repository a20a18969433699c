"""One self-contained HTML page about a cross-architecture matrix."""

import json
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
from markupsafe import Markup

from condense.records import Record
from condense.report.cells import NONE
from condense.report.html import duration, inline_svg, png_source, render_template
from condense.report.images import first_images, strip
from condense.report.matrix import Matrix, matrix_tables
from condense.report.matrix_figures import heat_map, strips
from condense.report.rendering import render
from condense.synthetic_set import SyntheticSet


def render_matrix_page(
    matrices: Sequence[Matrix], sets: Sequence[tuple[str, SyntheticSet]], records: Sequence[Record]
) -> str:
    """The page as one HTML text that loads nothing from anywhere; equal input gives equal text.

    sets: (name, set) of each that is learned; records: all of the matrix, of learning and of evaluating.
    """
    return render_template(
        "matrix.html.jinja",
        title=f"Cross-architecture matrix, {matrices[0].dataset}",
        headline=headline(matrices),
        parts=[_part(matrix, index) for index, matrix in enumerate(matrices)],
        images=[_images(name, one) for name, one in sets],
        costs=_costs(records),
        configurations=[
            (name, json.dumps(one.provenance.config, indent=2, sort_keys=True, ensure_ascii=False)) for name, one in sets
        ],
    )


def headline(matrices: Sequence[Matrix]) -> str:
    """How well images carry over, in a sentence about the first matrix that has results."""
    matrix = next((matrix for matrix in matrices if matrix.cells), None)
    if matrix is None:
        return "No cell has been run yet."
    means, own = matrix.means, np.zeros(matrix.means.shape, dtype=bool)
    for row, name in enumerate(matrix.rows):
        column = matrix.own_column(name)
        if column is not None:
            own[row, column] = True
    known = ~np.isnan(means)
    texts = [
        f"{means[chosen].mean():.1f}\N{NO-BREAK SPACE}% on images learned with {what}"
        for what, chosen in (("their own architecture", known & own), ("another", known & ~own))
        if chosen.any()
    ]
    done = f"{known.sum()} of {len(matrix.asked)} cells"
    return f"Networks trained from scratch reach {' and '.join(texts)} (means of cells; {done}; {matrix.title})."


def _part(matrix: Matrix, index: int) -> dict[str, Any]:
    tables = matrix_tables([matrix], published=True, bold_best=True)
    alt = "; ".join(f"{row} on {column} {cell.summary.mean:.1%}" for (row, column), cell in matrix.cells.items())
    return {
        "title": f"Schedule {matrix.schedule}, protocol {matrix.protocol}",
        "tables": [{"title": table.title, "html": Markup(render(table, "html"))} for table in tables],
        "heat_map": inline_svg(heat_map(matrix, "svg"), f"heat{index}", alt) if matrix.cells else None,
        "strips": inline_svg(strips(matrix, "svg"), f"strips{index}", alt) if matrix.cells else None,
    }


def _images(name: str, one: SyntheticSet) -> dict[str, str]:
    images = first_images(one)
    return {"name": name, "source": png_source(strip(images)), "alt": f"{len(images)} images: {name}"}


def _costs(records: Sequence[Record]) -> dict[str, Any]:
    """Mean wall time of learning a set with each network, and of training and testing one."""
    learning, training = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for record in records:
        if record.kind == "learn":
            learning[record.config["network"]].append(record.wall_seconds)
        else:
            training[record.config["network"]].append(record.wall_seconds / len(record.seeds))
    rows = [
        (name, *(duration(mean(found[name])) if name in found else NONE for found in (learning, training)))
        for name in dict.fromkeys([*learning, *training])
    ]
    machines = dict.fromkeys((record.device, record.threads) for record in records)
    return {
        "header": ("network", "learning a set", "training and testing one network"),
        "rows": rows,
        "machines": [f"On {device}, {threads} thread{'s' if threads > 1 else ''}." for device, threads in machines],
    }
