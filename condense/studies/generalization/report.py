"""What the experiments are shown as: tables, figures and one page, written into their folder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from condense.records import Record
from condense.report.experiment import Report, Section, provenance, write_experiment
from condense.report.html import Figure
from condense.report.rendering import Table
from condense.report.sheet import Format
from condense.studies.generalization.config import OWN_NETWORKS
from condense.studies.generalization.figures import course_figure, error_figure, slowdown_figure
from condense.studies.generalization.findings import FINDINGS, PAPER, REPORT, rates_without_norm
from condense.studies.generalization.images import remark
from condense.studies.generalization.plan import EXPERIMENTS
from condense.studies.generalization.published import DATASET
from condense.studies.generalization.results import Result
from condense.studies.generalization.shown import Shown
from condense.studies.generalization.tables import (
    capped_table,
    comparison_table,
    published_table,
    slowdown_table,
    summary_table,
    without_ratio,
)

CAP = 40
"""Epochs at which the reproduction report stopped every run."""


def write_report(shown: Sequence[Shown], folder: Path) -> Path:
    """Writes figures, tables and the page of these experiments anew; returns where the page is."""
    of_runs = [record for one in shown for result in one.results for record in result.records.values()]
    records = list({record.config_hash: record for record in of_runs}.values())
    report = Report(
        title="Generalization experiments (Zhang et al., 2017)",
        headline=_headline(records),
        sections=tuple(map(_section, shown)),
        provenance=(("the paper", PAPER), ("the report", REPORT), *provenance(records)),
    )
    return write_experiment(report, folder)


def _section(shown: Shown) -> Section:
    name, resized = shown.experiment, remark(shown.subset(shown.results[0]).shape)
    said = [*FINDINGS[name], *rates_without_norm(shown.results), *([resized] if resized else [])]
    if shown.request.networks and name in OWN_NETWORKS:
        said.append("--networks leaves this experiment as it is: it compares variants of Inception.")
    pieces = (*said, *_figures(shown), *section_tables(shown, published=True))
    return Section(f"{shown.called}: {EXPERIMENTS[name]}", pieces)


def _headline(records: Sequence[Record]) -> str:
    counts = {name: sum(record.notes == [name] for record in records) for name in ("fitted", "censored", "diverged")}
    ended = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sizes = sorted({record.config["train_images"] for record in records})
    datasets = sorted({record.config["dataset"] for record in records})
    on = f" on {' or '.join(f'{size:,}' for size in sizes)} training images of {', '.join(datasets)}"
    return f"{len(records)} runs{on}: {ended}." if records else "No run has ended yet."


def _sizes(shown: Shown) -> str:
    """How many images there are; where networks have different numbers, those of the first one, the others in brackets."""
    training: dict[int, list[str]] = {}
    for result in shown.results:
        training.setdefault(shown.subset(result).train_images, []).append(result.line.group)
    (first, _), *others = training.items()
    rest = "; ".join(f"{', '.join(dict.fromkeys(networks))}: {size:,}" for size, networks in others)
    of = shown.subset(shown.results[0])
    return f"{first:,}{f' ({rest})' if rest else ''} training and {of.test_images:,} test images of {of.dataset}"


def section_tables(shown: Shown, *, published: bool) -> list[Table]:
    """The tables of an experiment; published: with the paper's accuracies beside those on its images."""
    name, called, results, sizes = shown.experiment, shown.called, shown.results, _sizes(shown)
    beside = published and name == "table1" and shown.subset(results[0]).dataset == DATASET
    tables = [(published_table if beside else summary_table)(f"{called}, {sizes}", results)]
    if name in ("fig1a", "fig1b"):
        slower = slowdown_table(f"{called}: time to fit, {sizes}", results)
        tables += [slower] if slower else []
    if name == "fig1b":
        tables.append(capped_table(f"{called}, the same runs stopped at {CAP} epochs, {sizes}", results, CAP))
    compared = comparison_table(called, results) if name in ("fig2a", "fig2b") else None
    return [*tables, *([compared] if compared else [])]


def runs_table(shown: Sequence[Shown]) -> Table:
    """Every run of these experiments as plain values."""
    rows = [
        {
            **{"experiment": one.called, "network": result.line.group, "setting": result.line.label, "seed": seed},
            **{name: record.config[name] for name in ("dataset", "train_images", "test_images") if name in record.config},
            **{"outcome": record.notes[0], "epochs": result.epochs[seed], "test_accuracy": record.accuracies[0]},
            **{name: record.series[name][-1] for name in ("train_accuracy", "train_loss") if record.series.get(name)},
        }
        for one in shown
        for result in one.results
        for seed, record in result.records.items()
    ]
    header = tuple(dict.fromkeys(name for row in rows for name in row))
    texts = tuple(tuple(str(row.get(name, "")) for name in header) for row in rows)
    return Table("Every run", header, texts, (), tuple(rows), (False,) * len(header))


def _figures(shown: Shown) -> list[Figure]:
    name, file, results, sizes = shown.experiment, shown.file, shown.results, _sizes(shown)
    if not any(result.records for result in results):
        return []
    if name == "fig1a":
        return [_course(file, results, "train_loss", "training loss", sizes)]
    if name in ("fig2a", "fig2b"):
        return [_course(file, results, "test_accuracy", "test accuracy (%)", sizes)]
    if name == "fig1c":
        draw = partial(error_figure, results, sizes, classes=shown.subset(results[0]).classes)
        return [_figure(file, f"Test error after fitting; {sizes}.", draw)]
    if name == "fig1b":
        capped = [result.capped(CAP) for result in results]
        return [
            _slowdown(file, results, sizes, "Time to fit, in epochs, relative to the same seed on true labels"),
            _slowdown(f"{file}-capped", capped, sizes, f"The same runs stopped at {CAP} epochs, as in the report"),
        ]
    return []


def _course(name: str, results: Sequence[Result], series: str, label: str, sizes: str) -> Figure:
    of = ", the mean over its steps" if series == "train_loss" else ""
    kept = " Thin lines end where their run does; the mean keeps the last value of fitted ones and has no diverged ones."
    caption = f"{label.capitalize()} of each epoch{of}: every seed, their mean and range; {sizes}.{kept}"
    return _figure(name, caption, partial(course_figure, results, series, label, sizes))


def _slowdown(name: str, results: Sequence[Result], sizes: str, caption: str) -> Figure:
    left_out = without_ratio(results)
    caption = f"{caption}; {sizes}." + (f" {left_out}" if left_out else "")
    return _figure(name, caption, partial(slowdown_figure, results, sizes))


def _figure(name: str, caption: str, draw: Callable[[Format], bytes]) -> Figure:
    return Figure(name, caption, draw, caption)
