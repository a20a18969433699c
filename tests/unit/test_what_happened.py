"""What is recorded is what happened: precision, and a seed's network whatever else is asked for."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from stage_c_samples import execution_of
from torch import Tensor

from condense import execution, machine
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.execution import Work, effective
from condense.networks.registry import build
from condense.records import Record
from condense.stage_c import precision
from condense.stage_c.learn import learn
from condense.stage_t import evaluate as module
from condense.stage_t.evaluate import evaluate, evaluate_whole
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GREY = (1, 28, 28)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


# Precision


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "tf32", "network": "LeNet"},
        {"precision": "tf32", "network": "MLP"},
        {"precision": "mixed", "network": "MLP"},
        {"precision": "mixed", "network": "mlp-1x16"},
        {"precision": "mixed", "network": "ConvNetW8D1"},
        {"precision": "mixed", "network": "ConvNetW3D2"},
        {"precision": "mixed", "network": "LeNet", "iterations": 0},
        {"precision": "mixed", "network": "LeNet", "method": "random"},
        {"precision": "mixed", "network": "LeNet", "method": "dm"},
    ],
)
def test_a_precision_without_effect_is_recorded_as_float32_with_a_remark(settings: dict, small_images) -> None:
    steps = {} if settings.get("method") == "random" else {"iterations": 1}
    config = LearnConfig(**{**steps, **settings})
    asked, plain = learn(config, small_images()), learn(replace(config, precision="fp32"), small_images())
    assert torch.equal(asked.set.images, plain.set.images)
    assert asked.set.provenance.precision == asked.record.config["precision"] == "fp32"
    assert asked.set.to_bytes() == plain.set.to_bytes()
    (note,) = [note for note in asked.record.notes if note.startswith(f"Precision {config.precision} has no effect")]
    assert note.endswith("it is fp32, and recorded as that.") and not any("Precision" in n for n in plain.record.notes)


def test_a_precision_with_effect_is_recorded(small_images) -> None:
    config = LearnConfig(network="LeNet", iterations=1, precision="mixed")
    mixed, plain = learn(config, small_images()), learn(replace(config, precision="fp32"), small_images())
    assert mixed.set.provenance.precision == "mixed" and not torch.equal(mixed.set.images, plain.set.images)
    assert not any("Precision" in note for note in mixed.record.notes)


def test_on_a_gpu_it_depends_on_what_the_gpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp, lenet = build("MLP", GREY, 10), build("LeNet", GREY, 10)
    for capability, tf32 in (((8, 0), "tf32"), ((7, 5), "fp32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert [effective(asked, mlp, GPU) for asked in ("fp32", "tf32", "mixed")] == ["fp32", tf32, tf32]
        assert [effective(asked, lenet, GPU) for asked in ("fp32", "tf32", "mixed")] == ["fp32", tf32, "mixed"]


def test_auto_names_no_precision_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "has_bfloat16", lambda device: True)
    mlp, work = build("MLP", GREY, 2), Work(1e13, batch=256)
    compiled = execution_of(mlp, batch=256, path="compiled")
    assert precision.choose_precision("auto", mlp, compiled, work, lambda precision: 1.0) == "fp32"


@pytest.mark.parametrize(
    ("ratios", "taken"),
    [
        ((0.5, 0.5, 0.5, 0.5, 0.5), True),
        ((0.89, 0.8, 0.85, 2.0, 3.0), True),
        ((0.95, 0.96, 0.94, 0.95, 0.5), False),  # quicker in every reading, by less than readings differ
        ((0.2, 0.2, 1.1, 1.1, 1.1), False),
    ],
)
def test_bfloat16_counts_with_a_margin_over_several_readings_in_turn(
    ratios: Sequence[float], taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[torch.dtype] = []
    left = iter(ratios)

    def seconds(dtype: torch.dtype) -> float:
        asked.append(dtype)
        return next(left) if dtype is torch.bfloat16 else 1.0

    monkeypatch.setattr(machine, "_convolution_seconds", seconds)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert machine.convolves_bfloat16_faster(CPU) is taken
    assert asked == [torch.bfloat16, torch.float32] * 5


# Seeds


@pytest.fixture(scope="module")
def chosen(digits: DataSet) -> SyntheticSet:
    return learn(LearnConfig(method="random", network="MLP"), digits.train).set


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The parameters of the networks that were tested, in order; training is short."""
    found: list[Tensor] = []
    plain = module.accuracies

    def watched(network, members, data):
        found.extend(members.vector)
        return plain(network, members, data)

    monkeypatch.setattr(module, "accuracies", watched)
    monkeypatch.setattr(module, "recipe", lambda *case: Recipe((Stage(12, 0.05),), momentum=0.9))
    return found


@pytest.mark.parametrize("network", ["MLP", "LeNet", "ConvNetW16"])
def test_a_seed_gives_one_network_whatever_seeds_are_asked_for(
    network: str, digits: DataSet, chosen: SyntheticSet, vectors: list[Tensor]
) -> None:
    records: list[Record] = []
    for count in (1, 3, 20):
        records += evaluate(EvaluateConfig(network=(network,), seeds=count), chosen, digits)
    (one, first_of_three, first_of_twenty) = (vectors[place] for place in (0, 1, 4))
    assert torch.equal(one, first_of_three) and torch.equal(one, first_of_twenty)
    assert torch.equal(torch.stack(vectors[1:4]), torch.stack(vectors[4:7]))
    assert records[0].accuracies == records[2].accuracies[:1] and records[1].accuracies == records[2].accuracies[:3]
    some = module.evaluate_network(network, "published", chosen, digits, [2, 19])
    assert some.accuracies == [records[2].accuracies[seed] for seed in (2, 19)]


@pytest.mark.parametrize("network", ["MLP", "LeNet", "ConvNetW16"])
def test_compiling_is_decided_for_a_protocol_and_not_for_the_seeds_asked_for(
    network: str, digits: DataSet, chosen: SyntheticSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("condense.execution.pays_to_compile", lambda network, *work: bool(asked.append(work)))
    monkeypatch.setattr(module, "recipe", lambda *case: Recipe((Stage(2, 0.05),)))
    monkeypatch.setattr(module, "whole_recipe", lambda: Recipe((Stage(1, 0.05),), batch_size=256))
    for count in (1, 3, 20):
        list(evaluate(EvaluateConfig(network=(network,), seeds=count), chosen, digits))
    for count in (1, 2):
        list(evaluate_whole(EvaluateConfig(network=(network,), seeds=count), digits))
    assert len(set(asked[:3])) == len(set(asked[3:])) == 1
    assert asked[0][0] == 2 * (1 if network == "MLP" else 20)  # steps: of one stack of twenty, or of twenty in turn
