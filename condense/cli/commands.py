"""What each command does: call the library, print the result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch

from condense import pipeline
from condense.cli import options
from condense.cli.progress import Bar
from condense.config import METHODS, EvaluateConfig, LearnConfig
from condense.data import catalog
from condense.data.images import DataSet
from condense.errors import CondenseError
from condense.files import refuse_overwrite, write_atomically
from condense.machine import choose_device, keep_freed_memory, set_threads
from condense.networks import registry
from condense.records import Record, read_records
from condense.report.figures import image_grid
from condense.report.tables import accuracy_table, render
from condense.stage_c.distance import DISTANCES
from condense.stage_t import evaluate as stage_t
from condense.stage_t.protocols import PROTOCOLS
from condense.synthetic_set import SyntheticSet

Config = TypeVar("Config", LearnConfig, EvaluateConfig)


def run(chosen: options.Run) -> None:
    """Condense run"""
    config, evaluation = _part(LearnConfig, chosen), EvaluateConfig(protocol=chosen.protocol, seeds=chosen.seeds)
    folder = chosen.out or pipeline.default_folder(config)
    data = _load(config.dataset, chosen, config.train_size, config.seed)
    with _learn_bar(chosen.quiet) as learning, _train_bar(chosen.quiet) as training:
        outputs = pipeline.run(
            *(config, evaluation, data, folder),
            resume=chosen.resume,
            force=chosen.force,
            learn_progress=learning,
            evaluate_progress=training,
        )
    _print_table(read_records(outputs.records), chosen.quiet)
    print(f"Set:     {outputs.set}\nPicture: {outputs.picture}\nPage:    {outputs.page.resolve().as_uri()}")


def learn(chosen: options.Learn) -> None:
    """Condense learn"""
    out = _required(chosen.out, "--out SET.h5")
    config = _part(LearnConfig, chosen)
    refuse_overwrite(out, chosen.force)
    data = _load(config.dataset, chosen, config.train_size, config.seed)
    with _learn_bar(chosen.quiet) as progress:
        records = out.with_suffix(".jsonl")
        pipeline.learn_and_save(config, data, out, records, resume=chosen.resume, force=chosen.force, progress=progress)
    print(f"Set:    {out}\nRecord: {records}")


def evaluate(chosen: options.Evaluate) -> None:
    """Condense evaluate"""
    out, config = _required(chosen.out, "--out RECORDS.jsonl"), _part(EvaluateConfig, chosen)
    with _train_bar(chosen.quiet) as progress:
        if chosen.whole:
            if chosen.set is not None:
                raise CondenseError(
                    "--whole trains on all real images, so it takes no synthetic set; leave one of them out."
                )
            found = stage_t.evaluate_whole(config, _load(chosen.dataset or "digits", chosen), progress=progress)
        else:
            learned = SyntheticSet.load(_required(chosen.set, "the synthetic set (SET.h5)"))
            made_with = LearnConfig(**learned.provenance.config)
            data = _load(chosen.dataset or made_with.dataset, chosen, made_with.train_size, made_with.seed)
            found = stage_t.evaluate(config, learned, data, progress=progress)
        records = pipeline.append_records(out, found)
    _print_table(records, chosen.quiet)
    print(f"Records: {out}")


def table(chosen: options.Table) -> None:
    """Condense table"""
    if not chosen.records:
        raise CondenseError("Name at least one file of records: condense table RECORDS.jsonl ...")
    records = [record for path in chosen.records for record in read_records(path)]
    print(render(accuracy_table(records), chosen.format))


def show(chosen: options.Show) -> None:
    """Condense show"""
    refuse_overwrite(chosen.out, chosen.force)
    write_atomically(chosen.out, image_grid(SyntheticSet.load(chosen.set)))
    print(f"Picture: {chosen.out}")


def info(chosen: options.Info) -> None:
    """Condense info"""
    found = SyntheticSet.load(chosen.set)
    facts = found.provenance
    lines: dict[str, Any] = {
        "file": f"{chosen.set}, intact",
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
    for title, entries in (("Methods", METHODS), ("Distances", DISTANCES), ("Protocols", PROTOCOLS)):
        print(title)
        _print_names(entries, indent="  ")


COMMANDS: dict[type, Callable[[Any], None]] = {
    options.Run: run,
    options.Learn: learn,
    options.Evaluate: evaluate,
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
    keep_freed_memory()
    torch.backends.cudnn.deterministic = True
    return catalog.load(dataset, data_root=chosen.data_root, train_size=train_size, seed=seed).to(device)


def _required(path: Path | None, what: str) -> Path:
    if path is None:
        raise CondenseError(f"Missing: {what}.")
    return path


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


def _print_table(records: list[Record], quiet: bool) -> None:
    if not quiet:
        print(render(accuracy_table(records), "text"))


def _print_names(entries: dict[str, str], indent: str = "") -> None:
    for name, text in entries.items():
        print(f"{indent}{name:<16} {text}")
