"""Records of a parity run: one JSON line a finished part or cause, the only input of its tables."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.files import append_line
from condense.records import config_hash
from condense.texts import json_of


@dataclass(frozen=True)
class ParityRecord:
    """What was compared, under which settings, what came out.

    kind: 'part' (a comparison of two runs) or 'cause' (a change measured with paired seeds); results: of a part, the
    fields of `parts.Judgement` and, as `judged`, the SHA-256 of each dump it was given on; of a cause, lists with one
    entry for each seed, None where a network's loss was not finite.
    """

    kind: Literal["part", "cause"]
    name: str
    title: str
    config: dict[str, Any]
    results: dict[str, Any]
    wall_seconds: float
    threads: int
    code_version: str
    library_versions: dict[str, str]
    started_at: str

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def device(self) -> str:
        """Where it was run: always on the processor."""
        return "cpu"

    def to_json(self) -> str:
        """One line of JSON, without a line break."""
        return json.dumps({**asdict(self), "config_hash": config_hash(self.config)}, sort_keys=True, allow_nan=False)


@dataclass
class _Part:
    status: Literal["PASS", "FAIL", "NOT RUN"]
    sentence: str
    loss: float | None
    gradient: float | None
    weight: float | None
    first: str | None
    limit: float | None
    judged: dict[str, str] | None = None
    programs: list[str] = field(default_factory=list)
    floor_units: int = 1


@dataclass
class _Closing:
    first_steps: list[int | None]
    largest: float | None


@dataclass
class _Cause:
    base: str
    closes: str
    claim: str
    seeds: list[int]
    test_loss: list[float | None]
    aligned_test_loss: list[float | None]
    printed_loss: list[float | None]
    aligned_printed_loss: list[float | None]
    accuracy: list[list[float | None]]
    aligned_accuracy: list[list[float | None]]
    epochs_tested: list[int]
    first_steps: list[int | None]
    not_finite_from: list[int | None]
    closing: _Closing | None
    setting: dict[str, Any]
    steps: int = 1
    floor_units: int = 1


@dataclass
class _Settings:
    framework: Literal["simplenn", "keras"]
    dataset: str
    epochs: int
    batch: int


_NEEDED = {"part": TypeAdapter(_Part), "cause": TypeAdapter(_Cause), "settings": TypeAdapter(_Settings)}
"""What the tables read from every record's results and settings; there may be more."""

_ADAPTER = TypeAdapter(ParityRecord)


def append(path: Path, record: ParityRecord) -> None:
    """Appends one line in a single write."""
    append_line(path, record.to_json())


def read(path: Path) -> list[ParityRecord]:
    """All records, in order; none where there is no file. Raises `CondenseError` naming the line that is damaged."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        where = f"{path}, line {number}"
        content = json_of(line, f"{where}: not a complete record of condense parity")
        try:
            stored = content.pop("config_hash")
            record = _ADAPTER.validate_json(json.dumps(content), strict=True)
            _check_read(record)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise CondenseError(f"{where}: not a complete record of condense parity.") from error
        if stored != config_hash(record.config):
            raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
        found.append(record)
    return found


def _check_read(record: ParityRecord) -> None:
    """Raises `ValueError` where what the tables read is missing, of another type, or not one value for each seed."""
    _NEEDED["settings"].validate_json(json.dumps(record.config), strict=True)
    _NEEDED[record.kind].validate_json(json.dumps(record.results), strict=True)
    if record.kind == "cause":
        found, seeds = record.results, len(record.results["seeds"])
        by_seed = [found[name] for name in ("test_loss", "aligned_test_loss", "printed_loss", "aligned_printed_loss")]
        by_seed += [found["first_steps"], found["not_finite_from"], *found["accuracy"], *found["aligned_accuracy"]]
        tests = {len(found["epochs_tested"]), len(found["accuracy"]), len(found["aligned_accuracy"])}
        if not seeds or any(len(values) != seeds for values in by_seed) or len(tests) > 1 or tests == {0}:
            raise ValueError("lists of other lengths")
