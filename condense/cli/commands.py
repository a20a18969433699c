"""What each command does: call the library, print the result."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from condense import pipeline
from condense.cli import options
from condense.cli.progress import Bar
from condense.config import METHODS, EvaluateConfig, LearnConfig, MatrixConfig, checked
from condense.data import catalog
from condense.data.images import DataSet
from condense.errors import CondenseError, RunFailed
from condense.experiments.framework_parity.config import ParityConfig
from condense.experiments.framework_parity.folder import ParityFolder
from condense.experiments.framework_parity.parts import FAIL
from condense.experiments.framework_parity.report import headline, overall
from condense.experiments.framework_parity.report import tables as parity_tables
from condense.experiments.framework_parity.report import write_report as write_parity_report
from condense.experiments.framework_parity.run import run_parity
from condense.files import refuse_overwrite, write_atomically
from condense.machine import choose_device, set_threads
from condense.matrix.costs import Costs
from condense.matrix.folder import MatrixFolder
from condense.matrix.progress import progress_table
from condense.matrix.report import write_report
from condense.matrix.results import matrices
from condense.matrix.run import Listener, run_matrix
from condense.matrix.tasks import CellTask, SetTask, cell_tasks, check_networks, set_tasks
from condense.networks import registry
from condense.records import Record, check_appendable, read_records
from condense.report.figures import image_grid
from condense.report.matrix import matrix_tables
from condense.report.rendering import render
from condense.report.tables import accuracy_table
from condense.stage_c.distance import DISTANCES
from condense.stage_c.learn import small_classes
from condense.stage_c.precision import PRECISIONS
from condense.stage_c.schedules import SCHEDULES
from condense.stage_t import evaluate as stage_t
from condense.stage_t.protocols import PROTOCOLS
from condense.synthetic_set import SyntheticSet

Config = TypeVar("Config", LearnConfig, EvaluateConfig, MatrixConfig, ParityConfig)


def run(chosen: options.Run) -> None:
    """Condense run"""
    config, evaluation = _part(LearnConfig, chosen), EvaluateConfig(protocol=chosen.protocol, seeds=chosen.seeds)
    outputs = pipeline.Outputs(chosen.out or pipeline.default_folder(config))
    pipeline.check_outputs(outputs.set, outputs.records, resume=chosen.resume, force=chosen.force)
    data = _load_to_learn(config, chosen)
    with _learn_bar(chosen.quiet) as learning, _train_bar(chosen.quiet) as training:
        pipeline.run(
            *(config, evaluation, data, outputs.folder),
            resume=chosen.resume,
            force=chosen.force,
            learn_progress=learning,
            evaluate_progress=training,
        )
    _print_table(read_records(outputs.records), chosen.quiet)
    print(f"Set:     {outputs.set}\nPicture: {outputs.picture}\nPage:    {outputs.page.resolve().as_uri()}")


def learn(chosen: options.Learn) -> None:
    """Condense learn"""
    (out,) = _required((chosen.out, "--out SET.h5"))
    _check_suffix(out, ".h5")
    config, records = _part(LearnConfig, chosen), out.with_suffix(".jsonl")
    pipeline.check_outputs(out, records, resume=chosen.resume, force=chosen.force)
    data = _load_to_learn(config, chosen)
    with _learn_bar(chosen.quiet) as progress:
        pipeline.learn_and_save(config, data, out, records, resume=chosen.resume, force=chosen.force, progress=progress)
    print(f"Set:    {out}\nRecord: {records}")


def evaluate(chosen: options.Evaluate) -> None:
    """Condense evaluate"""
    config = _part(EvaluateConfig, chosen)
    if chosen.whole and chosen.set is not None:
        raise CondenseError("--whole trains on all real images, so it takes no synthetic set; leave one of them out.")
    wanted = [(chosen.out, "--out RECORDS.jsonl"), *([] if chosen.whole else [(chosen.set, "SET.h5")])]
    out, *sets = _required(*wanted)
    check_appendable(out)
    with _train_bar(chosen.quiet) as progress:
        if chosen.whole:
            found = stage_t.evaluate_whole(config, _load(chosen.dataset or "digits", chosen), progress=progress)
        else:
            learned = SyntheticSet.load(sets[0])
            found = stage_t.evaluate(config, learned, _load_as_learned(learned, chosen), progress=progress)
        records = pipeline.append_records(out, found)
    _print_table(records, chosen.quiet)
    print(f"Records: {out}")


def matrix(chosen: options.Matrix) -> None:
    """Condense matrix"""
    (out,) = _required((chosen.out, "--out DIR"))
    config, folder = _part(MatrixConfig, chosen), MatrixFolder(out)
    folder.check(config)
    data = _load(config.dataset, chosen, config.train_size, config.seed)
    check_networks(config, data)
    sets, cells = set_tasks(config), cell_tasks(config)
    costs = Costs(data, [*sets, *cells], folder)
    if not chosen.quiet or chosen.dry_run:
        print(render(progress_table(sets, cells, folder, costs), "text"))
    if chosen.dry_run:
        return
    folder.ask_for(config)
    try:
        with _matrix_listener(chosen.quiet) as listener:
            run_matrix(config, data, folder, costs, listener)
    finally:
        page = write_report(folder)
    if not chosen.quiet:
        print("\n".join(render(found, "text") for found in matrix_tables(matrices(folder), published=True)))
    print(f"Tables: {folder.path / 'tables.md'}\nPage:   {page.resolve().as_uri()}")


def parity(chosen: options.Parity) -> None:
    """Condense parity"""
    (out,) = _required((chosen.out, "--out DIR"))
    config, folder = _part(ParityConfig, chosen).resolved(), ParityFolder(out)
    data = _load(config.dataset, chosen)
    with _named_bars(chosen.quiet) as begins:
        records, parts = run_parity(config, data.to("cpu"), folder, begins, chosen.simplenn, proof=not chosen.causes_only)
    page = write_parity_report(folder, records, parts)
    if not chosen.quiet:
        print("\n".join(render(found, "text") for found in parity_tables(records)))
    print(f"{headline(records)}\nRecords: {folder.records}\nPage:    {page.resolve().as_uri()}")
    if overall(records) == FAIL:
        raise RunFailed("The runs do not agree; the table and the page say where they part.")


def table(chosen: options.Table) -> None:
    """Condense table"""
    if not chosen.records:
        raise CondenseError("Name a file of records, or the folder of a matrix: condense table RECORDS.jsonl ...")
    folders = [path for path in chosen.records if path.is_dir()]
    if folders and len(chosen.records) > 1:
        raise CondenseError(f"{folders[0]} is a folder: name one matrix, or files of records.")
    if folders:
        print(_matrix_text(MatrixFolder(folders[0]), chosen))
        return
    records = [record for path in chosen.records for record in read_records(path)]
    print(render(accuracy_table(records), chosen.format))


def show(chosen: options.Show) -> None:
    """Condense show"""
    path, picture = _required((chosen.set, "SET.h5"), (chosen.out, "--out PICTURE.png"))
    _check_suffix(picture, ".png")
    refuse_overwrite(picture, chosen.force)
    write_atomically(picture, image_grid(SyntheticSet.load(path)))
    print(f"Picture: {picture}")


def info(chosen: options.Info) -> None:
    """Condense info"""
    (path,) = _required((chosen.set, "SET.h5"))
    found = SyntheticSet.load(path)
    facts = found.provenance
    lines: dict[str, Any] = {
        "file": f"{path}, intact",
        "images": f"{tuple(found.images.shape)} float32, normalised",
        "pixel values": f"{found.images.min():.3f} to {found.images.max():.3f}, mean {found.images.mean():.3f}, "
        f"standard deviation {found.images.std(correction=0):.3f} (normalised)",
        "classes": f"{len(facts.class_names)}: {', '.join(facts.class_names)}",
        "sha256": found.sha256,
    }
    names = [field.name for field in fields(facts) if field.name not in ("class_names", "config")]
    stated = {name: getattr(facts, name) for name in names}
    for name, value in (lines | stated | {f"config.{key}": value for key, value in facts.config.items()}).items():
        print(f"{name:<26} {value}")


def datasets(chosen: options.Datasets) -> None:
    """Condense datasets"""
    _print_names(catalog.names(chosen.data_root))
    print(f"{'a path':<16} an image folder (one sub-folder a class), or arrays in a .mat, .npz, .h5 or .hdf5 file")


def networks(chosen: options.Networks) -> None:
    """Condense networks"""
    for name, text in registry.names().items():
        counts = [registry.build(name, shape, 10).parameter_count for shape in ((1, 28, 28), (3, 32, 32))]
        print(f"{name:<16} {counts[0]:>11,} {counts[1]:>11,}  {text}")


def methods(chosen: options.Methods) -> None:
    """Condense methods"""
    listed = {
        "Methods": METHODS,
        "Distances": DISTANCES,
        "Schedules": SCHEDULES,
        "Precisions": PRECISIONS,
        "Protocols": PROTOCOLS,
    }
    for title, entries in listed.items():
        print(title)
        _print_names(entries, indent="  ")


COMMANDS: dict[type, Callable[[Any], None]] = {
    options.Run: run,
    options.Learn: learn,
    options.Evaluate: evaluate,
    options.Matrix: matrix,
    options.Parity: parity,
    options.Table: table,
    options.Show: show,
    options.Info: info,
    options.Datasets: datasets,
    options.Networks: networks,
    options.Methods: methods,
}


def _part(kind: type[Config], chosen: Any) -> Config:
    """The configuration inside a command's options."""
    return kind(**{field.name: getattr(chosen, field.name) for field in fields(kind)})


