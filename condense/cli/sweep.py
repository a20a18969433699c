"""`condense sweep`."""

from dataclasses import replace
from pathlib import Path

from condense.cli import options
from condense.cli.common import part, required
from condense.cli.studies import conduct, machine_of
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.data.split import held_out
from condense.studies import ask_for, asked_before, joined
from condense.studies.hyperparameters.asked import part_of
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.grid import chosen_grid
from condense.studies.hyperparameters.proxies import keep, load_proxies
from condense.studies.hyperparameters.study import Sweep, asked_for, check_sets
from condense.study.machine import sources_of


def sweep(chosen: options.Sweep) -> None:
    """Condense sweep"""
    name, folder = required((chosen.dataset, "DATASET"), (chosen.out, "--out DIR"))
    dataset, out, config = str(name), Path(folder), part(SweepConfig, chosen)
    grid = chosen_grid(config, dataset)
    grid = grid if config.sample is None else grid.sample(config.sample, config.seed)
    before = asked_before(Sweep, out)
    machine = machine_of(chosen, sources_of((dataset,), part(Reading, chosen)))
    whole = machine.load(stored_name(dataset))
    data = part_of(whole, config.train_size, config.seed)
    train, left_out = held_out(data.train)
    grid.check_on(replace(data, train=train), config.grid or grid.title, len(left_out))
    if before is not None:
        whole, data = before.as_recorded(whole), before.as_recorded(data)
    proxies, sets = load_proxies(config.proxy, config.proxy_epochs, whole, data)
    asked = asked_for(grid, config, data, proxies, source=stored_name(dataset), whole_images=len(whole.train))
    check_sets(*joined(asked, out), proxies)
    if not chosen.dry_run:
        ask_for(asked, out)
        keep(out, proxies, sets)
    conduct(asked, out, machine, chosen)
