"""Folders of version 0.1: sweep.json, the records of all rows in one file, and of the row that was being trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from condense.errors import CondenseError, shortened
from condense.records import Record, read_records
from condense.studies.hyperparameters.asked import Asked
from condense.studies.hyperparameters.row_records import belongs, check_complete, with_own_estimate
from condense.texts import json_of

FORMAT = "condense sweep 1"
DESCRIPTION = "sweep.json"


def content_of(path: Path) -> dict[str, Any] | None:
    """What sweep.json says was asked for, as today's folders say it; None where there is none.

    Raises `CondenseError` where it cannot be read, or is of another version.
    """
    description = path / DESCRIPTION
    where = f"{shortened(description)} is damaged"
    try:
        content = json_of(description.read_bytes(), where)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CondenseError(f"Cannot read {shortened(description)}: {error.strerror}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), str):
        raise CondenseError(f"{where}: it does not say which format it has.")
    if content.pop("format") != FORMAT:
        raise CondenseError(f"{shortened(description)} was written by another version of condense.")
    seeds = content.pop("seeds", None)
    if type(seeds) is not int:
        raise CondenseError(f"{where}: seeds must be a whole number.")
    return {**content, "source": content.get("dataset"), "seed_ranges": [[0, seeds - 1]]}


def finished(path: Path) -> list[Record]:
    """The records of rows that version 0.1 finished, and what it had of the row that it was training.

    Raises `CondenseError` where they are damaged.
    """
    if not (path / DESCRIPTION).exists():
        return []
    records = _read(path / "records.jsonl")
    there = {(record.config_hash, seed) for record in records for seed in record.seeds}
    unfinished = [  # but where it was killed just after this one joined the others
        with_own_estimate(record)
        for record in _read(path / "unfinished.jsonl")
        if record.seeds and not any((record.config_hash, seed) in there for seed in record.seeds)
    ]
    return [*records, *unfinished]


def _read(path: Path) -> list[Record]:
    records = read_records(path) if path.exists() else []
    for number, record in enumerate(records, 1):
        check_complete(record, f"{path}, line {number}")
    return records


def by_row(asked: Asked, records: Iterable[Record]) -> Mapping[tuple[str, str], list[Record]]:
    """The records of each row by its name and that of the images it is trained on."""
    found: dict[tuple[str, str], list[Record]] = {}
    for on in asked.trained_on:
        own = [record for record in records if belongs(record, on)]
        for row in asked.grid.rows:
            found[row.name, on.name] = [record for record in own if record.config["row"] == row.settings]
    return found
