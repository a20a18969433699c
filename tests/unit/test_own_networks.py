"""Networks of one's own: a module is what it is by itself, whatever it is put to; names, digests, and what is refused."""

import random
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import own_networks
import pytest
import torch
from torch import nn
from torch.func import grad

import condense
from condense import CondenseError, register_network
from condense.checking import verified
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import LabelledImages
from condense.errors import Interrupted
from condense.execution import for_learning, for_training, outputs_of, prefers_channels_last
from condense.networks import own
from condense.networks.layers import Linear
from condense.networks.look import HardSigmoid
from condense.networks.module import ModuleNetwork
from condense.networks.network import Network
from condense.networks.registry import build, check_name
from condense.reference.networks import module
from condense.source import digest
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import evaluate, networks_of
from condense.studies.hyperparameters.rows import with_dropout

SHAPE = (1, 28, 28)


@pytest.fixture(autouse=True)
def fresh_names(monkeypatch: pytest.MonkeyPatch) -> None:
    own.NETWORKS.forget()
    monkeypatch.setattr(own, "_kept", {})


def made(factory: object, name: str = "mine", shape: tuple[int, int, int] = SHAPE, classes: int = 3) -> Network:
    register_network(name, factory)  # type: ignore[arg-type]
    return build(name, shape, classes)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# A module behind the interface


