"""Records: one JSON object a line for each finished piece of work, the only input of tables and pages."""

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError, shortened
from condense.files import append_line, check_writable
from condense.machine import Surroundings
from condense.old_records import in_format_2
from condense.record_settings import SETTINGS
from condense.versions import Code

FORMAT = 2
"""Of lines; those before it stated none."""
AT_CHANCE = "accuracy stays at chance"
"""Note of a record whose networks name the classes no better than by chance."""

Task = Literal["learn", "evaluate", "whole", "fit", "sweep", "side", "part", "cause", "score"]
TESTED: tuple[Task, ...] = ("evaluate", "whole", "fit", "sweep")
"""Tasks of which every network has an accuracy."""


@dataclass(frozen=True)
class Cost:
    """What a piece of work took, and where.

    wall_seconds: of the work itself; warm_up_seconds: of compiling and the precision test before it; training_seconds: of
    training alone, where that was measured; experts_seconds: of training the networks that a method draws from, whenever
    that was done (beside wall_seconds); peak_memory_bytes: while it was done, of the process (CPU) or PyTorch's allocator
    (GPU), None where it is not known; started_at: UTC, ISO 8601; estimate: what was said before it began
    (estimated_seconds, estimated_memory_bytes), with the terms that came from.
    """

    wall_seconds: float
    peak_memory_bytes: int | None
    device: str
    threads: int
    started_at: str
    warm_up_seconds: float = 0.0
    training_seconds: float | None = None
    experts_seconds: float = 0.0
    estimate: dict[str, int | float] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    @staticmethod
    def of(surroundings: Surroundings, *, wall_seconds: float, peak_memory_bytes: int | None, **more: Any) -> "Cost":
        """The cost of work that was done in these surroundings; more: fields that have a default."""
        where = {name: getattr(surroundings, name) for name in ("device", "threads", "started_at")}
        return Cost(wall_seconds=wall_seconds, peak_memory_bytes=peak_memory_bytes, **where, **more)


@dataclass(frozen=True)
class Record:
    """What was done, with which configuration, what came out, what it cost, which code did it.

    task: 'learn' (stage C), 'evaluate' (stage T on a synthetic set), 'whole' (stage T on all real images), 'fit' (a run of
    `condense generalize`), 'sweep' (networks of one row of hyper-parameters), 'side', 'part' or 'cause' (of parity with
    another framework: a run of one program, two runs compared, or a change measured with paired seeds), 'score' (measures
    of a set, from networks on it, on random images and on all).
    config: the resolved configuration; evaluations name the set they belong to under config['set'].
    seeds: one for each network. metrics: by name, one value for each seed, None where training that diverged left none;
    'accuracy' is the fraction of the test images classified correctly.
    series: by name, values by step or epoch; 'loss' of learning: the matching loss of each iteration (sum over classes and
    outer steps, divided by their number).
    diverged: those of the seeds whose training ended in numbers that are not finite; what they score means nothing.
    execution: how an experiment was computed (`Execution.facts`), whose configuration is what it is found by and does not
    hold it; config['execution'] of learning and evaluations. Records of version 0.1 have neither.
    results: what a side, a part or a cause came to, with its name and title; of a score measures and accuracies.
    """

    task: Task
    config: dict[str, Any]
    seeds: list[int]
    metrics: dict[str, list[float | None]]
    cost: Cost
    code: Code
    series: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    diverged: list[int] = field(default_factory=list)
    execution: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def method(self) -> str | None:
        """The method of stage C that made the set, where there is one."""
        of_set = self.config.get("set")
        return self.config.get("method", of_set.get("method") if isinstance(of_set, dict) else None)

    @property
    def protocol(self) -> str | None:
        """The name of the protocol of stage T, where there is one."""
        return self.config.get("protocol")

    @property
    def accuracies(self) -> list[float]:
        """Fractions of the test images, one for each seed; none where nothing was tested."""
        return cast(list[float], self.metrics.get("accuracy", []))  # without None, as reading checks

    @property
    def losses(self) -> list[float]:
        """The matching loss of each iteration of learning."""
        return self.series.get("loss", [])

    @property
    def wall_seconds(self) -> float:
        """Of the work itself."""
        return self.cost.wall_seconds

    @property
    def warm_up_seconds(self) -> float:
        """Of compiling and the precision test before it."""
        return self.cost.warm_up_seconds

    @property
    def peak_memory_bytes(self) -> int | None:
        """While it was done; None where it is not known."""
        return self.cost.peak_memory_bytes

    @property
    def device(self) -> str:
        """The device's kind, and a GPU's model."""
        return self.cost.device

    @property
    def threads(self) -> int:
        """Of the CPU."""
        return self.cost.threads

    @property
    def started_at(self) -> str:
        """UTC, ISO 8601."""
        return self.cost.started_at

    @property
    def code_version(self) -> str:
        """Version and commit in one text (`versions.code_version`)."""
        return str(self.code)

    @property
    def library_versions(self) -> dict[str, str]:
        """By the library's name."""
        return self.code.libraries

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the configuration."""
        return config_hash(self.config)

    @property
    def stated(self) -> dict[str, Any]:
        """What follows from the configuration and stands in the line for whoever queries lines."""
        return {"method": self.method, "protocol": self.protocol}

    def to_json(self) -> str:
        """One line of JSON, without a line break."""
        values = asdict(self)
        for name in ("series", "notes", "diverged", "execution", "results"):
            if not values[name]:
                del values[name]
        if not self.cost.experts_seconds:
            del values["cost"]["experts_seconds"]
        values |= {"format": FORMAT, "config_hash": self.config_hash, **self.stated}
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


def read_records(path: Path | str) -> list[Record]:
    """All records of a file, in order; lines of version 0.1 as what they are in this format.

    Raises `CondenseError` naming file and line when one is damaged: not JSON, a field missing or unknown, lists of
    different length, an accuracy outside [0, 1], a configuration that does not match its hash, or values in it that are of
    another type than everything that reads them needs; or was written by a later version. A byte-order mark at the
    beginning is passed over.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise CondenseError(f"Cannot read records from {path}: {getattr(error, 'strerror', None) or error}.") from error
    records = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise CondenseError(f"{path} holds no records.")
    return records


