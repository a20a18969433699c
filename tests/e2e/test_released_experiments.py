"""The released results of the experiments: complete, and what the documentation says of them."""

import html
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from condense.records import Record, read_records
from condense.report.rendering import render
from condense.studies import opened
from condense.studies.generalization.plan import EXPERIMENTS, NETWORKS, SCALES, Line, lines
from condense.studies.hyperparameters.grid import load_grid
from condense.studies.hyperparameters.proxy_study import studied
from condense.studies.hyperparameters.results import Sweep, results_of
from condense.studies.hyperparameters.study import Sweep as SweepStudy
from condense.study.status import headline, status_of

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


GENERALIZATION = ARTIFACTS / "generalization" / "small"


@cache
def generalization_runs(folder: Path) -> dict[tuple[Any, ...], dict[int, Record]]:
    """The released records by what is trained (`of_run`) and by seed."""
    found: dict[tuple[Any, ...], dict[int, Record]] = {}
    for record in read_records(folder / "records.jsonl"):
        config = record.config
        found.setdefault(of_run(config, config["train_images"]), {})[record.seeds[0]] = record
    return found


def of_run(settings: dict[str, Any], train_images: int | None) -> tuple[Any, ...]:
    """What is trained, without the seed."""
    names = ("network", "corruption", "p", "learning_rate", "weight_decay", "augmentation", "stops", "epochs")
    return (*(settings[name] for name in names), train_images)


def released(
    experiment: str, folder: Path = GENERALIZATION, scale: str = "small", networks: tuple[str, ...] = ()
) -> list[tuple[Line, dict[int, Record]]]:
    """The lines of an experiment, with their records by seed; all of CIFAR-10 where the scale takes all images."""
    found = generalization_runs(folder)
    planned = lines(experiment, SCALES[scale], seeds=3, networks=networks)
    return [(line, found[of_run(asdict(line.runs[0]), line.train_size or 50_000)]) for line in planned]


def test_generalization_is_released_with_three_seeds_each() -> None:
    shown = [records for experiment in EXPERIMENTS for _, records in released(experiment)]
    for records in shown:
        assert sorted(records) == [0, 1, 2]
        assert all(record.notes in (["fitted"], ["censored"], ["diverged"]) for record in records.values())
    assert {id(records) for records in shown} == {id(records) for records in generalization_runs(GENERALIZATION).values()}
    page = html.unescape((GENERALIZATION / "page.html").read_text())
    assert all(f"{name}: {title}" in page for name, title in EXPERIMENTS.items()) and "not run" not in page


def test_inception_with_and_without_regularisers_and_batchnorm_is_released_with_eight_seeds() -> None:
    folder = GENERALIZATION.parent / "small-fig2"
    for experiment in ("fig2a", "fig2b"):
        for _, records in released(experiment, folder):
            assert sorted(records) == list(range(8))
    assert "not run" not in (folder / "page.html").read_text()


def test_one_mlp_of_the_table_is_released_at_the_papers_size() -> None:
    folder = GENERALIZATION.parent / "full-mlp"
    of_setting = {line.label: records[0] for line, records in released("table1", folder, "full", ("mlp-1x512",))}
    assert of_setting.keys() == {"weight decay", "none", "random labels"}
    for setting, record in of_setting.items():
        assert record.config["test_images"] == 10_000 and max(record.series["train_accuracy"]) > 0.99
        assert record.accuracies[0] == pytest.approx(0.1 if setting == "random labels" else 0.52, abs=0.03)
    assert "not run" not in (folder / "page.html").read_text()


def test_networks_fit_every_version_of_the_training_set() -> None:
    for experiment in ("fig1a", "fig1b", "table1"):
        for _, records in released(experiment):
            assert all(record.notes == ["fitted"] for record in records.values())


def test_random_labels_test_at_chance_and_test_errors_rise_with_their_share() -> None:
    errors: dict[str, dict[float, float]] = {}
    for line, records in released("fig1c"):
        errors.setdefault(line.group, {})[line.x] = fmean(1 - record.accuracies[0] for record in records.values())
    assert errors.keys() == set(NETWORKS)
    for of_network in errors.values():
        in_order = [of_network[p] for p in sorted(of_network)]
        assert len(in_order) >= 3 and in_order == sorted(in_order) and in_order[-1] == pytest.approx(0.9, abs=0.03)
    assert errors["small-inception"][0.0] < errors["small-alexnet"][0.0] < errors["mlp-1x512"][0.0]


STUDY = ARTIFACTS / "hyperparameter-study"
PARAMETERS = {"fashion-mnist": {256: 203_530, 128: 101_770, 360: 286_210}, "cifar10": {256: 789_258, 512: 1_578_506}}


@cache
def sweep(name: str) -> Sweep:
    """A released sweep."""
    study, folder = opened(STUDY / name)
    assert isinstance(study, SweepStudy)
    return results_of(study, study.cells(), folder)


def cells_of(text: str) -> list[list[str]]:
    """What stands in the tables of a page of markdown, cell by cell, and its sentences as lines of one."""
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.strip("|- ")]


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_the_tables_of_released_sweeps_are_what_they_were(name: str) -> None:
    study, folder = opened(STUDY / name)
    released = cells_of((STUDY / name / "tables.md").read_text())
    assert len(released) > 50 and released == cells_of("\n".join(render(one, "markdown") for one in study.tables(folder)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10-mlps", "fashion-mnist-mlps"])
def test_the_tables_of_released_small_sets_are_what_they_were(name: str) -> None:
    test_the_tables_of_released_sweeps_are_what_they_were(name)


@pytest.mark.parametrize("name", sorted(path.name for path in STUDY.iterdir() if path.is_dir()))
def test_nothing_is_missing_of_released_sweeps(name: str) -> None:
    study, folder = opened(STUDY / name)
    status = status_of(study.cells(), folder)
    rows, sets = (36, 14) if name.endswith("-mlps") else (10, 1)
    assert headline(status) == f"{rows * sets} of {rows * sets} cells done"
    assert len({cell.key for cell in study.cells()}) == rows * sets


@pytest.mark.parametrize("dataset", PARAMETERS)
def test_five_networks_of_each_of_the_reports_rows_are_released(dataset: str) -> None:
    rows = load_grid(f"report-{dataset}").rows
    done = sweep(dataset).full.done
    assert [(result.row.name, result.row.settings) for result in done.values()] == [(row.name, row.settings) for row in rows]
    for result in done.values():
        assert sorted(result.accuracies) == list(range(5))
        width = int(result.row.network.rpartition("x")[2])
        assert result.parameters == PARAMETERS[dataset][width]
        assert result.row.reported and result.training_loss


def test_memory_and_time_were_estimated_well_before_the_runs() -> None:
    results = [result for dataset in PARAMETERS for result in sweep(dataset).full.done.values()]
    for pairs, within in (([one.memory for one in results], 0.15), ([one.seconds for one in results], 0.25)):
        assert sum(abs(said / measured - 1) <= within for said, measured in pairs) >= 16


@pytest.mark.parametrize("dataset", PARAMETERS)
def test_condensed_and_random_sets_were_compared_on_36_configurations(dataset: str) -> None:
    found = studied(sweep(f"{dataset}-mlps"))
    for images in (10, 100):
        kinds = {one.label.partition(",")[0] for one in found if one.images == images}
        assert kinds == {"dc", "random"}
    assert all(len(one.names) == 36 and min(one.networks + one.proxy_networks) >= 3 for one in found)
    page = html.unescape((STUDY / f"{dataset}-mlps" / "page.html").read_text())
    assert all(one.label in page for one in found)