@pytest.mark.parametrize("name", ["ConvNetW8BN", "ConvNetW8", "LeNet"])
def test_a_module_is_computed_as_the_built_in_network_it_is_a_twin_of(name: str, fresh_seed: int) -> None:
    built, twin = build(name, SHAPE, 3), made(lambda shape, classes: module(name, shape, classes))
    assert isinstance(twin, ModuleNetwork) and twin.as_written and not built.as_written
    assert [shape for _, shape in twin.shapes()] == [shape for _, shape in built.shapes()]
    assert (twin.parameter_count, twin.has_batch_norm) == (built.parameter_count, built.has_batch_norm)
    assert (twin.multiply_adds, twin.feature_count) == (built.multiply_adds, built.feature_count)
    x = torch.randn(5, *SHAPE, generator=generator(fresh_seed), dtype=torch.float64)
    parameters = built.initial(generator(fresh_seed), torch.float64)
    alike = dict(zip((name for name, _ in twin.shapes()), parameters.values(), strict=True))
    statistics = {name: value + 0.5 for name, value in built.initial_statistics(dtype=torch.float64).items()}
    own_statistics = dict(zip((spec.name for spec in twin.statistics_specs), statistics.values(), strict=True))
    close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)
    close(twin.logits(alike, x, own_statistics), built.logits(parameters, x, statistics))
    features = twin.features(alike, x, own_statistics)
    close(features, built.features(parameters, x, statistics))
    close(twin.classified(alike, features), built.classified(parameters, features))
    close(twin.train_features(alike, x, own_statistics), built.train_features(parameters, x, statistics))
    (logits, after), (wanted, later) = (
        twin.train_logits(alike, x, own_statistics),
        built.train_logits(parameters, x, statistics),
    )
    close(logits, wanted)
    for one, other in zip(after.values(), later.values(), strict=True):
        close(one, other)
    gradients = [
        grad(lambda p, network=network, s=s: network.train_logits(p, x, s)[0].square().sum())(given)
        for network, given, s in ((twin, alike, own_statistics), (built, parameters, statistics))
    ]
    for one, other in zip(*(g.values() for g in gradients), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_dropout_comes_from_the_generator_and_leaves_pytorchs_own_alone() -> None:
    network = made(own_networks.tiny)
    parameters, statistics = network.initial(generator()), network.initial_statistics()
    x, before = torch.randn(6, *SHAPE, generator=generator(1)), torch.get_rng_state()
    assert network.has_dropout
    first, again, other = (network.train_logits(parameters, x, statistics, generator(seed))[0] for seed in (2, 2, 3))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(
        network.logits(parameters, x, statistics, dropout=generator(2)), network.logits(parameters, x, statistics)
    )
    assert torch.equal(network.train_features(parameters, x, statistics), network.train_features(parameters, x, statistics))
    assert torch.equal(before, torch.get_rng_state())


def test_a_seed_is_a_network_and_nothing_given_is_changed() -> None:
    network = made(own_networks.tiny)
    first, again, other = (network.initial(generator(seed)) for seed in (4, 4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    statistics = network.initial_statistics()
    before = {name: value.clone() for name, value in {**first, **statistics}.items()}
    x = torch.randn(4, *SHAPE)
    _, after = network.train_logits(first, x, statistics, generator())
    assert all(torch.equal(value, before[name]) for name, value in {**first, **statistics}.items())
    assert any(not torch.equal(after[name], statistics[name]) for name in after)
    assert network.initial(generator(), torch.float64)["0.weight"].dtype == torch.float64


def test_frozen_parts_stay_as_they_are() -> None:
    def factory(shape: tuple[int, int, int], classes: int) -> nn.Module:
        network = own_networks.tiny(shape, classes)
        network[0].requires_grad_(False)  # type: ignore[index]
        return network

    network = made(factory)
    names = [name for name, _ in network.shapes()]
    assert "0.weight" not in names and set(network.initial(generator())) == set(names)
    assert (
        network.logits(
            network.initial(generator(), torch.float64),
            torch.randn(2, *SHAPE).double(),
            {name: value.double() for name, value in network.initial_statistics().items()},
        ).dtype
        == torch.float64
    )


def test_it_is_neither_compiled_nor_stacked_nor_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condense.execution.has_tf32", lambda device: True)
    network, gpu = made(own_networks.tiny), torch.device("cuda")
    execution = for_training(network, gpu, batch=16, steps=10**6)
    assert (execution.path, execution.stack, execution.channels_last) == ("eager", 1, False)
    work = condense.Work(multiply_adds=1e20, batch=16)
    execution = for_learning(network, gpu, work, precision="mixed")
    assert (execution.path, execution.together, execution.precision == "mixed") == ("eager", False, False)
    assert execution.precision == "tf32"
    assert not prefers_channels_last(network) and max(outputs_of(network)) == 4 * 28 * 28


def test_a_network_without_a_classifier_has_logits_but_no_features(small_images: object) -> None:
    network = made(own_networks.Averaging)
    parameters = network.initial(generator())
    assert network.logits(parameters, torch.randn(2, *SHAPE)).shape == (2, 3)
    with pytest.raises(CondenseError, match="does not end in a linear layer"):
        network.features(parameters, torch.randn(2, *SHAPE))
    with pytest.raises(CondenseError, match="methods that match or compare features cannot use it"):
        assert network.feature_count


def test_a_factory_may_make_one_of_layers() -> None:
    network = made(lambda shape, classes: Network("any", shape, classes, (Linear("only", classes),)))
    assert network.name.startswith("mine@") and type(network) is Network and not network.as_written


def test_dropout_of_a_sweep_is_added_before_the_classifier() -> None:
    network = with_dropout(made(own_networks.Averaging, "flat"), 0.5)
    assert not network.has_dropout  # it has no fully connected layer
    assert with_dropout(made(lambda s, c: nn.Sequential(nn.Flatten(), nn.Linear(784, c)), "flat2"), 0.5).has_dropout


# What is refused


def unseeded(shape: tuple[int, int, int], classes: int) -> nn.Module:
    network = own_networks.tiny(shape, classes)
    with torch.no_grad():
        network[0].weight.fill_(random.random())  # type: ignore[index,union-attr,operator]
    return network


CHANGED = {
    "batch": "depends on the images beside it, outside of training too",
    "count": r"norm\.num_batches_tracked counts in training, which is not kept",
    "frozen": "has no parameters that are trained",
    "images": "changes the images that go through it",
    "random": "draws random numbers outside of training too",
    "state": "changes outside of training too",
    "fails": r"cannot take images of 1 x 28 x 28 and 3 classes: ValueError: no such images\.",
    "transposed": r"gives torch.float32 \(3, 2\) for images of 1 x 28 x 28 and 3 classes, not logits: floats \(2, 3\)",
    "several": "gives tuple for images",
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_cannot_be_compared_is_refused(what: str) -> None:
    state = torch.get_rng_state()
    with pytest.raises(CondenseError, match=f"^Network 'mine@[0-9a-f]{{10}}'.*{CHANGED[what]}") as caught:
        made(partial(own_networks.Changed, what=what))
    assert "\n" not in str(caught.value) and torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (unseeded, "its factory makes other parameters from one and the same seed"),
        (lambda shape, classes: nn.Sequential(nn.Flatten(), nn.LazyLinear(classes)), "has lazy modules"),
        (lambda shape, classes: None, "its factory gives None, which is no torch.nn.Module"),
        (lambda: nn.Flatten(), "cannot be made for images of 1 x 28 x 28 and 3 classes: TypeError"),
        (lambda s, c: Network("any", s, c + 1, (Linear("only", c + 1),)), "is made for images of 1 x 28 x 28 and 4 classes"),
    ],
)
def test_factories_that_make_none(factory: object, sentence: str) -> None:
    with pytest.raises(CondenseError, match=sentence):
        made(factory)


def test_names_that_cannot_be() -> None:
    for name in ("", "1st", "a b", "a/b", "x" * 41, "mine@0123456789", 5):
        with pytest.raises(CondenseError, match="is no name of a network"):
            register_network(name, own_networks.tiny)  # type: ignore[arg-type]
    for name in ("ConvNet", "convnetw8bn", "mlp-2x16", "resnet18"):
        with pytest.raises(CondenseError, match="is the name of a built-in network"):
            register_network(name, own_networks.tiny)
    with pytest.raises(CondenseError, match="5 is no factory"):
        register_network("mine", 5)  # type: ignore[arg-type]


# Names


def test_a_name_has_the_digest_of_the_code() -> None:
    register_network("mine", own_networks.tiny)
    name = check_name("mine")
    assert name == f"mine@{digest(own_networks.tiny)}" == check_name(name) == verified(LearnConfig(network="mine")).network
    assert verified(EvaluateConfig(network=("mine",))).network == (name,)
    register_network("mine", own_networks.Averaging)
    assert check_name("mine") != name
    with pytest.raises(CondenseError, match="Network 'mine' is another one than before: its code has the digest"):
        build(name, SHAPE, 3)
    with pytest.raises(CondenseError, match=r"Unknown network 'mind'\. Did you mean 'mine'"):
        check_name("mind")
    with pytest.raises(CondenseError, match="There is no network 'other' in this process"):
        build("other@0123456789", SHAPE, 3)


CODE = '''
import torch.nn.functional as F
from torch import nn

WIDTH = 4

class Block(nn.Module):
    """A block."""
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(784, width)
    def forward(self, x):
        return F.relu(self.linear(x.flatten(1)))  # rectified

def make(shape, classes):
    return nn.Sequential(Block(WIDTH), nn.Linear(WIDTH, classes))

def unused():
    return 1
'''


def written(folder: Path, code: str) -> object:
    found = ModuleType("mynets")
    path = folder / f"mynets{len(list(folder.iterdir()))}.py"
    path.write_text(code)
    exec(compile(code, str(path), "exec"), vars(found))
    return found.make


def test_a_digest_changes_with_what_is_computed_alone(tmp_path: Path) -> None:
    of = digest(written(tmp_path, CODE))  # type: ignore[arg-type]
    for part, other in (('"""A block."""', '"""It."""'), ("# rectified", ""), ("return 1", "return 2")):
        assert digest(written(tmp_path, CODE.replace(part, other))) == of, part  # type: ignore[arg-type]
    changes = [
        ("F.relu", "F.elu"),
        ("WIDTH = 4", "WIDTH = 5"),
        ("784, width)", "784, width, bias=False)"),
        ("Block(WIDTH)", "Block(4)"),
    ]
    for before, after in changes:
        assert digest(written(tmp_path, CODE.replace(before, after))) != of, before  # type: ignore[arg-type]


def test_a_digest_tells_closures_and_arguments_apart() -> None:
    def closed(first: int, second: int) -> object:
        return lambda shape, classes: (first, second)

    def args(width: int) -> object:
        return partial(own_networks.Changed, what=str(width))

    found = [digest(one) for one in (closed(3, 5), closed(5, 3), closed(3, 5), args(1), args(2))]  # type: ignore[arg-type]
    assert found[0] == found[2] and len(set(found)) == 4


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a module `mynets`, which is forgotten afterwards."""
    (tmp_path / "mynets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    yield tmp_path
    sys.modules.pop("mynets", None)


def test_a_module_of_the_current_folder(in_folder: Path) -> None:
    name = check_name("mynets:make")
    assert name.startswith("mynets:make@") and build(name, SHAPE, 3).name == name
    for text, sentence in (
        ("mynets:none", "AttributeError"),
        ("mynets:WIDTH", "4 is no factory"),
        ("no_such_module:make", "ModuleNotFoundError: No module named 'no_such_module'"),
    ):
        with pytest.raises(CondenseError, match=sentence):
            check_name(text)


def test_what_a_file_names_is_not_imported(in_folder: Path) -> None:
    name = "mynets:make@0123456789"
    assert check_name(name) == name and "mynets" not in sys.modules
    named = SimpleNamespace(provenance=SimpleNamespace(network=name))
    with pytest.raises(CondenseError, match="which is code that a file is not to choose"):
        networks_of(EvaluateConfig(), named)  # type: ignore[arg-type]
    assert "mynets" not in sys.modules
    asked = check_name("mynets:make")
    named.provenance.network = asked
    assert networks_of(EvaluateConfig(), named) == (asked,)  # type: ignore[arg-type]


def test_timm_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    own._timm_factory.cache_clear()
    with pytest.raises(CondenseError, match="'timm:resnet18' needs timm, which is not installed"):
        check_name("timm:resnet18")

    def create(model: str, pretrained: bool, in_chans: int, num_classes: int) -> nn.Module:
        assert model == "tiny" and not pretrained
        return own_networks.tiny((in_chans, 28, 28), num_classes)

    fake = SimpleNamespace(list_models=lambda: ["tiny"], create_model=create, __version__="1.0")
    monkeypatch.setitem(sys.modules, "timm", fake)
    assert build("timm:tiny", SHAPE, 3).classes == 3 and check_name("timm:tiny").startswith("timm:tiny@")
    with pytest.raises(CondenseError, match="timm has no model 'large'"):
        check_name("timm:large")
    own._timm_factory.cache_clear()


def test_timm_itself() -> None:
    pytest.importorskip("timm")
    assert build("timm:resnet10t", (3, 32, 32), 3).has_batch_norm


class OnceOnly(own_networks.Averaging):
    """Of its activation PyTorch has no second derivative."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.hardsigmoid(super().forward(x))


def test_second_derivatives_are_asked_for_before_anything_is_done(small_images: Callable[..., LabelledImages]) -> None:
    register_network("mine", OnceOnly)
    sentence = r"cannot be differentiated twice, as this method does: .*hardsigmoid_backward is not implemented\.$"
    with pytest.raises(CondenseError, match=sentence):
        learn(LearnConfig(network="mine", ipc=1, schedule="fast"), small_images())


def test_hard_sigmoids_of_modules_are_differentiated_twice() -> None:
    network = made(
        lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Hardsigmoid(), nn.Linear(8, classes))
    )
    network.check_second_derivatives()
    x = torch.linspace(-5, 5, 101)
    torch.testing.assert_close(HardSigmoid()(x), nn.functional.hardsigmoid(x), rtol=1e-6, atol=1e-7)


# What they are for


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    data = load("digits", train_size=100).train
    kept = data.labels < 2
    return LabelledImages.from_arrays(data.pixels[kept], data.labels[kept], name=data.name, mean=data.mean, std=data.std)


EXPERTS = {"iterations": 2, "real_batch": 6, "expert_count": 2, "expert_epochs": 1}
METHODS: dict[str, dict[str, Any]] = {
    "dc": {"iterations": 2, "outer_loop": 2, "inner_loop": 1, "real_batch": 6},
    "dm": {"iterations": 2, "real_batch": 6},
    "dream": {"iterations": 2, "inner_loop": 2, "real_batch": 4, "renewal": 2, "candidates": 9, "network_batches": 1},
    "frepo": {"iterations": 2, "real_batch": 6, "pool": 2, "online_steps": 2},
    "dance": EXPERTS,
    "ncfm": {**EXPERTS, "frequencies": 16},
    "mtt": {
        **{"iterations": 2, "student_steps": 2, "matched_epochs": 1, "start_below": 2, "synthetic_batch": 4},
        **{"rate_learning_rate": 1e-9, "image_learning_rate": 1e-3, "expert_count": 1, "expert_epochs": 2},
    },
    "herding": {"epochs": 2},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_method_takes_one_and_resumes(method: str, digits: LabelledImages, tmp_path: Path) -> None:
    register_network("mine", own_networks.tiny)
    config = LearnConfig(**{"method": method, "network": "mine", "ipc": 2, "seed": 3, **METHODS[method]})
    whole, path = learn(config, digits), tmp_path / "run.checkpoint"
    assert whole.set.provenance.network == whole.record.config["network"] == check_name("mine")

    def stop(done: int, total: int, loss: float) -> None:
        if done:
            raise KeyboardInterrupt

    if method == "herding":
        return
    with pytest.raises(Interrupted):
        learn(config, digits, checkpoint=path, progress=stop)
    assert learn(config, digits, checkpoint=path, resume=True).set.to_bytes() == whole.set.to_bytes()


def test_another_network_of_the_name_does_not_go_on(digits: LabelledImages, tmp_path: Path) -> None:
    path, settings = tmp_path / "run.checkpoint", {"method": "dm", "ipc": 1, **METHODS["dm"]}
    register_network("mine", own_networks.tiny)
    learn(LearnConfig(network="mine", **settings), digits, checkpoint=path)
    register_network("mine", own_networks.Averaging)
    with pytest.raises(CondenseError, match="network"):
        learn(LearnConfig(network="mine", **{**settings}), digits, checkpoint=path, resume=True)


def test_networks_without_a_classifier_can_be_evaluated_and_match_gradients(digits: LabelledImages) -> None:
    register_network("mine", own_networks.Averaging)
    data = load("digits")
    learned = learn(LearnConfig(network="mine", ipc=1, **{**METHODS["dc"], "iterations": 1}), data.train)
    (record,) = evaluate(EvaluateConfig(protocol=condense.Protocol(name="quick", epochs=2), seeds=2), learned.set, data)
    assert len(record.metrics["accuracy"]) == 2
    with pytest.raises(CondenseError, match="does not end in a linear layer"):
        learn(LearnConfig(network="mine", ipc=1, method="dm", iterations=1), data.train)


@pytest.mark.slow
def test_mobilenet_learns_and_is_trained(digits: LabelledImages, tmp_path: Path) -> None:
    register_network("mobilenet", own_networks.mobilenet)
    learned = learn(LearnConfig(network="mobilenet", ipc=1, **{**METHODS["dc"], "iterations": 1}), digits)
    data = condense.DataSet("digits", digits, digits)
    (record,) = evaluate(EvaluateConfig(protocol=condense.Protocol(name="quick", epochs=1), seeds=1), learned.set, data)
    assert record.metrics["accuracy"][0] is not None
