"""What a sweep is shown as: tables, figures and one page, written into its folder."""

from functools import partial
from pathlib import Path

from condense.experiments.hyperparameters.figures import proxy_scatter, row_strips
from condense.experiments.hyperparameters.folder import SweepFolder
from condense.experiments.hyperparameters.proxy_study import ProxyResult, studied
from condense.experiments.hyperparameters.results import Sweep, sweep_of
from condense.experiments.hyperparameters.tables import sweep_tables
from condense.report.cells import decimal
from condense.report.experiment import Report, Section, provenance, write_experiment
from condense.report.html import Figure


def write_report(folder: SweepFolder) -> Path:
    """Writes everything anew from what is done; returns where the page is."""
    sweep = sweep_of(folder)
    found = studied(sweep)
    report = Report(
        title=f"Hyper-parameter study, {sweep.asked.dataset}",
        headline=headline(sweep, found),
        sections=(
            Section("Rows", (_strips(sweep),) if sweep.full.done else ()),
            Section("Small sets as proxies", (_scatter(found, sweep.full.label),) if found else ()),
            Section("Tables", tuple(sweep_tables(sweep, found))),
        ),
        provenance=provenance(sweep.records),
    )
    return write_experiment(report, folder.path)


def _strips(sweep: Sweep) -> Figure:
    accuracies = "; ".join(f"{name} {result.summary.mean:.1%}" for name, result in sweep.full.done.items())
    caption = f"Every network trained on {sweep.full.label} as a point, one strip a row."
    return Figure("accuracies", caption, partial(row_strips, sweep), accuracies)


def _scatter(found: list[ProxyResult], label: str) -> Figure:
    agreement = "; ".join(f"{one.label}: Spearman {one.spearman.value}" for one in found)
    caption = f"Mean test accuracy of each configuration, trained on a small set and on {label}."
    return Figure("proxies", caption, partial(proxy_scatter, found, label), agreement)


def headline(sweep: Sweep, found: list[ProxyResult]) -> str:
    """The best row, and how well the proxies would have chosen, in a sentence or two."""
    done, rows = sweep.full.done, len(sweep.asked.grid.rows)
    if not done:
        return f"No row has been trained on {sweep.full.label} yet."
    best = max(done.values(), key=lambda result: result.summary.mean)
    first = (
        f"Row {best.row.name} ({best.row.network}) is best: {100 * best.summary.mean:.1f}\N{NO-BREAK SPACE}% of the test "
        f"images (mean of {best.summary.n} networks trained on {sweep.full.label}; {len(done)} of {rows} rows done)."
    )
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


def _range(values: list[float], digits: int) -> str:
    """'0.22 to 0.90', or the one value there is."""
    return " to ".join(dict.fromkeys(decimal(value, digits) for value in (min(values), max(values))))
