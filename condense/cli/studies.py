"""What the commands of all studies share: asking, planning, computing, reporting; and the commands on their folders."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from tqdm import tqdm

from condense.cli import options
from condense.cli.common import part, required, resumable
from condense.cli.progress import FILE_INTERVAL, INTERVAL, Bars
from condense.data.reading import Reading
from condense.errors import CondenseError, quoted, shortened
from condense.machine import choose_device, forget_compiled, set_threads
from condense.pipeline import Outputs, write_report
from condense.report.rendering import render
from condense.studies import (
    BUILT_IN,
    AnyStudy,
    ask_for,
    asked_before,
    installed,
    joined,
    opened,
    opened_if_there,
    study_class,
)
from condense.study.cell import Cell
from condense.study.engine import Listener, Worker
from condense.study.estimates import estimated_seconds
from condense.study.folder import StudyFolder
from condense.study.launch import Launch
from condense.study.machine import Machine, Source, load_sources, save_sources, sources_of
from condense.study.status import Status, headline, plan_table, status_of, status_table
from condense.study.study import Study
from condense.synthetic_set import SyntheticSet

WATCH_SECONDS = 2.0
Told = Callable[[int, int, Sequence[Cell]], None]


@dataclass(frozen=True)
class Asking(Generic[AnyStudy]):
    """A command that asks for a study: where, what was asked for there before, and the machine with the images it names."""

    out: Path
    before: AnyStudy | None
    machine: Machine


def asking(
    kind: type[AnyStudy], chosen: options.Conducted, datasets: Sequence[str], reading: Reading | None = None
) -> Asking[AnyStudy]:
    """What every command that asks for a study begins with.

    Raises `CondenseError` where its folder holds something else, or lies among the images.
    """
    (out,) = required((chosen.out, "--out DIR"))
    before = asked_before(kind, out)
    return Asking(out, before, machine_of(chosen, sources_of(out, StudyFolder(out).images, datasets, reading or Reading())))


def machine_of(chosen: options.Computing, sources: dict[str, Source]) -> Machine:
    """The device that was chosen, with the threads set; what is assumed in reading images is said, unless quiet."""
    device = choose_device(chosen.device)
    set_threads(chosen.threads)

    def say(remark: str) -> None:
        if not chosen.quiet:
            print(f"condense: {remark}", file=sys.stderr)

    return Machine(device, chosen.data_root, sources, say)


def conduct(
    asked: Study,
    out: Path,
    machine: Machine,
    chosen: options.Conducted,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Computes what is missing of what is asked for, and reports; shows the plan alone where that is all that was wanted.

    prepare: writes what cells need beside what is asked for, into the folder, before they begin.
    """
    study, folder = joined(asked, out)
    materials = study.materials(machine, folder)
    study.check(materials, folder, asked)
    seconds = _estimates(study, folder, materials)
    if not chosen.quiet or chosen.dry_run:
        print(render(study.plan(folder, materials, seconds), "text"))
    if chosen.dry_run:
        return
    study, folder = ask_for(asked, out)
    prepare()
    save_sources(folder.images, machine.sources)
    launch = _launch(chosen, machine)
    try:
        with resumable(by="The same command"), _shown(study.cells(), launch, quiet=chosen.quiet) as (listener, told):
            launch.compute(study.cells(), Worker(folder, materials, str(machine.device), listener), seconds, told)
    finally:
        page = study.report(folder)
    if not chosen.quiet:
        print("\n".join(render(table, "text") for table in study.tables(folder, published=True)))
    print(f"Tables: {folder.path / 'tables.md'}\nPage:   {page.resolve().as_uri()}")


def _estimates(study: Study, folder: StudyFolder, materials: object) -> dict[str, float]:
    missing = [cell for cell in study.cells() if not folder.is_done(cell.key)]
    return estimated_seconds(study.cells(), folder, study.paces(missing, materials)) if missing else {}


