"""Doing a sweep: the probe, then row by row what is not recorded yet."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condense.data.images import DataSet
from condense.data.split import held_out
from condense.errors import CondenseError, Interrupted
from condense.machine import Surroundings, reproducible
from condense.memory import in_use
from condense.records import read_records
from condense.report.html import machine
from condense.stage_t.evaluate import data_as_learned, describe_set, source_of
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.estimate import data_bytes
from condense.studies.hyperparameters.folder import FORMAT, Asked, Proxy, SweepFolder, real_images
from condense.studies.hyperparameters.grid import Grid
from condense.studies.hyperparameters.probe import probe
from condense.studies.hyperparameters.trial import Calibration, TrainedOn, Trial
from condense.synthetic_set import SyntheticSet

LONG_SECONDS = 60.0
"""Rows estimated to take longer are probed again just before they run, as the machine may be busier or idler by then."""
PROBED_SHARE = 0.02
"""Of such a row's time so much goes into that probe: the shorter it is, the more a moment's disturbance counts."""


def _nothing(*told: object) -> None:
    pass


@dataclass(frozen=True)
class Listener:
    """What to tell while a sweep runs: the networks to be probed; the row that begins; networks' epochs done, of all."""

    probing: Callable[[int, int], None] = _nothing
    begins: Callable[[str], None] = _nothing
    training: Callable[[int, int], None] = _nothing


def load_proxies(config: SweepConfig, whole: DataSet, data: DataSet) -> list[tuple[Proxy, TrainedOn]]:
    """The small sets named, each once; raises `CondenseError` for one that is missing, damaged or of other images.

    whole: the data set before `train_size`, from which a set may have been made too.
    """
    found: dict[str, tuple[Proxy, TrainedOn]] = {}
    for path in config.proxy:
        synthetic = SyntheticSet.load(path)
        of = data if data.train.is_known_as(synthetic.provenance.dataset_fingerprint) else whole
        try:
            if synthetic.preprocessing is not None:
                whitened = f"The set is whitened ({synthetic.preprocessing})"
                raise CondenseError(f"{whitened}, and networks of a sweep are tested on images that are normalised.")
            if data_as_learned(synthetic, of) is not of:
                raise CondenseError(
                    f"The set was learned from these images of {of.name}, but with classes in another order, or normalised "
                    "otherwise; a sweep needs a set learned from them as they are read now."
                )
        except CondenseError as error:
            raise CondenseError(f"--proxy {path}: {error}") from error
        facts = synthetic.provenance
        made = describe_set(synthetic)
        described = {"dataset": data.name, "dataset_fingerprint": of.train.fingerprint, "set": made}
        learned = f"{facts.method}, {facts.network}, {made['schedule']} schedule" if facts.iterations else facts.method
        number = f"{'up to ' if synthetic.unequal else ''}{facts.images_per_class}"
        forms = ["soft labels" if synthetic.soft else "", made.get("decoder", "")]
        label = ", ".join([learned, *filter(None, forms), f"{number} per class", f"seed {facts.seed}"])
        source = source_of(synthetic, data.test.device)
        proxy = Proxy(path.name, label, described, config.proxy_epochs, *_learning(path, synthetic))
        found[synthetic.sha256] = proxy, TrainedOn(label, source, described, config.proxy_epochs)
    return list(found.values())


def _learning(path: Path, synthetic: SyntheticSet) -> tuple[float | None, str | None]:
    """Wall time of learning a set, and on what, from the record that `learn` or `run` left beside it."""
    if not synthetic.provenance.iterations:
        return 0.0, None
    for beside in (path.with_suffix(".jsonl"), path.with_name("records.jsonl")):
        try:
            records = read_records(beside)
        except CondenseError:  # none there, or records of something else: the table says that the time is not known
            continue
        for record in records:
            if record.task == "learn" and record.config.get("set") == synthetic.sha256:
                return record.wall_seconds + record.warm_up_seconds, machine(record.device, record.threads)
    return None, None


