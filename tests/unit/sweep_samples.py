"""A small sweep of digits as a library, and the same in a folder as version 0.1 wrote it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from condense.data.images import DataSet
from condense.data.split import held_out
from condense.records import Record
from condense.report.rendering import Table
from condense.studies import ask_for, opened
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.grid import Grid
from condense.studies.hyperparameters.materials import Materials
from condense.studies.hyperparameters.proxies import keep, load_proxies
from condense.studies.hyperparameters.results import Sweep as Results
from condense.studies.hyperparameters.results import results_of
from condense.studies.hyperparameters.study import Sweep, asked_for
from condense.studies.hyperparameters.trial import Trial
from condense.study.engine import Attempts, Listener, Worker, run_cells
from condense.study.folder import StudyFolder

GRID = """
title = "Small"
[defaults]
network = "mlp"
width = 16
learning_rate = 0.05
epochs = 3
batch_size = 16
[[rows]]
[[rows]]
batch_size = 64
[[rows]]
width = 128
weight_decay = 0.001
objective = "summed"
[[rows]]
network = "ConvNet"
width = 4
depth = 2
dropout = 0.2
batch_size = 256
"""


def asked(grid: Grid, data: DataSet, *, whole: int | None = None, proxies: Sequence[Any] = (), **config: Any) -> Sweep:
    """What a command on these images asks for; whole: how many there are in the data set, where they are fewer."""
    return asked_for(grid, SweepConfig(**config), data, proxies, source=data.name, whole_images=whole or len(data.train))


def materials_of(data: DataSet, folder: StudyFolder) -> Materials:
    return Materials(data, *held_out(data.train), folder)


def trials(study: Sweep, data: DataSet) -> list[Trial]:
    """Of each cell."""
    materials = materials_of(data, StudyFolder(Path("nowhere")))
    return [materials.trial(cell.row, cell.on) for cell in study.cells()]


def run(
    grid: Grid,
    data: DataSet,
    path: Path,
    *,
    proxy: tuple[Path, ...] = (),
    whole: DataSet | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **config: Any,
) -> StudyFolder:
    """A sweep in this folder, computed as far as it is not done."""
    factor = config.get("proxy_epochs", SweepConfig.proxy_epochs)
    proxies, sets = load_proxies(proxy, factor, whole or data, data)
    wanted = asked(grid, data, whole=len((whole or data).train), proxies=proxies, **config)
    study, folder = ask_for(wanted, path)
    keep(path, proxies, sets)
    listener = Listener(progress=lambda done, total, loss=None: progress(done, total))
    run_cells(study.cells(), Worker(folder, materials_of(data, folder), "cpu", listener), {}, Attempts())
    return folder


def study_of(path: Path) -> tuple[Sweep, StudyFolder]:
    study, folder = opened(path)
    assert isinstance(study, Sweep)
    return study, folder


def results_in(path: Path) -> Results:
    study, folder = study_of(path)
    return results_of(study, study.cells(), folder)


def records_in(path: Path) -> list[Record]:
    """Of all cells, in their order."""
    study, folder = study_of(path)
    return [record for cell in study.cells() for record in folder.records(cell.key)]


def tables_in(path: Path) -> list[Table]:
    study, folder = study_of(path)
    return study.tables(folder)


def as_version_0_1(study: Sweep, records: Sequence[Record], path: Path, unfinished: Sequence[Record] = ()) -> Path:
    """A folder with these records as version 0.1 left it."""
    content = {"format": "condense sweep 1", "seeds": study.seeds}
    content |= {name: getattr(study, name) for name in ("dataset", "described", "classes", "train_images", "whole_images")}
    content |= {"held_out": study.held_out, "grid": asdict(study.grid), "proxies": []}
    for proxy in study.proxies:
        content["proxies"].append({name: value for name, value in asdict(proxy).items() if name != "images"})
    path.mkdir(exist_ok=True)
    (path / "sweep.json").write_text(json.dumps(content, indent=1))
    for name, lines in (("records.jsonl", records), ("unfinished.jsonl", unfinished)):
        if lines:
            (path / name).write_text("".join(f"{record.to_json()}\n" for record in lines))
    return path
