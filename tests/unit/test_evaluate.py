"""Stage T as a whole: protocols as published, pairing by seed, the checks on data, notes on failed training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet, LabelledImages
from condense.data.recognition import renumbered
from condense.errors import CondenseError, RunFailed
from condense.events import Epoch, NetworkTested
from condense.stage_c.learn import learn
from condense.stage_t import evaluate as module
from condense.stage_t.evaluate import evaluate, evaluate_whole
from condense.stage_t.protocols import recipe, whole_recipe
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

SHORT = Recipe((Stage(40, 0.05),), momentum=0.9)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


@pytest.fixture(scope="module")
def chosen(digits: DataSet) -> SyntheticSet:
    return learn(LearnConfig(method="random", network="MLP", ipc=10), digits.train).set


def test_published_recipes() -> None:
    plain, augmented, noisy = (
        recipe("published", *case) for case in (("cifar10", "LeNet"), ("mnist", "MLP"), ("svhn", "ConvNetBN"))
    )
    assert [(s.epochs, s.learning_rate) for s in plain.stages] == [(152, 0.01), (149, 0.001)]
    assert [(s.epochs, s.learning_rate) for s in augmented.stages] == [(502, 0.01), (499, 0.001)]
    assert (plain.momentum, plain.weight_decay, plain.batch_size) == (0.9, 5e-4, 256)
    assert (plain.augmentation, augmented.augmentation, noisy.augmentation) == (
        (),
        ("crop", "scale", "rotate"),
        ("crop", "noise"),
    )
    assert recipe("report", "mnist", "ConvNet") == Recipe((Stage(300, 0.01),), batch_size=256)
    siamese = recipe("dsa", "cifar10", "ConvNet")
    assert siamese.stages == (Stage(502, 0.01), Stage(499, 0.001))
    assert (siamese.law, set(siamese.augmentation)) == ("single", {"color", "crop", "cutout", "flip", "scale", "rotate"})
    assert (siamese.batch_size, siamese.momentum, siamese.weight_decay, siamese.cutmix) == (256, 0.9, 5e-4, 0)
    assert "flip" not in recipe("dsa", "svhn", "ConvNet").augmentation
    mixed = recipe("idc", "fashion-mnist", "ConvNet")
    assert [stage.epochs for stage in mixed.stages] == [666, 167, 167]
    assert [stage.learning_rate for stage in mixed.stages] == pytest.approx([0.01, 0.002, 0.0004])
    assert (mixed.batch_size, mixed.law, mixed.cutmix, mixed.new_optimisers) == (64, "several", 0.5, False)
    assert set(mixed.augmentation) == {"color", "crop", "flip", "scale", "rotate"}
    assert set(recipe("idc", "mnist", "ConvNet").augmentation) == {"color", "crop", "scale", "rotate"}
    assert whole_recipe().epochs == 30
    with pytest.raises(CondenseError, match=r"Unknown protocol 'publishd'\. Did you mean 'published'"):
        recipe("publishd", "mnist", "MLP")


def test_records_of_an_evaluation(digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)
    heard = []

    def progress(event: Epoch | NetworkTested) -> None:
        if isinstance(event, Epoch):
            heard.append((event.network, event.done, event.total))

    first, second = evaluate(EvaluateConfig(network=("MLP", "LeNet"), seeds=3), chosen, digits, progress=progress)
    assert [record.config["network"] for record in (first, second)] == ["MLP", "LeNet"]
    assert first.seeds == [0, 1, 2] and len(set(first.accuracies)) > 1 and min(first.accuracies) > 0.5
    assert first.config["set"]["sha256"] == chosen.sha256 and first.config["recipe"]["stages"][0]["epochs"] == 40
    assert heard[39] == ("MLP", 120, 120) and heard[-1] == ("LeNet", 120, 120)
    (alone,) = evaluate(EvaluateConfig(network=("MLP",), seeds=1), chosen, digits)
    assert alone.accuracies[0] == pytest.approx(first.accuracies[0], abs=0.01)


def test_an_evaluation_goes_on_as_it_began_whatever_seeds_are_asked_for(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: replace(SHORT, stages=(Stage(4, 0.05),)))
    kept = tmp_path / "kept.checkpoint"
    case = ("LeNet", "published", chosen, digits)
    first = module.evaluate_network(*case, range(3), checkpoint=kept)
    monkeypatch.setattr(module, "for_training", lambda *asked, **of: pytest.fail("it has begun without the compiler"))
    fewer, more = (module.evaluate_network(*case, seeds, checkpoint=kept) for seeds in ([1], range(5)))
    assert fewer.accuracies == first.accuracies[1:2] and 0 < fewer.wall_seconds < first.wall_seconds
    assert more.accuracies[:3] == first.accuracies and more.wall_seconds > first.wall_seconds
    assert {record.config["path"] for record in (first, fewer, more)} == {"eager"}
    execution = first.config["execution"]
    assert execution == fewer.config["execution"] == saved_execution(kept) and execution["stack"] == 1
    saved = json.loads(kept.read_text())
    compiled = {**execution, "path": "compiled"}
    kept.write_text(json.dumps({**saved, "tested": {**saved["tested"], "execution": compiled}}))
    monkeypatch.setattr(module, "can_compile", lambda device: False)
    with pytest.raises(RunFailed, match="tested before were compiled, and no compiler works now"):
        module.evaluate_network(*case, range(6), checkpoint=kept)
    monkeypatch.setattr(module, "can_compile", lambda device: True)
    monkeypatch.setattr(module, "warmed_up", lambda execution, attempt, divisible: replace(execution, path="eager"))
    with pytest.raises(RunFailed, match="trained with path compiled, which does not work, but eager now"):
        module.evaluate_network(*case, range(6), checkpoint=kept)
    kept.write_text(json.dumps({**saved, "tested": {**saved["tested"], "execution": {**compiled, "part": 0}}}))
    with pytest.raises(CondenseError, match="damaged"):
        module.evaluate_network(*case, range(6), checkpoint=kept)


def saved_execution(checkpoint: Path) -> dict[str, object]:
    return json.loads(checkpoint.read_text())["tested"]["execution"]


def test_training_that_diverges_is_noted(digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: Recipe((Stage(40, 1e6),), momentum=0.9))
    (record,) = evaluate(EvaluateConfig(seeds=2), chosen, digits)
    assert record.notes == ["seed 0: training diverged", "seed 1: training diverged"] and record.diverged == [0, 1]


def test_networks_that_diverged_have_no_part_in_what_is_at_chance(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)
    monkeypatch.setattr(module, "_diverged", lambda members, seeds: [seed for seed in seeds if seed])
    monkeypatch.setattr(module, "accuracies", lambda network, trained, test: [0.9, 0.05, 0.05, 0.05])
    (record,) = evaluate(EvaluateConfig(seeds=4), chosen, digits)
    assert record.diverged == [1, 2, 3] and "accuracy stays at chance" not in record.notes


def test_a_record_has_the_whole_configuration_of_its_set(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: replace(SHORT, stages=(Stage(1, 0.05),)))
    (record,) = evaluate(EvaluateConfig(seeds=1), chosen, digits)
    assert record.config["set"]["config"] == chosen.provenance.config
    assert "labels" not in record.config["set"]
    soft = chosen.with_soft_labels(torch.eye(10)[chosen.labels])
    (record,) = evaluate(EvaluateConfig(seeds=1), soft, digits)
    assert record.config["set"]["labels"] == "soft" and record.config["set"]["sha256"] != chosen.sha256


def test_a_checkpoint_tells_sets_with_other_labels_apart(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The accuracy of the right labels was returned for the wrong ones: 0.77 where 0.03 was true."""
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)
    kept = tmp_path / "kept.checkpoint"
    module.evaluate_network("MLP", "published", chosen, digits, range(2), checkpoint=kept)
    shifted = replace(chosen, labels=(chosen.labels + 1) % 10)
    with pytest.raises(CondenseError, match="belongs to an evaluation of another set"):
        module.evaluate_network("MLP", "published", shifted, digits, range(2), checkpoint=kept)
    kept.unlink()
    assert max(module.evaluate_network("MLP", "published", shifted, digits, range(2), checkpoint=kept).accuracies) < 0.3


