"""The folder of a parity run: what was asked for, every run as a file, the records, the report."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from condense.checking import as_dict, checked
from condense.data.naming import shareable
from condense.errors import CondenseError, quoted, shortened
from condense.files import check_writable, refuse_other_files, write_atomically
from condense.studies.parity.config import ParityConfig
from condense.texts import json_of

FORMAT = "condense parity 1"


@dataclass(frozen=True)
class ParityFolder:
    """Paths, and the check that a folder is used for one setting only."""

    path: Path

    @property
    def description(self) -> Path:
        """The settings all results here share."""
        return self.path / "parity.json"

    @property
    def records(self) -> Path:
        """One line a finished part or cause."""
        return self.path / "records.jsonl"

    @property
    def causes(self) -> Path:
        """The runs behind the cause table."""
        return self.path / "causes"

    @property
    def octave_start(self) -> Path:
        """Initial weights and batches of the runs that start as Octave's did."""
        return self.path / "octave-start.npz"

    def side(self, name: str) -> Path:
        """The dump of one run."""
        return self.path / "runs" / f"{name}.npz"

    def digest(self, name: str) -> str:
        """SHA-256 of a run's dump as it lies there; '' where there is none."""
        path = self.side(name)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

    def open(self, config: ParityConfig, fingerprint: str) -> None:
        """Takes the folder for these settings and data (causes may be added later).

        Raises `CondenseError` when it holds something else, or was made with other settings or data.
        """
        check_writable(self.description)
        wanted = {"format": FORMAT, "data": fingerprint, "settings": _settings(config)}
        if self.description.exists():
            there = self._read()
            before = shareable(there["settings"]) | {"data": there["data"]}
            now = wanted["settings"] | {"data": fingerprint}
            differing = [
                f"{name}: {quoted(before.get(name))} there, {quoted(now[name])} now"
                for name in now
                if before.get(name) != now[name]
            ]
            if differing:
                raise CondenseError(
                    f"{self.path} holds a parity run with other settings ({'; '.join(differing)}). Choose another --out."
                )
            return
        refuse_other_files(self.description, "parity run")
        write_atomically(self.description, json.dumps(wanted, indent=1) + "\n")

    def config(self) -> ParityConfig:
        """The settings of what is here. Raises `CondenseError` when it is no parity run or damaged."""
        return checked(
            ParityConfig, self._read()["settings"], called=lambda name: f"{self.description}: {name}", strict=True
        )

    def _read(self) -> dict:
        try:
            content = json_of(self.description.read_bytes(), f"{shortened(self.description)} is damaged")
            if content["format"] != FORMAT:
                raise CondenseError(f"{self.description} was written by another version of condense.")
            return {"settings": dict(content["settings"]), "data": content["data"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CondenseError(f"{self.description} is damaged: {shortened(error)}.") from error


def _settings(config: ParityConfig) -> dict:
    return shareable({name: value for name, value in as_dict(config).items() if name != "cause"})


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes an `.npz` file atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_atomically(path, buffer.getvalue())
