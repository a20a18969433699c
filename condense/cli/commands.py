"""What each command does: call the library, print the result."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

from condense import pipeline
from condense.cli import options
from condense.cli.common import check_suffix, load_to_learn, part, required, resumable
from condense.cli.doctor import doctor
from condense.cli.experts import experts
from condense.cli.export import export_sets
from condense.cli.generalize import generalize
from condense.cli.incoming import import_sets, to_evaluate
from condense.cli.matrix import matrix
from condense.cli.parity import parity
from condense.cli.progress import learn_bar, train_bar
from condense.cli.score import score
from condense.cli.studies import cell, page, status, study, study_text
from condense.cli.sweep import sweep
from condense.config import EvaluateConfig, LearnConfig
from condense.data import catalog
from condense.data.paths import check_apart
from condense.errors import CondenseError
from condense.events import unheard
from condense.files import check_not_taken, refuse_overwrite, write_atomically
from condense.networks import registry
from condense.records import Record, check_appendable, read_records
from condense.report.figures import image_grid
from condense.report.rendering import printable, render
from condense.report.tables import accuracy_table
from condense.stage_c.distance import DISTANCES
from condense.stage_c.methods import described
from condense.stage_c.precision import PRECISIONS
from condense.stage_c.schedules import SCHEDULES
from condense.stage_t.protocols import PROTOCOLS
from condense.studies import opened_if_there
from condense.synthetic_set import SyntheticSet
from condense.tracking import TensorBoard

Heard = Callable[[Any], None]
"""A callback for any event."""
RESUMING = "The same command with --resume"


def run(chosen: options.Run) -> None:
    """Condense run"""
    config, evaluation = part(LearnConfig, chosen), EvaluateConfig(protocol=chosen.protocol, seeds=chosen.seeds)
    outputs, resume = (
        pipeline.Outputs(chosen.out or pipeline.default_folder(config)),
        chosen.resume or chosen.resume_anywhere,
    )
    check_apart(config.dataset, outputs.folder)
    pipeline.check_outputs(outputs.set, outputs.records, resume=resume, force=chosen.force)
    check_not_taken(outputs.set, outputs.records)
    data = load_to_learn(config, chosen)
    with (
        resumable(by=RESUMING),
        _board(chosen.track) as board,
        learn_bar(chosen.quiet) as learning,
        train_bar("stage T", chosen.quiet) as training,
        train_bar("stage C", chosen.quiet) as preparing,
    ):
        pipeline.run(
            *(config, evaluation, data, outputs.folder),
            resume=resume,
            anywhere=chosen.resume_anywhere,
            force=chosen.force,
            learn_progress=_both(learning, board),
            evaluate_progress=_both(training, board),
            experts_progress=preparing,
        )
    _print_table(read_records(outputs.records), chosen.quiet)
    print(f"Set:     {outputs.set}\nPicture: {outputs.picture}\nPage:    {outputs.page.resolve().as_uri()}")


def learn(chosen: options.Learn) -> None:
    """Condense learn"""
    (out,) = required((chosen.out, "--out SET.h5"))
    check_suffix(out, ".h5")
    config, records = part(LearnConfig, chosen), out.with_suffix(".jsonl")
    resume = chosen.resume or chosen.resume_anywhere
    check_apart(config.dataset, out)
    pipeline.check_outputs(out, records, resume=resume, force=chosen.force)
    check_not_taken(out, records)
    data = load_to_learn(config, chosen)
    with (
        resumable(by=RESUMING),
        _board(chosen.track) as board,
        learn_bar(chosen.quiet) as progress,
        train_bar("stage C", chosen.quiet) as preparing,
    ):
        pipeline.learn_and_save(
            *(config, data, out, records),
            resume=resume,
            anywhere=chosen.resume_anywhere,
            force=chosen.force,
            progress=_both(progress, board),
            experts_progress=preparing,
        )
    print(f"Set:    {out}\nRecord: {records}")


def evaluate(chosen: options.Evaluate) -> None:
    """Condense evaluate"""
    config = part(EvaluateConfig, chosen)
    if chosen.whole and chosen.set is not None:
        raise CondenseError("--whole trains on all real images, so it takes no synthetic set; leave one of them out.")
    wanted = [(chosen.out, "--out RECORDS.jsonl"), *([] if chosen.whole else [(chosen.set, "SET.h5")])]
    out, *sets = required(*wanted)
    check_appendable(out)
    check_not_taken(out)
    learned, data = to_evaluate(sets[0] if sets else None, chosen)
    records = list[Record]()
    with _board(chosen.track) as board:
        for one in learned:
            with resumable(by=RESUMING), train_bar("stage T", chosen.quiet) as bar:
                records += pipeline.evaluate_into(out, config, one, data, resume=chosen.resume, progress=_both(bar, board))
    _print_table(records, chosen.quiet)
    print(f"Records: {out}")


def table(chosen: options.Table) -> None:
    """Condense table"""
    if not chosen.records:
        raise CondenseError("Name files of records, or folders of results: condense table RECORDS.jsonl|DIR ...")
    studies = {path: opened_if_there(path) if path.is_dir() else None for path in chosen.records}
    texts = [study_text(*study, chosen) for study in studies.values() if study is not None]
    files = [_records_of(path) for path, study in studies.items() if study is None]
    if files:
        texts.insert(0, _records_text(files, chosen))
    print("\n".join(texts))


def _records_of(path: Path) -> Path:
    """A file of records, or that of a run's folder."""
    if not path.is_dir():
        return path
    records = pipeline.Outputs(path).records
    if not records.exists():
        raise CondenseError(f"{path} holds no results: there is no study.json or records.jsonl in it.")
    return records


