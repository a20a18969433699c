"""Where cells are computed: the device, and where the images of a study lie on this machine."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from condense.checking import checked
from condense.data import catalog
from condense.data.images import DataSet
from condense.data.known import PUBLISHED
from condense.data.naming import stored_name
from condense.data.paths import check_apart
from condense.data.reading import Reading
from condense.errors import CondenseError, quoted, shortened
from condense.files import write_atomically
from condense.texts import json_of


@dataclass(frozen=True)
class Source:
    """Where a data set lies, a name or a path, and how it is read."""

    path: str
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Machine:
    """A device, and the sources of data sets by the names that results have them under; each is read once.

    say: who is told what was assumed in reading them.
    """

    device: torch.device
    data_root: Path | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    say: Callable[[str], None] = lambda remark: None
    _loaded: dict[str, DataSet] = field(default_factory=dict)

    def load(self, name: str) -> DataSet:
        """The data set of this name, on the device. Raises `CondenseError` where it is not to be found."""
        if name not in self._loaded:
            source = self.sources.get(name, Source(name))
            if source.path not in PUBLISHED and not os.path.exists(source.path):
                raise CondenseError(
                    f"The images {quoted(name)} are not at {shortened(Path(source.path))}: give the study's own command "
                    "with the place where they lie now."
                )
            data = catalog.load(source.path, data_root=self.data_root, reading=source.reading)
            for remark in data.remarks:
                self.say(remark)
            self._loaded[name] = data.to(self.device)
        return self._loaded[name]


def sources_of(folder: Path, images: Path, datasets: Sequence[str], reading: Reading) -> dict[str, Source]:
    """The sources of data sets as a command names them, and of those that were asked for before in a study's folder.

    images: the folder's file of sources. Raises `CondenseError` where the folder lies among images of theirs.
    """
    for name in datasets:
        check_apart(name, folder)
    absolute = {name: name if name in PUBLISHED else os.path.abspath(os.path.expanduser(name)) for name in datasets}
    return load_sources(images) | {stored_name(name): Source(path, reading) for name, path in absolute.items()}


def save_sources(path: Path, sources: Mapping[str, Source]) -> None:
    """Writes them, with those that are there already: for this machine, not to be passed on."""
    known = load_sources(path) | dict(sources)
    content = {name: {"path": one.path, "reading": one.reading.stated} for name, one in known.items()}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def load_sources(path: Path) -> dict[str, Source]:
    """Those that were written, none where there is no file. Raises `CondenseError` where it is damaged."""
    if not path.exists():
        return {}
    where = f"{shortened(path)} is damaged"
    content = json_of(path.read_bytes(), where)
    try:
        return {str(name): _source(one, path) for name, one in content.items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise CondenseError(f"{where}: {shortened(error)}.") from error


def _source(content: Mapping[str, Any], path: Path) -> Source:
    reading = checked(Reading, dict(content["reading"]), called=lambda name: f"{shortened(path)}: {name}", strict=True)
    return Source(str(content["path"]), reading)
