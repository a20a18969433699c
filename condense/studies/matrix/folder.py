"""The folder of a matrix: one folder a set, in it the set and one file of records a cell.

`matrix.json` holds the settings all sets share, and which rectangles of cells were asked for. A set or a cell is taken by
locking a file; the lock ends with the process that holds it, however that ends.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from condense.checking import as_dict, checked
from condense.config import MatrixConfig
from condense.data.images import DataSet
from condense.data.naming import stored_name
from condense.errors import CondenseError
from condense.files import check_writable, locked, refuse_other_files, write_atomically
from condense.records import Record, needed, read_records
from condense.stage_c.checkpoint import checkpoint_path
from condense.stage_t.own_protocols import check_names
from condense.studies.matrix.tasks import CellTask, SetTask, Task, cell_tasks
from condense.synthetic_set import SyntheticSet

FORMAT = "condense matrix 2"
DONE, RUNNING, MISSING = "done", "running", "missing"


@dataclass(frozen=True)
class MatrixFolder:
    """The files of a matrix, and what is done of it."""

    path: Path

    @property
    def description(self) -> Path:
        """What was asked for."""
        return self.path / "matrix.json"

    def check(self, config: MatrixConfig) -> list[MatrixConfig]:
        """What was asked for before `config`.

        Raises `CondenseError` when the folder holds something else, or a matrix whose sets have other settings or one of
        whose protocols has another one's name.
        """
        refuse_other_files(self.description, "matrix")
        if not self.description.exists():
            return []
        before = self.asked()
        for earlier in before:
            _check_same_settings(self.path, earlier, config)
        try:
            check_names([protocol for one in (*before, config) for protocol in one.protocol])
        except CondenseError as error:
            raise CondenseError(f"{self.path}: {error}") from error
        return before

    def check_images(self, data: DataSet) -> None:
        """Raises `CondenseError` when the matrix that is here is of other images, whatever they are called."""
        if not self.description.exists():
            return
        for name, fingerprint in self._content()["images"].items():
            if not (data.train if name == "training" else data.test).is_known_as(fingerprint):
                raise CondenseError(
                    f"{self.path} holds a matrix of other {name} images of {data.name}. Choose another --out."
                )

    def named_as_before(self, config: MatrixConfig) -> MatrixConfig:
        """The same with its data set as it was stated before, where that is the same; whole paths in earlier versions."""
        if not self.description.exists():
            return config
        before = (earlier.dataset for earlier in self.asked())
        return replace(config, dataset=next((d for d in before if stored_name(d) == config.dataset), config.dataset))

    def as_recorded(self, data: DataSet) -> DataSet:
        """The data set under the fingerprints that stand here, so that all records of the matrix have the same."""
        if not self.description.exists():
            return data
        known = self._content()["images"]
        return data.as_recorded([known["training"]], [known["test"]])

    def ask_for(self, config: MatrixConfig, data: DataSet) -> None:
        """Adds what `config` asks for to what was asked for before. Raises `CondenseError` as the checks do."""
        check_writable(self.description)
        lock = self.path / ".locks" / "matrix.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            self.check_images(data)
            before = self.check(config)
            if config not in before:
                requests = [_split(one)[1] for one in [*before, config]]
                settings, images = _split(config)[0], _fingerprints(data)
                content = {"format": FORMAT, "images": images, "settings": settings, "requests": requests}
                write_atomically(self.description, json.dumps(content, indent=1) + "\n")

    def asked(self) -> list[MatrixConfig]:
        """All that was asked for. Raises `CondenseError` when there is no matrix here or its description is damaged."""
        return [self._request(request) for request in self._content()["requests"]]

    def _request(self, values: dict[str, Any]) -> MatrixConfig:
        # The images may lie elsewhere by now; what is in the folder can be read without them.
        dataset = values.get("dataset")
        if not isinstance(dataset, str):
            raise CondenseError(f"{self.description} is damaged: it does not say of which data set it is.")
        others = {name: value for name, value in values.items() if name != "dataset"}
        try:
            config = checked(MatrixConfig, others, called=lambda name: f"{self.description}: {name}", strict=True)
        except CondenseError as error:  # nobody writes it by hand, so that the first of what is wrong says enough
            raise CondenseError(str(error).splitlines()[0]) from error
        return replace(config, dataset=dataset)

    def _content(self) -> dict[str, Any]:
        """The images' fingerprints, and each request with the settings all share."""
        try:
            content = json.loads(self.description.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise CondenseError(f"{self.description} was written by another version of condense.")
            images = {name: str(content["images"][name]) for name in ("training", "test")}
            return {"images": images, "requests": [{**content["settings"], **one} for one in content["requests"]]}
        except FileNotFoundError as error:
            raise CondenseError(f"{self.path} holds no matrix: there is no matrix.json.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CondenseError(f"{self.description} is damaged: {error}.") from error

    def cells_asked(self) -> list[CellTask]:
        """Every cell that was asked for, once, with the largest number of seeds."""
        found: dict[tuple[SetTask, str], CellTask] = {}
        for task in (task for config in self.asked() for task in cell_tasks(config)):
            key = task.of, task.name
            if key not in found or found[key].seeds < task.seeds:
                found[key] = task
        return list(found.values())

    def set_path(self, task: SetTask) -> Path:
        """The file of a set."""
        return self.path / task.name / "set.h5"

    def set_records(self, task: SetTask) -> Path:
        """The record of how a set was learned."""
        return self.path / task.name / "set.jsonl"

    def cell_records(self, task: CellTask) -> Path:
        """The records of a cell, one for each time that seeds were added."""
        return self.path / task.of.name / f"{task.name}.jsonl"

    def learned(self, task: SetTask) -> Record | None:
        """The record of a finished set; None for one that is not finished."""
        path = self.set_path(task)
        if not path.exists() or checkpoint_path(path).exists():
            return None
        return read_records(self.set_records(task))[0]

    def load(self, task: SetTask) -> SyntheticSet:
        """A finished set. Raises `CondenseError` where the file is damaged, or not the set of its record."""
        path, record = self.set_path(task), self.learned(task)
        found = SyntheticSet.load(path)
        if record is None or needed(record, "set") != found.sha256:
            raise CondenseError(f"{path} is not the set that {self.set_records(task)} describes.")
        return found

    def tested(self, task: CellTask) -> list[Record]:
        """The records of a cell. Raises `CondenseError` for those of another set, network or protocol."""
        path, learned = self.cell_records(task), self.learned(task.of)
        if learned is None or not path.exists() or not path.stat().st_size:  # empty: a kill just before the line was written
            return []
        records = read_records(path)
        for record in records:
            if record.task != "evaluate" or needed(record, "set", "sha256") != needed(learned, "set"):
                raise CondenseError(f"{path} holds records that do not belong to {self.set_path(task.of)}.")
            found = needed(record, "network"), needed(record, "protocol")
            if found != (task.network, str(task.protocol)):
                raise CondenseError(f"{path} holds records of {found[0]} under the protocol {found[1]}.")
        return records

    def missing_seeds(self, task: CellTask) -> list[int]:
        """The seeds of a cell that are not recorded yet."""
        recorded = {seed for record in self.tested(task) for seed in record.seeds}
        return [seed for seed in range(task.seeds) if seed not in recorded]

    def is_done(self, task: Task) -> bool:
        """Whether nothing is left to do."""
        return not self.missing_seeds(task) if isinstance(task, CellTask) else self.learned(task) is not None

    def state(self, task: Task) -> str:
        """Done, running (in some process) or missing."""
        if self.is_done(task):
            return DONE
        if not self._lock_path(task).exists():
            return MISSING
        with self.taken(task) as free:
            return MISSING if free else RUNNING

    def taken(self, task: Task) -> AbstractContextManager[bool]:
        """Takes a task within a `with` statement: True, or False where another process has it."""
        return locked(self._lock_path(task))

    def _lock_path(self, task: Task) -> Path:
        name = task.name if isinstance(task, SetTask) else f"{task.of.name}--{task.name}"
        return self.path / ".locks" / f"{name}.lock"


def _fingerprints(data: DataSet) -> dict[str, str]:
    return {"training": data.train.fingerprint, "test": data.test.fingerprint}


def _split(config: MatrixConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """(Settings all sets share, what is asked for) as plain values."""
    shared = config.making
    values = as_dict(config)
    return (
        {name: value for name, value in values.items() if name in shared},
        {name: value for name, value in values.items() if name not in shared},
    )


def _check_same_settings(path: Path, there: MatrixConfig, now: MatrixConfig) -> None:
    before, after = _split(there)[0], _split(now)[0]
    differing = [
        f"{name}: {before.get(name)!r} there, {after.get(name)!r} now"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    if differing:
        raise CondenseError(f"{path} holds a matrix with other settings ({'; '.join(differing)}). Choose another --out.")
