"""`condense sweep`."""

from dataclasses import replace

from condense.cli import options
from condense.cli.common import part, required
from condense.cli.studies import asking, conduct
from condense.data.naming import stored_name
from condense.data.reading import Reading
from condense.data.split import held_out
from condense.studies.hyperparameters.asked import part_of
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.grid import chosen_grid
from condense.studies.hyperparameters.proxies import keep, load_proxies
from condense.studies.hyperparameters.study import Sweep, asked_for


def sweep(chosen: options.Sweep) -> None:
    """Condense sweep"""
    name, _ = required((chosen.dataset, "DATASET"), (chosen.out, "--out DIR"))
    dataset, config = str(name), part(SweepConfig, chosen)
    grid = chosen_grid(config, dataset)
    grid = grid if config.sample is None else grid.sample(config.sample, config.seed)
    command = asking(Sweep, chosen, (dataset,), part(Reading, chosen))
    out, before = command.out, command.before
    whole = command.machine.load(stored_name(dataset))
    data = part_of(whole, config.train_size, config.seed)
    train, left_out = held_out(data.train)
    grid.check_on(replace(data, train=train), config.grid or grid.title, len(left_out))
    if before is not None:
        whole, data = before.as_recorded(whole), before.as_recorded(data)
    proxies, sets = load_proxies(config.proxy, config.proxy_epochs, whole, data)
    asked = asked_for(grid, config, data, proxies, source=stored_name(dataset), whole_images=len(whole.train))
    conduct(asked, out, command.machine, chosen, prepare=lambda: keep(out, proxies, sets))
