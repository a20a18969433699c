"""What the experiments are shown as: tables, figures and one page, written into their folder."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from condense.records import Record
from condense.report.experiment import Report, Section, provenance, write_experiment
from condense.report.figures import Format
from condense.report.html import Figure
from condense.report.rendering import Table
from condense.studies.generalization import published
from condense.studies.generalization.figures import course_figure, error_figure, slowdown_figure
from condense.studies.generalization.findings import FINDINGS, PAPER, REPORT, rates_without_norm
from condense.studies.generalization.images import remark
from condense.studies.generalization.plan import EXPERIMENTS
from condense.studies.generalization.results import Result, gathered
from condense.studies.generalization.run import OWN_NETWORKS, GeneralizeConfig, Sized
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


def write_report(config: GeneralizeConfig, data: Sized, records: Sequence[Record], folder: Path) -> list[Table]:
    """Writes figures, tables and the page of the experiments in `config`, and of all others whose records are complete;
    nothing where there is no record of any.

    Returns the tables of those in `config`.
    """
    planned = {name: config.lines(name) for name in EXPERIMENTS}
    possible = {name: of for name, of in planned.items() if {line.train_size for line in of} <= data.keys()}
    found = {name: gathered(of, records, data) for name, of in possible.items()}
    shown = {name: of for name, of in found.items() if name in config.names or not _missing(of)}
    counted = {record.config_hash: record for of in shown.values() for one in of for record in one.records.values()}
    sections = {name: _section(name, of, data, config) for name, of in shown.items()}
    report = Report(
        title="Generalization experiments (Zhang et al., 2017)",
        headline=_headline(list(counted.values())),
        sections=tuple(sections.values()),
        provenance=(("the paper", PAPER), ("the report", REPORT), *provenance(list(counted.values()))),
    )
    if counted:  # a page of earlier runs is not exchanged for an empty one
        write_experiment(report, folder)
    return [piece for name in config.names for piece in sections[name].pieces if isinstance(piece, Table)]


def _section(name: str, results: Sequence[Result], data: Sized, config: GeneralizeConfig) -> Section:
    classes, sizes = next(iter(data.values())).train.classes, _sizes(results, data)
    resized = remark(next(iter(data.values())).train)
    said = [*FINDINGS[name], *rates_without_norm(results), *([resized] if resized else [])]
    if config.networks and name in OWN_NETWORKS:
        said.append("--networks leaves this experiment as it is: it compares variants of Inception.")
    dataset = next(iter(data.values())).name
    shown = (*_figures(name, results, sizes, classes), *_tables(name, results, sizes, dataset))
    return Section(f"{name}: {EXPERIMENTS[name]}", (*said, *shown))


def _missing(results: Sequence[Result]) -> int:
    return sum(len(result.line.runs) - len(result.records) for result in results)


def _headline(records: Sequence[Record]) -> str:
    counts = {name: sum(record.notes == [name] for record in records) for name in ("fitted", "censored", "diverged")}
    ended = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    sizes = sorted({record.config["train_images"] for record in records})
    datasets = sorted({record.config["dataset"] for record in records})
    on = f" on {' or '.join(f'{size:,}' for size in sizes)} training images of {', '.join(datasets)}" if records else ""
    return f"{len(records)} runs{on}: {ended}."


def _sizes(results: Sequence[Result], data: Sized) -> str:
    """How many images there are; where networks have different numbers, those of the first one, the others in brackets."""
    training: dict[int, list[str]] = {}
    for result in results:
        training.setdefault(len(data[result.line.train_size].train), []).append(result.line.group)
    (first, _), *others = training.items()
    rest = "; ".join(f"{', '.join(dict.fromkeys(networks))}: {size:,}" for size, networks in others)
    of = data[results[0].line.train_size]
    return f"{first:,}{f' ({rest})' if rest else ''} training and {len(of.test):,} test images of {of.name}"


def _tables(name: str, results: Sequence[Result], sizes: str, dataset: str) -> list[Table]:
    summary = published_table if name == "table1" and dataset == published.DATASET else summary_table
    tables = [summary(f"{name}, {sizes}", results)]
    if name in ("fig1a", "fig1b"):
        slower = slowdown_table(f"{name}: time to fit, {sizes}", results)
        tables += [slower] if slower else []
    if name == "fig1b":
        tables.append(capped_table(f"fig1b, the same runs stopped at {CAP} epochs, {sizes}", results, CAP))
    compared = comparison_table(name, results) if name in ("fig2a", "fig2b") else None
    return [*tables, *([compared] if compared else [])]


def _figures(name: str, results: Sequence[Result], sizes: str, classes: int) -> list[Figure]:
    if not any(result.records for result in results):
        return []
    if name == "fig1a":
        return [_course(name, results, "train_loss", "training loss", sizes)]
    if name in ("fig2a", "fig2b"):
        return [_course(name, results, "test_accuracy", "test accuracy (%)", sizes)]
    if name == "fig1c":
        return [
            _figure(
                name,
                f"Test error after fitting; {sizes}.",
                partial(error_figure, results, sizes, classes=classes),
            )
        ]
    if name == "fig1b":
        capped = [result.capped(CAP) for result in results]
        return [
            _slowdown(name, results, sizes, "Time to fit, in epochs, relative to the same seed on true labels"),
            _slowdown(f"{name}-capped", capped, sizes, f"The same runs stopped at {CAP} epochs, as in the report"),
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