def _records_text(paths: Iterable[Path], chosen: options.Table) -> str:
    return render(accuracy_table([record for path in paths for record in read_records(path)]), chosen.format)


def show(chosen: options.Show) -> None:
    """Condense show"""
    path, picture = required((chosen.set, "SET.h5"), (chosen.out, "--out PICTURE.png"))
    check_suffix(picture, ".png")
    refuse_overwrite(picture, chosen.force)
    write_atomically(picture, image_grid(SyntheticSet.load(path)))
    print(f"Picture: {picture}")


def info(chosen: options.Info) -> None:
    """Condense info"""
    (path,) = required((chosen.set, "SET.h5"))
    found = SyntheticSet.load(path)
    facts = found.provenance
    space = "normalised" if found.preprocessing is None else "whitened"
    whitening = found.preprocessing and f"{found.preprocessing}, a matrix of {len(found.preprocessing.matrix):,} a side"
    decoded = f", each stored image becomes {found.decoder.multiple}" if found.decoder.multiple > 1 else ""
    unequal = {"images of the classes": ", ".join(map(str, found.counts))} if found.unequal else {}
    lines: dict[str, Any] = {
        "file": f"{path}, intact",
        "format": found.format_version,
        "bytes stored": f"{found.bytes_stored:,}",
        "images": f"{tuple(found.images.shape)} float32, {space}",
        "pixel values": f"{found.images.min():.3f} to {found.images.max():.3f}, mean {found.images.mean():.3f}, "
        f"standard deviation {found.images.std(correction=0):.3f} ({space})",
        "decoder": f"{found.decoder}{decoded}",
        "preprocessing": whitening or "each channel normalised by mean and std",
        "classes": f"{len(facts.class_names)}: {', '.join(facts.class_names)}",
        "sha256": found.sha256,
        "labels": "soft" if found.soft else "hard",
        **unequal,
        **({} if found.learning_rate is None else {"learned rate": found.learning_rate}),
    }
    names = [field.name for field in fields(facts) if field.name not in ("class_names", "config")]
    stated = {name: getattr(facts, name) for name in names}
    for name, value in (lines | stated | {f"config.{key}": value for key, value in facts.config.items()}).items():
        print(printable(f"{name:<26} {value}"))


def datasets(chosen: options.Datasets) -> None:
    """Condense datasets"""
    _print_names(catalog.names(chosen.data_root))
    print(f"{'a path':<16} an image folder (one sub-folder per class), or arrays in a .mat, .npz, .h5 or .hdf5 file")


def networks(chosen: options.Networks) -> None:
    """Condense networks"""
    for name, text in registry.names().items():
        counts = [registry.build(name, shape, 10).parameter_count for shape in ((1, 28, 28), (3, 32, 32))]
        print(f"{name:<16} {counts[0]:>11,} {counts[1]:>11,}  {text}")
    for name in registry.registered():
        print(f"{name:<16} {'':>11} {'':>11}  of an installed package")
    print(f"{'MODULE:FACTORY':<16} {'':>11} {'':>11}  a torch.nn.Module of your own: what a function of your module makes")


def methods(chosen: options.Methods) -> None:
    """Condense methods"""
    print("Methods")
    for name, (title, traits) in described().items():
        _print_names({name: title} | ({"": traits} if traits else {}), indent="  ")
    _print_names({"MODULE:CLASS": "a method of your own, of an installed module or one in this folder"}, indent="  ")
    listed = {
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
    options.Import: import_sets,
    options.Matrix: matrix,
    options.Generalize: generalize,
    options.Sweep: sweep,
    options.Parity: parity,
    options.Score: score,
    options.StudyOf: study,
    options.Cell: cell,
    options.Status: status,
    options.Page: page,
    options.Table: table,
    options.Show: show,
    options.Export: export_sets,
    options.Info: info,
    options.Doctor: doctor,
    options.Datasets: datasets,
    options.Networks: networks,
    options.Methods: methods,
    options.Experts: experts,
}


def command_of(chosen: Any) -> Callable[[Any], None]:
    """What a command does, by its options, which may be of a class with those of a method."""
    return next(COMMANDS[kind] for kind in type(chosen).__mro__ if kind in COMMANDS)


def _board(folder: Path | None) -> AbstractContextManager[Heard]:
    """What writes events for TensorBoard, where that is asked for."""
    return nullcontext(unheard) if folder is None else TensorBoard(folder)


def _both(first: Heard, second: Heard) -> Heard:
    """What tells two callbacks."""

    def tell(event: Any) -> None:
        first(event)
        second(event)

    return tell


def _print_table(records: list[Record], quiet: bool) -> None:
    if not quiet:
        print(render(accuracy_table(records), "text"))


def _print_names(entries: dict[str, str], indent: str = "") -> None:
    for name, text in entries.items():
        print(f"{indent}{name:<16} {text}")
