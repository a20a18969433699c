"""Records: one JSON object a line for each finished piece of work, the only input of tables and pages."""

import hashlib
import json
import math
import os
import re
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from condense.errors import CondenseError
from condense.files import append_line, check_writable

AT_CHANCE = "accuracy stays at chance"
"""Note of a record whose networks name the classes no better than by chance."""
_DIVERGED = re.compile(r"seed (\d+): training diverged")


@dataclass(frozen=True)
class Record:
    """What was done, with which configuration, what came out, what it cost.

    kind: 'learn' (stage C; `losses` filled), 'evaluate' (stage T on a synthetic set), 'whole' (stage T on all real
    images) or 'fit' (an experiment's training on real images; its course, by epoch, in `series`).
    config: the resolved configuration; evaluations name the set they belong to under config['set'].
    seeds, accuracies: equal length; accuracies are fractions of the test images classified correctly.
    diverged: those of the seeds whose training ended in numbers that are not finite; what they score means nothing.
    losses: matching loss of each iteration of stage C (sum over classes and outer steps, divided by their number).
    wall_seconds: time of the work itself; warm_up_seconds: of compiling and the precision test before it;
    peak_memory_bytes: of the process (CPU) or the device (GPU).
    execution: how an experiment was computed (`Execution.facts`), whose configuration is what it is found by and does not
    hold it; config['execution'] of learning and evaluations. Records of earlier versions have neither.
    """

    kind: Literal["learn", "evaluate", "whole", "fit"]
    config: dict[str, Any]
    seeds: list[int]
    accuracies: list[float]
    wall_seconds: float
    peak_memory_bytes: int
    device: str
    threads: int
    code_version: str
    library_versions: dict[str, str]
    started_at: str
    losses: list[float] = field(default_factory=list)
    warm_up_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    series: dict[str, list[float]] = field(default_factory=dict)
    diverged: list[int] = field(default_factory=list)
    execution: dict[str, Any] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def diverged_seeds(self) -> set[int]:
        """The seeds whose training diverged; records of earlier versions say it in their notes alone."""
        noted = (found for note in self.notes if (found := _DIVERGED.fullmatch(note)))
        return {*self.diverged, *(int(found[1]) for found in noted)}

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the configuration."""
        return config_hash(self.config)

    def to_json(self) -> str:
        """One line of JSON, without a line break."""
        values = {**asdict(self), "config_hash": self.config_hash}
        for name in ("series", "diverged", "execution"):
            if not values[name]:
                del values[name]
        return json.dumps(values, sort_keys=True, allow_nan=False)


def config_hash(config: dict[str, Any]) -> str:
    """SHA-256 of a configuration's canonical JSON (sorted keys, no spaces)."""
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def append_record(path: Path | str, record: Record) -> None:
    """Appends one line to `path` in a single write, so that concurrent writers do not mix lines."""
    append_line(Path(path), record.to_json())


def check_appendable(path: Path) -> None:
    """Raises `CondenseError` unless records can be appended to `path`: a new or empty file, or one of complete records."""
    if os.path.isdir(path):
        raise CondenseError(f"{path} is a folder; the name of a file of records is needed.")
    check_writable(path)
    if not path.exists() or not path.stat().st_size:
        return
    read_records(path)
    if not path.read_bytes().endswith(b"\n"):
        raise CondenseError(f"{path}: the last line lacks its line break, so nothing can be appended.")


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_records(path: Path | str, form: type[AnyRecord] = Record) -> list[AnyRecord]:
    """All records of a file, in order; form: what each must be, `Record` or an extension of it.

    Raises `CondenseError` naming file and line when one is damaged: not JSON, a field missing or unknown, lists of
    different length, an accuracy outside [0, 1], a configuration that does not match its hash, or values in it that are of
    another type than everything that reads them needs. A byte-order mark at the beginning is passed over.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise CondenseError(f"Cannot read records from {path}: {getattr(error, 'strerror', None) or error}.") from error
    adapter = _adapter(form)
    records = [_parse(line, f"{path}, line {number}", adapter) for number, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise CondenseError(f"{path} holds no records.")
    return records


@cache
def _adapter(form: type[Record]) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def _parse(line: str, where: str, adapter: TypeAdapter[AnyRecord]) -> AnyRecord:
    content = _json_object(line, where)
    stored_hash = content.pop("config_hash", None)
    try:
        record = adapter.validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise CondenseError(f"{where}: damaged record ({_first(error)}).") from error
    except RecursionError as error:
        raise CondenseError(f"{where}: damaged record (values in values in values without end).") from error
    if stored_hash != record.config_hash:
        raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
    try:
        _CONFIGURATIONS[record.kind].validate_json(json.dumps(record.config), strict=True)
    except ValidationError as error:
        raise CondenseError(f"{where}: damaged record (config.{_first(error)}).") from error
    _check_numbers(record, where)
    return record


def _first(error: ValidationError) -> str:
    """Place and reason of the first mistake."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg']}"


