"""Networks: parameter counts, equality with plain torch.nn twins, names, initialisation."""

import pytest
import torch
from torch import nn

from condense.errors import CondenseError
from condense.networks.registry import build, names
from condense.reference.networks import SeededDropout, load, module

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
COUNTS = {
    "MLP": (118_282, 411_146),
    "mlp-1x256": (203_530, 789_258),
    "mlp-1x512": (407_050, 1_578_506),
    "ConvNet": (317_706, 320_010),
    "LeNet": (61_706, 62_006),
    "AlexNet": (1_865_802, 1_872_202),
    "VGG11": (9_229_962, 9_231_114),
    "ResNet18": (11_172_810, 11_173_962),
    "ResNet18BN_AP": (11_213_770, 11_250_762),
}
VARIANTS = ["mlp-3x17", "ConvNetW8D2", "ConvNetW8LNMP", "ConvNetW8GNNP", "ConvNetW8BNASwish", "ConvNetW8NNAS", "ConvNetW8AL"]


@pytest.mark.parametrize(("name", "counts"), COUNTS.items())
def test_parameter_counts_are_the_published_ones(name: str, counts: tuple[int, int]) -> None:
    assert (build(name, GREY, 10).parameter_count, build(name, COLOUR, 10).parameter_count) == counts


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mlp-1x512", 1_209_866),
        ("mlp-3x512", 1_735_178),
        ("small-alexnet", 1_387_786),
        ("small-inception", 1_649_402),
        ("small-inception-nobn", 1_649_402),
    ],
)
def test_parameter_counts_of_zhang_et_al(name: str, count: int) -> None:
    assert build(name, (3, 28, 28), 10).parameter_count == count


@pytest.mark.parametrize("name", ["mlp-0x512", "mlp-1x0", "mlp-1x", "mlp-100x5"])
def test_sizes_that_no_mlp_has(name: str) -> None:
    with pytest.raises(CondenseError, match=f"Unknown network '{name}'. Did you mean 'mlp-1x512'"):
        build(name, GREY, 10)


@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("name", [name for name in names() if name != "alexnet-classic"] + VARIANTS)
def test_equals_plain_modules(name: str, shape: tuple[int, int, int]) -> None:
    network = build(name, shape, 7)
    parameters = network.initial(torch.Generator().manual_seed(1), torch.float64)
    twin = load(module(name, shape, 7), parameters)
    x = torch.randn(3, *shape, dtype=torch.float64)
    statistics = network.initial_statistics(dtype=torch.float64)

    for layer in twin.modules():
        if isinstance(layer, SeededDropout):
            layer.generator = torch.Generator().manual_seed(3)

    logits, statistics = network.train_logits(parameters, x, statistics, torch.Generator().manual_seed(3))
    torch.testing.assert_close(logits, twin.train()(x), rtol=1e-10, atol=1e-12)
    # The second pass is in evaluation mode, on the running statistics that the first one left.
    torch.testing.assert_close(network.logits(parameters, x, statistics), twin.eval()(x), rtol=1e-10, atol=1e-12)
    own = [value for value in statistics.values()]
    theirs = [v for m in twin.modules() if isinstance(m, nn.BatchNorm2d) for v in (m.running_mean, m.running_var)]
    torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-12)


def test_alexnet_classic_equals_its_module_with_the_same_dropout() -> None:
    network = build("alexnet-classic", GREY, 10)
    parameters = network.initial(torch.Generator().manual_seed(1))
    twin = load(module("alexnet-classic", GREY, 10), parameters).train()
    masks = torch.Generator().manual_seed(3)
    for layer in twin.modules():
        if hasattr(layer, "generator"):
            layer.generator = masks  # type: ignore[assignment]
    x = torch.randn(2, *GREY)
    logits, _ = network.train_logits(parameters, x, {}, torch.Generator().manual_seed(3))
    torch.testing.assert_close(logits, twin(x))
    torch.testing.assert_close(network.logits(parameters, x), twin.eval()(x))
    assert not torch.allclose(logits, network.logits(parameters, x))


