"""Folders of parity runs that version 0.1 wrote: parity.json, all records in one file, dumps without records of their own.

Released ones are without parity.json and dumps: their records state the settings.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from condense.data.naming import shareable
from condense.errors import CondenseError, shortened
from condense.records import Cost, Record, read_records
from condense.studies.parity.cells import CAUSES, PARTS, RUNS, digests_in, holds
from condense.studies.parity.effects import Outcome
from condense.studies.parity.npz import digest
from condense.studies.parity.records import check
from condense.studies.parity.simplenn_parts import OCTAVE
from condense.studies.parity.trajectory import load_trajectory
from condense.texts import json_of
from condense.versions import Code

FORMAT = "condense parity 1"
OCTAVE_START = "octave-start.npz"
"""Initial weights and batches of the real simpleNN's run, beside its folder; as in this version."""


def content(path: Path) -> dict[str, Any] | None:
    """The content of the study that lies there; None where there is none. Raises `CondenseError` where it is damaged."""
    description = path / "parity.json"
    if not description.exists() and not _begins_with_parity(path / "records.jsonl"):
        return None
    lines = _lines(path)
    names = {task: [line.results["name"] for line in lines if line.task == task] for task in ("part", "cause")}
    ran = {file.stem for file in (path / RUNS).glob("*.npz")}
    stated = {"settings": lines[0].config, "data": None} if not description.exists() else _description(description)
    return {
        **shareable(stated["settings"]),
        "data": stated["data"],
        "cause": list(dict.fromkeys(names["cause"])),
        "proof": bool(names["part"] or ran),
        "octave": OCTAVE in ran or (path / OCTAVE_START).exists() or "twin-octave" in names["part"],
    }


def records(path: Path, settings: dict[str, Any], *, alone: bool) -> dict[str, list[Record]]:
    """The records of a folder by the keys of cells, as far as they hold and no newer ones are there.

    settings: as records have them; alone: without the runs they were made of, so that nothing is known of these.
    """
    found = {f"{PARTS if line.task == 'part' else CAUSES}/{line.results['name']}": line for line in _lines(path)}
    if not alone:
        digest_of = digests_in(path / RUNS)
        found = {key: record for key, record in found.items() if holds(record, digest_of)}
        if (path / "parity.json").exists():
            found |= {f"{file.parent.name}/{file.stem}": _of_run(file, settings) for file in _run_files(path)}
    return {key: [record] for key, record in found.items() if not (path / f"{key}.jsonl").exists()}


def _description(path: Path) -> dict[str, Any]:
    try:
        stated = json_of(path.read_bytes(), f"{shortened(path)} is damaged")
        if stated["format"] != FORMAT:
            raise CondenseError(f"{path} was written by another version of condense.")
        return {"settings": dict(stated["settings"]), "data": str(stated["data"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CondenseError(f"{path} is damaged: {shortened(error)}.") from error


def _begins_with_parity(path: Path) -> bool:
    """Whether the first line of a file of records is one of parity."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("kind") in ("part", "cause")


def _lines(path: Path) -> list[Record]:
    file = path / "records.jsonl"
    if not file.exists() or not file.stat().st_size:
        return []
    found = read_records(file)
    for number, record in enumerate(found, 1):
        check(record, f"{file}, line {number}")
    return found


def _run_files(path: Path) -> Iterator[Path]:
    for folder in (RUNS, CAUSES):
        yield from sorted((path / folder).glob("*.npz"))


def _of_run(file: Path, settings: dict[str, Any]) -> Record:
    """The record of a run from its file, with when that was written; what it cost is not known.

    Raises `CondenseError` where the file is damaged.
    """
    results = {"name": file.stem, "title": file.stem, "digest": digest(file)}
    if file.parent.name == RUNS:
        run = load_trajectory(file)
        results |= {"program": run.program, "hashes": run.hashes}
    else:
        Outcome.load(file)
        results |= {"program": "PyTorch"}
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
    cost, code = Cost(0.0, None, "cpu", 0, written), Code("0.1", None, None, {})
    return Record("side", settings, [], {}, cost, code, results=results)