def _check_numbers(record: Record, where: str) -> None:
    """What no type says of the lists and costs of a record."""
    if len(record.seeds) != len(record.accuracies):
        raise CondenseError(f"{where}: {len(record.seeds)} seeds but {len(record.accuracies)} accuracies.")
    if not all(0 <= accuracy <= 1 for accuracy in record.accuracies):
        raise CondenseError(f"{where}: an accuracy is not a fraction between 0 and 1.")
    if len(set(record.seeds)) < len(record.seeds) or not all(0 <= seed < 2**63 for seed in record.seeds):
        raise CondenseError(f"{where}: seeds must be from 0 to 2^63 - 1, and each there once.")
    if not set(record.diverged) <= set(record.seeds):
        raise CondenseError(f"{where}: diverged names seeds that are not among the record's.")
    costs = (record.wall_seconds, record.warm_up_seconds, record.peak_memory_bytes, record.threads)
    if not all(0 <= cost < 2**63 for cost in costs):
        raise CondenseError(f"{where}: times, memory and threads must be from 0 to 2^63 - 1.")


def needed(record: Record, *path: str) -> Any:
    """The entry of a record's configuration under `path`; raises `CondenseError` naming it when there is none."""
    value: Any = record.config
    for key in path:
        if not isinstance(value, dict) or key not in value:
            name = "config" + "".join(f"['{part}']" for part in path)
            raise CondenseError(f"A record of kind '{record.kind}' has no {name}; tables and figures need it.")
        value = value[key]
    return value


# What is read of configurations, wherever it is there; what must be there `needed` asks for, and all else is kept as it is.
_Count = Annotated[int, Field(ge=0, lt=2**63)]
_AtLeastOne = Annotated[int, Field(ge=1, lt=2**63)]


class _Settings(TypedDict, total=False):
    """A resolved configuration of stage C."""

    dataset: str
    network: str
    method: str
    schedule: str
    seed: _Count
    ipc: _AtLeastOne
    iterations: _Count | None
    outer_loop: _AtLeastOne | None
    inner_loop: _Count | None
    real_batch: _AtLeastOne | None
    image_learning_rate: float | None
    network_learning_rate: float | None
    image_momentum: float
    image_decay: str | None
    image_clip: str | None
    init: str | None
    distance: str
    precision: str
    train_size: _AtLeastOne | None


class _Learn(_Settings, total=False):
    set: str


class _Set(TypedDict, total=False):
    """A synthetic set that networks were trained on."""

    sha256: str
    dataset: str
    dataset_fingerprint: str
    method: str
    network: str
    images_per_class: _AtLeastOne
    seed: _Count
    iterations: _Count
    schedule: str
    precision: str
    init: str | None
    distance: str | None
    labels: str
    counts: list[_Count]
    decoder: str
    preprocessing: str
    learning_rate: float
    config: _Settings


class _Trained(TypedDict, total=False):
    """Networks trained and tested."""

    dataset: str
    dataset_fingerprint: str
    network: str
    protocol: str
    path: str
    recipe: dict[str, Any]
    test_images: _AtLeastOne
    test_fingerprint: str


class _Evaluate(_Trained, total=False):
    set: _Set


class _Fit(_Trained, total=False):
    """A run of `condense generalize`."""

    train_images: _AtLeastOne
    corruption: str
    augmentation: str
    p: float
    seed: _Count
    learning_rate: float
    weight_decay: float
    epochs: _Count
    batch_size: _AtLeastOne
    test_every: _Count
    stops: bool


class _Sweep(_Trained, total=False):
    """Networks of one row of `condense sweep`."""

    set: _Set | None
    row: dict[str, Any]
    train_images: _AtLeastOne
    parameters: _Count
    epochs_factor: _AtLeastOne


_CONFIGURATIONS: dict[str, TypeAdapter[Any]] = {
    "learn": TypeAdapter(_Learn),
    "evaluate": TypeAdapter(_Evaluate),
    "whole": TypeAdapter(_Trained),
    "fit": TypeAdapter(_Fit),
    "sweep": TypeAdapter(_Sweep),
}


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise CondenseError(f"{where}: not a complete line of JSON ({error}). The others count without it.") from error
    if not isinstance(content, dict):
        raise CondenseError(f"{where}: not a record of condense, which is a JSON object.")
    return content


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is larger than any number that can be kept")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
