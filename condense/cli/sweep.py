"""`condense sweep`, and the tables of its folders."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from condense.cli import options
from condense.cli.common import load, part, required
from condense.cli.progress import Bars
from condense.data.split import held_out
from condense.files import taken
from condense.report.rendering import Table, render
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.folder import SweepFolder
from condense.studies.hyperparameters.grid import chosen_grid
from condense.studies.hyperparameters.plan import plan_table
from condense.studies.hyperparameters.proxy_study import studied
from condense.studies.hyperparameters.report import write_report
from condense.studies.hyperparameters.results import sweep_of
from condense.studies.hyperparameters.run import (
    Listener,
    all_images,
    asked_for,
    load_proxies,
    run_sweep,
    trials_of,
)
from condense.studies.hyperparameters.tables import sweep_tables


def sweep(chosen: options.Sweep) -> None:
    """Condense sweep"""
    dataset, out = required((chosen.dataset, "DATASET"), (chosen.out, "--out DIR"))
    name, config, folder = str(dataset), part(SweepConfig, chosen), SweepFolder(Path(out))
    grid = chosen_grid(config, name)
    grid = grid if config.sample is None else grid.sample(config.sample, config.seed)
    whole = load(name, chosen)
    data = whole if config.train_size is None else replace(whole, train=whole.train.subset(config.train_size, config.seed))
    train, left_out = held_out(data.train)
    grid.check_on(replace(data, train=train), config.grid or grid.title, len(left_out))
    whole, data = folder.as_recorded(whole), folder.as_recorded(data)
    proxies = load_proxies(config, whole, data)
    asked = asked_for(grid, config.seeds, data, [proxy for proxy, _ in proxies], len(whole.train))
    folder.check(asked)
    trials = trials_of(grid, data, [all_images(data, len(whole.train)), *(on for _, on in proxies)])
    if chosen.dry_run:
        print(render(plan_table(trials, config.seeds, data, folder), "text"))
        return
    with taken(folder.path):
        folder.ask_for(asked)
        try:
            with _listener(chosen.quiet) as listener:
                run_sweep(trials, config.seeds, data, folder, listener)
        finally:
            page = write_report(folder)
    if not chosen.quiet:
        print("\n".join(render(table, "text") for table in _tables(folder)))
    print(f"Tables: {folder.path / 'tables.md'}\nPage:   {page.resolve().as_uri()}")


def _tables(folder: SweepFolder) -> list[Table]:
    found = sweep_of(folder)
    return sweep_tables(found, studied(found))


def sweep_text(folder: SweepFolder, chosen: options.Table) -> str:
    """The tables of a sweep; as CSV that of the accuracies."""
    tables = _tables(folder)
    return "\n".join(render(table, chosen.format) for table in (tables[:1] if chosen.format == "csv" else tables))


@contextmanager
def _listener(quiet: bool) -> Iterator[Listener]:
    """A bar for the probe and one for each row."""
    with closing(Bars(quiet=quiet)) as bars:
        bars.begin("probing the machine", "network")
        yield Listener(probing=bars.update, begins=partial(bars.begin, unit="epoch"), training=bars.update)
