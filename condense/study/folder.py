"""The folder of a study: what was asked for, a file of records a cell, and what is known of cells that are not done.

DIR/study.json            what was asked for
DIR/KEY.jsonl             the records of a cell: it is done; what else it made lies beside
DIR/.study/KEY/           of a cell that is not: its lock, checkpoint, progress and failure; nothing to be passed on
"""

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from condense.errors import CondenseError, shortened
from condense.files import check_writable, locked, write_atomically
from condense.machine import now
from condense.records import Record, read_records
from condense.study.cell import Cell, Place
from condense.texts import json_of

FORMAT = "condense study 1"
PARTS = ".study"


@dataclass(frozen=True)
class Running:
    """A cell that is being computed: by which process where, since when (UTC), and how far it is."""

    host: str
    process: int
    started_at: str
    device: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Failure:
    """A cell that failed: why, how many times so far, and when the last time was (UTC)."""

    reason: str
    times: int
    at: str


@dataclass(frozen=True)
class StudyFolder:
    """The files of a study.

    earlier: records of cells in files of version 0.1, by the cells' keys; outdated: keys of cells that count as not done,
    as their records no longer hold.
    """

    path: Path
    earlier: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    outdated: frozenset[str] = frozenset()

    @property
    def description(self) -> Path:
        """What was asked for."""
        return self.path / "study.json"

    @property
    def images(self) -> Path:
        """Where the images lie on this machine."""
        return self.path / PARTS / "images.json"

    def content(self) -> dict[str, Any]:
        """What was asked for, with `kind`. Raises `CondenseError` where there is no study here, or it is damaged."""
        where = f"{shortened(self.description)} is damaged"
        try:
            content = json_of(self.description.read_bytes(), where)
        except FileNotFoundError as error:
            raise CondenseError(f"{shortened(self.path)} holds no study: there is no study.json.") from error
        if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
            raise CondenseError(f"{where}: it does not say which kind of study it is.")
        if content.pop("format", None) != FORMAT:
            raise CondenseError(f"{shortened(self.description)} was written by another version of condense.")
        return content

    def describe(self, kind: str, content: Mapping[str, Any]) -> None:
        """Writes what is asked for. Raises `CondenseError` where it cannot be written."""
        check_writable(self.description)
        text = json.dumps({"format": FORMAT, "kind": kind, **content}, indent=1) + "\n"
        if not self.description.exists() or self.description.read_text(encoding="utf-8") != text:
            write_atomically(self.description, text)

    @contextmanager
    def described_alone(self) -> Iterator[None]:
        """Keeps other processes from changing what is asked for, until it ends; waits for those that do."""
        with locked(self.path / PARTS / "study.lock", wait=True):
            yield

    def records_path(self, key: str) -> Path:
        """The file of a cell's records."""
        return self.path / f"{key}.jsonl"

    def place(self, cell: Cell) -> Place:
        """Where a cell finds and leaves files."""
        return Place(self.records_path(cell.key).parent, self._part(cell.key, "checkpoint"))

    def is_done(self, key: str) -> bool:
        """Whether a cell's records are there, and hold."""
        path = self.records_path(key)
        if key in self.outdated:
            return False
        return key in self.earlier or (path.exists() and path.stat().st_size > 0)

    def records(self, key: str) -> list[Record]:
        """A cell's records, none where it is not done. Raises `CondenseError` where they are damaged."""
        if not self.is_done(key):
            return []
        return list(self.earlier[key]) if key in self.earlier else read_records(self.records_path(key))

    def finish(self, key: str, records: list[Record]) -> None:
        """Writes a cell's records whole, by which it is done, and removes what only its computation needed."""
        write_atomically(self.records_path(key), "".join(f"{record.to_json()}\n" for record in records))
        self.tidy(key)

    def forget(self, key: str) -> None:
        """Removes a cell's records, by which it is not done; what else it made stays."""
        self.records_path(key).unlink(missing_ok=True)

    def tidy(self, key: str) -> None:
        """Removes what is left of computing a cell that is done, as after a kill at the last moment; not its lock."""
        part = self._part(key, "")
        for path in part.iterdir() if part.is_dir() else ():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    @contextmanager
    def claimed(self, key: str) -> Iterator[bool]:
        """Takes a cell within a `with` statement: True, or False where another process has it."""
        with locked(self._part(key, "lock")) as free:
            yield free

    def is_claimed(self, key: str) -> bool:
        """Whether some process has the cell now."""
        if not self._part(key, "lock").exists():
            return False
        with self.claimed(key) as free:
            return not free

    def alone(self, device: str) -> AbstractContextManager[bool]:
        """Keeps other timed cells of this study off a device of this host: True, or False where there is one on it."""
        return locked(self.path / PARTS / f"alone-{socket.gethostname()}-{device.replace(':', '')}.lock")

    def tell(self, key: str, running: Running) -> None:
        """Says how a cell gets on."""
        _write(self._part(key, "running.json"), running)

    def running(self, key: str) -> Running | None:
        """What its process says of a cell that is being computed; None where there is nothing (yet)."""
        return _read(self._part(key, "running.json"), _RUNNING)

    def fail(self, key: str, reason: str) -> None:
        """Records that a cell failed."""
        before = self.failure(key)
        _write(self._part(key, "failed.json"), Failure(reason, (before.times if before else 0) + 1, now()))
        self._part(key, "running.json").unlink(missing_ok=True)

    def failure(self, key: str) -> Failure | None:
        """How a cell failed the last time; None where it did not."""
        return _read(self._part(key, "failed.json"), _FAILURE)

    def log(self, key: str) -> Path:
        """What the process of a cell said."""
        return self._part(key, "log.txt")

    def _part(self, key: str, name: str) -> Path:
        return self.path / PARTS / key / name


def begun(device: str) -> Running:
    """Of a cell that begins now in this process."""
    return Running(socket.gethostname(), os.getpid(), now(), device)


_RUNNING, _FAILURE = TypeAdapter(Running), TypeAdapter(Failure)


def _write(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(asdict(value)) + "\n")


def _read(path: Path, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CondenseError(f"{shortened(path)} is damaged; delete it.") from error
