"""What a sweep is shown as: tables, figures and one page, written into its folder."""

from functools import partial
from pathlib import Path

from condense.report.experiment import Report, Section, provenance, write_experiment
from condense.report.html import Figure
from condense.report.numbers import decimal, percent
from condense.studies.hyperparameters.comparison import choice
from condense.studies.hyperparameters.figures import proxy_scatter, row_strips
from condense.studies.hyperparameters.proxy_study import ProxyResult, studied
from condense.studies.hyperparameters.results import Sweep
from condense.studies.hyperparameters.tables import sweep_tables

NAMED = 8
"""Rows named in the headline at most."""


def write_report(sweep: Sweep, path: Path) -> Path:
    """Writes everything anew into a folder from what is done; returns where the page is."""
    found = studied(sweep)
    report = Report(
        title=f"Hyper-parameter study, {sweep.asked.dataset}",
        headline=headline(sweep, found),
        sections=(
            Section("Rows", (_strips(sweep),) if sweep.full.comparable else ()),
            Section("Small sets as proxies", (_scatter(found, sweep),) if found else ()),
            Section("Tables", tuple(sweep_tables(sweep, found))),
        ),
        provenance=provenance(sweep.records),
    )
    return write_experiment(report, path)


def _strips(sweep: Sweep) -> Figure:
    accuracies = "; ".join(f"{name} {s.mean:.1%}" for name, one in sweep.full.comparable.items() if (s := one.score))
    caption = (
        f"Accuracy on the {sweep.asked.compared_on} images of every network trained on {sweep.full.label} as a point, one "
        "strip a row; networks that diverged are left out."
    )
    return Figure("accuracies", caption, partial(row_strips, sweep), accuracies)


def _scatter(found: list[ProxyResult], sweep: Sweep) -> Figure:
    agreement = "; ".join(f"{one.label}: Spearman {one.spearman.value}" for one in found)
    label, on = sweep.full.label, sweep.asked.compared_on
    caption = f"Mean accuracy of each configuration on the {on} images, trained on a small set and on {label}."
    return Figure("proxies", caption, partial(proxy_scatter, found, label, on), agreement)


def headline(sweep: Sweep, found: list[ProxyResult]) -> str:
    """What can be said of the rows, and how well the proxies would have chosen, in a few sentences."""
    first = rows_headline(sweep)
    known = [one for one in found if one.spearman.value is not None]
    if not known:
        return first
    rho = _range([one.spearman.value or 0.0 for one in known], 2)
    lost, chance = _range([100 * one.regret for one in known], 1), _range([100 * one.chance_regret for one in known], 1)
    ranked = "ranks them" if len(known) == 1 else "rank them"
    return (
        f"{first} {len(known)} small set{'s' if len(known) > 1 else ''} {ranked} with Spearman {rho}; taking the row a set "
        f"ranks first loses {lost} percentage points, drawing a row {chance} on average."
    )


def rows_headline(sweep: Sweep) -> str:
    """Which row is best, where one is: else between which nothing can be told; with the number on the test images."""
    full, rows = sweep.full, len(sweep.asked.grid.rows)
    if not full.done:
        return f"No row has been trained on {full.label} yet."
    lost = sum(len(result.diverged) for result in full.done.values())
    every = sum(result.networks for result in full.done.values())
    diverged = f" {lost} of {every} networks diverged and are left out." if lost else ""
    if not full.comparable:
        return f"All networks of the {len(full.done)} of {rows} rows that are done diverged."
    found = choice(list(full.comparable.values()))
    best, on = found.best, sweep.asked.compared_on
    score, tested = best.score, best.summary
    assert score and tested
    name, left = f"Row {best.row.name} ({best.row.network})", f"{len(full.done)} of {rows} rows done"
    networks = f"mean of {score.n} networks trained on {full.label}; {left}" if score.n > 1 else f"one network; {left}"
    said = f"{percent(decimal(100 * score.mean))} of the {on} images ({networks})"
    final = "" if on == "test" else f" On the test images it has {percent(decimal(100 * tested.mean))}."
    if not found.pairs:
        return f"{name} has {said}.{final}{diverged}"
    if not found.level:
        return f"{name} is best: {said}, beyond chance against every other row.{final}{diverged}"
    if not found.real:
        return (
            f"No row can be called best: 0 of {found.pairs:,} differences are real. {name} has the highest mean, {said}."
            f"{final}{diverged}"
        )
    level = f"{', '.join(found.level[:NAMED])}{f' and {len(found.level) - NAMED} more' if len(found.level) > NAMED else ''}"
    return (
        f"{name} has the highest mean, {said}, but cannot be told from {len(found.level)} of the {len(full.comparable) - 1} "
        f"others ({level}); {found.real} of {found.pairs:,} differences are real.{final}{diverged}"
    )


def _range(values: list[float], digits: int) -> str:
    """'0.22 to 0.90', or the one value there is."""
    return " to ".join(dict.fromkeys(decimal(value, digits) for value in (min(values), max(values))))
