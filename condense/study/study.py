"""Studies: which cells there are, from what was asked for, and what is reported of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from condense.checking import as_dict, checked
from condense.errors import CondenseError, quoted, shortened
from condense.records import Record
from condense.report.rendering import Table
from condense.study.cell import Cell
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.status import plan_table


class Study(ABC):
    """What was asked for in a folder; it knows its cells, and how they are reported.

    A frozen dataclass of settings is one as soon as it has `cells`, `materials`, `report` and `tables`.
    """

    kind: ClassVar[str]
    """What it is called in commands and in its folder."""
    title: ClassVar[str] = ""
    """What it is, in a line."""

    def content(self) -> dict[str, Any]:
        """All of it as JSON values, from which `of` makes it anew."""
        return as_dict(self)

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str) -> Self:
        """The study with this content. Raises `CondenseError`, which `where` begins, for what is no such content."""
        return checked(cls, dict(content), called=lambda name: f"{where}: {name}", strict=True)

    def joined(self, before: Self, where: str) -> Self:
        """What is asked for in all, in a folder in which `before` was asked for.

        Raises `CondenseError`, which `where` begins, where the two do not go together.
        """
        there, now = before.content(), self.content()
        if changed := [name for name in {**there, **now} if there.get(name) != now.get(name)]:
            texts = (f"{name}: {quoted(there.get(name))} there, {quoted(now.get(name))} now" for name in changed)
            raise CondenseError(
                f"{where} holds a {self.kind} with other settings ({'; '.join(texts)}). Choose another --out."
            )
        return self

    @classmethod
    def earlier(cls, path: Path) -> Self | None:
        """The study that files of version 0.1 in a folder describe; None where there are none of this kind."""
        return None

    def earlier_records(self, path: Path) -> Mapping[str, Sequence[Record]]:
        """The records of its cells in files of version 0.1, or given to it with what it asks for, by the cells' keys."""
        return {}

    def outdated(self, folder: StudyFolder) -> frozenset[str]:
        """Keys of cells that are done, but whose records no longer hold, as what they were made of has changed since.

        They count as not done, and a command that asks for the study removes their records. Those of `earlier_records` must
        hold.
        """
        return frozenset()

    @abstractmethod
    def cells(self) -> Sequence[Cell]:
        """All of them, in the order they are shown."""

    @abstractmethod
    def materials(self, machine: Machine, folder: StudyFolder) -> Any:
        """What the cells need beside the folder, such as the images on their device.

        Raises `CondenseError` where they are not there, or others than the study is of.
        """

    def check(self, materials: Any, folder: StudyFolder, asked: Self) -> None:
        """Raises `CondenseError` where what is asked for now, a part of this study, cannot be done, or what is in the folder
        is damaged: said before anything is written.
        """
        return None

    def paces(self, cells: Sequence[Cell], materials: Any) -> dict[str, float]:
        """Seconds for one unit of work by pace, probed on this machine for these cells; of those that can be."""
        return {}

    def plan(self, folder: StudyFolder, materials: Any, seconds: Mapping[str, float]) -> Table:
        """What is done, running and missing, and how long it will take, before it begins; seconds: estimates by key."""
        return plan_table(self.cells(), folder, seconds)

    @abstractmethod
    def report(self, folder: StudyFolder) -> Path:
        """Writes tables, figures and the page anew from what is done; returns where the page is."""

    @abstractmethod
    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """Its tables; published: with published numbers beside, where they can be left out; bold_best: the best in bold."""

    def data_table(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> Table:
        """All results as one table, for CSV; by default the first of all tables.

        Raises `CondenseError` where there are no results yet.
        """
        tables = self.tables(folder, published=published, bold_best=bold_best)
        if not tables:
            raise CondenseError(f"{shortened(folder.path)} holds no results yet.")
        return tables[0]
