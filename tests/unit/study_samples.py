"""A study of cells that cost nothing, for tests of the engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from condense.machine import Surroundings
from condense.records import Cost, Record
from condense.study.cell import Cell, Place, Progress
from condense.versions import Code, code_version, library_versions


def made(name: str, seconds: float = 2.0) -> Record:
    """A record that says what it is of."""
    return Record(
        task="fit",
        config={"network": name},
        seeds=[0],
        metrics={"accuracy": [0.5]},
        cost=Cost.of(Surroundings.of(torch.device("cpu")), wall_seconds=seconds, peak_memory_bytes=1),
        code=Code.of(code_version(), library_versions()),
    )


@dataclass(frozen=True)
class Toy(Cell):
    """Does what `materials` has under its name, then writes a product."""

    name: str
    after: tuple[str, ...] = ()
    timed: bool = False
    cost: float = 1.0

    @property
    def key(self) -> str:
        return f"toys/{self.name}"

    @property
    def label(self) -> str:
        return f"toy {self.name}"

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(f"toys/{name}" for name in self.after)

    @property
    def exclusive(self) -> bool:
        return self.timed

    @property
    def pace(self) -> str:
        return self.name[0]

    @property
    def work(self) -> float:
        return self.cost

    def run(self, materials: dict[str, Callable[[Place], Any]], place: Place, progress: Progress) -> Sequence[Record]:
        progress(1, 2, 0.5)
        if self.name in materials:
            materials[self.name](place)
        (place.products / f"{self.name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (place.products / f"{self.name}.txt").write_text(self.name)
        progress(2, 2)
        return [made(self.name)]
