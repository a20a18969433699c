"""Gradient matching against its plain twin in float64: every network, distance and number of channels."""

from typing import Any

import pytest
import torch
from stage_c_samples import CPU, PATHS, execution_of, problem_of

from condense.config import LearnConfig
from condense.networks.layers import Tensors
from condense.networks.registry import build, names
from condense.reference import gradient_matching as plain
from condense.reference.networks import load, module
from condense.stage_c.distance import DISTANCES, gradient_distance
from condense.stage_c.driver import losses_of
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.methods.dc import DC, shortened
from condense.stage_c.problem import Problem
from condense.training.layout import Layout

SMALL = ["ConvNetW8", "ConvNetW8LN", "ConvNetW8GN", "ConvNetW8NNASMP", "ConvNetW8ASwishBN", "MLP", "LeNet", "lenet-classic"]
LARGE = [name for name in names() if name not in SMALL]


SHAPES = ((1, 28, 28), (3, 32, 32))


@pytest.mark.parametrize(
    ("name", "shape", "distance"),
    [(name, shape, distance) for name in SMALL for shape in SHAPES for distance in DISTANCES]
    + [(name, (1, 28, 28), "ours") for name in LARGE],
)
def test_image_gradient_equals_the_twin(name: str, shape: tuple[int, int, int], distance: str) -> None:
    network = build(name, shape, 4)
    random = torch.Generator().manual_seed(7)
    parameters = network.initial(random, torch.float64)
    real, synthetic = (torch.randn(n, *shape, generator=random, dtype=torch.float64) for n in (5, 2))
    # In stage C, BatchNorm works on running statistics: mean 0 and variance 1 here, as in a new module.
    statistics = network.initial_statistics(dtype=torch.float64)
    twin = load(module(name, shape, 4), parameters).eval()

    # Parts of real images, the last one smaller, are part of the test.
    matcher = GradientMatcher(network, distance, CPU, execution_of(network, batch=5, part=2))
    real_gradient = matcher.real_gradient(parameters, statistics, real, 3)
    value, gradient = matcher.match(parameters, statistics, synthetic, 3, real_gradient)

    images = synthetic.clone().requires_grad_()
    expected = plain.class_distance(twin, distance, real, images, 3)
    (expected_gradient,) = torch.autograd.grad(expected, images)
    assert float((gradient - expected_gradient).norm() / expected_gradient.norm()) < 1e-10
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10)


def planned(**settings: Any) -> DC:
    method = LearnConfig(**settings).plan()
    assert isinstance(method, DC)
    return method


SIAMESE = ("color", "cutout", "rotate")


LONG = pytest.mark.long
"""Compiling takes a minute: of the compiled paths one network's is always walked beside the twin."""


@pytest.mark.parametrize("path", [pytest.param(path, marks=[LONG] * (path == "compiled")) for path in PATHS])
@pytest.mark.parametrize("name", ["ConvNetW8", "MLP"])
def test_siamese_augmentation_equals_the_twin_step_by_step(name: str, path: str, small_images, fresh_seed: int) -> None:
    data = small_images(shape=(1, 16, 16), counts=(9, 9, 9) if path == "all classes" else (9, 4, 6))
    loops: dict[str, Any] = {"iterations": 2, "outer_loop": 2, "inner_loop": 2, "real_batch": 5}
    settings = planned(method="dsa", network=name, ipc=2, augmentation=SIAMESE, **loops)
    problem = problem_of(data, name, 2, seed=fresh_seed, batch=5, **PATHS[path])
    torch.compiler.reset()
    steps, distances = walked_beside_the_twin(settings, problem)
    assert steps == 4 and len(distances) == 4


CASES = [
    (name, path, init)
    for name in ("ConvNetW8", "ConvNetW8BN", "MLP", "LeNet")
    for path, init in (("in turn", "noise"), ("in turn", "real"), ("all classes", "noise"))
]


@pytest.mark.parametrize(
    ("name", "path", "init"),
    [
        *CASES,
        ("ConvNetW8", "compiled", "noise"),
        *(pytest.param(name, "compiled", "noise", marks=LONG) for name in ("ConvNetW8BN", "MLP", "LeNet")),
    ],
)
def test_whole_iterations_equal_the_twin_step_by_step(
    name: str, init: str, path: str, small_images, fresh_seed: int
) -> None:
    data = small_images(counts=(20, 20, 20) if path == "all classes" else (20, 7, 12))
    loops: dict[str, Any] = {"iterations": 2, "outer_loop": 3, "inner_loop": 4, "real_batch": 9}
    decay = "constant" if path == "compiled" else "cosine"
    clip = "median" if init == "real" else "none"
    settings = planned(network=name, ipc=2, init=init, image_decay=decay, image_clip=clip, **loops)
    problem = problem_of(data, name, 2, seed=fresh_seed, batch=9, **PATHS[path])
    torch.compiler.reset()
    steps, distances = walked_beside_the_twin(settings, problem)
    means = [sum(distances[first : first + 3]) / (3 * data.classes) for first in (0, 3)]
    assert losses_of(settings, problem, {"distance": distances}) == pytest.approx(means, rel=1e-10)
    assert steps == 6