_ADAPTER = TypeAdapter(Record)


def _parse(line: str, where: str) -> Record:
    content = _json_object(line, where)
    stored_hash, of_format = content.pop("config_hash", None), content.pop("format", None)
    if of_format not in (None, FORMAT):
        raise CondenseError(f"{where}: a record of format {shortened(of_format)}; this condense reads them up to {FORMAT}.")
    try:
        fields = in_format_2(content) if of_format is None else content
        stated = {name: fields.pop(name, None) for name in ("method", "protocol")} if of_format else None
        record = _ADAPTER.validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        raise CondenseError(f"{where}: damaged record ({_first(error)}).") from error
    except RecursionError as error:
        raise CondenseError(f"{where}: damaged record (values in values in values without end).") from error
    if stored_hash != record.config_hash:
        raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
    try:
        SETTINGS[record.task].validate_json(json.dumps(record.config), strict=True)
    except ValidationError as error:
        raise CondenseError(f"{where}: damaged record (config.{_first(error)}).") from error
    if stated not in (None, record.stated):
        raise CondenseError(f"{where}: method and protocol do not match the configuration; the record was changed.")
    _check_numbers(record, where)
    return record


def _first(error: ValidationError) -> str:
    """Place and reason of the first mistake."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg']}"


def _check_numbers(record: Record, where: str) -> None:
    """What no type says of the lists, costs and code of a record."""
    if record.task in TESTED and "accuracy" not in record.metrics:
        raise CondenseError(f"{where}: networks without an accuracy.")
    for name, values in record.metrics.items():
        if len(record.seeds) != len(values):
            raise CondenseError(f"{where}: {len(record.seeds)} seeds but {len(values)} {_plural(name)}.")
    if not all(0 <= accuracy <= 1 for accuracy in _fractions(record.metrics)):
        raise CondenseError(f"{where}: an accuracy is not a fraction between 0 and 1.")
    if len(set(record.seeds)) < len(record.seeds) or not all(0 <= seed < 2**63 for seed in record.seeds):
        raise CondenseError(f"{where}: seeds must be from 0 to 2^63 - 1, and each there once.")
    if not set(record.diverged) <= set(record.seeds):
        raise CondenseError(f"{where}: diverged names seeds that are not among the record's.")
    cost = record.cost
    seconds = (cost.wall_seconds, cost.warm_up_seconds, cost.training_seconds, cost.experts_seconds)
    if not all(0 <= number < 2**63 for number in (*seconds, cost.peak_memory_bytes, cost.threads) if number is not None):
        raise CondenseError(f"{where}: times, memory and threads must be from 0 to 2^63 - 1.")
    if (record.code.commit is None) is not (record.code.clean is None):
        raise CondenseError(f"{where}: of the code, commit and clean must both be stated, or neither.")


def _fractions(metrics: dict[str, list[float | None]]) -> Iterator[float]:
    """All that must be fractions; -1 for an accuracy on the test images that is not there."""
    for name, values in metrics.items():
        if name.endswith("accuracy"):
            yield from (-1 if value is None else value for value in values if value is not None or name == "accuracy")


def _plural(name: str) -> str:
    """'training accuracies', 'training losses'."""
    words = shortened(name).replace("_", " ")
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}es"


def needed(record: Record, *path: str) -> Any:
    """The entry of a record's configuration under `path`; raises `CondenseError` naming it when there is none."""
    value: Any = record.config
    for key in path:
        if not isinstance(value, dict) or key not in value:
            name = "config" + "".join(f"['{part}']" for part in path)
            raise CondenseError(f"A record of task '{record.task}' has no {name}; tables and figures need it.")
        value = value[key]
    return value


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
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


def _whole(text: str) -> int:
    _finite(text)  # what is computed with numbers is computed with floats
    return int(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