def test_sets_of_another_number_of_classes_are_refused(digits: DataSet, chosen: SyntheticSet) -> None:
    facts = replace(chosen.provenance, class_names=chosen.provenance.class_names[:5], images_per_class=20, config={})
    fewer = replace(chosen, labels=torch.arange(5).repeat_interleave(20), provenance=facts)
    with pytest.raises(CondenseError, match=r"The set has 5 classes, but the digits given here has 10\."):
        next(evaluate(EvaluateConfig(seeds=1), fewer, digits))


def test_a_set_is_evaluated_under_its_own_normalisation(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)
    parts = [one.described_as(one.name, one.class_names, (0.9,), (7.0,)) for one in (digits.train, digits.test)]
    other = replace(digits, train=parts[0], test=parts[1])
    (here,), (there,) = (evaluate(EvaluateConfig(seeds=2), chosen, data) for data in (digits, other))
    assert there.accuracies == here.accuracies and there.config == here.config


def test_a_set_is_evaluated_with_its_own_numbers_of_classes(
    digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As version 0.1 learned it from a folder, whose classes had the order of their names, of a set that is published."""
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)
    numbers, names = torch.arange(9, -1, -1), list("zyxwvutsrq")
    read = [LabelledImages.from_arrays(one.pixels, numbers[one.labels], names) for one in (digits.train, digits.test)]
    parts = [renumbered(one, numbers).described_as("digits", digits.train.class_names, (0.9,), (7.0,)) for one in read]
    assert parts[0].fingerprint == digits.train.fingerprint
    facts = chosen.provenance
    former = replace(facts, dataset_fingerprint=read[0].former_fingerprint, class_names=names)
    images = chosen.images.unflatten(0, (10, 10)).flip(0).flatten(0, 1)
    learned = replace(chosen, images=images, labels=chosen.labels, provenance=former)
    (here,) = evaluate(EvaluateConfig(seeds=2), learned, replace(digits, train=parts[0], test=parts[1]))
    assert min(here.accuracies) > 0.5
    assert here.config["test_fingerprint"] == digits.test.fingerprint


def test_other_images_are_refused(digits: DataSet, chosen: SyntheticSet) -> None:
    other = replace(digits, train=digits.train.subset(100, 0))
    with pytest.raises(CondenseError, match="learned from other images"):
        next(evaluate(EvaluateConfig(seeds=1), chosen, other))


def test_the_whole_set_is_an_upper_bound(digits: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    (record,) = evaluate_whole(EvaluateConfig(network=("MLP",), seeds=2), digits)
    assert record.task == "whole" and min(record.accuracies) > 0.9
