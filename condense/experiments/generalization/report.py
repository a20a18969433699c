"""What the experiments are shown as: tables, figures and one page, written into their folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from condense.data.images import DataSet
from condense.experiments.generalization.figures import course_figure, error_figure, slowdown_figure
from condense.experiments.generalization.findings import FINDINGS
from condense.experiments.generalization.plan import EXPERIMENTS
from condense.experiments.generalization.results import Result, gathered
from condense.experiments.generalization.run import GeneralizeConfig
from condense.experiments.generalization.tables import comparison_table, summary_table
from condense.files import write_atomically
from condense.records import Record
from condense.report.experiment import Section, render_experiment
from condense.report.rendering import Table, render

CAP = 40
"""Epochs at which the reproduction report stopped every run."""


@dataclass(frozen=True)
class _Figure:
    """A figure in both formats, with its name and caption."""

    name: str
    caption: str
    png: bytes
    svg: bytes


def write_report(config: GeneralizeConfig, data: DataSet, records: Sequence[Record], folder: Path) -> list[Table]:
    """Writes figures, tables and the page of the experiments in `config`; returns the tables."""
    sections, tables = [], []
    for name in config.names:
        results = gathered(config.lines(name), records, data)
        own, figures = _tables(name, results, data), _figures(name, results, data)
        for figure in figures:
            write_atomically(folder / f"{figure.name}.png", figure.png)
        shown = tuple((figure.svg, figure.caption, figure.caption) for figure in figures)
        sections.append(Section(f"{name}: {EXPERIMENTS[name]}", FINDINGS[name], shown, tuple(own)))
        tables += own
    write_atomically(folder / "tables.md", "\n".join(render(table, "markdown") for table in tables))
    page = render_experiment("Generalization experiments (Zhang et al., 2017)", _headline(records, data), sections, records)
    write_atomically(folder / "page.html", page)
    return tables


def _headline(records: Sequence[Record], data: DataSet) -> str:
    counts = {name: sum(record.notes == [name] for record in records) for name in ("fitted", "censored", "diverged")}
    ended = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(records)} runs on {_sizes(data)}: {ended}."


def _sizes(data: DataSet) -> str:
    return f"{len(data.train):,} training and {len(data.test):,} test images of {data.name}"


def _tables(name: str, results: Sequence[Result], data: DataSet) -> list[Table]:
    tables = [summary_table(f"{name}, {_sizes(data)}", results)]
    compared = comparison_table(name, results) if name in ("fig2a", "fig2b") else None
    return [*tables, *([compared] if compared else [])]


def _figures(name: str, results: Sequence[Result], data: DataSet) -> list[_Figure]:
    if not any(result.records for result in results):
        return []
    sizes = _sizes(data)
    if name == "fig1a":
        return [_course(name, results, "train_loss", "training loss", sizes)]
    if name in ("fig2a", "fig2b"):
        return [_course(name, results, "test_accuracy", "test accuracy (%)", sizes)]
    if name == "fig1c":
        svg, png = (error_figure(results, sizes, kind) for kind in ("svg", "png"))
        return [_Figure(name, f"Test error after fitting; {sizes}.", png, svg)]
    if name == "fig1b":
        capped = [result.capped(CAP) for result in results]
        return [
            _slowdown(name, results, sizes, "Time to fit, in epochs, relative to the same seed on true labels"),
            _slowdown(f"{name}-capped", capped, sizes, f"The same runs stopped at {CAP} epochs, as in the report"),
        ]
    return []


def _course(name: str, results: Sequence[Result], series: str, label: str, sizes: str) -> _Figure:
    svg, png = (course_figure(results, series, label, sizes, kind) for kind in ("svg", "png"))
    return _Figure(name, f"{label.capitalize()} by epoch, every seed, their mean and range; {sizes}.", png, svg)


def _slowdown(name: str, results: Sequence[Result], sizes: str, caption: str) -> _Figure:
    svg, png = (slowdown_figure(results, sizes, kind) for kind in ("svg", "png"))
    return _Figure(name, f"{caption}; {sizes}.", png, svg)
