"""Protocols as data: what recipes they give, one's own from TOML and Python, and all that is refused in them."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import condense
from condense.checking import as_dict, checked, verified
from condense.config import EvaluateConfig, MatrixConfig
from condense.errors import CondenseError
from condense.records import read_records
from condense.stage_t.own_protocols import chosen
from condense.stage_t.protocols import BUILT_IN, DEFAULTS, PROTOCOLS, Protocol, Where, recipe
from condense.training.recipe import Cosine, Recipe, Stage

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "protocol.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text)
    return path


def mistakes(value: object) -> list[str]:
    with pytest.raises(CondenseError) as caught:
        chosen(value)
    return str(caught.value).splitlines()


# What they come to


def test_the_built_in_ones_are_right_as_ones_own_would_be() -> None:
    assert list(BUILT_IN) == list(PROTOCOLS) == [one.name for one in BUILT_IN.values()]
    for name, one in BUILT_IN.items():
        own = replace(one, name=f"my-{name}")
        assert chosen(own) == own and chosen(one) == chosen(name) == chosen(name.upper()) == name
        for case in (("mnist", "MLP"), ("cifar10", "ConvNet"), ("svhn", "ConvNetBN")):
            assert recipe(own, *case) == recipe(name, *case)


def test_released_recipes_keep_their_keys() -> None:
    keys = {"stages", "batch_size", "momentum", "weight_decay", "augmentation"}
    assert set(recipe("published", "mnist", "ConvNet").facts()) == set(recipe("report", "mnist", "MLP").facts()) == keys
    assert set(recipe("dsa", "mnist", "ConvNet").facts()) == {*keys, "law"}
    assert set(recipe("idc", "mnist", "ConvNet").facts()) == {*keys, "law", "cutmix", "new_optimisers"}


def test_released_records_have_the_recipes_of_now() -> None:
    """So that what was evaluated by an earlier version is gone on with."""
    files = [path for kind in ("*-ipc*", "mnist-report-tables") for path in ROOT.glob(f"artifacts/{kind}/**/*.jsonl")]
    found = [record for path in files for record in read_records(path) if record.task == "evaluate"]
    assert len({(record.config["protocol"], record.config["network"]) for record in found}) >= 10
    for record in found:
        case = record.config["protocol"], record.config["set"]["dataset"], record.config["network"]
        assert recipe(*case).facts() == record.config["recipe"], case


def test_nothing_said_is_plain_training() -> None:
    assert recipe(Protocol(name="own"), "mnist", "ConvNetBN") == Recipe((Stage(300, 0.01),), batch_size=256)
    assert set(DEFAULTS) == set(asdict(Protocol(name="own"))) - {"name", "where"}


def test_where_things_are_otherwise() -> None:
    own = Protocol(
        name="own",
        epochs=5,
        cutmix=0.5,
        where=(
            Where(dataset=("mnist", "svhn"), epochs=6, cutmix=0.0),
            Where(network=("MLP",), epochs=7),
            Where(dataset=("mnist",), network=("LeNet",), batch_size=8),
        ),
    )
    found = {
        (dataset, network): recipe(own, dataset, network) for dataset in ("mnist", "mine") for network in ("MLP", "LeNet")
    }
    assert {case: (one.epochs, one.cutmix, one.batch_size) for case, one in found.items()} == {
        ("mnist", "MLP"): (7, 0.0, 256),
        ("mnist", "LeNet"): (6, 0.0, 8),
        ("mine", "MLP"): (7, 0.5, 256),
        ("mine", "LeNet"): (5, 0.5, 256),
    }


def test_the_rate_that_comes_with_a_set() -> None:
    own = Protocol(name="own", epochs=4, learning_rate="own", steps=((2, 0.1),))
    assert [stage.learning_rate for stage in recipe(own, "mnist", "MLP", 0.5).stages] == [0.5, 0.05]
    with pytest.raises(
        CondenseError, match=r"Protocol own trains with the learning rate of the set itself, and this set has"
    ):
        recipe(own, "mnist", "MLP")


# From TOML and Python


def test_the_example() -> None:
    own = chosen(EXAMPLE)
    assert isinstance(own, Protocol) and str(own) == "patient"
    colours = "color", "crop", "flip", "scale", "rotate"
    found = recipe(own, "cifar10", "ConvNet")
    assert found == Recipe(
        (Stage(600, 0.001),),
        128,
        weight_decay=0.01,
        augmentation=colours,
        law="several",
        cutmix=0.5,
        optimiser="adamw",
        betas=(0.9, 0.999),
        cosine=Cosine(10, 0.0),
    )
    assert json.loads(json.dumps(found.facts())) == {
        "stages": [{"epochs": 600, "learning_rate": 0.001}],
        "batch_size": 128,
        "momentum": 0.0,
        "weight_decay": 0.01,
        "augmentation": list(colours),
        "law": "several",
        "cutmix": 0.5,
        "optimiser": "adamw",
        "betas": [0.9, 0.999],
        "cosine": {"warm_up": 10, "end": 0.0},
    }
    assert "flip" not in recipe(own, "mnist", "ConvNet").augmentation
    assert recipe(own, "cifar10", "MLP").epochs == 200
    assert f"```toml\n{EXAMPLE.read_text()}```" in (ROOT / "docs" / "protocol.md").read_text()


def test_a_configuration_holds_a_protocol_whole(tmp_path: Path) -> None:
    path = written(tmp_path, '\ufeffname = "own"\nepochs = 3\n[[where]]\ndataset = "MNIST"\nnetwork = "mlp"\nepochs = 2\n')
    own = condense.Protocol(name="own", epochs=3, where=(condense.Where(dataset=("mnist",), network=("MLP",), epochs=2),))
    for given in (path, str(path), own, replace(own, where=[Where(dataset=["mnist"], network="MLP", epochs=2)])):  # type: ignore[arg-type]
        config = verified(EvaluateConfig(protocol=given))  # type: ignore[arg-type]
        assert config.protocol == own
        stored = json.loads(json.dumps(as_dict(config)))
        assert checked(EvaluateConfig, stored) == checked(EvaluateConfig, stored, strict=True) == config
    assert verified(EvaluateConfig(protocol=BUILT_IN["idc"])).protocol == "idc"
    several = checked(MatrixConfig, {"protocol": ["Report", str(path)]})
    assert several.protocol == ("report", own) and verified(several) == several


# Mistakes


def test_all_mistakes_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    lines = (
        ("epochs = 0", "epochs = 0: Input should be greater than or equal to 1."),
        ('batch_size = "64"', "batch_size = '64': Input should be a valid integer."),
        (
            "learning_rate = 0",
            "learning_rate: 0 is neither a finite number above 0 nor 'own', the rate that comes with a set.",
        ),
        ('optimiser = "adam"', "optimiser = 'adam': Input should be 'sgd' or 'adamw'."),
        ("momentum = nan", "momentum = nan: Input should be less than 1."),
        ("weight_decay = inf", "weight_decay = inf: Input should be a finite number."),
        ('schedule = "step"', "schedule = 'step': Input should be 'steps' or 'cosine'."),
        ("steps = [[3, 0]]", "steps.0.1 = 0: Input should be greater than 0."),
        ('loss = "mse"', "loss = 'mse': Input should be 'soft' or 'hard'."),
        ('law = "all"', "law = 'all': Input should be 'each', 'single' or 'several'."),
        ('augmentation = ["colour"]', "augmentation.0: Unknown augmentation 'colour'. Did you mean 'color'?"),
        ("cutmix = 2", "cutmix = 2: Input should be less than or equal to 1."),
        ("epoch = 3", "epoch: Unknown setting 'epoch'. Did you mean 'epochs'? Known: augmentation, "),
        ('[[where]]\nnetwork = "ConvNt"', "where.0.network.0: Unknown network 'ConvNt'. Did you mean 'ConvNet'?"),
        ('datset = "mnist"', "where.0.datset: Unknown setting 'datset'. Did you mean 'dataset'?"),
    )
    path = written(tmp_path, "\n".join(line for line, _ in lines))
    with pytest.raises(CondenseError) as caught:
        checked(EvaluateConfig, {"protocol": str(path), "seeds": 0}, called=lambda name: f"--{name}")
    found = str(caught.value).splitlines()
    assert found[-1] == "There are 2 more mistakes."
    sentences = [sentence for _, sentence in lines]
    sentences.insert(12, "name: It must be given.")
    for said in found[:-1]:
        assert any(said.startswith(f"--protocol: {path}: {sentence}") for sentence in sentences), said
    for line, sentence in lines[:13]:  # each alone, in a file that is right otherwise
        (said,) = mistakes(written(tmp_path, f'name = "own"\n{line}\n'))
        assert said.startswith(f"{path}: {sentence}")
    assert mistakes(written(tmp_path, "epochs = 3")) == [f"{path}: name: It must be given."]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimiser": "adamw", "momentum": 0.9}, "momentum: that is sgd's; the optimiser adamw has betas."),
        ({"betas": (0.8, 0.9)}, "betas: those are adamw's; the optimiser sgd has a momentum."),
        ({"schedule": "cosine", "steps": ((3, 0.1),)}, "steps: the schedule cosine has none."),
        ({"warm_up": 3}, "warm_up: only the schedule cosine has one."),
        ({"end": 0.5}, "end: only the schedule cosine has one."),
        ({"steps": ((300, 0.1),)}, "steps: they must be in order, and each before the last of the 300 epochs."),
        ({"steps": ((4, 0.1), (4, 0.1))}, "steps: they must be in order, and each before the last of the 300 epochs."),
        ({"steps": ((5, 0.1), (4, 0.1))}, "steps: they must be in order, and each before the last of the 300 epochs."),
        ({"steps": ((5, 1e300), (6, 1e300))}, "steps: they lead to a learning rate that is no finite number above 0."),
        (
            {"steps": ((5, 1e-300), (6, 1e-300)), "learning_rate": "own"},
            "steps: they lead to a learning rate that is no finite number above 0.",
        ),
        ({"schedule": "cosine", "epochs": 4, "warm_up": 4}, "warm_up = 4: must be less than the 4 epochs."),
        ({"augmentation": ("crop", "crop")}, "augmentation: crop, crop name an operation twice."),
        ({"augmentation": ("crop", "flip")}, "augmentation: the law each has no flip, but crop, scale, rotate, noise."),
        (
            {"augmentation": ("noise",), "law": "single"},
            "augmentation: the law single has no noise, but color, crop, scale, rotate, cutout, flip.",
        ),
        ({"where": (Where(epochs=3),)}, "where.0: it names neither a dataset nor a network."),
        (
            {
                "epochs": 9,
                "steps": ((8, 0.1),),
                "where": (Where(dataset=("mnist",), epochs=20), Where(network=("MLP",), steps=((9, 0.1),))),
            },
            "for the network MLP: steps: they must be in order, and each before the last of the 9 epochs.",
        ),
        (
            {
                "law": "several",
                "where": (Where(dataset=("a",), law="each"), Where(network=("MLP",), augmentation=("flip",))),
            },
            "for the data set a, network MLP: augmentation: the law each has no flip, but crop, scale, rotate, noise.",
        ),
        ({"name": "dsa"}, "name: 'dsa' is the name of a built-in protocol; give your own another."),
        ({"name": "Published"}, "name: 'Published' is the name of a built-in protocol; give your own another."),
        ({"name": "whole"}, "name: 'whole' is the name of a built-in protocol; give your own another."),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], sentence: str) -> None:
    assert mistakes(Protocol(**{"name": "own", **settings})) == [sentence]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "a.b", "é", "a\n", "\0", "-" * 3, "x" * 41])
def test_names_that_no_file_should_have(name: str) -> None:
    (said,) = mistakes(Protocol(name=name))
    assert said.startswith("name: '") and "has letters, digits, - and _ only, and at most 40" in said
    assert chosen(Protocol(name="A-b_3")) == Protocol(name="A-b_3")


def test_what_is_no_protocol(tmp_path: Path) -> None:
    (said,) = mistakes("publishd")
    assert said.startswith(
        "Unknown protocol 'publishd'. Did you mean 'published'? Known: dsa, idc, published, report. One of"
    )
    assert mistakes("no/where.toml") == ["Cannot read the protocol no/where.toml: No such file or directory."]
    assert mistakes(tmp_path)[0].startswith(f"Cannot read the protocol {tmp_path}: Is a directory")
    assert mistakes(written(tmp_path, "epochs = "))[0].startswith(
        f"The protocol {tmp_path / 'own.toml'} is not valid TOML: "
    )
    (tmp_path / "bytes.toml").write_bytes(b'name = "\xff"')
    assert mistakes(tmp_path / "bytes.toml")[0].startswith("Cannot read the protocol")
    assert mistakes(written(tmp_path, f"epochs = {'[' * 5000}{']' * 5000}"))[0].endswith("nested too deep to be read.")
    assert mistakes("a\0.toml") == ["the protocol a\\x00.toml: no path holds a zero byte."]
    assert mistakes(3) == ["3 is no protocol: neither a name, nor the path of a TOML file, nor a Protocol."]
    assert mistakes(Protocol(name="own", epochs=object()))[0].startswith("epochs = '<object")  # type: ignore[arg-type]
    for name in ("learning_rate", "epochs", "momentum", "weight_decay", "cutmix"):
        (said,) = mistakes(written(tmp_path, f'name = "own"\n{name} = {10**400}\n'))
        assert f"{name}" in said and len(said) < 300
    assert recipe(chosen(written(tmp_path, 'name = "own"\nlearning_rate = 1\n')), "a", "MLP").stages == (Stage(300, 1.0),)
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    assert mistakes({"name": "own", "steps": deep}) == ["A value is nested too deeply, or no value of a setting."]