def _load(dataset: str, chosen: options.Common, train_size: int | None = None, seed: int = 0) -> DataSet:
    """The data set on the chosen device, with the threads set."""
    device = choose_device(chosen.device)
    set_threads(chosen.threads)
    return catalog.load(dataset, data_root=chosen.data_root, train_size=train_size, seed=seed).to(device)


def _load_to_learn(config: LearnConfig, chosen: options.Common) -> DataSet:
    """The data set of stage C; says on the way when some of its classes are small."""
    data = _load(config.dataset, chosen, config.train_size, config.seed)
    remark = small_classes(config, data.train)
    if remark and not chosen.quiet:
        print(f"condense: {remark}", file=sys.stderr)
    return data


def _load_as_learned(learned: SyntheticSet, chosen: options.Evaluate) -> DataSet:
    """The data set a synthetic set was learned from, here under the name it has now if it was given one."""
    stored = learned.provenance.config | ({"dataset": chosen.dataset} if chosen.dataset else {})
    config = checked(LearnConfig, stored, called=lambda name: f"{chosen.set}: config.{name}")
    return _load(config.dataset, chosen, config.train_size, config.seed)


def _required(*wanted: tuple[Path | None, str]) -> list[Path]:
    missing = [name for path, name in wanted if path is None]
    if missing:
        raise CondenseError(f"Missing: {', '.join(missing)}.")
    return [path for path, _ in wanted if path is not None]


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise CondenseError(f"--out {path}: the name of the file must end in {suffix}.")


