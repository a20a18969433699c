"""A score as a study: its cells, random images in the place of a set's, what is resumed, and what is taken of records."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from condense.config import LearnConfig
from condense.decoding import Tiles
from condense.errors import CondenseError
from condense.records import append_record
from condense.stage_c.learn import learn
from condense.stage_t import evaluate
from condense.stage_t.protocols import Protocol
from condense.studies import ask_for, opened
from condense.studies.score import cells as cells_module
from condense.studies.score.cells import OnRandom
from condense.studies.score.config import ScoreConfig
from condense.studies.score.materials import Materials, keep
from condense.studies.score.results import record_of, results_of
from condense.studies.score.study import Score, asked_for
from condense.studies.score.whole import given_whole
from condense.study.engine import Attempts, Worker, run_cells
from condense.study.estimates import estimated_seconds
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

MACHINE = Machine(torch.device("cpu"))
SHORT = Protocol(name="short", epochs=2, learning_rate=0.05)
CONFIG = ScoreConfig(protocol=SHORT, seeds=3, whole_seeds=3, schedule="fast")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An epoch on all real images, and networks that label images kept nowhere else."""
    for module in (evaluate, cells_module):
        monkeypatch.setattr(module, "whole_recipe", lambda: Recipe((Stage(1, 0.05),)))
    monkeypatch.setenv("CONDENSE_EXPERTS", str(tmp_path / "experts"))


@pytest.fixture(scope="module")
def hard() -> SyntheticSet:
    config = LearnConfig(dataset="digits", network="MLP", method="random", ipc=2, seed=100)
    return learn(config, MACHINE.load("digits").train).set


@pytest.fixture(scope="module")
def soft(hard: SyntheticSet) -> SyntheticSet:
    return hard.with_soft_labels(0.7 * torch.nn.functional.one_hot(hard.labels, 10).float() + 0.03)


def score_of(synthetic: SyntheticSet, config: ScoreConfig = CONFIG) -> Score:
    return asked_for(config, synthetic, MACHINE.load("digits"), source="digits", file="set.h5")


def conducted(path: Path, asked: Score, synthetic: SyntheticSet) -> list[str]:
    """The keys of the cells that were computed, in order."""
    study, folder = ask_for(asked, path)
    materials = study.materials(MACHINE, folder)
    study.check(materials, folder, asked)
    keep(path, synthetic, asked.earlier_records(path))
    left = [cell.key for cell in study.cells() if not folder.is_done(cell.key)]
    run_cells(study.cells(), Worker(folder, materials, "cpu"), {}, Attempts())
    return left


def names(asked: Score) -> list[str]:
    return [cell.key.removeprefix("networks/") for cell in asked.cells()]


def test_cells_of_sets_with_hard_and_with_soft_labels(hard: SyntheticSet, soft: SyntheticSet) -> None:
    beside = ["short", "short-siamese"]  # which has no augmentation, so that it is its plain twin
    assert names(score_of(hard)) == [*(f"set-{one}" for one in beside), *(f"random-{one}" for one in beside), "whole"]
    asked = score_of(soft)
    on_set = [f"set-{one}" for one in (*beside, "short-hard")]
    assert names(asked) == [*on_set, "labels", *(f"random-{one}" for one in beside), "whole"]
    assert {cell.needs for cell in asked.cells() if isinstance(cell, OnRandom)} == {("networks/labels",)}
    shares = names(score_of(soft, replace(CONFIG, seeds_per_cell=2)))
    assert shares[:2] == ["set-short-seeds0-1", "set-short-seeds2-2"] and shares[-2:] == ["whole-seeds0-1", "whole-seeds2-2"]
    again = Score.of(json.loads(json.dumps(asked.content())), "DIR")
    assert again == asked and names(again) == names(asked)


def test_time_is_known_before_anything_is_done(soft: SyntheticSet, tmp_path: Path) -> None:
    study, folder = ask_for(score_of(soft), tmp_path)
    seconds = estimated_seconds(study.cells(), folder, study.paces(study.cells(), study.materials(MACHINE, folder)))
    assert list(seconds) == [cell.key for cell in study.cells()] and all(value > 0 for value in seconds.values())
    work = {cell.name: cell.work for cell in study.cells()}
    images, test, epochs = len(MACHINE.load("digits").train), len(MACHINE.load("digits").test), 5
    assert work["labels"] / work["set-short"] == pytest.approx(3 * epochs * images / (3 * 2 * 20 + test))


