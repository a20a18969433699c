"""Protocols of one's own at work: evaluations and their checkpoints, matrices, rows of tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matrix_samples import MACHINE, asked_in, conducted, study_of
from report_samples import evaluated

from condense.config import EvaluateConfig, LearnConfig, MatrixConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.errors import CondenseError
from condense.pipeline import evaluate_into
from condense.records import Record, read_records
from condense.report.matrix import matrix_tables
from condense.report.tables import accuracy_table
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import evaluate, evaluate_network
from condense.stage_t.protocols import Protocol, Where, recipe
from condense.studies import joined, opened
from condense.studies.matrix.results import matrices, networks_of
from condense.studies.matrix.study import Matrix
from condense.synthetic_set import SyntheticSet

OWN = Protocol(name="own", epochs=4, learning_rate=0.05, momentum=0.9, where=(Where(dataset=("digits",), batch_size=20),))
CHANGED = replace(OWN, epochs=5)
OTHER = replace(CHANGED, name="other_1")


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


@pytest.fixture(scope="module")
def drawn(digits: DataSet) -> SyntheticSet:
    return learn(LearnConfig(method="random", network="MLP", ipc=5), digits.train).set


# Evaluations


def test_a_record_holds_the_recipe_whole(digits: DataSet, drawn: SyntheticSet) -> None:
    (record,) = evaluate(EvaluateConfig(seeds=2, protocol=OWN), drawn, digits)
    assert record.config["protocol"] == "own"
    assert record.config["recipe"] == recipe(OWN, "digits", "MLP").facts()
    assert record.config["recipe"]["batch_size"] == 20 and min(record.accuracies) > 0.2


def test_a_wrong_one_is_refused_before_anything_is_trained(digits: DataSet, drawn: SyntheticSet, tmp_path: Path) -> None:
    with pytest.raises(CondenseError, match=r"^epochs = 0: Input should be greater than or equal to 1\.$"):
        evaluate_network("MLP", replace(OWN, epochs=0), drawn, digits, [0])
    its_rate = EvaluateConfig(protocol=replace(OWN, learning_rate="own"))
    sentence = r"^Protocol own trains with the learning rate of the set itself, and this set has none\.$"
    with pytest.raises(CondenseError, match=sentence):
        next(evaluate(its_rate, drawn, digits))
    with pytest.raises(CondenseError, match=sentence):
        evaluate_into(tmp_path / "r.jsonl", its_rate, drawn, digits)
    assert list(tmp_path.iterdir()) == []


def test_a_hard_loss_takes_the_likeliest_of_soft_labels(digits: DataSet, drawn: SyntheticSet) -> None:
    soft = drawn.with_soft_labels(0.5 * torch.eye(10)[drawn.labels] + 0.05)
    hard = replace(OWN, loss="hard")
    cases = (hard, soft), (OWN, drawn), (OWN, soft)
    found = [next(evaluate(EvaluateConfig(seeds=2, protocol=protocol), labelled, digits)) for protocol, labelled in cases]
    assert found[0].accuracies == found[1].accuracies != found[2].accuracies
    assert [one.config["set"].get("labels") for one in found] == ["soft", None, "soft"]
    assert [one.config["recipe"].get("loss") for one in found] == ["hard", None, None]
    rows = accuracy_table(found)
    assert len(rows.rows) == 3 and "loss" in rows.header


def test_one_that_changed_does_not_go_on_with_what_was_begun(digits: DataSet, drawn: SyntheticSet, tmp_path: Path) -> None:
    records = tmp_path / "r.jsonl"
    begun = tmp_path / f"r.jsonl-MLP-own-{drawn.sha256[:12]}.checkpoint"
    evaluate_network("MLP", OWN, drawn, digits, range(2), checkpoint=begun)
    kept, config = begun.read_bytes(), EvaluateConfig(seeds=2, protocol=CHANGED)
    with pytest.raises(
        CondenseError, match="keeps an unfinished evaluation: --resume continues it; delete it to start anew"
    ):
        evaluate_into(records, config, drawn, digits)
    with pytest.raises(CondenseError, match="belongs to an evaluation of another set, under other settings"):
        evaluate_into(records, config, drawn, digits, resume=True)
    assert begun.read_bytes() == kept and not records.exists()
    (record,) = evaluate_into(records, replace(config, protocol=OWN), drawn, digits, resume=True)
    assert record.config["recipe"]["stages"] == [{"epochs": 4, "learning_rate": 0.05}] and not begun.exists()


def test_one_that_changed_is_another_evaluation(digits: DataSet, drawn: SyntheticSet, tmp_path: Path) -> None:
    records = tmp_path / "r.jsonl"
    for protocol in (OWN, CHANGED):
        evaluate_into(records, EvaluateConfig(seeds=2, protocol=protocol), drawn, digits)
    found = read_records(records)
    assert [record.config["recipe"]["stages"][0]["epochs"] for record in found] == [4, 5]
    for protocol, record in ((OWN, found[0]), (CHANGED, found[1])):
        config = EvaluateConfig(seeds=2, protocol=protocol)
        assert evaluate_into(records, config, drawn, digits, resume=True) == [record]
        with pytest.raises(CondenseError, match="holds this evaluation of MLP already"):
            evaluate_into(records, config, drawn, digits)
    assert len(read_records(records)) == 2
    table = accuracy_table(found)
    assert len(table.rows) == 2 and "stages" in table.header
    assert [note for note in table.notes if note.startswith("Protocol")] == [
        f"Protocol 'own' (MLP on digits): {epochs} epochs at 0.05; augmentation none; batch_size 20; momentum 0.9; "
        "weight_decay 0.0."
        for epochs in (4, 5)
    ]


def test_sets_with_rates_of_their_own_are_one_row(digits: DataSet, drawn: SyntheticSet) -> None:
    """Else each set would stand alone, as no two learn the same rate; rates that a protocol states still tell rows apart."""
    another = learn(LearnConfig(method="random", network="MLP", ipc=5, seed=1), digits.train).set
    sets = replace(drawn, learning_rate=0.03), replace(another, learning_rate=0.07)
    protocol = replace(OWN, learning_rate="own", steps=((2, 0.1),))
    found = [next(evaluate(EvaluateConfig(seeds=1, protocol=protocol), one, digits)) for one in sets]
    assert [record.config["recipe"]["stages"][0]["learning_rate"] for record in found] == [0.03, 0.07]
    assert all(record.config["recipe"]["own_rate"] for record in found)
    table = accuracy_table(found)
    assert len(table.rows) == 1 and "stages" not in table.header
    rates = "2 epochs at the set's own, 2 epochs at 0.1 times the set's own"
    assert [note for note in table.notes if note.startswith("Protocol")] == [
        f"Protocol 'own': {rates}; augmentation none; batch_size 20; momentum 0.9; new_optimisers false; weight_decay 0.0."
    ]
    stated = replace(OWN, learning_rate=0.03, steps=((2, 0.1),))
    found.append(next(evaluate(EvaluateConfig(seeds=1, protocol=stated), sets[0], digits)))
    assert len(accuracy_table(found).rows) == 2 and "own_rate" not in found[-1].config["recipe"]


@pytest.mark.parametrize("stages", [None, [], [1], [{}], [{"learning_rate": "0.1"}], [{"learning_rate": True}], "text"])
@pytest.mark.parametrize("rate", [0.1, 0.0, None, 1e308])
def test_recipes_that_anyone_may_have_written_tabulate(stages: object, rate: float | None) -> None:
    record = evaluated([0.5], learning_rate=rate)
    record.config["recipe"] = {"own_rate": True, "stages": stages}
    assert len(accuracy_table([record]).rows) == 1


# Matrices

CONFIG = MatrixConfig(learn=("MLP",), train=("MLP", "LeNet"), iterations=1, real_batch=8, seeds=1, protocol=(OWN, "report"))


def test_a_matrix_under_ones_own(tmp_path: Path) -> None:
    conducted(tmp_path, replace(CONFIG, protocol=(OWN, OTHER)))
    study, folder = opened(tmp_path)
    assert isinstance(study, Matrix) and study.requests[0].protocol == (OWN, OTHER)
    cells = networks_of(study.cells())
    names = [cell.key.partition("/")[2] for cell in cells]
    assert names == ["MLP-own", "LeNet-own", "MLP-other_1", "LeNet-other_1"]
    assert all(folder.is_done(cell.key) for cell in cells)
    assert study.plan(folder, study.materials(MACHINE, folder), {}).header[2:] == (
        *("MLP (own)", "LeNet (own)", "MLP (other_1)", "LeNet (other_1)"),
    )
    found = matrices(cells, folder)
    assert [matrix.protocol for matrix in found] == ["own", "other_1"]
    notes = [note for table in matrix_tables(found) for note in table.notes if note.startswith("Protocol")]
    assert [note.partition(" epochs")[0] for note in notes] == ["Protocol 'own': 4", "Protocol 'other_1': 5"]
    assert "protocol other_1" in study.report(folder).read_text()


def test_a_name_is_one_protocol_in_a_matrix_for_ever(tmp_path: Path) -> None:
    sentence = "Two protocols with different settings are called 'own': rename one."
    with pytest.raises(CondenseError, match=sentence):
        study_of(replace(CONFIG, protocol=(OWN, CHANGED)))
    assert len(study_of(replace(CONFIG, protocol=(OWN, OWN))).cells()) == 3
    asked_in(tmp_path, CONFIG)
    asked_in(tmp_path, replace(CONFIG, protocol=(OTHER, OWN)))
    before = (tmp_path / "study.json").read_bytes()
    for other in (CHANGED, replace(CHANGED, name="OWN")):
        with pytest.raises(CondenseError, match="Two protocols with different settings are called") as caught:
            asked_in(tmp_path, replace(CONFIG, protocol=(other,)))
        assert str(caught.value).startswith(str(tmp_path))
    assert (tmp_path / "study.json").read_bytes() == before


def test_two_cells_never_have_one_key(tmp_path: Path) -> None:
    config = replace(CONFIG, train=("MLP",), protocol=("report", replace(OWN, name="report-seeds1-2")), seeds_per_cell=None)
    study, folder = asked_in(tmp_path, replace(config, seeds=1))
    again = replace(config, seeds=3)
    study, folder = joined(study_of(again), tmp_path)
    with pytest.raises(
        CondenseError, match=r"Two cells of the matrix are called '.*/MLP-report-seeds1-2': rename a protocol"
    ):
        study.check(study.materials(MACHINE, folder), folder, study_of(again))


def test_a_matrix_of_built_in_ones_names_them(tmp_path: Path) -> None:
    asked_in(tmp_path, replace(CONFIG, protocol=("published", "report")))
    assert json.loads((tmp_path / "study.json").read_text())["requests"][0]["protocol"] == ["published", "report"]


# Rows


def of_recipe(accuracy: float, sha256: str, **given: object) -> Record:
    record = evaluated([accuracy, accuracy], protocol="own", sha256=sha256, seed=ord(sha256))
    facts = {**recipe(OWN, "mnist", "ConvNet").facts(), **given}
    return replace(record, config={**record.config, "recipe": facts})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stages", [{"epochs": 5, "learning_rate": 0.05}]),
        ("batch_size", 64),
        ("momentum", 0.5),
        ("weight_decay", 0.1),
        ("augmentation", ["crop"]),
        ("law", "single"),
        ("cutmix", 0.5),
        ("new_optimisers", False),
        ("optimiser", "adamw"),
        ("betas", [0.9, 0.99]),
        ("cosine", {"warm_up": 3, "end": 0.0}),
        ("loss", "hard"),
    ],
)
def test_rows_are_of_one_recipe(name: str, value: object) -> None:
    same = accuracy_table([of_recipe(0.8, "a"), of_recipe(0.9, "b")])
    assert [row[same.header.index("n")] for row in same.rows] == ["2 × 2"]
    table = accuracy_table([of_recipe(0.8, "a"), of_recipe(0.9, "b", **{name: value})])
    assert [row[table.header.index("n")] for row in table.rows] == ["2", "2"]
    first, second = (row[table.header.index(name)] for row in table.rows)
    assert first != second
    assert len([note for note in table.notes if note.startswith("Protocol 'own' (ConvNet on mnist): ")]) == 2


def test_a_setting_of_the_set_does_not_hide_one_of_training() -> None:
    """A method of stage C may have settings called as those of recipes are."""
    config = {"dataset": "mnist", "method": "mine", "augmentation": ["flip"], "iterations": 3}
    of_set = {"method": "mine", "config": config}
    records = [of_recipe(0.8, "a", augmentation=["crop"]), of_recipe(0.9, "b", augmentation=["scale"])]
    records = [replace(one, config={**one.config, "set": one.config["set"] | of_set}) for one in records]
    table = accuracy_table(records)
    assert [row[table.header.index("augmentation")] for row in table.rows] == ['["crop"]', '["scale"]']
    without = records[1].config["set"] | {"config": config | {"augmentation": []}}
    other = replace(records[0], config={**records[0].config, "set": without})
    table = accuracy_table([records[0], other])
    assert {row[table.header.index("augmentation of the set")] for row in table.rows} == {'["flip"]', "[]"}