@contextmanager
def _learn_bar(quiet: bool) -> Iterator[Callable[[int, int, float], None]]:
    bar = Bar("stage C", "step", quiet=quiet)
    try:
        yield lambda done, total, loss: bar.update(done, total, loss=loss)
    finally:
        bar.close()


@contextmanager
def _train_bar(quiet: bool) -> Iterator[stage_t.Progress]:
    """One bar for each network, named after it."""
    bars: dict[str, Bar] = {}

    def progress(name: str, done: int, total: int) -> None:
        bars.setdefault(name, Bar(f"stage T, {name}", "epoch", quiet=quiet)).update(done, total)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


@contextmanager
def _named_bars(quiet: bool) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """A bar for each piece of work, by its name."""
    bars: list[Bar] = []

    def begins(name: str) -> Callable[[int, int], None]:
        bars.append(Bar(name, "step", quiet=quiet))
        return bars[-1].update

    try:
        yield begins
    finally:
        for bar in bars:
            bar.close()


@contextmanager
def _matrix_listener(quiet: bool) -> Iterator[Listener]:
    """A line and a bar for each task."""
    bars: list[Bar] = []

    def begins(task: SetTask | CellTask) -> None:
        unit = "step" if isinstance(task, SetTask) else "epoch"
        bars.append(Bar(f"{'learning with ' if isinstance(task, SetTask) else ''}{task.label}", unit, quiet=quiet))

    def waits(tasks: int) -> None:
        if not quiet and (not bars or bars[-1].label != "waiting"):
            print(f"Waiting for other processes: {tasks} tasks are left.", file=sys.stderr)
            bars.append(Bar("waiting", "task", quiet=True))

    try:
        yield Listener(
            begins=begins,
            learning=lambda done, total, loss: bars[-1].update(done, total, loss=loss),
            training=lambda name, done, total: bars[-1].update(done, total),
            waits=waits,
        )
    finally:
        for bar in bars:
            bar.close()


def _matrix_text(folder: MatrixFolder, chosen: options.Table) -> str:
    """The tables of a matrix; as CSV one of all cells."""
    tables = matrix_tables(matrices(folder), published=chosen.published, bold_best=chosen.bold == "best")
    if chosen.format == "csv":
        cells = [table for table in tables if table.title.startswith("Test accuracy")]
        tables = [replace(cells[0], data=tuple(row for table in cells for row in table.data))]
    return "\n".join(render(table, chosen.format) for table in tables)


def _print_table(records: list[Record], quiet: bool) -> None:
    if not quiet:
        print(render(accuracy_table(records), "text"))


def _print_names(entries: dict[str, str], indent: str = "") -> None:
    for name, text in entries.items():
        print(f"{indent}{name:<16} {text}")
