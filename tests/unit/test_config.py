"""Configurations: every mistake at once, with its place, its value and what is right."""

import json

import pytest

from condense.checking import as_dict, checked
from condense.cli.options import Evaluate, Learn, Run
from condense.config import EvaluateConfig, LearnConfig
from condense.errors import CondenseError
from condense.stage_c.methods import BUILT_IN


def mistakes(kind: type, values: dict, **how) -> list[str]:
    with pytest.raises(CondenseError) as caught:
        checked(kind, values, **how)
    return str(caught.value).split("\n")


def test_all_mistakes_are_said_at_once() -> None:
    found = mistakes(
        LearnConfig, {"network": "ConvNt", "ipc": 0, "method": "dcc", "seed": "x", "itterations": 3, "dataset": 3}
    )
    assert len(found) == 6
    assert found[0] == "dataset = 3: Input should be a valid string."
    assert found[1] == "ipc = 0: Input should be greater than or equal to 1."
    known = ", ".join(sorted(BUILT_IN))
    assert found[2] == f"method: Unknown method 'dcc'. Did you mean 'dc'? Known: {known}."
    assert found[3].startswith("network: Unknown network 'ConvNt'. Did you mean 'ConvNet'? Known: ")
    assert found[4] == "seed = 'x': Input should be a valid integer."
    assert found[5].startswith("itterations: Unknown setting 'itterations'. Did you mean 'iterations'? Known: dataset, ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ipc": 1.5}, "ipc = 1.5: Input should be a valid integer, got a number with a fractional part."),
        ({"ipc": None}, "ipc = None: Input should be a valid integer."),
        ({"ipc": 10**10}, "ipc = 10000000000: Input should be less than or equal to 100000."),
        ({"iterations": -1}, "iterations = -1: Input should be greater than or equal to 0."),
        ({"outer_loop": 0}, "outer_loop = 0: Input should be greater than or equal to 1."),
        ({"inner_loop": -1}, "inner_loop = -1: Input should be greater than or equal to 0."),
        ({"image_learning_rate": 0}, "image_learning_rate = 0: Input should be greater than 0."),
        ({"image_learning_rate": "nan"}, "image_learning_rate = 'nan': Input should be a finite number."),
        ({"network_learning_rate": float("inf")}, "network_learning_rate = inf: Input should be a finite number."),
        ({"image_momentum": 1}, "image_momentum = 1: Input should be less than 1."),
        ({"image_momentum": float("nan")}, "image_momentum = nan: Input should be less than 1."),
        ({"seed": 2**63}, "seed = 9223372036854775808: Input should be less than 9223372036854775808."),
        ({"init": "reel"}, "init: Unknown initialisation 'reel'. Did you mean 'real'? Known: noise, real."),
        ({"distance": "our"}, "distance: Unknown distance 'our'. Did you mean 'ours'? Known: cos, mse, ours."),
    ],
)
def test_values_that_are_refused(values: dict, message: str) -> None:
    assert mistakes(LearnConfig, values) == [message]


def test_values_of_an_evaluation() -> None:
    assert mistakes(EvaluateConfig, {"network": ["MLP", "LeNt"], "seeds": 0, "protocol": "publishd"})[0].startswith(
        "network.1: Unknown network 'LeNt'. Did you mean 'LeNet'?"
    )
    assert mistakes(EvaluateConfig, {"network": 3}) == ["network = 3: Input should be a valid tuple."]
    assert checked(EvaluateConfig, {"network": "MLP"}) == EvaluateConfig(network=("MLP",))


def test_the_caller_says_what_a_value_is_called() -> None:
    assert mistakes(LearnConfig, {"ipc": 0}, called=lambda name: f"a.toml: {name}")[0].startswith("a.toml: ipc = 0: ")


def test_text_is_converted_unless_strict() -> None:
    assert checked(LearnConfig, {"ipc": "10", "image_learning_rate": "1e-2"}).resolved().image_learning_rate == 0.01
    values = {"ipc": "10", "seed": True, "image_momentum": "0", "out": 3, "quiet": 1}
    assert [line.partition(" = ")[0] for line in mistakes(Learn, values, strict=True)] == [
        *("quiet", "ipc", "seed", "out", "image_momentum")
    ]
    fine = {"network": ["MLP"], "out": "a.jsonl", "seeds": 2}
    assert checked(Evaluate, fine, strict=True) == checked(Evaluate, fine)
    assert checked(Run, {"image_learning_rate": 1}, strict=True).resolved().image_learning_rate == 1.0


def test_what_depends_on_other_values_is_filled_in() -> None:
    config = LearnConfig(ipc=10, network="MLP").resolved()
    assert (config.outer_loop, config.inner_loop, config.image_learning_rate) == (10, 50, 0.01)
    assert LearnConfig().resolved().image_learning_rate == 0.1
    loops = {"iterations": 5, "outer_loop": 3, "inner_loop": 0, "real_batch": 7}
    given = {**loops, "image_learning_rate": 2.0, "image_decay": "cosine", "image_clip": "median", "init": "real"}
    given |= {"network_learning_rate": 0.02}
    assert LearnConfig(ipc=10, **given).resolved() == LearnConfig(ipc=10, **given)
    assert config.resolved() == config


def test_a_configuration_survives_json() -> None:
    for config in (LearnConfig(), LearnConfig().resolved(), EvaluateConfig(network=("MLP", "LeNet"))):
        stored = json.loads(json.dumps(as_dict(config)))
        assert stored == as_dict(config)
        assert checked(type(config), stored) == config
