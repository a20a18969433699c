"""Running a matrix: the cheapest task that can be done is done, until none is left.

Any number of processes may run the same matrix; each takes what no other has taken, and waits for what others are doing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from condense.config import MatrixConfig
from condense.data.images import DataSet
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.machine import is_out_of_memory
from condense.pipeline import evaluate_and_keep, evaluation_checkpoint, learn_and_save
from condense.stage_c import learn as stage_c
from condense.stage_t import evaluate as stage_t
from condense.studies.matrix.costs import Costs
from condense.studies.matrix.folder import DONE, MISSING, MatrixFolder
from condense.studies.matrix.tasks import CellTask, SetTask, Task, cell_tasks, images_of, set_tasks

WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Listener:
    """Who is told how a matrix gets on: of each task as it begins, and of the progress within it."""

    begins: Callable[[Task], None] = lambda task: None
    learning: stage_c.Progress = lambda done, total, loss: None
    training: stage_t.Progress = lambda name, done, total: None
    waits: Callable[[int], None] = lambda tasks: None


def run_matrix(config: MatrixConfig, data: DataSet, folder: MatrixFolder, costs: Costs, listener: Listener) -> None:
    """Does what is missing; returns when everything `config` asks for is done, here or in other processes.

    data: the whole set; a set to learn takes its own subset of it where the configuration says so. What cannot be done, a
    set whose loss is not finite, work begun under other threads or versions, or what does not fit in memory, does not stop
    the others; `RunFailed` is raised in the end.
    """
    tasks: list[Task] = [*set_tasks(config), *cell_tasks(config)]
    seconds = {task: costs.of(task) for task in tasks}
    failed: dict[Task, str] = {}
    while left := _left(tasks, folder, failed):
        ready = [
            task for task, state in left.items() if state == MISSING and (isinstance(task, SetTask) or task.of not in left)
        ]
        for task in sorted(ready, key=lambda task: _rank(task, tasks, seconds)):
            if _do(task, data, folder, listener, failed):
                break
        else:
            listener.waits(len(left))
            time.sleep(WAIT_SECONDS)
    for cell in cell_tasks(config):  # left by a kill just after the record was written
        with folder.taken(cell) as free:
            if free and folder.is_done(cell):
                evaluation_checkpoint(folder.cell_records(cell), cell.network, cell.protocol).unlink(missing_ok=True)
    if failed:
        raise RunFailed("\n".join(f"{task.label}: {message}" for task, message in failed.items()))


def _left(tasks: list[Task], folder: MatrixFolder, failed: dict[Task, str]) -> dict[Task, str]:
    """What is neither done nor impossible, and its state: missing, or running here or elsewhere."""
    possible = [task for task in tasks if task not in failed and not (isinstance(task, CellTask) and task.of in failed)]
    states = {task: folder.state(task) for task in possible}
    return {task: state for task, state in states.items() if state != DONE}


def _rank(task: Task, tasks: list[Task], seconds: dict[Task, float]) -> float:
    """Seconds until a cell is done: its own, and for a set that must be learned first those of its cheapest cell too."""
    if isinstance(task, CellTask):
        return seconds[task]
    return seconds[task] + min(seconds[cell] for cell in tasks if isinstance(cell, CellTask) and cell.of == task)


def _do(task: Task, data: DataSet, folder: MatrixFolder, listener: Listener, failed: dict[Task, str]) -> bool:
    """Takes and does a task; False where another process was quicker."""
    with folder.taken(task) as free:
        if not free or folder.is_done(task):
            return False
        listener.begins(task)
        try:
            _learn(task, data, folder, listener) if isinstance(task, SetTask) else _test(task, data, folder, listener)
        except Interrupted:
            raise
        except CondenseError as error:
            failed[task] = str(error)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failed[task] = "Not enough memory."
        return True


def _learn(task: SetTask, data: DataSet, folder: MatrixFolder, listener: Listener) -> None:
    path, records = folder.set_path(task), folder.set_records(task)
    learn_and_save(task.config, images_of(task, data), path, records, resume=True, progress=listener.learning)


def _test(task: CellTask, data: DataSet, folder: MatrixFolder, listener: Listener) -> None:
    learned, seeds, records = folder.load(task.of), folder.missing_seeds(task), folder.cell_records(task)
    evaluate_and_keep(
        *(task.network, task.protocol, learned, images_of(task.of, data), seeds, records),
        resume=True,
        progress=listener.training,
    )
