"""Winograd convolution against PyTorch's direct one."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from stage_c_samples import execution_of
from torch import Tensor
from torch.library import opcheck

from condense.networks import layers, winograd
from condense.networks.registry import build
from condense.networks.winograd import gains_by_winograd, winograd_conv2d
from condense.reference import training as plain
from condense.reference.networks import load, module
from condense.stage_c.matching import GradientMatcher
from condense.training.accuracy import each_logits
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

CPU = torch.device("cpu")
SHAPES = [(5, 2, 8, 8), (5, 0, 9, 6), (5, 4, 4, 13), (3, 1, 8, 8), (3, 0, 3, 3), (3, 2, 7, 10), (3, 1, 1, 2)]
"""Kernel, padding, height and width, with and without a rest of pixels at the last tile."""


def drawn(kernel: int, height: int, width: int, channels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images and a weight of standard normal outputs, float64, channels last."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(3, channels, height, width, generator=random, dtype=torch.float64)
    weight = torch.randn(channels + 2, channels, kernel, kernel, generator=random, dtype=torch.float64)
    weight /= (channels * kernel**2) ** 0.5
    return tuple(t.to(memory_format=torch.channels_last) for t in (x, weight))  # pyright: ignore[reportReturnType]


def all_of(x: Tensor, weight: Tensor, padding: int, direct: bool) -> list[Tensor]:
    """The output and the gradients of x and weight for a fixed gradient of the output."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = F.conv2d(x, weight, padding=padding) if direct else winograd_conv2d(x, weight, padding)
    return [y.detach(), *torch.autograd.grad(y, (x, weight), torch.linspace(-1, 1, y.numel()).view(y.shape).to(y))]