@pytest.mark.parametrize("name", ["ConvNet", "MLP"])
def test_initialisation_is_uniform_within_pytorchs_bounds(name: str) -> None:
    parameters = build(name, GREY, 10).initial(torch.Generator().manual_seed(0))
    twin = dict(zip(parameters, module(name, GREY, 10).parameters(), strict=True))
    checked = 0
    for key, value in parameters.items():
        if value.numel() >= 1000:
            checked += 1
            assert value.abs().max() <= twin[key].abs().max() * 1.05
            assert value.std() == pytest.approx(twin[key].std().item(), rel=0.1)
            assert abs(value.mean()) < 4 * value.std() / value.numel() ** 0.5
    assert checked >= 3


@pytest.mark.parametrize("name", ["small-inception", "small-inception-nobn", "small-inception-partbn"])
def test_images_give_different_logits_at_the_start(name: str) -> None:
    network = build(name, (3, 28, 28), 10)
    x = torch.randn(32, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    logits, _ = network.train_logits(network.initial(torch.Generator().manual_seed(0)), x, network.initial_statistics())
    assert (
        logits.std(0).mean() > 0.01
    )  # without He's initialisation 1e-5 where there is no BatchNorm, 2e-3 with a part of it


def test_only_convolutions_without_batchnorm_start_as_he_has_it() -> None:
    plain, without = (build(f"small-inception{suffix}", (3, 28, 28), 10) for suffix in ("", "-nobn"))
    inputs = {spec.name: torch.Size(spec.shape[1:]).numel() for spec in plain.specs if spec.name.endswith("weight")}
    assert {spec.name: spec.bound for spec in plain.specs if spec.name in inputs} == {n: i**-0.5 for n, i in inputs.items()}
    parameters = without.initial(torch.Generator().manual_seed(0))
    for name, count in inputs.items():
        if name != "classifier.weight" and parameters[name].numel() > 5000:
            assert float(parameters[name].var()) == pytest.approx(2 / count, rel=0.1)
            assert (parameters[name.replace("weight", "bias")] == 0).all()


def test_a_seed_is_one_network_in_every_precision() -> None:
    network = build("LeNet", GREY, 10)
    single, double = (network.initial(torch.Generator().manual_seed(5), dtype) for dtype in (torch.float32, torch.float64))
    assert all(torch.equal(single[name].double(), double[name]) for name in single)


def test_convnet_suffixes_come_in_any_order() -> None:
    first, second = build("ConvNetW16D2BNMP", GREY, 10), build("ConvNet-MP-BN-D2-W16", GREY, 10)
    assert first.layers == second.layers
    assert build("ConvNetW128D3INARAP", GREY, 10).layers == build("ConvNet", GREY, 10).layers


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ConvNett", "Unknown network 'ConvNett'. Did you mean 'ConvNet'?"),
        ("resnet17", "Did you mean 'ResNet18'?"),
        ("ConvNetW0", "Unknown network"),
        ("ConvNetBNLN", "Unknown network"),
        ("ConvNetW6GN", "multiple of 4, not 6"),
    ],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(CondenseError, match="(?i)" + message.replace("(", r"\(").replace("?", r"\?")):
        build(name, GREY, 10)


def test_images_too_small_for_a_network() -> None:
    with pytest.raises(CondenseError, match="VGG11 cannot take images of 8x8 pixels"):
        build("VGG11", (1, 8, 8), 10)


def test_wrong_number_of_channels() -> None:
    with pytest.raises(CondenseError, match="1 or 3 channels, not 2"):
        build("ConvNet", (2, 28, 28), 10)


def test_multiply_adds_of_the_convnet() -> None:
    expected = 128 * 9 * 32 * 32 + 128 * 128 * 9 * (16 * 16 + 8 * 8) + 2048 * 10
    assert build("ConvNet", GREY, 10).multiply_adds == expected
