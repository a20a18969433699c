"""What a sweep is shown as: tables, figures and one page, written into its folder."""

from pathlib import Path

from markupsafe import Markup

from condense.experiments.hyperparameters.figures import proxy_scatter, row_strips
from condense.experiments.hyperparameters.folder import SweepFolder
from condense.experiments.hyperparameters.proxy_study import ProxyResult, study
from condense.experiments.hyperparameters.results import Sweep, sweep_of
from condense.experiments.hyperparameters.tables import sweep_tables
from condense.files import write_atomically
from condense.report.html import duration, inline_svg, render_template
from condense.report.rendering import render


def write_report(folder: SweepFolder) -> Path:
    """Writes everything anew from what is done; returns where the page is."""
    sweep, page = sweep_of(folder), folder.path / "page.html"
    tables = sweep_tables(sweep)
    write_atomically(folder.path / "tables.md", "\n".join(render(table, "markdown") for table in tables))
    if sweep.full.done:
        write_atomically(folder.path / "accuracies.png", row_strips(sweep))
    found = studied(sweep)
    if found:
        write_atomically(folder.path / "proxies.png", proxy_scatter(found))
    write_atomically(page, render_page(sweep))
    return page


def studied(sweep: Sweep) -> list[ProxyResult]:
    """The proxies there is something to say about."""
    return [result for proxy in sweep.proxies if (result := study(sweep.full, proxy))]


def render_page(sweep: Sweep) -> str:
    """The page as one HTML text that loads nothing from anywhere; equal input gives equal text."""
    found = studied(sweep)
    accuracies = "; ".join(f"{name} {result.summary.mean:.1%}" for name, result in sweep.full.done.items())
    agreement = "; ".join(f"{one.label}: Spearman {one.spearman.value}" for one in found)
    return render_template(
        "sweep.html.jinja",
        title=f"Hyper-parameter study, {sweep.asked.dataset}",
        headline=headline(sweep, found),
        tables=[{"title": table.title, "html": Markup(render(table, "html"))} for table in sweep_tables(sweep)],
        strips=inline_svg(row_strips(sweep, "svg"), "rows", accuracies) if sweep.full.done else None,
        scatter=inline_svg(proxy_scatter(found, "svg"), "proxies", agreement) if found else None,
        remarks=_remarks(sweep),
    )


def headline(sweep: Sweep, found: list[ProxyResult]) -> str:
    """The best row, and how well the proxies would have chosen, in a sentence or two."""
    done, rows = sweep.full.done, len(sweep.asked.grid.rows)
    if not done:
        return "No row has been trained on all images yet."
    best = max(done.values(), key=lambda result: result.summary.mean)
    first = (
        f"Row {best.row.name} ({best.row.network}) is best: {100 * best.summary.mean:.1f}\N{NO-BREAK SPACE}% of the test "
        f"images (mean of {best.summary.n} networks; {len(done)} of {rows} rows done)."
    )
    known = [one for one in found if one.spearman.value is not None]
    if not known:
        return first
    closest = max(known, key=lambda one: one.spearman.value or 0.0)
    rho = f"{closest.spearman.value:.2f}".replace("-", "\N{MINUS SIGN}")
    return (
        f"{first} The set that ranks the rows most alike ({closest.label}) has Spearman {rho}; its choice loses "
        f"{100 * closest.regret:.1f} percentage points."
    )


def _remarks(sweep: Sweep) -> list[str]:
    """What the work took in all, and where."""
    total = sum(record.wall_seconds for record in sweep.records)
    machines = dict.fromkeys((record.device, record.threads) for record in sweep.records)
    where = [f"On {device}, {threads} thread{'s' if threads > 1 else ''}." for device, threads in machines]
    return [f"Training and testing took {duration(total)} in all.", *where]