def all_images(data: DataSet, whole: int | None = None) -> TrainedOn:
    """All real training images of `data` but those held out; whole: how many the data set has where `data` has fewer."""
    fingerprints = {"dataset_fingerprint": data.train.fingerprint, "test_fingerprint": data.test.fingerprint}
    described = {"dataset": data.name, **fingerprints, "set": None}
    train, _ = held_out(data.train)
    return TrainedOn(real_images(len(train), whole or len(data.train)), train, described)


def asked_for(grid: Grid, seeds: int, data: DataSet, proxies: Sequence[Proxy], whole: int | None = None) -> Asked:
    """What a folder keeps of a command; whole as for `all_images`."""
    images = len(data.train)
    on = all_images(data)
    return Asked(
        *(FORMAT, data.name, on.described, data.train.classes, grid, seeds, list(proxies)),
        train_images=images,
        whole_images=whole or images,
        held_out=images - on.images,
    )


def trials_of(grid: Grid, data: DataSet, on: Iterable[TrainedOn]) -> list[Trial]:
    """Every row on all images but those held out, then on each small set."""
    _, compared_on = held_out(data.train)
    return [Trial(row, one, data, compared_on) for one in on for row in grid.rows]


def calibrate(
    left: Sequence[tuple[Trial, int]], data: DataSet, progress: Callable[[int, int], None] = _nothing
) -> Calibration:
    """Probes the networks of trials with so many networks left; the context is what then stays in memory, less the data."""
    batches: dict[Any, list[int]] = {}
    for trial, count in left:
        batches.setdefault(trial.speed_key(count), []).append(trial.batch)
    networks = {trial.speed_key(count): trial.network for trial, count in left}
    speeds = {}
    for done, (key, network) in enumerate(networks.items(), 1):
        speeds[key] = probe(network, data.train, batches[key], key.together, key.momentum)
        progress(done, len(networks))
    size = data_bytes(data)
    return Calibration(speeds, max(in_use(data.test.device) - size, 0), size)


def missing_seeds(trial: Trial, seeds: int, recorded: Mapping[str, set[int]]) -> list[int]:
    """The seeds of a row that are not recorded."""
    return [seed for seed in range(seeds) if seed not in recorded.get(trial.config_hash, ())]


def probed_again(calibration: Calibration, trial: Trial, networks: int, data: DataSet) -> Calibration:
    """The calibration with its row's network probed once more at its own batch size, where that costs next to nothing."""
    seconds = trial.estimated_seconds(networks, calibration)
    if seconds < LONG_SECONDS:
        return calibration
    key = trial.speed_key(networks)
    speed = probe(trial.network, data.train, [trial.batch], key.together, key.momentum, PROBED_SHARE * seconds)
    return replace(calibration, speeds={**calibration.speeds, key: speed})


def run_sweep(trials: Sequence[Trial], seeds: int, data: DataSet, folder: SweepFolder, listener: Listener) -> None:
    """Trains what is missing; stopped at any moment, the same call goes on after the last group of networks that is kept."""
    with reproducible(data.test.device):
        _run_sweep(trials, seeds, data, folder, listener)


def _run_sweep(trials: Sequence[Trial], seeds: int, data: DataSet, folder: SweepFolder, listener: Listener) -> None:
    unfinished = folder.take_up(trials, seeds, Surroundings.of(data.test.device))
    recorded = folder.recorded()
    left = [(trial, missing) for trial in trials if (missing := missing_seeds(trial, seeds, recorded))]
    if not left:
        return
    left.sort(key=lambda one: unfinished is None or one[0].config_hash != unfinished.config_hash)
    calibration = calibrate([(trial, len(missing)) for trial, missing in left], data, listener.probing)
    for number, (trial, missing) in enumerate(left, 1):
        if unfinished is None:
            calibration = probed_again(calibration, trial, len(missing), data)
        record = unfinished or trial.begin(len(missing), calibration, Surroundings.of(data.test.device))
        unfinished = None
        listener.begins(f"row {trial.row.name} on {trial.on.label} ({number} of {len(left)})")
        try:
            for so_far in trial.train(record, missing, listener.training):
                folder.keep(so_far, complete=len(so_far.seeds) == len(missing))
        except KeyboardInterrupt as error:
            raise Interrupted(f"Stopped in row {trial.row.name}; the same command goes on in {folder.path}.") from error
