"""The main job: real images -> stage C -> synthetic set -> stage T -> records, picture, page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condense.config import EvaluateConfig, LearnConfig, as_dict
from condense.data.images import DataSet
from condense.data.naming import shareable, stored_name
from condense.errors import CondenseError
from condense.files import check_writable, refuse_overwrite, write_atomically
from condense.records import Record, append_record, check_appendable, needed, read_records
from condense.report.figures import image_grid
from condense.report.page import render_page
from condense.stage_c import learn as stage_c
from condense.stage_c.checkpoint import checkpoint_path
from condense.stage_t import evaluate as stage_t
from condense.synthetic_set import SyntheticSet


@dataclass(frozen=True)
class Outputs:
    """The files of one run."""

    folder: Path

    @property
    def set(self) -> Path:
        """The synthetic set."""
        return self.folder / "set.h5"

    @property
    def records(self) -> Path:
        """The records of learning and evaluation."""
        return self.folder / "records.jsonl"

    @property
    def picture(self) -> Path:
        """The images."""
        return self.folder / "images.png"

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "page.html"


def default_folder(config: LearnConfig) -> Path:
    """Where the results of a run go when nothing else is said."""
    path = Path(config.dataset)
    dataset = path.name if path.is_dir() else path.stem
    return Path("runs") / f"{dataset}-{config.network}-ipc{config.ipc}-{config.method}-seed{config.seed}"


def check_outputs(out: Path, records: Path, *, resume: bool, force: bool) -> None:
    """Raises `CondenseError` when a set could not be saved at `out`, or would replace what it must not.

    Without `force` nothing that is there is replaced: no set, no unfinished run, no records. `resume` takes up a run: its
    checkpoint, its finished set, or its record, which is written just before the set.
    """
    check_writable(out)
    checkpoint = checkpoint_path(out)
    if not (resume or force) and checkpoint.exists():
        raise CondenseError(f"{checkpoint} keeps an unfinished run: --resume continues it, --force starts anew.")
    refuse_overwrite(out, force or resume)
    finished = resume and out.exists() and not checkpoint.exists()
    refuse_overwrite(records, force or finished or (resume and _only_learned(records)))


def learn_and_save(
    config: LearnConfig,
    data: DataSet,
    out: Path,
    records: Path,
    *,
    resume: bool = False,
    force: bool = False,
    progress: stage_c.Progress = lambda done, total, loss: None,
) -> SyntheticSet:
    """Stage C with its checkpoint beside `out`; saves the set there and its record as the first line of a new `records`.

    What was there before is replaced only once the new set is complete. With `resume` an unfinished run is continued, and a
    set that is finished is returned as it is. Raises `CondenseError` as `check_outputs` does, and when the finished set was
    learned with another configuration or from other images.
    """
    check_outputs(out, records, resume=resume, force=force)
    checkpoint = checkpoint_path(out)
    finished = _finished_set(out, records, config, data, force=force) if resume else None
    if finished is not None:
        return finished
    if force and not resume:
        checkpoint.unlink(missing_ok=True)
    learned = stage_c.learn(config, data.train, checkpoint=checkpoint, resume=resume, progress=progress)
    write_atomically(records, learned.record.to_json() + "\n")
    learned.set.save(out, force=True)
    checkpoint.unlink(missing_ok=True)
    return learned.set


def append_records(path: Path, found: Iterable[Record]) -> list[Record]:
    """Appends records as they come, so that an interruption loses at most the one being made."""
    check_appendable(path)
    kept = []
    for record in found:
        append_record(path, record)
        kept.append(record)
    return kept


def evaluation_checkpoint(records: Path, name: str, protocol: str) -> Path:
    """Where stage T of a network keeps what it has done, until its record is among `records`."""
    return records.with_name(f"{name}-{protocol}.checkpoint")


def evaluate_and_keep(
    name: str,
    protocol: str,
    learned: SyntheticSet,
    data: DataSet,
    seeds: Sequence[int],
    records: Path,
    *,
    resume: bool,
    progress: stage_t.Progress = lambda name, done, total: None,
) -> None:
    """Stage T of one network with its checkpoint beside `records`, where its record is appended in the end."""
    check_appendable(records)
    checkpoint = evaluation_checkpoint(records, name, protocol)
    if not resume:
        checkpoint.unlink(missing_ok=True)
    record = stage_t.evaluate_network(name, protocol, learned, data, seeds, checkpoint=checkpoint, progress=progress)
    append_record(records, record)
    checkpoint.unlink(missing_ok=True)


def run(
    config: LearnConfig,
    evaluation: EvaluateConfig,
    data: DataSet,
    folder: Path,
    *,
    resume: bool = False,
    force: bool = False,
    learn_progress: stage_c.Progress = lambda done, total, loss: None,
    evaluate_progress: stage_t.Progress = lambda name, done, total: None,
) -> Outputs:
    """Learns, evaluates and reports into `folder`; returns where the files are.

    With `resume` a run that was stopped goes on where it was; with `force` results that are there are replaced.
    """
    outputs = Outputs(folder)
    learned = learn_and_save(config, data, outputs.set, outputs.records, resume=resume, force=force, progress=learn_progress)
    missing = _not_evaluated(evaluation, learned, read_records(outputs.records))
    for name in missing:
        evaluate_and_keep(
            *(name, evaluation.protocol, learned, data, range(evaluation.seeds), outputs.records),
            resume=resume,
            progress=evaluate_progress,
        )
    for name in evaluation.network or (learned.provenance.network,):  # left by a kill just after the record was written
        evaluation_checkpoint(outputs.records, name, evaluation.protocol).unlink(missing_ok=True)
    write_report(outputs, learned)
    return outputs


def write_report(outputs: Outputs, learned: SyntheticSet) -> None:
    """The picture and the page, from the set and its records."""
    write_atomically(outputs.picture, image_grid(learned))
    facts = learned.provenance
    plural = "" if facts.images_per_class == 1 else "s"
    title = f"{facts.dataset}, {facts.images_per_class} image{plural} per class"
    write_atomically(outputs.page, render_page(title, read_records(outputs.records), learned))


def _finished_set(out: Path, records: Path, config: LearnConfig, data: DataSet, *, force: bool) -> SyntheticSet | None:
    """The set at `out` when it is what `config` asks for; None when there is something left to learn."""
    if not out.exists() or checkpoint_path(out).exists():
        return None
    found = SyntheticSet.load(out)
    if not _agree(found.provenance.config, config):
        if force:
            return None
        raise CondenseError(f"{out} was learned with another configuration; choose another --out, or pass --force.")
    stage_t.check_same_data(found, data)
    first = read_records(records)[0]
    if first.kind != "learn" or needed(first, "set") != found.sha256:
        raise CondenseError(
            f"{records} does not begin with the record of {out}: 'condense evaluate' works from the set alone, and --force "
            "without --resume learns it anew."
        )
    return found


def _agree(stored: dict[str, Any], config: LearnConfig) -> bool:
    """Whether a set's configuration is the one asked for; 'auto' agrees with the precision it came to."""
    wanted = as_dict(replace(config.resolved(), dataset=stored_name(config.dataset)))
    stored = shareable(stored)
    return stored == (wanted if config.precision != "auto" else {**wanted, "precision": stored.get("precision")})


def _only_learned(records: Path) -> bool:
    return records.is_file() and all(record.kind == "learn" for record in read_records(records))


def _not_evaluated(evaluation: EvaluateConfig, learned: SyntheticSet, records: list[Record]) -> tuple[str, ...]:
    """The networks whose evaluation, as it is asked for, is not among the records."""
    found = [
        needed(record, "network")
        for record in records
        if record.kind == "evaluate"
        and needed(record, "set", "sha256") == learned.sha256
        and needed(record, "protocol") == evaluation.protocol
        and len(record.seeds) == evaluation.seeds
    ]
    return tuple(name for name in evaluation.network or (learned.provenance.network,) if name not in found)
