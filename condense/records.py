"""Records: one JSON object a line for each finished piece of work, the only input of tables and pages."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.files import append_line, check_writable


@dataclass(frozen=True)
class Record:
    """What was done, with which configuration, what came out, what it cost.

    kind: 'learn' (stage C; `losses` filled), 'evaluate' (stage T on a synthetic set), 'whole' (stage T on all real
    images) or 'fit' (an experiment's training on real images; its course, by epoch, in `series`).
    config: the resolved configuration; evaluations name the set they belong to under config['set'].
    seeds, accuracies: equal length; accuracies are fractions of the test images classified correctly.
    losses: matching loss of each iteration of stage C (sum over classes and outer steps, divided by their number).
    wall_seconds: time of the work itself; warm_up_seconds: of compiling and the precision test before it;
    peak_memory_bytes: of the process (CPU) or the device (GPU).
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

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the configuration."""
        return config_hash(self.config)

    def to_json(self) -> str:
        """One line of JSON, without a line break."""
        values = {**asdict(self), "config_hash": self.config_hash}
        if not self.series:
            del values["series"]
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
    different length, an accuracy outside [0, 1], or a configuration that does not match its hash.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
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
        first = error.errors()[0]
        field_name = ".".join(map(str, first["loc"]))
        raise CondenseError(f"{where}: damaged record ({field_name}: {first['msg']}).") from error
    if stored_hash != record.config_hash:
        raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
    if len(record.seeds) != len(record.accuracies):
        raise CondenseError(f"{where}: {len(record.seeds)} seeds but {len(record.accuracies)} accuracies.")
    if not all(0 <= accuracy <= 1 for accuracy in record.accuracies):
        raise CondenseError(f"{where}: an accuracy is not a fraction between 0 and 1.")
    return record


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CondenseError(f"{where}: not a complete line of JSON ({error}). The others count without it.") from error
    if not isinstance(content, dict):
        raise CondenseError(f"{where}: not a record of condense, which is a JSON object.")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
