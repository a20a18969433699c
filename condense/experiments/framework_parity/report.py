"""What a parity run is shown as: tables, figures and one page, written into its folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from condense.experiments.framework_parity.figures import difference_lines, effects, losses
from condense.experiments.framework_parity.folder import ParityFolder
from condense.experiments.framework_parity.parts import FAIL, NOT_RUN, PASS, Part
from condense.experiments.framework_parity.records import ParityRecord
from condense.experiments.framework_parity.tables import (
    accuracy_table,
    cause_table,
    claims_table,
    parts_table,
    printed_table,
)
from condense.experiments.framework_parity.trajectory import load_trajectory
from condense.files import write_atomically
from condense.report.figures import Format
from condense.report.html import duration, inline_svg, render_template
from condense.report.rendering import Table, render

TITLES = {"simplenn": "PyTorch against simpleNN", "keras": "PyTorch against Keras"}


def overall(records: Sequence[ParityRecord]) -> str:
    """FAIL if a part failed, else PASS if one passed, else NOT RUN."""
    found = {record.results["status"] for record in records if record.kind == "part"}
    return next((status for status in (FAIL, PASS) if status in found), NOT_RUN)


def headline(records: Sequence[ParityRecord]) -> str:
    """The verdict in a sentence or two."""
    parts = [record for record in records if record.kind == "part"]
    if not parts:
        return f"Causes only: {len(records)} measured; the programs were not compared step by step."
    named = {status: [record for record in parts if record.results["status"] == status] for status in (FAIL, PASS, NOT_RUN)}
    counts = ", ".join(f"{len(found)} {status}" for status, found in named.items() if found)
    text = f"{overall(records)}: {counts}."
    for record in named[FAIL]:
        text += f" {record.title}: {record.results['sentence']}"
    for record in named[NOT_RUN]:
        text += f" Not run: {record.title}, {record.results['sentence']}"
    return text


def tables(records: Sequence[ParityRecord]) -> list[Table]:
    """All tables there are."""
    makers = (parts_table, cause_table, accuracy_table, printed_table, claims_table)
    return [table for table in (make(records) for make in makers) if table]


def write_report(folder: ParityFolder, records: Sequence[ParityRecord], parts: Sequence[Part]) -> Path:
    """Writes tables.md, the figures and page.html anew; returns where the page is."""
    ready = [part for part in parts if part.run and not part.reason]
    names = {name for part in ready for name in (part.run, part.reference, *part.nudged)}
    sides = {name: load_trajectory(folder.side(name)) for name in sorted(names)}
    shown = list(dict.fromkeys(name for part in ready for name in (part.reference, part.run) if "regression" not in name))
    write_atomically(folder.path / "tables.md", "\n".join(render(table, "markdown") for table in tables(records)))
    drawn: dict[str, Callable[[Format], bytes]] = {}
    if ready:
        drawn["losses"] = lambda kind: losses(sides, shown, kind)
        drawn["differences"] = lambda kind: difference_lines(sides, ready, kind)
    if any(record.kind == "cause" for record in records):
        drawn["effects"] = lambda kind: effects(records, kind)
    for name, draw in drawn.items():
        write_atomically(folder.path / f"{name}.png", draw("png"))
    captions = {
        "losses": "Loss of each step's batch, smoothed over a hundredth of the run. Runs that agree lie on each other.",
        "differences": "Largest relative difference of the loss up to each step, and the rounding floors.",
        "effects": "Each cause's effect on the test loss: every seed as a point, mean and standard error.",
    }
    figures = [
        {"svg": inline_svg(draw("svg"), name, captions[name]), "caption": captions[name]} for name, draw in drawn.items()
    ]
    page = folder.path / "page.html"
    write_atomically(page, _page(records, figures))
    return page


def _page(records: Sequence[ParityRecord], figures: Sequence[dict]) -> str:
    config = records[0].config
    seconds = sum(record.wall_seconds for record in records)
    return render_template(
        "parity.html.jinja",
        title=f"{TITLES[config['framework']]}, {config['dataset']}",
        headline=headline(records),
        tables=[{"title": table.title, "html": Markup(render(table, "html"))} for table in tables(records)],
        figures=figures,
        cost=f"Causes and comparisons took {duration(seconds)} on {records[0].threads} CPU thread(s).",
        programs=list(dict.fromkeys(name for record in records for name in record.results.get("programs", []))),
        configuration=json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False),
        settings=[
            (record.name, json.dumps(record.results["setting"], indent=2, sort_keys=True))
            for record in records
            if record.kind == "cause"
        ],
    )
