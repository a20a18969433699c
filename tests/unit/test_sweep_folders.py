"""The folders of sweeps: what goes together in one, those of version 0.1, and damaged ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sweep_samples import GRID, as_version_0_1, asked, materials_of, records_in, results_in, run, study_of, tables_in

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.errors import CondenseError
from condense.records import config_hash
from condense.stage_c.learn import learn
from condense.studies import ask_for
from condense.studies.hyperparameters.asked import Proxy
from condense.studies.hyperparameters.grid import Grid, parse_grid
from condense.studies.hyperparameters.study import check_sets
from condense.study.folder import StudyFolder
from condense.study.machine import Machine


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits", train_size=400)


@pytest.fixture(scope="module")
def grid() -> Grid:
    whole = parse_grid(GRID, "small.toml")
    return replace(whole, rows=whole.rows[:3])


@pytest.fixture(scope="module")
def done(grid: Grid, digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rows on the images and on a random set, three networks each."""
    path = tmp_path_factory.mktemp("sweep")
    learn(LearnConfig(dataset="digits", network="MLP", method="random"), digits.train).set.save(path / "random.h5")
    run(grid, digits, path / "s", seeds=3, proxy=(path / "random.h5",), proxy_epochs=2)
    return path / "s"


def proxy(name: str, sha256: str, **more: Any) -> Proxy:
    made = {"sha256": sha256 * 64, "method": "dc", "images_per_class": 1}
    return Proxy(f"{name}.h5", name, {"dataset_fingerprint": "f", "set": made}, 30, None, **more)


# What goes together


def test_other_images_or_rows_are_refused(done: Path, grid: Grid, digits: DataSet) -> None:
    before, _ = study_of(done)
    asked(grid, digits).joined(before, "here")
    other_test = replace(digits, test=digits.test.subset(20, 0))
    for wrong, what in (
        (asked(replace(grid, rows=grid.rows[1:]), digits), "rows"),
        (asked(grid, load("digits", train_size=300)), "images"),
        (asked(grid, other_test), "images"),
    ):
        with pytest.raises(CondenseError, match=f"here holds a sweep with other {what}. Choose another --out."):
            wrong.joined(before, "here")


