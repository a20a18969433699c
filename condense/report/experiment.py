"""What an experiment is shown as: one page of sections, and its tables and figures as files of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from condense.files import write_atomically
from condense.report.html import Figure, machine, png_source, render_template, versions
from condense.report.numbers import duration
from condense.report.rendering import Table, render


@dataclass(frozen=True)
class Picture:
    """Images side by side in one PNG: what they are, and what one sees on them."""

    name: str
    png: bytes
    description: str


@dataclass(frozen=True)
class Configuration:
    """Settings, which the page shows when their name is chosen."""

    name: str
    values: dict[str, Any]


Piece = str | Figure | Picture | Table | Configuration


@dataclass(frozen=True)
class Section:
    """One part of a page: sentences, figures, pictures, tables and settings, in the order they are shown."""

    title: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Report:
    """What is said of an experiment; sections without pieces are left out. provenance: (name, value)."""

    title: str
    headline: str
    sections: tuple[Section, ...]
    provenance: tuple[tuple[str, str], ...]

    @property
    def tables(self) -> list[Table]:
        """Those of all sections."""
        return [piece for section in self.sections for piece in section.pieces if isinstance(piece, Table)]

    @property
    def figures(self) -> list[Figure]:
        """Those of all sections."""
        return [piece for section in self.sections for piece in section.pieces if isinstance(piece, Figure)]


def write_experiment(report: Report, folder: Path) -> Path:
    """Writes tables.md, each figure as NAME.png and page.html anew; returns where the page is."""
    write_atomically(folder / "tables.md", "\n".join(render(table, "markdown") for table in report.tables))
    for figure in report.figures:
        write_atomically(folder / f"{figure.name}.png", figure.draw("png"))
    page = folder / "page.html"
    write_atomically(page, render_experiment(report))
    return page


def render_experiment(report: Report) -> str:
    """The page as one HTML text that loads nothing from anywhere; equal input gives equal text."""
    return render_template(
        "experiment.html.jinja",
        title=report.title,
        headline=report.headline,
        sections=[
            {"title": section.title, "pieces": [_macro(piece) for piece in section.pieces]}
            for section in report.sections
            if section.pieces
        ],
        provenance=report.provenance,
    )


def _macro(piece: Piece) -> tuple[str, dict[str, Any]]:
    """The macro of parts.html.jinja that shows the piece, and its arguments."""
    match piece:
        case Figure():
            return "figure", {"svg": piece.svg, "caption": piece.caption}
        case Picture():
            return "picture", {"name": piece.name, "source": png_source(piece.png), "description": piece.description}
        case Table():
            return "table", {"html": Markup(render(piece, "html"))}
        case Configuration():
            return "configuration", {"name": piece.name, "values": piece.values}
        case str():
            return "text", {"content": piece}


class _Made(Protocol):
    """What records of every kind say of how they were made."""

    @property
    def wall_seconds(self) -> float: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def code_version(self) -> str: ...
    @property
    def library_versions(self) -> dict[str, str]: ...
    @property
    def started_at(self) -> str: ...


def provenance(records: Sequence[_Made], timed: str = "computing time") -> tuple[tuple[str, str], ...]:
    """(Name, value) of what the records were made with, none without records; timed: what their seconds are."""
    if not records:
        return ()
    machines = dict.fromkeys(machine(record.device, record.threads) for record in records)
    codes = dict.fromkeys(versions(record.code_version, record.library_versions) for record in records)
    return (
        (timed, duration(sum(record.wall_seconds for record in records))),
        *(("made on", name) for name in machines),
        *(("made with", code) for code in codes),
        ("first started", min(record.started_at for record in records)),
    )
