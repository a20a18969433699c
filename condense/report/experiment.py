"""The page of an experiment: sections of text, figures and tables, and where the numbers come from."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from condense.records import Record
from condense.report.html import duration, inline_svg, render_template
from condense.report.rendering import Table, render


@dataclass(frozen=True)
class Section:
    """One part of a page. figures: (SVG, caption, description for those who cannot see it)."""

    title: str
    texts: tuple[str, ...] = ()
    figures: tuple[tuple[bytes, str, str], ...] = ()
    tables: tuple[Table, ...] = ()


def render_experiment(title: str, headline: str, sections: Sequence[Section], records: Sequence[Record]) -> str:
    """The page as one HTML text that loads nothing from anywhere; equal input gives equal text."""
    return render_template(
        "experiment.html.jinja",
        title=title,
        headline=headline,
        sections=[_section(section, index) for index, section in enumerate(sections)],
        provenance=provenance(records),
    )


def provenance(records: Sequence[Record]) -> list[tuple[str, str]]:
    """(Name, value) of what the records were made with."""
    if not records:
        return []
    machines = dict.fromkeys(f"{r.device}, {r.threads} thread{'s' if r.threads > 1 else ''}" for r in records)
    codes = dict.fromkeys(
        ", ".join([f"condense {r.code_version}", *(f"{name} {value}" for name, value in sorted(r.library_versions.items()))])
        for r in records
    )
    return [
        ("computing time", duration(sum(record.wall_seconds for record in records))),
        *(("made on", machine) for machine in machines),
        *(("made with", code) for code in codes),
        ("first started", min(record.started_at for record in records)),
    ]


def _section(section: Section, index: int) -> dict[str, object]:
    return {
        "title": section.title,
        "texts": section.texts,
        "figures": [
            {"svg": inline_svg(svg, f"s{index}f{number}", description), "caption": caption}
            for number, (svg, caption, description) in enumerate(section.figures)
        ],
        "tables": [{"title": table.title, "html": Markup(render(table, "html"))} for table in section.tables],
    }