def test_random_images_are_drawn_anew_for_each_seed(hard: SyntheticSet, soft: SyntheticSet, tmp_path: Path) -> None:
    drawn = {seed: materials_of(hard, tmp_path).drawn(seed)[0] for seed in (0, 1)}
    assert not torch.equal(drawn[0].images, drawn[1].images) and drawn[0].labels.tolist() == hard.labels.tolist()
    assert drawn[0] == materials_of(hard, tmp_path).drawn(0)[0]
    own = learn(replace(LearnConfig(method="random"), dataset="digits", network="MLP", ipc=2), MACHINE.load("digits").train)
    assert torch.equal(drawn[0].images, own.set.images)
    labelled, record = materials_of(soft, tmp_path).drawn(0)
    assert torch.equal(labelled.images, drawn[0].images) and labelled.soft
    assert (record.method, record.config["expert_epochs"]) == ("random-soft", 5)
    right = (labelled.labels.argmax(dim=1) == drawn[0].labels).float().mean()
    assert right > 0.5 and float(labelled.labels.max()) < 1  # what a network says that has learned something


def materials_of(synthetic: SyntheticSet, path: Path) -> Materials:
    """Of the score of a set that is given, in no folder."""
    found = Materials(score_of(synthetic), MACHINE.load("digits"), StudyFolder(path))
    found.__dict__["synthetic"] = synthetic
    return found


def test_random_images_take_as_many_bytes_as_the_set_stores(hard: SyntheticSet, tmp_path: Path) -> None:
    packed = replace(hard, decoder=Tiles(2, (0.0,)), learning_rate=0.25)
    drawn, _ = materials_of(packed, tmp_path).drawn(0)
    assert drawn.images.nbytes == packed.images.nbytes and len(packed) == 4 * len(drawn)
    assert drawn.learning_rate == 0.25
    fewer = torch.tensor([index for index in range(20) if index not in (3, 6)])  # one of the classes 1 and 3
    unequal = replace(hard, images=hard.images[fewer], labels=hard.labels[fewer])
    drawn, _ = materials_of(unequal, tmp_path).drawn(0)
    assert drawn.counts == unequal.counts == (2, 1, 2, 1, *[2] * 6)
    assert torch.equal(drawn.images[:3], materials_of(hard, tmp_path).drawn(0)[0].images[:3])


def test_a_score_from_beginning_to_end(soft: SyntheticSet, tmp_path: Path) -> None:
    asked = score_of(soft)
    assert conducted(tmp_path, asked, soft) == [cell.key for cell in asked.cells()]
    assert conducted(tmp_path, asked, soft) == []
    study, folder = opened(tmp_path)
    assert isinstance(study, Score) and study.report(folder).exists()
    results = results_of(study, study.cells(), folder)
    record = record_of(results)
    assert record is not None and (record.task, record.method, record.protocol) == ("score", "random", "short")
    labels = {f"{group.images} {group.protocol}": group.labels for group in results.groups.values()}
    assert labels == {
        **dict.fromkeys(("set short", "set short-siamese", "random short", "random short-siamese"), "soft"),
        **dict.fromkeys(("set short-hard", "whole whole"), "hard"),
    }
    mean = {name: sum(group.accuracies.values()) / 3 for name, group in results.groups.items()}
    hlr, ior = mean["whole"] - mean["set-short-hard"], mean["set-short"] - mean["random-short"]
    beta = (mean["set-short-siamese"] - mean["random-short-siamese"] + ior) / 2
    measures = record.results["measures"]
    assert [measures[name]["value"] for name in ("hlr", "ior", "alpha", "beta")] == pytest.approx(
        [hlr, ior, (ior - hlr) / 2, beta]
    )
    assert json.loads(json.dumps(record.results)) == record.results
    losses = {one.config["recipe"].get("loss", "soft") for one in folder.records("networks/set-short-hard")}
    assert losses == {"hard"} and all(len(one.seeds) == 1 for one in folder.records("networks/random-short"))


