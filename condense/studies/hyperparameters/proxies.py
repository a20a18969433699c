"""Small sets in place of the real images: those a command names, and those its folder keeps for every process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from condense.data.images import DataSet
from condense.errors import CondenseError, shortened
from condense.files import write_atomically
from condense.records import read_records
from condense.report.html import machine
from condense.stage_t.evaluate import data_as_learned, describe_set
from condense.studies.hyperparameters.asked import Proxy
from condense.synthetic_set import SyntheticSet

Sets = Mapping[str, SyntheticSet]
"""By their SHA-256."""


def load_proxies(paths: Sequence[Path], epochs_factor: int, whole: DataSet, data: DataSet) -> tuple[list[Proxy], Sets]:
    """The small sets named, each once; raises `CondenseError` for one that is missing, damaged or of other images.

    data: the images that rows are trained on; whole: all that the data set has, from which a set may have been made too.
    """
    proxies, sets = dict[str, Proxy](), dict[str, SyntheticSet]()
    for path in paths:
        synthetic = SyntheticSet.load(path)
        of = data if data.train.is_known_as(synthetic.provenance.dataset_fingerprint) else whole
        try:
            _check(synthetic, of)
        except CondenseError as error:
            raise CondenseError(f"--proxy {path}: {error}") from error
        proxies[synthetic.sha256] = _described(path, synthetic, of, epochs_factor)
        sets[synthetic.sha256] = synthetic
    return list(proxies.values()), sets


def _check(synthetic: SyntheticSet, of: DataSet) -> None:
    if synthetic.preprocessing is not None:
        whitened = f"The set is whitened ({synthetic.preprocessing})"
        raise CondenseError(f"{whitened}, and networks of a sweep are tested on images that are normalised.")
    if data_as_learned(synthetic, of) is not of:
        raise CondenseError(
            f"The set was learned from these images of {of.name}, but with classes in another order, or normalised "
            "otherwise; a sweep needs a set learned from them as they are read now."
        )


def _described(path: Path, synthetic: SyntheticSet, of: DataSet, epochs_factor: int) -> Proxy:
    facts, made = synthetic.provenance, describe_set(synthetic)
    learned = f"{facts.method}, {facts.network}, {made['schedule']} schedule" if facts.iterations else facts.method
    number = f"{'up to ' if synthetic.unequal else ''}{facts.images_per_class}"
    forms = ["soft labels" if synthetic.soft else "", made.get("decoder", "")]
    seconds, learned_on = _learning(path, synthetic)
    return Proxy(
        file=path.name,
        label=", ".join([learned, *filter(None, forms), f"{number} per class", f"seed {facts.seed}"]),
        described={"dataset": of.name, "dataset_fingerprint": of.train.fingerprint, "set": made},
        epochs_factor=epochs_factor,
        learn_seconds=seconds,
        learned_on=learned_on,
        images=len(synthetic.decoded()[1]),
    )


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


def kept_path(folder: Path, proxy: Proxy) -> Path:
    """Where a set lies in the folder of a sweep, for cells that are computed in other processes and on other machines."""
    return folder / "sets" / f"{proxy.sha256[:12]}.h5"


def keep(folder: Path, proxies: Sequence[Proxy], sets: Sets) -> None:
    """Copies sets into the folder of a sweep."""
    for proxy in proxies:
        path = kept_path(folder, proxy)
        if not path.exists():
            write_atomically(path, sets[proxy.sha256].to_bytes())


def kept(folder: Path, proxy: Proxy) -> SyntheticSet:
    """A set of the folder. Raises `CondenseError` where it is not there, damaged, or another one."""
    path = kept_path(folder, proxy)
    if not path.exists():
        raise lacking(folder, proxy)
    synthetic = SyntheticSet.load(path)
    if synthetic.sha256 != proxy.sha256:
        raise CondenseError(f"{shortened(path)} is another set than {proxy.label} ({shortened(proxy.file)}) was.")
    return synthetic


def lacking(folder: Path, proxy: Proxy) -> CondenseError:
    """The error for a set that is still needed."""
    return CondenseError(
        f"{shortened(folder)}: rows are to be trained on {shortened(proxy.label)}, a set that is not in its folder sets: "
        f"name it once more by --proxy (it was {shortened(proxy.file)})."
    )
