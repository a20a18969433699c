"""The folder of a sweep: what was asked for, the records of finished rows, and of the row that is being trained."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from condense.data.images import DataSet
from condense.errors import CondenseError, shortened
from condense.files import refuse_other_files, write_atomically
from condense.machine import Surroundings
from condense.records import append_record, read_records
from condense.studies.hyperparameters.grid import Grid
from condense.studies.hyperparameters.rows import Whole
from condense.studies.hyperparameters.trial import SweepRecord, Trial, check_complete
from condense.texts import json_of
from condense.versions import release_of

FORMAT = "condense sweep 1"


@dataclass(frozen=True)
class Proxy:
    """A small set a grid was trained on: its file's name and its own, what identifies it, and what learning it took.

    learn_seconds, learned_on (device and threads): as its record beside it says; None where there is none. 0 and None for a
    set that was not learned.
    """

    file: str
    label: str
    described: dict[str, Any]
    epochs_factor: Whole
    learn_seconds: Annotated[float, Field(ge=0)] | None
    learned_on: str | None = None


def real_images(count: int, whole: int) -> str:
    """What so many real training images, of so many in the data set, are called."""
    return "all images" if count == whole else f"{count:,} of {whole:,} training images"


@dataclass(frozen=True)
class Asked:
    """What was asked for in a folder.

    train_images, whole_images: real training images used, and of how many in the data set; held_out: how many of those used
    were held out, to compare rows on. None in folders of versions that did not say, or held none out.
    """

    format: str
    dataset: str
    described: dict[str, Any]
    classes: Whole
    grid: Grid
    seeds: Whole
    proxies: list[Proxy] = field(default_factory=list)
    train_images: Whole | None = None
    whole_images: Whole | None = None
    held_out: Whole | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def subset(self) -> bool:
        """Whether rows are trained on fewer images than the data set has."""
        return self.train_images != self.whole_images

    @property
    def label(self) -> str:
        """The real images that rows are trained on, as people read it."""
        if self.train_images is None:
            return "real images"
        return real_images(self.train_images - (self.held_out or 0), self.whole_images or 0)

    @property
    def compared_on(self) -> str:
        """The images that rows are compared and ranked on, in a word."""
        return "test" if self.held_out is None else "held-out"

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
        if before.held_out is None:
            raise CondenseError(
                f"{shortened(self.path)} holds a sweep of an earlier version, which compared rows on the test images; now a "
                "fifth of the training images is held out for that. Choose another --out."
            )
        for name, there, here in (
            ("images", (before.dataset, before.described), (now.dataset, now.described)),
            ("rows", _plain_rows(before.grid), _plain_rows(now.grid)),
        ):
            if there != here:
                raise CondenseError(f"{self.path} holds a sweep with other {name}. Choose another --out.")
        return replace(now, seeds=max(before.seeds, now.seeds), proxies=_joined(before.proxies, now.proxies))

    def as_recorded(self, data: DataSet) -> DataSet:
        """The images under the fingerprints that are in this folder, where they are known as these."""
        if not self.description.exists():
            return data
        asked = self.asked()
        described = [asked.described, *(proxy.described for proxy in asked.proxies)]
        train, test = (
            [one[name] for one in described if name in one] for name in ("dataset_fingerprint", "test_fingerprint")
        )
        return data.as_recorded(train, test)

    def ask_for(self, now: Asked) -> None:
        """Adds to what was asked for. Raises `CondenseError` as `check` does."""
        write_atomically(self.description, json.dumps(asdict(self.check(now)), indent=1) + "\n")

    def asked(self) -> Asked:
        """What was asked for; raises `CondenseError` when there is no sweep here or its description is damaged."""
        try:
            data = self.description.read_bytes()
        except FileNotFoundError:
            raise CondenseError(f"{self.path} holds no sweep: there is no sweep.json.") from None
        except OSError as error:
            raise CondenseError(f"Cannot read {shortened(self.description)}: {error.strerror}.") from error
        content = json_of(data, f"{shortened(self.description)} is damaged")
        try:
            found = _ASKED.validate_json(json.dumps(content), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = shortened(".".join(map(str, first["loc"])))
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
        found = [SweepRecord.of(record) for record in read_records(path)]
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
