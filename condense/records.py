"""Records: one JSON object a line for each finished piece of work, the only input of tables and pages."""

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.files import cannot_write


@dataclass(frozen=True)
class Record:
    """What was done, with which configuration, what came out, what it cost.

    kind: 'learn' (stage C; `losses` filled), 'evaluate' (stage T on a synthetic set) or 'whole' (stage T on all real
    images). config: the resolved configuration; evaluations name the set they belong to under config['set'].
    seeds, accuracies: equal length; accuracies are fractions of the test images classified correctly.
    losses: matching loss of each iteration of stage C (sum over classes and outer steps, divided by their number).
    wall_seconds: time of the work itself; peak_memory_bytes: of the process (CPU) or the device (GPU).
    """

    kind: Literal["learn", "evaluate", "whole"]
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
    notes: list[str] = field(default_factory=list)

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the configuration."""
        return config_hash(self.config)

    def to_json(self) -> str:
        """One line of JSON, without a line break."""
        return json.dumps({**asdict(self), "config_hash": self.config_hash}, sort_keys=True, allow_nan=False)


def config_hash(config: dict[str, Any]) -> str:
    """SHA-256 of a configuration's canonical JSON (sorted keys, no spaces)."""
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def append_record(path: Path, record: Record) -> None:
    """Appends one line to `path` in a single write, so that concurrent writers do not mix lines."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write((record.to_json() + "\n").encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def read_records(path: Path) -> list[Record]:
    """All records of a file, in order.

    Raises `CondenseError` naming file and line when one is damaged: not JSON, a field missing or unknown, lists of
    different length, an accuracy outside [0, 1], or a configuration that does not match its hash.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CondenseError(f"Cannot read records from {path}: {getattr(error, 'strerror', None) or error}.") from error
    records = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise CondenseError(f"{path} holds no records.")
    return records


_ADAPTER = TypeAdapter(Record)


def _parse(line: str, where: str) -> Record:
    try:
        content = json.loads(line)
        stored_hash = content.pop("config_hash")
        record = _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(map(str, first["loc"]))
        raise CondenseError(f"{where}: damaged record ({field_name}: {first['msg']}).") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CondenseError(f"{where}: not a record of condense ({error!r}).") from error
    if stored_hash != record.config_hash:
        raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
    if len(record.seeds) != len(record.accuracies):
        raise CondenseError(f"{where}: {len(record.seeds)} seeds but {len(record.accuracies)} accuracies.")
    if not all(math.isfinite(a) and 0 <= a <= 1 for a in record.accuracies):
        raise CondenseError(f"{where}: an accuracy is not a fraction between 0 and 1.")
    return record
