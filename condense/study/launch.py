"""How cells are computed: by this process, or by several of this machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from condense.study.cell import Cell
from condense.study.engine import Attempts, Worker, run_cells
from condense.study.launchers.local import LocalLauncher


@dataclass(frozen=True)
class Launch:
    """devices: of the processes, one each, none for this process alone; words: options that each is given; retries: how
    often a cell that fails is tried again.
    """

    devices: Sequence[str]
    words: Sequence[str]
    retries: int

    def compute(
        self,
        cells: Sequence[Cell],
        worker: Worker,
        seconds: Mapping[str, float],
        told: Callable[[int, int, Sequence[Cell]], None],
    ) -> None:
        """Returns when all cells are done, here or elsewhere; raises `RunFailed` in the end for those that failed.

        worker: this process; seconds: estimates by key; told: of cells done, of all, and of those that processes have.
        """
        attempts = Attempts(self.retries)
        if self.devices:
            LocalLauncher(worker.folder, self.devices, self.words, told).run(cells, seconds, attempts)
        else:
            run_cells(cells, worker, seconds, attempts)
