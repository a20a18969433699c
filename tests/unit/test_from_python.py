"""From Python: paths as text, names in any case, one network as its name."""

from pathlib import Path

import pytest

import condense
from condense.checking import as_dict, checked, verified
from condense.config import EvaluateConfig, LearnConfig, MatrixConfig
from condense.data import catalog
from condense.data.known import PUBLISHED
from condense.networks.registry import build, check_name
from condense.stage_c.learn import learn

QUICK = {"network": "MLP", "iterations": 1, "inner_loop": 1}


def test_paths_may_be_text(tmp_path: Path) -> None:
    data = condense.load("digits", data_root=str(tmp_path))
    evaluation = condense.EvaluateConfig(seeds=1, protocol="report")
    learned = condense.learn_and_save(LearnConfig(**QUICK), data, f"{tmp_path}/a.h5", f"{tmp_path}/a.jsonl")
    assert condense.SyntheticSet.load(f"{tmp_path}/a.h5").sha256 == learned.sha256
    learned.save(f"{tmp_path}/b.h5")
    (record,) = condense.read_records(f"{tmp_path}/a.jsonl")
    condense.append_record(f"{tmp_path}/b.jsonl", record)
    assert condense.read_records(str(tmp_path / "b.jsonl")) == [record]
    outputs = condense.run(LearnConfig(**QUICK), evaluation, data, f"{tmp_path}/run")
    assert outputs.page.is_file() and [r.task for r in condense.read_records(outputs.records)] == ["learn", "evaluate"]
    learn(LearnConfig(**QUICK), data.train, checkpoint=f"{tmp_path}/c.checkpoint")
    assert (tmp_path / "c.checkpoint").exists()


def test_a_published_set_is_found_under_a_root_given_as_text(tmp_path: Path, no_data_and_no_network: None) -> None:
    with pytest.raises(condense.CondenseError):
        condense.load("mnist", data_root=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "proper"),
    [
        ("mlp", "MLP"),
        ("convnet", "ConvNet"),
        ("CONVNETW16bn", "ConvNetW16BN"),
        ("convnetaswish", "ConvNetASwish"),
        ("resnet18bn_ap", "ResNet18BN_AP"),
        ("LENET-classic", "lenet-classic"),
        ("MLP-2X16", "mlp-2x16"),
        ("AlexNet", "AlexNet"),
    ],
)
def test_networks_in_any_case(name: str, proper: str) -> None:
    assert check_name(name) == proper
    assert checked(LearnConfig, {"network": name}).network == proper
    assert build(name, (3, 32, 32) if "classic" not in name.lower() else (1, 227, 227), 10).name == proper


def test_other_names_in_any_case() -> None:
    values = {"method": "DC", "schedule": "Fast", "dataset": "MNIST", "init": "Real", "distance": "MSE", "precision": "FP32"}
    assert {name: getattr(checked(LearnConfig, values), name) for name in values} == {
        name: value.lower() for name, value in values.items()
    }
    matrix = checked(MatrixConfig, {"learn": ["mlp"], "train": "lenet", "schedule": ["FAST"], "protocol": ["Report"]})
    assert (matrix.learn, matrix.train, matrix.schedule, matrix.protocol) == (("MLP",), ("LeNet",), ("fast",), ("report",))
    with pytest.raises(condense.CondenseError, match=r"Unknown method 'dcc'\. Did you mean 'dc'"):
        checked(LearnConfig, {"method": "dcc"})


def test_the_names_that_are_known_are_those_of_the_catalog() -> None:
    assert set(PUBLISHED) == set(catalog.names())
    assert condense.load("DIGITS").name == "digits"


def test_a_path_of_that_name_is_what_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Digits").mkdir()
    assert checked(LearnConfig, {"dataset": "Digits"}).dataset == "Digits"


def test_sets_and_records_state_the_proper_names() -> None:
    data = condense.load("digits")
    asked = LearnConfig(network="mlp", method="DC", schedule="FAST", iterations=1, inner_loop=1)
    proper = LearnConfig(network="MLP", method="dc", schedule="fast", iterations=1, inner_loop=1)
    one, two = learn(asked, data.train), learn(proper, data.train)
    assert one.set.to_bytes() == two.set.to_bytes() and one.record.config == two.record.config
    loose = EvaluateConfig(network="mlp", seeds=1, protocol="REPORT")  # type: ignore[arg-type]
    evaluations = loose, EvaluateConfig(network=("MLP",), seeds=1, protocol="report")
    first, second = (next(condense.evaluate(each, one.set, data)) for each in evaluations)
    assert first.config == second.config and first.config["network"] == "MLP"


def test_a_configuration_is_what_its_checks_make_of_it() -> None:
    config = LearnConfig(network="convnetw16", ipc=2, dataset="whatever it is called")
    found = verified(config)
    assert (found.network, found.dataset, found.ipc) == ("ConvNetW16", "whatever it is called", 2)
    assert as_dict(verified(EvaluateConfig(network="mlp")))["network"] == ["MLP"]  # type: ignore[arg-type]
    with pytest.raises(condense.CondenseError, match="seeds = 0"):
        verified(EvaluateConfig(seeds=0))