def _launch(chosen: options.Conducted, machine: Machine) -> Launch:
    """A device for each process, and the threads shared among them; none where this process does the work itself."""
    named = [name for word in chosen.devices for name in word.split(",") if name]
    devices = [str(choose_device(name)) for name in named] or [str(machine.device)]
    processes = max(chosen.processes, len(devices))
    if processes == 1 and not named:
        return Launch((), (), chosen.retries)
    threads = chosen.threads or max(1, (os.cpu_count() or 1) // processes)
    words = ["--quiet", "--threads", str(threads)]
    words += [] if chosen.data_root is None else ["--data-root", str(chosen.data_root)]
    return Launch([devices[number % len(devices)] for number in range(processes)], words, chosen.retries)


@contextmanager
def _shown(cells: Sequence[Cell], launch: Launch, *, quiet: bool) -> Iterator[tuple[Listener, Told]]:
    """A bar for each cell that this process computes, or one of all cells where others do."""
    alone = not launch.devices
    interval = INTERVAL if sys.stderr.isatty() else FILE_INTERVAL
    shown = {"unit": "cell", "disable": quiet or alone, "mininterval": interval}
    with _listener(quiet=quiet) as listener, tqdm(total=len(cells), desc=f"{len(launch.devices)} processes", **shown) as bar:

        def told(done: int, total: int, running: Sequence[Cell]) -> None:
            bar.set_postfix_str("; ".join(cell.label for cell in running), refresh=False)
            bar.update(done - bar.n)

        yield listener, told


@contextmanager
def _listener(*, quiet: bool) -> Iterator[Listener]:
    """A line and a bar for each cell."""
    with closing(Bars(quiet=quiet)) as bars:

        def begins(cell: Cell) -> None:
            forget_compiled()  # of the cell before, whose memory on a GPU this one may need
            bars.begin(cell.label, cell.unit)

        def progress(done: int, total: int, loss: float | None = None) -> None:
            bars.update(done, total, **({} if loss is None else {"loss": loss}))

        yield Listener(begins, progress, lambda cells: bars.wait(f"{cells} cells"))


def study(chosen: options.StudyOf) -> None:
    """Condense study"""
    if chosen.own is None:
        _print_studies()
        return
    asked = part(chosen.own, chosen)
    command = asking(chosen.own, chosen, ())
    conduct(asked, command.out, command.machine, chosen)


def _print_studies() -> None:
    names = {kind: f"condense {command}" for kind, command in BUILT_IN.items()}
    names |= {kind: f"condense study {kind}: {study_class(kind).title}" for kind in installed()}
    for kind, text in names.items():
        print(f"{kind:<20} {text}")


def cell(chosen: options.Cell) -> None:
    """Condense cell"""
    (path,), (key,) = required((chosen.study, "STUDY")), required((chosen.key, "KEY"))
    study, folder = opened(path)
    cells = {one.key: one for one in study.cells()}
    if key not in cells:
        raise CondenseError(
            f"{shortened(path)} has no cell {quoted(key)}; 'condense status --all' lists its {len(cells)} cells."
        )
    if lacking := [need for need in cells[key].needs if not folder.is_done(need)]:
        raise CondenseError(f"The cell {quoted(key)} needs others first: {', '.join(lacking)}.")
    if folder.is_done(key):
        print(f"Done already: {folder.records_path(key)}")
        return
    machine = machine_of(chosen, load_sources(folder.images))
    with resumable(by="The same command"), _listener(quiet=chosen.quiet) as listener:
        worker = Worker(folder, study.materials(machine, folder), str(machine.device), listener)
        computed = worker.attempt(cells[key])
    print(f"Records: {folder.records_path(key)}" if computed else f"Another process has the cell {key}.")


def status(chosen: options.Status) -> None:
    """Condense status"""
    (path,) = required((chosen.study, "STUDY"))
    while True:
        study, folder = opened(path)
        found = status_of(study.cells(), folder)
        if chosen.watch and sys.stdout.isatty():
            print("\x1b[2J\x1b[H", end="")
        print(_status_text(found, folder, every=chosen.all), flush=True)
        if not chosen.watch or not found.left:
            return
        time.sleep(WATCH_SECONDS)


def _status_text(status: Status, folder: StudyFolder, *, every: bool) -> str:
    """every: all cells, not only those that run or failed."""
    table = plan_table(status.cells, folder, status.seconds) if every else status_table(status)
    return render(table, "text") if table.rows else headline(status)


def study_text(found: Study, folder: StudyFolder, chosen: options.Table) -> str:
    """The tables of a study's folder; as CSV one of all its results."""
    how = {"published": chosen.published, "bold_best": chosen.bold == "best"}
    tables = [found.data_table(folder, **how)] if chosen.format == "csv" else found.tables(folder, **how)
    return "\n".join(render(table, chosen.format) for table in tables)


def page(chosen: options.Page) -> None:
    """Condense page"""
    (path,) = required((chosen.folder, "DIR"))
    study, outputs = opened_if_there(path), Outputs(path)
    if study is not None:
        of, folder = study
        print(f"Page:   {of.report(folder).resolve().as_uri()}")
    elif outputs.set.exists() and outputs.records.exists():
        write_report(outputs, SyntheticSet.load(outputs.set))
        print(f"Page:   {outputs.page.resolve().as_uri()}")
    else:
        raise CondenseError(f"{shortened(path)} holds no results: there is no study.json, and no set.h5 with records.jsonl.")