def test_stopped_among_random_images_it_goes_on(hard: SyntheticSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = list[tuple[str, int]]()
    plain = evaluate._Evaluation._train

    def counted(self: Any, stack: range, *case: Any) -> Any:
        if self.task == "evaluate":
            trained.append((self.described["set"]["sha256"], stack.start))
            if len(trained) == stop:
                raise SystemExit
        return plain(self, stack, *case)

    monkeypatch.setattr(evaluate._Evaluation, "_train", counted)
    asked, stop = replace(score_of(hard), whole_seeds=(0,)), 0
    conducted(tmp_path / "whole", asked, hard)
    everything, stop = len(trained), 4
    trained.clear()
    with pytest.raises(SystemExit):  # as a kill would
        conducted(tmp_path / "killed", asked, hard)
    stop = 0
    conducted(tmp_path / "killed", asked, hard)
    assert len(trained) == everything + 1
    found = [results_of(asked, asked.cells(), StudyFolder(tmp_path / name)).groups for name in ("whole", "killed")]
    assert found[0] == found[1]
    assert not list((tmp_path / "killed").glob(".study/networks/*/checkpoint"))


def test_records_of_networks_on_all_images_are_taken(
    hard: SyntheticSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = MACHINE.load("digits"), tmp_path / "whole.jsonl"
    monkeypatch.setattr("condense.studies.score.whole.whole_recipe", evaluate.whole_recipe)
    for seeds in (range(2), range(3, 6)):
        append_record(path, evaluate.evaluate_network_whole("MLP", data, seeds))
    record = given_whole(path, data, "MLP")
    assert record.seeds == [3, 4, 5]
    asked = score_of(hard, replace(CONFIG, seeds_per_cell=1)).beside_given(record)
    assert names(asked)[-1] == "whole" and conducted(tmp_path / "s", asked, hard)[-1] != "networks/whole"
    study, folder = opened(tmp_path / "s")
    assert folder.records("networks/whole") == [record] and study.cells()[-1].seeds == (3, 4, 5)  # type: ignore[attr-defined]
    other = asked.beside_given(replace(record, metrics={"accuracy": [0.5, 0.5, 0.5]}))
    with pytest.raises(CondenseError, match="holds other networks on all real images than are given now"):
        conducted(tmp_path / "s", other, hard)
    monkeypatch.setattr("condense.studies.score.whole.whole_recipe", lambda: Recipe((Stage(2, 0.05),)))
    with pytest.raises(CondenseError, match="were not trained as this version trains on all real images"):
        given_whole(path, data, "MLP")
    with pytest.raises(CondenseError, match=r"holds no networks of LeNet on digits, but of MLP\.$"):
        given_whole(path, data, "LeNet")
    with pytest.raises(CondenseError, match=r"on other real images \(digits\) than those of digits"):
        given_whole(path, replace(data, train=data.train.subset(100, 0)), "MLP")


def test_what_is_refused(hard: SyntheticSet, soft: SyntheticSet, tmp_path: Path) -> None:
    ask_for(score_of(hard), tmp_path)
    with pytest.raises(CondenseError, match=r"holds the score of another set \(set\.h5\)\. Choose another --out\."):
        ask_for(score_of(soft), tmp_path)
    with pytest.raises(CondenseError, match=r"holds a score with other settings \(seeds: 3 there, 4 now\)"):
        ask_for(score_of(hard, replace(CONFIG, seeds=4)), tmp_path)
    with pytest.raises(CondenseError, match="trains with the learning rate of the set itself, and this set has none"):
        score_of(hard, replace(CONFIG, protocol=replace(SHORT, learning_rate="own")))
    renamed = asked_for(CONFIG, hard, MACHINE.load("digits"), source="digits", file="other-name.h5")
    assert ask_for(renamed, tmp_path)[0].set.file == "set.h5"


def test_records_that_are_not_a_cells_own_are_refused(hard: SyntheticSet, tmp_path: Path) -> None:
    asked = score_of(hard)
    folder = ask_for(asked, tmp_path)[1]
    whole = evaluate.evaluate_network_whole("MLP", MACHINE.load("digits"), [0])
    for key in ("networks/set-short", "networks/whole"):  # another task, other seeds
        folder.finish(key, [whole])
        with pytest.raises(CondenseError, match=r"holds records that are not those of its networks; delete it\.$"):
            results_of(asked, asked.cells(), folder)
        folder.forget(key)


def test_a_network_that_diverged_is_left_out_and_said(hard: SyntheticSet, tmp_path: Path) -> None:
    asked = replace(score_of(hard), whole_seeds=(0, 1, 2))
    conducted(tmp_path, asked, hard)
    folder = StudyFolder(tmp_path)
    (record,) = folder.records("networks/set-short")
    folder.finish("networks/set-short", [replace(record, diverged=[1])])
    results = results_of(asked, asked.cells(), folder)
    of_labels = results.label_robust
    assert of_labels is not None and of_labels.ior.low is None and results.diverged == 1  # of two networks
    assert any(note.startswith("Diverged and left out") for table in asked.tables(folder) for note in table.notes)


def test_images_that_are_others_now_are_refused(hard: SyntheticSet, tmp_path: Path) -> None:
    asked, folder = ask_for(score_of(hard), tmp_path)
    other = replace(asked, images=replace(asked.images, test="0" * 64))
    with pytest.raises(CondenseError, match="holds a score beside other test images of digits than are here now"):
        other.materials(MACHINE, folder)
    with pytest.raises(CondenseError, match=r"not in its folder: give the same command once more.*\(it was set\.h5\)"):
        _ = asked.materials(MACHINE, folder).synthetic
    keep(tmp_path, hard.with_soft_labels(torch.eye(10)[hard.labels]), {})
    with pytest.raises(CondenseError, match=r"is another set than set\.h5 was"):
        asked.check(asked.materials(MACHINE, folder), folder, asked)