def test_keys_stay_as_they_were_when_more_is_asked_for(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    one = replace(grid, rows=grid.rows[:1])

    def seeds_of(**config: Any) -> list[tuple[int, ...]]:
        study, _ = ask_for(asked(one, digits, **config), tmp_path)
        return [cell.seeds for cell in study.cells()]

    assert seeds_of(seeds=2) == [(0, 1)]
    assert seeds_of(seeds=1) == [(0, 1)]
    assert seeds_of(seeds=5) == [(0, 1), (2, 3, 4)]
    assert seeds_of(seeds=8, seeds_per_cell=2) == [(0, 1), (2, 3, 4), (5, 6), (7,)]
    assert seeds_of(seeds=9, proxies=[proxy("a", "a")]) == 2 * [(0, 1), (2, 3, 4), (5, 6), (7,), (8,)]
    study = study_of(tmp_path)[0]
    assert study.seeds == 9 and len({cell.key for cell in study.cells()}) == 10


def test_a_set_asked_for_again_stands_as_it_is_now(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """Where its learning record was not there before, or a version of condense said less of it; but its records' description
    stays, or they would not be found."""
    old, other = proxy("a", "a"), proxy("b", "b")
    described = {**old.described, "set": {**old.described["set"], "labels": "hard"}}
    new = replace(old, learn_seconds=3.0, learned_on="cpu, 1 thread", images=10, described=described)
    ask_for(asked(grid, digits, seeds=3, proxies=[old, other]), tmp_path)
    ask_for(asked(grid, digits, seeds=2, proxies=[new]), tmp_path)
    study = study_of(tmp_path)[0]
    assert study.proxies == (replace(new, described=old.described), other) and study.seeds == 3


def test_the_images_must_be_those_of_the_sweep(done: Path, digits: DataSet) -> None:
    study, folder = study_of(done)
    machine = Machine(torch.device("cpu"), _loaded={"digits": digits})
    assert study.materials(machine, folder).data.train.fingerprint == digits.train.fingerprint
    others = Machine(torch.device("cpu"), _loaded={"digits": load("digits", train_size=300)})
    with pytest.raises(CondenseError, match="The images digits found here are others than those of the sweep in"):
        study.materials(others, folder)


def test_a_part_of_the_images_is_drawn_as_the_command_drew_it(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    small = replace(digits, train=digits.train.subset(100, 7))
    study, folder = ask_for(asked(grid, small, whole=400, seed=7), tmp_path)
    machine = Machine(torch.device("cpu"), _loaded={"digits": digits})
    assert study.materials(machine, folder).data.train.fingerprint == small.train.fingerprint


def test_no_private_path_is_passed_on(done: Path) -> None:
    passed_on = [path for path in done.rglob("*") if path.is_file() and ".study" not in path.parts]
    assert len(passed_on) >= 8
    assert not any(str(done.parent).encode() in path.read_bytes() for path in passed_on)


# Version 0.1


def test_a_finished_folder_of_version_0_1_is_the_same_in_every_table(done: Path, tmp_path: Path) -> None:
    study, folder = study_of(done)
    old = as_version_0_1(study, records_in(done), tmp_path / "old")
    found, there = study_of(old)
    assert [cell.key for cell in found.cells()] == [cell.key for cell in study.cells()] and found.begun == {}
    assert all(there.is_done(cell.key) for cell in found.cells())
    assert found.tables(there) == study.tables(folder)


def test_an_unfinished_folder_of_version_0_1_goes_on(done: Path, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """Its row that was being trained counts as finished for the networks it had; the others are trained, none twice."""
    study, records = study_of(done)[0], records_in(done)
    whole = records[1]
    cost = replace(whole.cost, training_seconds=1.0)
    part = replace(whole, seeds=[0], metrics={name: values[:1] for name, values in whole.metrics.items()}, cost=cost)
    old = as_version_0_1(study, [records[0], *records[3:5]], tmp_path / "old", unfinished=[part])
    found, there = study_of(old)
    assert [(len(cell.seeds), there.is_done(cell.key)) for cell in found.cells()] == [
        *((3, True), (1, True), (2, False), (3, False), (3, True), (3, True), (3, False))
    ]
    (kept,) = there.records(found.cells()[1].key)
    assert kept.cost.estimate["estimated_seconds"] == pytest.approx(whole.cost.estimate["estimated_seconds"] / 3)
    assert [one["left"] for one in found.plan(there, materials_of(digits, there), {}).data] == [0, 2, 3, 0, 0, 3]
    with pytest.raises(CondenseError, match=r"rows are to be trained on random, .* \(it was random.h5\)"):
        check_sets(found, there, [])
    run(grid, digits, old, seeds=3, proxy=(done.parent / "random.h5",), proxy_epochs=2)
    assert (old / "sweep.json").exists() and len(list((old / "rows").glob("*.jsonl"))) == 3
    assert {name: row.accuracies for name, row in results_in(old).full.done.items()} == {
        name: row.accuracies for name, row in results_in(done).full.done.items()
    }
    assert [record.seeds for record in records_in(old)] == [[0, 1, 2], [0], [1, 2], *[[0, 1, 2]] * 4]
    run(grid, digits, old, seeds=4, proxy=(done.parent / "random.h5",), proxy_epochs=2)
    assert len(list((old / "rows").glob("*-seed3.jsonl"))) == 6


def test_a_row_that_joined_the_others_just_before_a_kill_counts_once(done: Path, tmp_path: Path) -> None:
    study, records = study_of(done)[0], records_in(done)
    old = as_version_0_1(study, records, tmp_path / "old", unfinished=[records[2]])
    assert records_in(old) == records


def test_a_sweep_that_ranked_rows_on_the_test_images_is_not_gone_on_with(
    done: Path, grid: Grid, digits: DataSet, tmp_path: Path
) -> None:
    """Its tables say so, and it takes no new rows."""
    study = study_of(done)[0]
    old = as_version_0_1(replace(study, held_out=None), [], tmp_path / "old")
    found, folder = study_of(old)
    sentence = "holds a sweep of an earlier version, which compared rows on the test images"
    with pytest.raises(CondenseError, match=sentence):
        ask_for(asked(grid, digits), old)
    with pytest.raises(CondenseError, match=sentence):
        found.materials(Machine(torch.device("cpu"), _loaded={"digits": digits}), folder)
    assert found.tables(folder) == []


# Damage


def test_there_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(CondenseError, match=r"holds no study: there is no study\.json"):
        study_of(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe{}",
        b"[" * 3000 + b"]" * 3000,
        b'{"seeds": ' + b"9" * 5000 + b"}",
        b'{"classes": 1e999}',
        b"null",
        b"[]",
        b"",
        b'{"format": 3}',
    ],
    ids=["not-utf-8", "deep", "long-number", "1e999", "null", "list", "empty", "format"],
)
@pytest.mark.parametrize("name", ["sweep.json", "study.json"])
def test_a_description_that_is_none(name: str, text: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(CondenseError) as caught:
        study_of(tmp_path)
    assert len(str(caught.value)) < 500 and str(tmp_path) in str(caught.value)


WRONG = [None, "x" * 100_000, -1, 0, 1.5, [], {}, True, [[[[1]]]], 10**9]


def new_folder(done: Path, path: Path) -> dict[str, Any]:
    for file in (done / "rows").glob("*.jsonl"):
        (path / "rows").mkdir(exist_ok=True)
        (path / "rows" / file.name).write_bytes(file.read_bytes())
    return json.loads((done / "study.json").read_text())


def old_folder(done: Path, path: Path) -> dict[str, Any]:
    as_version_0_1(study_of(done)[0], records_in(done), path)
    return json.loads((path / "sweep.json").read_text())


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize(("made", "name"), [(new_folder, "study.json"), (old_folder, "sweep.json")], ids=["new", "old"])
def test_every_value_of_a_description_may_be_of_another_type(
    made: Callable[[Path, Path], dict[str, Any]], name: str, wrong: object, done: Path, tmp_path: Path
) -> None:
    """It is refused or of no consequence; nothing ends in another error."""
    whole = made(done, tmp_path)
    places = [(whole, key) for key in whole] + [(whole["grid"], key) for key in whole["grid"]]
    places += [(whole["grid"]["rows"][0], key) for key in whole["grid"]["rows"][0]]
    places += [(whole["proxies"][0], key) for key in whole["proxies"][0]]
    places += [(whole["proxies"][0]["described"]["set"], key) for key in ("method", "sha256", "images_per_class")]
    for holder, key in places:
        before, holder[key] = holder[key], wrong
        (tmp_path / name).write_text(json.dumps(whole))
        holder[key] = before
        try:
            study, folder = study_of(tmp_path)
            assert study.tables(folder) is not None and all(cell.work >= 0 for cell in study.cells())
        except CondenseError as error:
            assert len(str(error)) < 1000, key


@pytest.mark.parametrize("wrong", [None, "x", -1, 0, 1.5, [], {}, True, 10**400], ids=lambda value: str(value)[:9])
def test_every_value_of_a_record_may_be_of_another_type(wrong: object, done: Path, tmp_path: Path) -> None:
    """With a right hash too."""
    (tmp_path / "study.json").write_text(json.dumps(new_folder(done, tmp_path)))
    path = next((tmp_path / "rows").glob("*-on-real-images-*.jsonl"))
    whole = json.loads(path.read_text())
    parts = [whole, whole["config"], whole["cost"], whole["cost"]["estimate"], whole["metrics"], whole["code"]]
    for holder, name in [(part, name) for part in parts for name in part]:
        before, holder[name] = holder[name], wrong
        if isinstance(whole["config"], dict):
            whole["config_hash"] = config_hash(whole["config"])
        path.write_text(json.dumps(whole) + "\n")
        holder[name] = before
        try:
            tables_in(tmp_path)
        except CondenseError as error:
            assert len(str(error)) < 500, name


def changed_record(done: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A copy of a folder with a change in the first row's record on the images."""
    (path / "study.json").write_text(json.dumps(new_folder(done, path)))
    file = next((path / "rows").glob("1-*-on-real-images-*.jsonl"))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps({**content, "config_hash": config_hash(content["config"])}) + "\n")


def of_another_row(content: dict[str, Any]) -> None:
    content["config"]["row"]["batch_size"] = 64


def on_another_set(content: dict[str, Any]) -> None:
    content["config"]["set"] = {"sha256": "0" * 64}


def with_other_seeds(content: dict[str, Any]) -> None:
    content["seeds"] = [10, 11, 12]


def with_too_few_losses(content: dict[str, Any]) -> None:
    content["metrics"]["training_loss"] = []


def with_losses_below_0(content: dict[str, Any]) -> None:
    content["metrics"]["training_loss"] = [-1.0] * 3


def without_held_out_accuracies(content: dict[str, Any]) -> None:
    content["metrics"]["held_out_accuracy"] = [None] * 3


def of_another_task(content: dict[str, Any]) -> None:
    content["task"] = "fit"


def without_a_loss(content: dict[str, Any]) -> None:
    del content["metrics"]["training_loss"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (of_another_row, "line 1: the record is not of row 1 on 320 of 400 training images, seeds 0 to 2"),
        (on_another_set, "line 1: the record is not of row 1 on 320"),
        (with_other_seeds, "line 1: the record has other seeds than row 1 on 320"),
        (with_too_few_losses, "line 1: 3 seeds but 0 training losses"),
        (with_losses_below_0, "line 1: a record is damaged: accuracies must lie between 0 and 1, losses from 0 on"),
        (without_held_out_accuracies, "line 1: a record is damaged: accuracies must lie between 0 and 1"),
        (of_another_task, "line 1: a record of task 'fit' is none of a sweep"),
        (without_a_loss, "line 1: a record is damaged: it does not hold one training accuracy and loss for each seed"),
    ],
)
def test_a_record_that_does_not_belong_is_found(
    change: Callable[[dict[str, Any]], None], sentence: str, done: Path, tmp_path: Path
) -> None:
    changed_record(done, tmp_path, change)
    with pytest.raises(CondenseError, match=sentence):
        tables_in(tmp_path)


def test_networks_that_were_not_trained_alike_are_no_row(done: Path, tmp_path: Path) -> None:
    """Whatever of the configuration differs, and though their seeds do not meet."""
    study, records = study_of(done)[0], records_in(done)
    config = json.loads(json.dumps(records[0].config))
    config["recipe"]["momentum"] = 0.5
    other = replace(records[0], seeds=[10, 11, 12], config=config)
    old = as_version_0_1(study, [*records, other], tmp_path / "old")
    with pytest.raises(CondenseError, match="holds networks of row 1 that were not trained alike"):
        tables_in(old)
    twice = as_version_0_1(study, [*records, records[0]], tmp_path / "twice")
    with pytest.raises(CondenseError, match="holds a network of row 1 twice"):
        tables_in(twice)


def test_a_folder_without_results_has_no_table(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    study, folder = ask_for(asked(grid, digits), tmp_path)
    assert study.tables(folder) == []
    with pytest.raises(CondenseError, match="holds no results yet"):
        study.data_table(folder)
    assert "No row has been trained on 320 of 400 training images yet." in study.report(StudyFolder(tmp_path)).read_text()
