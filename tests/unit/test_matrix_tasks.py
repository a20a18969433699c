"""The matrix as a library: its folder, its order of work, its estimates, failures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from condense.config import MatrixConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.errors import CondenseError, RunFailed
from condense.pipeline import evaluation_checkpoint
from condense.records import read_records
from condense.stage_t import checkpoint, evaluate
from condense.studies.matrix import run as run_module
from condense.studies.matrix.costs import Costs
from condense.studies.matrix.folder import DONE, MISSING, RUNNING, MatrixFolder
from condense.studies.matrix.progress import progress_table
from condense.studies.matrix.report import write_report
from condense.studies.matrix.results import matrices
from condense.studies.matrix.run import Listener, run_matrix
from condense.studies.matrix.tasks import CellTask, SetTask, cell_tasks, set_tasks
from condense.training.recipe import Recipe, Stage

CONFIG = MatrixConfig(learn=("ConvNetW4", "MLP"), train=("MLP", "ConvNetW4"), iterations=2, real_batch=8, seeds=2)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "recipe", lambda *case: Recipe((Stage(3, 0.05),)))


def run(config: MatrixConfig, digits: DataSet, folder: MatrixFolder) -> list[str]:
    """The labels of the tasks done, in order."""
    done: list[str] = []
    folder.ask_for(config, digits)
    costs = Costs(digits, [*set_tasks(config), *cell_tasks(config)], folder)
    run_matrix(config, digits, folder, costs, Listener(begins=lambda task: done.append(task.label)))
    return done


def test_every_task_once_and_cheap_ones_first(digits: DataSet, tmp_path: Path) -> None:
    folder = MatrixFolder(tmp_path)
    done = run(CONFIG, digits, folder)
    assert len(done) == 6 and done[:2] == [
        "MLP (published with iterations 2, real_batch 8, seed 0)",
        "MLP (published) on the set of MLP (published with iterations 2, real_batch 8, seed 0)",
    ]
    assert run(CONFIG, digits, folder) == []
    # More seeds, sets, columns: only what is new is done.
    more = run(replace(CONFIG, seeds=3, learn=("MLP",)), digits, folder)
    assert len(more) == 2
    (record, added) = read_records(folder.cell_records(cell_tasks(replace(CONFIG, learn=("MLP",)))[0]))
    assert (record.seeds, added.seeds) == ([0, 1], [2])
    assert len(run(replace(CONFIG, sets=2, learn=("MLP",), train=("MLP",)), digits, folder)) == 2
    (matrix,) = matrices(folder)
    assert matrix.rows == ("ConvNetW4", "MLP") and matrix.cells["MLP", "MLP"].size == "5 (2 sets)"
    assert write_report(folder).exists() and (tmp_path / "tables.md").read_text().count("**Test accuracy") == 1


def test_accuracies_do_not_depend_on_how_seeds_were_asked_for(digits: DataSet, tmp_path: Path) -> None:
    at_once, bit_by_bit = MatrixFolder(tmp_path / "a"), MatrixFolder(tmp_path / "b")
    one = replace(CONFIG, learn=("MLP",), train=("ConvNetW4",))
    for folder, all_seeds in ((at_once, (3,)), (bit_by_bit, (1, 3))):
        for seeds in all_seeds:
            run(replace(one, seeds=seeds), digits, folder)
    first, second = ([r for r in _all(folder, one) for r in r.accuracies] for folder in (at_once, bit_by_bit))
    assert first == second and len(first) == 3


def _all(folder: MatrixFolder, config: MatrixConfig):
    return folder.tested(cell_tasks(config)[0])


def test_schedules_and_protocols_are_dimensions(digits: DataSet, tmp_path: Path) -> None:
    config = MatrixConfig(
        learn=("MLP",),
        train=("MLP",),
        schedule=("published", "fast"),
        protocol=("published", "report"),
        iterations=1,
        seeds=1,
    )
    run(config, digits, MatrixFolder(tmp_path))
    found = matrices(MatrixFolder(tmp_path))
    assert [(m.schedule, m.protocol) for m in found] == [
        ("published", "published"),
        ("published", "report"),
        ("fast", "published"),
        ("fast", "report"),
    ]
    assert all(len(m.cells) == 1 for m in found)


def test_what_another_process_has_is_running(digits: DataSet, tmp_path: Path) -> None:
    folder, (task, _) = MatrixFolder(tmp_path), set_tasks(CONFIG)
    folder.ask_for(CONFIG, digits)
    assert folder.state(task) == MISSING
    with folder.taken(task) as free, MatrixFolder(tmp_path).taken(task) as again:
        assert free and not again and MatrixFolder(tmp_path).state(task) == RUNNING
    run(CONFIG, digits, folder)
    assert folder.state(task) == DONE


def test_a_set_that_cannot_be_learned_stops_no_other(digits: DataSet, tmp_path: Path) -> None:
    folder, config = MatrixFolder(tmp_path), replace(CONFIG, image_learning_rate=1e30, learn=("MLP", "ConvNetW4"))
    with pytest.raises(RunFailed, match=r"(?s)MLP \(published with [^)]*, seed 0\): .*no longer finite.*ConvNetW4"):
        run(config, digits, folder)
    assert not matrices(folder)[0].cells
    write_report(folder)  # says that nothing is done


def test_what_does_not_fit_in_memory_stops_no_other(
    digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tested(task: CellTask, *rest: Any) -> None:
        if task == cell_tasks(CONFIG)[0]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        test(task, *rest)

    test, folder = run_module._test, MatrixFolder(tmp_path)
    monkeypatch.setattr(run_module, "_test", tested)
    with pytest.raises(RunFailed, match=r"Not enough memory\.$"):
        run(CONFIG, digits, folder)
    assert [folder.is_done(cell) for cell in cell_tasks(CONFIG)] == [False, True, True, True]


def test_a_cell_begun_on_other_threads_stops_no_other(digits: DataSet, tmp_path: Path) -> None:
    folder, cells = MatrixFolder(tmp_path), cell_tasks(CONFIG)
    begun = evaluation_checkpoint(folder.cell_records(cells[0]), cells[0].network, cells[0].protocol)
    folder.ask_for(CONFIG, digits)
    checkpoint.save_tested(begun, checkpoint.Tested({0: 0.5}), {"threads": 64})
    with pytest.raises(RunFailed, match=r"belongs to an evaluation of another set, under other settings, threads"):
        run(CONFIG, digits, folder)
    assert [folder.is_done(cell) for cell in cells] == [False, True, True, True]
    begun.unlink()
    assert run(CONFIG, digits, folder) == [cells[0].label]


def test_a_file_left_empty_by_a_kill_holds_no_records(digits: DataSet, tmp_path: Path) -> None:
    folder, (cell, *_) = MatrixFolder(tmp_path), cell_tasks(CONFIG)
    run(CONFIG, digits, folder)
    folder.cell_records(cell).write_bytes(b"")
    assert run(CONFIG, digits, folder) == [cell.label] and folder.is_done(cell)


def test_a_live_checkpoint_of_another_process_is_left(digits: DataSet, tmp_path: Path) -> None:
    folder, (cell, *_) = MatrixFolder(tmp_path), cell_tasks(CONFIG)
    run(CONFIG, digits, folder)
    live = evaluation_checkpoint(folder.cell_records(cell), cell.network, cell.protocol)
    live.write_text("of more seeds")
    with MatrixFolder(tmp_path).taken(cell):
        run(CONFIG, digits, folder)
        assert live.exists()
    run(CONFIG, digits, folder)
    assert not live.exists()


def test_each_set_has_its_own_subset(digits: DataSet, tmp_path: Path) -> None:
    folder = MatrixFolder(tmp_path)
    config = replace(CONFIG, train_size=200, sets=2, learn=("MLP",), train=("MLP",))
    run(config, digits, folder)
    for task in set_tasks(config):
        subset = replace(digits, train=digits.train.subset(200, task.config.seed))
        evaluate.check_same_data(folder.load(task), subset)
    assert len({folder.load(task).provenance.dataset_fingerprint for task in set_tasks(config)}) == 2
    assert len(matrices(folder)) == 1 and write_report(folder).exists()


def test_other_images_of_the_same_name_are_refused(digits: DataSet, tmp_path: Path) -> None:
    folder = MatrixFolder(tmp_path)
    folder.ask_for(CONFIG, digits)
    folder.check_images(digits)
    for name, other in (("training", replace(digits, train=digits.test)), ("test", replace(digits, test=digits.train))):
        with pytest.raises(CondenseError, match=f"holds a matrix of other {name} images of digits"):
            folder.ask_for(replace(CONFIG, seeds=5), other)
    assert folder.asked() == [CONFIG]


def test_files_under_another_name_are_refused(digits: DataSet, tmp_path: Path) -> None:
    config = replace(CONFIG, protocol=("published", "report"))
    folder, cells = MatrixFolder(tmp_path), cell_tasks(config)
    run(config, digits, folder)
    by_name = {(cell.of.config.network, cell.name): folder.cell_records(cell) for cell in cells}
    published = by_name["MLP", "MLP-published"]
    kept = published.read_bytes()
    for other, sentence in (("MLP-report", "under the protocol report"), ("ConvNetW4-published", "of ConvNetW4 under")):
        published.write_bytes(by_name["MLP", other].read_bytes())
        with pytest.raises(CondenseError, match=sentence):
            matrices(folder)
    published.write_bytes(kept)
    one, other = set_tasks(config)
    folder.set_path(one).write_bytes(folder.set_path(other).read_bytes())
    with pytest.raises(CondenseError, match=r"is not the set that .*set\.jsonl describes"):
        write_report(folder)


def test_estimates_follow_what_was_measured(digits: DataSet, tmp_path: Path) -> None:
    folder, sets, cells = MatrixFolder(tmp_path), set_tasks(CONFIG), cell_tasks(CONFIG)
    tasks: list[SetTask | CellTask] = [*sets, *cells]
    before = Costs(digits, tasks, folder)
    assert before.of(cells[0]) == pytest.approx(2 * before.of(replace(cells[0], seeds=1)))
    table = progress_table(sets, cells, folder, before)
    assert table.title.startswith("Matrix of digits: 0 of 4 cells done, about ") and len(table.rows) == 2
    run(replace(CONFIG, train=("MLP",)), digits, folder)
    after = Costs(digits, tasks, folder)
    done, left = [cell for cell in cells if cell.network == "MLP"], [cell for cell in cells if cell.network != "MLP"]
    assert [after.of(cell) for cell in done] == [0, 0] and all(after.of(cell) > 0 for cell in left)
    (record,) = folder.tested(done[0])
    more = replace(done[0], seeds=4)
    assert after.of(more) == pytest.approx(record.wall_seconds, rel=0.9)
    assert progress_table(sets, cells, folder, after).rows[0][2] == "done"


def test_another_configuration_is_refused(digits: DataSet, tmp_path: Path) -> None:
    folder = MatrixFolder(tmp_path)
    folder.ask_for(CONFIG, digits)
    with pytest.raises(CondenseError, match=r"other settings \(iterations: 2 there, 5 now\)\. Choose another --out"):
        folder.ask_for(replace(CONFIG, iterations=5), digits)
    (tmp_path / "matrix.json").write_text("{")
    with pytest.raises(CondenseError, match=r"matrix\.json is damaged"):
        folder.asked()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(CondenseError, match="holds other files"):
        MatrixFolder(tmp_path / "other").ask_for(CONFIG, digits)