def walked_beside_the_twin(settings: DC, problem: Problem) -> tuple[int, list[float]]:
    """How many steps agreed with the twin's, in images, distance and network, and their distances."""
    state, steps, distances = settings.begin(problem), 0, list[float]()
    for loss, images, net in plain.PlainGradientMatching(settings, problem).steps():
        state, losses = settings.step(problem, state, steps)
        steps += 1
        assert float(losses["distance"]) == pytest.approx(loss, rel=1e-10)
        distances.append(float(losses["distance"]))
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-12)
        assert bool(len(state.vector)) == bool(steps % settings.outer_loop)
        if len(state.vector):
            trained = Layout.of(problem.network).views(state.vector)
            for own, theirs in zip(trained.values(), net.parameters(), strict=True):
                torch.testing.assert_close(own, theirs.detach(), rtol=1e-9, atol=1e-12)
    return steps, distances


def test_outsized_image_gradients_are_shortened_as_by_the_twin(fresh_seed: int) -> None:
    random = torch.Generator().manual_seed(fresh_seed)
    gradient = torch.randn(6, 1, 4, 4, generator=random, dtype=torch.float64)
    gradient *= (torch.tensor([0.0, 1, 1, 1, 2, 1000]) / gradient.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)
    found = shortened(gradient)
    torch.testing.assert_close(found, plain.shortened(gradient), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.flatten(1).norm(dim=1), torch.tensor([0.0, 1, 1, 1, 2, 3], dtype=torch.float64))
    assert torch.equal(found[:5], gradient[:5]) and not shortened(torch.zeros(2, 1, 4, 4)).any()


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=LONG)])
def test_in_float32_the_error_is_that_of_the_twin(compiled: bool, fresh_seed: int) -> None:
    network, random = build("ConvNetW16", (3, 32, 32), 4), torch.Generator().manual_seed(fresh_seed)
    torch.compiler.reset()
    execution = execution_of(network, batch=16, path="compiled" if compiled else "eager")
    matcher = GradientMatcher(network, "ours", CPU, execution)
    errors, floors = [], []
    for _ in range(5):
        parameters = network.initial(random, torch.float64)
        real, image = (torch.randn(n, 3, 32, 32, generator=random, dtype=torch.float64) for n in (32, 1))
        lower = {name: value.float() for name, value in parameters.items()}
        gradient = matcher.real_gradient(lower, {}, real.float(), 1)
        found = matcher.match(lower, {}, image.float(), 1, gradient)[1].double()
        exact, rounded = (_twins_gradient(parameters, real, image, dtype) for dtype in (torch.float64, torch.float32))
        errors.append(float((found - exact).norm() / exact.norm()))
        floors.append(float((rounded - exact).norm() / exact.norm()))
    # A ReLU at zero may go either way and set one draw apart, so the draw in the middle is looked at.
    assert sorted(errors)[2] < max(5 * sorted(floors)[2], 1e-3)


def _twins_gradient(parameters: Tensors, real: torch.Tensor, image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    twin = load(module("ConvNetW16", (3, 32, 32), 4), {n: p.to(dtype) for n, p in parameters.items()})
    x = image.to(dtype).requires_grad_()
    return torch.autograd.grad(plain.class_distance(twin, "ours", real.to(dtype), x, 1), x)[0].double()


def test_reduced_precision_is_in_the_real_pass_only(fresh_seed: int) -> None:
    network, random = build("ConvNetW16", (3, 32, 32), 4), torch.Generator().manual_seed(fresh_seed)
    parameters, real = network.initial(random), torch.randn(64, 3, 32, 32, generator=random)
    executions = [execution_of(network, batch=64, precision=name) for name in ("fp32", "mixed")]
    full, mixed = (GradientMatcher(network, "ours", CPU, execution) for execution in executions)
    exact, rounded = (matcher.real_gradient(parameters, {}, real, 2) for matcher in (full, mixed))
    for name, gradient in exact.items():
        assert rounded[name].dtype == torch.float32
        assert 0 < float((rounded[name] - gradient).norm() / gradient.norm()) < 0.1
    image = torch.randn(1, 3, 32, 32, generator=random)
    ways = [matcher.match(parameters, {}, image, 2, exact) for matcher in (full, mixed)]
    assert torch.equal(ways[0][1], ways[1][1]) and torch.equal(ways[0][0], ways[1][0])


def test_dropout_in_stage_c_equals_the_twin(small_images) -> None:
    data = small_images(counts=(3, 3))
    settings = planned(network="alexnet-classic", iterations=1, real_batch=3)
    problem = problem_of(data, "alexnet-classic", batch=3, dtype=torch.float32)
    ((_, images, _),) = plain.PlainGradientMatching(settings, problem).steps()
    start = settings.begin(problem)
    moved = settings.step(problem, start, 0)[0].images - start.images
    # In float32 (float64 would take gigabytes) some ReLUs and maxima flip: a few percent.
    # Other masks would give more than 1.
    assert float((moved - (images - start.images)).norm() / moved.norm()) < 0.1


@pytest.mark.parametrize("distance", DISTANCES)
def test_distance_equals_the_published_one(distance: str) -> None:
    random = torch.Generator().manual_seed(0)
    shapes = {"conv": (4, 3, 3, 3), "norm": (3, 2, 2), "linear": (5, 6), "bias": (5,)}
    a, b = ({n: torch.randn(s, generator=random, dtype=torch.float64) for n, s in shapes.items()} for _ in range(2))
    expected = plain.gradient_distance(distance, list(a.values()), list(b.values()))
    matched = [name for name in shapes if distance != "ours" or len(shapes[name]) > 1]
    own = gradient_distance(distance, {name: a[name] for name in matched}, b)
    assert float(own) == pytest.approx(float(expected), rel=1e-12)
