"""The main job: real images -> stage C -> synthetic set -> stage T -> records, picture, page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from condense.checking import verified
from condense.config import EvaluateConfig, LearnConfig
from condense.data.images import DataSet
from condense.data.naming import shareable
from condense.errors import CondenseError, shortened
from condense.events import OfSteps, OfTraining, unheard
from condense.files import check_room, check_writable, refuse_overwrite, taken_files, write_atomically
from condense.networks.registry import build
from condense.records import Record, append_record, check_appendable, needed, read_records
from condense.report.figures import image_grid
from condense.report.page import render_page
from condense.stage_c import learn as stage_c
from condense.stage_c.checkpoint import checkpoint_path
from condense.stage_t import evaluate as stage_t
from condense.stage_t.protocols import WHOLE, Protocol
from condense.synthetic_set import SyntheticSet

ROOM = 4
"""Sets' worth of disk that a run takes, about: the set and its successor, and a checkpoint of images and velocity."""


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
    dataset = path.resolve().name if path.is_dir() else path.stem
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
    out: Path | str,
    records: Path | str,
    *,
    resume: bool = False,
    anywhere: bool = False,
    force: bool = False,
    progress: OfSteps = unheard,
    experts_progress: OfTraining = unheard,
) -> SyntheticSet:
    """Stage C with its checkpoint beside `out`; saves the set there and its record as the first line of a new `records`.

    What was there before is replaced only once the new set is complete. With `resume` an unfinished run is continued, and a
    set that is finished is returned as it is. Raises `CondenseError` as `check_outputs` does, where another process is
    writing these files, and when the finished set was learned with another configuration or from other images.
    """
    job = _Job(verified(config), data, Path(out), Path(records), resume=resume, anywhere=anywhere, force=force)
    with taken_files(job.out, job.records):
        return job.learned(progress, experts_progress)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A set to be made: by what configuration, of which images, where it goes, and what becomes of files that are there."""

    config: LearnConfig = field(kw_only=False)
    data: DataSet = field(kw_only=False)
    out: Path = field(kw_only=False)
    records: Path = field(kw_only=False)
    resume: bool
    anywhere: bool
    force: bool

    def learned(self, progress: OfSteps, experts_progress: OfTraining) -> SyntheticSet:
        """The set, saved with its record; a finished one as it is, where that is asked for."""
        check_outputs(self.out, self.records, resume=self.resume, force=self.force)
        train = self.data.train
        check_room(self.out, ROOM * train.classes * self.config.ipc * math.prod(train.shape) * 4)
        finished = self._finished() if self.resume else None
        if finished is not None:
            return finished
        checkpoint = checkpoint_path(self.out)
        how = {"checkpoint": checkpoint, "resume": self.resume, "anywhere": self.anywhere, "progress": progress}
        learned = stage_c.learn(self.config, train, **how, experts_progress=experts_progress)
        write_atomically(self.records, learned.record.to_json() + "\n")
        learned.set.save(self.out, force=True)
        checkpoint.unlink(missing_ok=True)
        return learned.set

    def _finished(self) -> SyntheticSet | None:
        """The set that is there, when it is what is asked for; None when there is something left to learn."""
        if not self.out.exists() or checkpoint_path(self.out).exists():
            return None
        found = SyntheticSet.load(self.out)
        if not stage_c.is_of(found.provenance.config, self.config, self.data.train):
            if self.force:
                return None
            raise CondenseError(f"{self.out} was learned with another configuration; choose another --out, or pass --force.")
        stage_t.check_same_data(found, self.data)
        first = read_records(self.records)[0]
        if first.task != "learn" or needed(first, "set") != found.sha256:
            raise CondenseError(
                f"{self.records} does not begin with the record of {self.out}: 'condense evaluate' works from the set "
                "alone, and --force without --resume learns it anew."
            )
        return found


def evaluation_checkpoint(records: Path, name: str, protocol: str | Protocol) -> Path:
    """Where stage T of a network keeps what it has done, until its record is among `records`."""
    return records.with_name(f"{name}-{protocol}.checkpoint")


def evaluate_and_keep(
    name: str,
    protocol: str | Protocol,
    learned: SyntheticSet,
    data: DataSet,
    seeds: Sequence[int],
    records: Path,
    *,
    resume: bool,
    progress: OfTraining = unheard,
) -> None:
    """Stage T of one network with its checkpoint beside `records`, where its record is appended in the end."""
    check_appendable(records)
    checkpoint = evaluation_checkpoint(records, name, protocol)
    if not resume:
        checkpoint.unlink(missing_ok=True)
    record = stage_t.evaluate_network(name, protocol, learned, data, seeds, checkpoint=checkpoint, progress=progress)
    append_record(records, record)
    checkpoint.unlink(missing_ok=True)


def evaluate_into(
    records: Path | str,
    evaluation: EvaluateConfig,
    learned: SyntheticSet | None,
    data: DataSet,
    *,
    resume: bool = False,
    progress: OfTraining = unheard,
) -> list[Record]:
    """Stage T of all networks on a set (None: on all real images), their records appended to `records`; returns these.

    Networks tested so far are kept beside `records`; with `resume` they are not trained again, nor is what `records` holds
    already. Raises `CondenseError` where another process is writing `records`; and without `resume` where what is asked for
    is recorded there or was begun.
    """
    records, evaluation = Path(records), verified(evaluation)
    names = stage_t.networks_of(evaluation, learned)
    for name in names:
        build(name, data.test.shape, data.test.classes)
        if learned is not None:
            stage_t.recipe_on(learned, evaluation.protocol, name)
    if learned is not None:
        stage_t.check_same_data(learned, data)
    protocol = WHOLE if learned is None else evaluation.protocol
    identity = data.train.fingerprint if learned is None else learned.sha256
    kept = {name: records.with_name(f"{records.name}-{name}-{protocol}-{identity[:12]}.checkpoint") for name in names}
    with taken_files(records):
        check_appendable(records)
        there = read_records(records) if records.exists() and records.stat().st_size else []
        data = _as_recorded(data, there)
        found = _evaluated(evaluation, learned, data, there)
        if not resume:
            _refuse_begun(records, {name: kept[name] for name in names}, found)
        for name in names:
            if name not in found:
                seeds, how = range(evaluation.seeds), {"checkpoint": kept[name], "progress": progress}
                if learned is None:
                    found[name] = stage_t.evaluate_network_whole(name, data, seeds, **how)
                else:
                    found[name] = stage_t.evaluate_network(name, protocol, learned, data, seeds, **how)
                append_record(records, found[name])
            kept[name].unlink(missing_ok=True)
    return [found[name] for name in names]


def _as_recorded(data: DataSet, records: Sequence[Record]) -> DataSet:
    """The data set under the fingerprints it has in records that are there, so that those of now join theirs in tables."""
    train, test = (
        [record.config[name] for record in records if name in record.config]
        for name in ("dataset_fingerprint", "test_fingerprint")
    )
    return data.as_recorded(train, test)


def _refuse_begun(records: Path, kept: dict[str, Path], found: dict[str, Record]) -> None:
    """Raises `CondenseError` where an evaluation is recorded, or unfinished."""
    for name, checkpoint in kept.items():
        if name in found:
            raise CondenseError(
                f"{shortened(records)} holds this evaluation of {name} already; --resume leaves it and does what is missing."
            )
        if checkpoint.exists():
            raise CondenseError(
                f"{shortened(checkpoint)} keeps an unfinished evaluation: --resume continues it; delete it to start anew."
            )


def run(
    config: LearnConfig,
    evaluation: EvaluateConfig,
    data: DataSet,
    folder: Path | str,
    *,
    resume: bool = False,
    anywhere: bool = False,
    force: bool = False,
    learn_progress: OfSteps = unheard,
    evaluate_progress: OfTraining = unheard,
    experts_progress: OfTraining = unheard,
) -> Outputs:
    """Learns, evaluates and reports into `folder`; returns where the files are.

    With `resume` a run that was stopped goes on where it was; with `force` results that are there are replaced. Raises
    `CondenseError` as `learn_and_save` does.
    """
    evaluation, outputs = verified(evaluation), Outputs(Path(folder))
    for name in evaluation.network:
        build(name, data.test.shape, data.test.classes)
    how = {"resume": resume, "anywhere": anywhere, "force": force}
    job = _Job(verified(config), data, outputs.set, outputs.records, **how)
    with taken_files(outputs.set, outputs.records):
        learned = job.learned(learn_progress, experts_progress)
        _evaluate_missing(evaluation, learned, data, outputs.records, resume=resume, progress=evaluate_progress)
        write_report(outputs, learned)
    return outputs


def _evaluate_missing(
    evaluation: EvaluateConfig,
    learned: SyntheticSet,
    data: DataSet,
    records: Path,
    *,
    resume: bool,
    progress: OfTraining,
) -> None:
    """Stage T of the networks whose records are not among `records` yet."""
    names, there = stage_t.networks_of(evaluation, learned), read_records(records)
    data = _as_recorded(data, there)
    done = _evaluated(evaluation, learned, data, there)
    for name in names:
        if name not in done:
            evaluate_and_keep(
                *(name, evaluation.protocol, learned, data, range(evaluation.seeds), records),
                resume=resume,
                progress=progress,
            )
    for name in names:  # left by a kill just after the record was written
        evaluation_checkpoint(records, name, evaluation.protocol).unlink(missing_ok=True)


def write_report(outputs: Outputs, learned: SyntheticSet) -> None:
    """The picture and the page, from the set and its records."""
    write_atomically(outputs.picture, image_grid(learned))
    facts = learned.provenance
    plural = "" if facts.images_per_class == 1 else "s"
    most = "up to " if learned.unequal else ""
    title = f"{facts.dataset}, {most}{facts.images_per_class} image{plural} per class"
    write_atomically(outputs.page, render_page(title, read_records(outputs.records), learned))


def _only_learned(records: Path) -> bool:
    return records.is_file() and all(record.task == "learn" for record in read_records(records))


def _evaluated(
    evaluation: EvaluateConfig, learned: SyntheticSet | None, data: DataSet, records: Sequence[Record]
) -> dict[str, Record]:
    """By network, what of an evaluation on a set (None: on all real images) is recorded already, on the same test images and
    with as many seeds as are asked for.
    """
    return {
        needed(record, "network"): record
        for record in records
        if record.task == ("whole" if learned is None else "evaluate")
        and _is_of(record, evaluation, learned, data)
        and data.test.is_known_as(record.config.get("test_fingerprint", data.test.fingerprint))
        and len(record.seeds) == evaluation.seeds
    }


def _is_of(record: Record, evaluation: EvaluateConfig, learned: SyntheticSet | None, data: DataSet) -> bool:
    """Whether networks of a record were trained on this set by this protocol, as it is now, or on all these images."""
    if learned is None:
        return data.train.is_known_as(needed(record, "dataset_fingerprint"))
    made_by = shareable(learned.provenance.config)
    same = needed(record, "set", "sha256") == learned.sha256 and record.config["set"].get("config", made_by) == made_by
    if not (same and needed(record, "protocol") == str(evaluation.protocol)):
        return False
    now = stage_t.recipe_on(learned, evaluation.protocol, needed(record, "network")).facts()
    return record.config.get("recipe", now) == now
