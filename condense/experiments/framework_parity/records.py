"""Records of a parity run: one JSON line a finished part or cause, the only input of its tables."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.files import append_line
from condense.records import config_hash


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


NEEDED = {
    "part": {"status", "sentence", "loss", "gradient", "weight", "first", "limit"},
    "cause": {"base", "seeds", "test_loss", "aligned_test_loss", "accuracy", "aligned_accuracy", "epochs_tested", "setting"},
}
"""What the tables read from every record's results."""

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
        try:
            content = json.loads(line)
            stored = content.pop("config_hash")
            record = _ADAPTER.validate_json(json.dumps(content), strict=True)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise CondenseError(f"{where}: not a complete record of condense parity.") from error
        if not NEEDED[record.kind] <= record.results.keys():
            raise CondenseError(f"{where}: not a complete record of condense parity.")
        if stored != config_hash(record.config):
            raise CondenseError(f"{where}: the configuration does not match its hash; the record was changed.")
        found.append(record)
    return found