@pytest.mark.parametrize(("kernel", "padding", "height", "width"), SHAPES)
def test_output_and_gradients_equal_the_direct_convolution(
    kernel: int, padding: int, height: int, width: int, fresh_seed: int
) -> None:
    x, weight = drawn(kernel, height, width, 6, fresh_seed)
    for found, expected in zip(*(all_of(x, weight, padding, direct) for direct in (False, True)), strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kernel", [3, 5])
def test_in_float32_rounding_stays_small(kernel: int, fresh_seed: int) -> None:
    x, weight = drawn(kernel, 16, 16, 128, fresh_seed)
    exact = all_of(x, weight, kernel // 2, direct=True)
    for found, expected in zip(all_of(x.float(), weight.float(), kernel // 2, direct=False), exact, strict=True):
        assert float((found - expected).norm() / expected.norm()) < 2e-5
        assert found.dtype == torch.float32


def test_results_lie_channels_last(fresh_seed: int) -> None:
    x, weight = drawn(5, 6, 6, 4, fresh_seed)
    for tensor in all_of(x, weight, 2, direct=False)[:2]:
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_it_is_taken_for_wide_layers_and_enough_tiles() -> None:
    assert gains_by_winograd(5, 10, 128, (192, 16, 16)) and gains_by_winograd(3, 32, 192, (256, 8, 8))
    assert not gains_by_winograd(5, 32, 1, (128, 32, 32)), "few channels"
    assert not gains_by_winograd(3, 10, 512, (512, 4, 4)), "few tiles for so many kernels"
    assert not gains_by_winograd(3, 32, 512, (512, 2, 2)), "three quarters of a tile are rest"
    assert not gains_by_winograd(1, 32, 128, (128, 8, 8)) and not gains_by_winograd(11, 32, 96, (96, 8, 8))


def test_second_derivatives_are_right(fresh_seed: int) -> None:
    def squared_gradient(convolve: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        leaves = [tensor.requires_grad_() for tensor in drawn(3, 6, 7, 3, fresh_seed)]
        gradients = torch.autograd.grad(convolve(*leaves).pow(3).sum(), leaves, create_graph=True)
        return list(torch.autograd.grad(torch.stack([g.square().sum() for g in gradients]).sum(), leaves))

    found = squared_gradient(lambda x, w: winograd_conv2d(x, w, 1))
    expected = squared_gradient(lambda x, w: F.conv2d(x, w, padding=1))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_operators_are_as_the_compiler_is_told(fresh_seed: int) -> None:
    """Shapes without values, gradients, and results that share no memory with what is given, also for a single tile."""
    for size in ((8, 8), (4, 4), (7, 5)):
        x, _ = drawn(3, *size, 2, fresh_seed)
        tiling = 3, 1, *size
        images = x[:1].permute(0, 2, 3, 1).contiguous().requires_grad_()
        tiles = winograd._cut(images, *tiling).detach().requires_grad_()
        pixels = winograd._split(images, *tiling).detach().requires_grad_()
        opcheck(winograd._cut, (images, *tiling))
        opcheck(winograd._add_up, (tiles, *tiling, list(images.shape)))
        opcheck(winograd._join, (pixels, *tiling, 2))
        opcheck(winograd._split, (images, *tiling))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The kernels of Winograd convolutions made, as they are made."""
    kernels: list[int] = []

    def counted(x: Tensor, weight: Tensor, padding: int) -> Tensor:
        kernels.append(weight.shape[2])
        return winograd_conv2d(x, weight, padding)

    monkeypatch.setattr(layers, "winograd_conv2d", counted)
    return kernels


@pytest.mark.parametrize(("name", "kernels"), [("AlexNet", [5, 3, 3, 3]), ("ConvNet", [3, 3]), ("VGG11", [])])
def test_real_images_are_convolved_so_where_channels_lie_last(name: str, kernels: list[int], taken: list[int]) -> None:
    network = build(name, (1, 28, 28), 3)
    random = torch.Generator().manual_seed(0)
    parameters, images = network.initial(random), torch.randn(32, 1, 28, 28, generator=random)
    matcher = GradientMatcher(network, "ours", CPU, execution_of(network, batch=32))
    real = matcher.real_gradient(parameters, {}, images, 1)
    assert taken == kernels
    matcher.match(parameters, {}, images[:1], 1, real)
    assert taken == kernels, "the synthetic images' pass does without"


def test_compiled_gradients_equal_the_direct_ones(taken: list[int], fresh_seed: int) -> None:
    network, random = build("ConvNet", (1, 28, 28), 3), torch.Generator().manual_seed(fresh_seed)
    parameters = network.initial(random, torch.float64)
    images = torch.randn(32, 1, 28, 28, generator=random, dtype=torch.float64)
    torch.compiler.reset()
    matcher = GradientMatcher(network, "ours", CPU, execution_of(network, batch=32, path="compiled"))
    compiled = matcher.real_gradient(parameters, {}, images, 1)
    assert taken == [3, 3]
    twin = load(module("ConvNet", (1, 28, 28), 3), parameters)
    loss = F.cross_entropy(twin(images), torch.full((32,), 1))
    expected = dict(zip(parameters, torch.autograd.grad(loss, list(twin.parameters())), strict=True))
    for name, found in compiled.items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-11)


def test_training_and_testing_convolve_so_too_and_learn_the_same(taken: list[int], fresh_seed: int) -> None:
    network = build("AlexNet", (1, 28, 28), 10)
    random = torch.Generator().manual_seed(fresh_seed)
    source = TensorSource(torch.randn(20, 1, 28, 28, generator=random, dtype=torch.float64), torch.arange(20) % 10)
    recipe = Recipe((Stage(2, 0.01),), momentum=0.9, weight_decay=5e-4)
    members = fresh_members(network, [0], "test", dtype=torch.float64)
    trained = train(network, members, source, recipe, [MemberDraws.of(0, "test")])
    assert taken == [5, 3, 3, 3] * 2
    logits = next(each_logits(network, trained, source))[2]
    assert taken == [5, 3, 3, 3] * 3

    twin = load(module("AlexNet", (1, 28, 28), 10), Layout.of(network).views(members.vector[0]))
    plain.train(twin, source.images, source.labels, recipe, MemberDraws.of(0, "test"))
    torch.testing.assert_close(logits, twin(source.images).detach(), rtol=1e-8, atol=1e-9)
