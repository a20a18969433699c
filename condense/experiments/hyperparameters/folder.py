"""The folder of a sweep: what was asked for, the records of finished rows, and of the row that is being trained."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.experiments.hyperparameters.grid import Grid
from condense.experiments.hyperparameters.trial import SweepRecord, Trial, check_complete
from condense.files import refuse_other_files, write_atomically
from condense.machine import Surroundings
from condense.records import append_record, read_records
from condense.versions import release_of

FORMAT = "condense sweep 1"


@dataclass(frozen=True)
class Proxy:
    """A small set a grid was trained on: its file and name for people, what identifies it, and what learning it took.

    learn_seconds, learned_on (device and threads): as its record beside it says; None where there is none. 0 and None for a
    set that was not learned.
    """

    file: str
    label: str
    described: dict[str, Any]
    epochs_factor: int
    learn_seconds: float | None
    learned_on: str | None = None


def real_images(count: int, whole: int) -> str:
    """What so many real training images, of so many in the data set, are called."""
    return "all images" if count == whole else f"{count:,} of {whole:,} training images"


@dataclass(frozen=True)
class Asked:
    """What was asked for in a folder.

    train_images, whole_images: real training images used, and of how many in the data set; None in folders of versions that
    did not say.
    """

    format: str
    dataset: str
    described: dict[str, Any]
    classes: int
    grid: Grid
    seeds: int
    proxies: list[Proxy] = field(default_factory=list)
    train_images: int | None = None
    whole_images: int | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def subset(self) -> bool:
        """Whether rows are trained on fewer images than the data set has."""
        return self.train_images != self.whole_images

    @property
    def label(self) -> str:
        """The real images that rows are trained on, as people read it."""
        return "real images" if self.train_images is None else real_images(self.train_images, self.whole_images or 0)

    @property
    def from_more(self) -> list[Proxy]:
        """The proxies that were made from the whole data set where rows are trained on a part of it."""
        own = self.described.get("dataset_fingerprint")
        return [proxy for proxy in self.proxies if proxy.described.get("dataset_fingerprint") != own]

    @property
    def sources(self) -> list[tuple[dict[str, Any], int]]:
        """What rows are trained on, as in records: all real images, then the proxies; and epochs for each of the grid's."""
        return [(self.described, 1), *((proxy.described, proxy.epochs_factor) for proxy in self.proxies)]


_ASKED = TypeAdapter(Asked)


@dataclass(frozen=True)
class SweepFolder:
    """The files of a sweep, and what is done of it."""

    path: Path

    @property
    def description(self) -> Path:
        """What was asked for."""
        return self.path / "sweep.json"

    @property
    def records(self) -> Path:
        """The records of finished rows, one a line."""
        return self.path / "records.jsonl"

    @property
    def unfinished(self) -> Path:
        """The record of the row that is being trained, as far as it is."""
        return self.path / "unfinished.jsonl"

    def check(self, now: Asked) -> Asked:
        """What is asked for in all, with what was before. Raises `CondenseError` when something else was, or is here."""
        refuse_other_files(self.description, "sweep")
        if not self.description.exists():
            return now
        before = self.asked()
        for name, there, here in (
            ("images", (before.dataset, before.described), (now.dataset, now.described)),
            ("rows", _plain_rows(before.grid), _plain_rows(now.grid)),
        ):
            if there != here:
                raise CondenseError(f"{self.path} holds a sweep with other {name}. Choose another --out.")
        return replace(now, seeds=max(before.seeds, now.seeds), proxies=_joined(before.proxies, now.proxies))

    def ask_for(self, now: Asked) -> None:
        """Adds to what was asked for. Raises `CondenseError` as `check` does."""
        write_atomically(self.description, json.dumps(asdict(self.check(now)), indent=1) + "\n")

    def asked(self) -> Asked:
        """What was asked for; raises `CondenseError` when there is no sweep here or its description is damaged."""
        try:
            text = self.description.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CondenseError(f"{self.path} holds no sweep: there is no sweep.json.") from None
        try:
            found = _ASKED.validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CondenseError(f"{self.description} is damaged ({place or 'JSON'}: {first['msg']}).") from error
        if found.format != FORMAT:
            raise CondenseError(f"{self.description} was written by another version of condense.")
        return found

    def finished(self) -> list[SweepRecord]:
        """The records of all rows."""
        return self._read(self.records)

    def recorded(self) -> dict[str, set[int]]:
        """Seeds of the networks of finished rows by the hash of their record's configuration."""
        return _seeds(self.finished())

    def kept(self) -> dict[str, set[int]]:
        """The same with the finished networks of the row that is being trained."""
        return _seeds([*self.finished(), *self._read(self.unfinished)])

    def take_up(self, trials: Sequence[Trial], seeds: int, surroundings: Surroundings) -> SweepRecord | None:
        """The record of the row that was interrupted, to be continued; None where there is none.

        It is continued if it is among these trials, and under the same device, threads and versions, as the last digits
        depend on them. Otherwise it becomes a finished record of the networks it has, so that nothing is lost.
        """
        wanted = {trial.config_hash for trial in trials}
        for record in self._read(self.unfinished):
            done = self.recorded().get(record.config_hash, set())
            if not record.seeds or done & set(record.seeds):  # killed after it joined the others
                continue
            there = {name: getattr(record, name) for name in surroundings.arithmetic}
            same = surroundings.arithmetic == there | {"code_version": release_of(record.code_version)}
            if same and record.config_hash in wanted and set(record.seeds) < set(range(seeds)) - done:
                return record
            append_record(self.records, record.with_own_estimate())
        self.unfinished.unlink(missing_ok=True)
        return None

    def keep(self, record: SweepRecord, *, complete: bool) -> None:
        """Keeps what is done of a row; a complete record joins the others."""
        if not complete:
            write_atomically(self.unfinished, record.to_json() + "\n")
            return
        append_record(self.records, record)
        self.unfinished.unlink(missing_ok=True)

    def _read(self, path: Path) -> list[SweepRecord]:
        if not path.exists():
            return []
        found = read_records(path, SweepRecord)
        for number, record in enumerate(found, 1):
            check_complete(record, f"{path}, line {number}")
        return found


def _seeds(records: Sequence[SweepRecord]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for record in records:
        found.setdefault(record.config_hash, set()).update(record.seeds)
    return found


def _joined(before: Sequence[Proxy], now: Sequence[Proxy]) -> list[Proxy]:
    """The sets asked for before, as they are described now where they are asked for again, then those that are new."""
    described = {json.dumps([proxy.described, proxy.epochs_factor], sort_keys=True): proxy for proxy in [*before, *now]}
    return list(described.values())


def _plain_rows(grid: Grid) -> list[dict[str, Any]]:
    return [{"name": row.name, **row.settings} for row in grid.rows]
