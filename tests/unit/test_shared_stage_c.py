"""What stage C and its plain twin both take for granted, against values worked out by hand."""

import hashlib
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from stage_c_samples import CPU, execution_of, problem_of, walked

from condense import execution
from condense.config import LearnConfig, MatrixConfig
from condense.data.images import LabelledImages
from condense.execution import Work
from condense.networks.registry import build
from condense.randomness import derived_seed, generator
from condense.stage_c import driver, precision
from condense.stage_c.distance import gradient_distance, matched_names
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.method import Occasion
from condense.stage_c.methods import dc
from condense.stage_c.methods.dc import DC, published_loops
from condense.stage_c.precision import image_gradient_cosine
from condense.stage_c.schedules import schedule
from condense.training.layout import Layout
from condense.training.recipe import Recipe


def settings(
    iterations: int, outer: int, inner: int, batch: int, rate: float, decay: str, clip: str, network_rate: float, init: str
) -> DC:
    """Those of dc, in the order in which papers and tables give them."""
    return DC(
        iterations=iterations,
        outer_loop=outer,
        inner_loop=inner,
        real_batch=batch,
        image_learning_rate=rate,
        image_decay=decay,
        image_clip=clip,
        network_learning_rate=network_rate,
        init=init,
    )


def test_the_image_rate_falls_as_half_a_cosine_to_zero() -> None:
    falling = settings(4, 2, 1, 8, 0.1, "cosine", "none", 0.01, "noise")
    expected = [0.1, 0.0961939766, 0.0853553391, 0.0691341716, 0.05, 0.0308658284, 0.0146446609, 0.0038060234]
    found = [falling.rate(iteration, outer) for iteration in range(4) for outer in range(2)]
    assert found == pytest.approx(expected, rel=1e-8)
    constant = settings(4, 2, 1, 8, 0.1, "constant", "none", 0.01, "noise")
    assert {constant.rate(iteration, outer) for iteration in range(4) for outer in range(2)} == {0.1}


def test_images_move_by_that_rate_times_momentum_and_gradient(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    method = settings(2, 2, 1, 2, 0.1, "cosine", "none", 0.01, "noise")
    problem = problem_of(small_images(shape=(1, 4, 4)), "mlp-1x4", dtype=torch.float32)
    one = torch.ones(())
    monkeypatch.setattr(DC, "image_gradient", lambda self, problem, vector, s, x, step: (torch.ones_like(x), one))
    state = method.begin(problem)
    start, moved = state.images.clone(), 0.0
    velocity = 0.0
    for step in range(4):
        state, losses = method.step(problem, state, step)
        assert losses == {"distance": one}
        velocity = 0.5 * velocity + 1  # the published momentum is 0.5
        moved += 0.1 * (0.5 * (1 + math.cos(math.pi * step / 4))) * velocity
        torch.testing.assert_close(state.images, start - moved, rtol=1e-5, atol=1e-6)
    # The loss of an iteration is the mean over classes and outer steps: two steps of distance 1 on two classes.
    assert driver.losses_of(method, problem, {"distance": [1.0] * 4}) == [0.5, 0.5]


def test_published_schedules() -> None:
    loops = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
    assert {ipc: published_loops(ipc) for ipc in loops} == loops
    assert [published_loops(ipc) for ipc in (2, 5, 15, 35, 60, 100)] == [
        *((2, 50), (5, 50), (15, 38), (35, 18), (50, 10), (50, 10)),
    ]
    for network, rate in {"MLP": 0.01, "ConvNet": 0.1, "LeNet": 0.1, "AlexNet": 0.1, "ResNet18BN_AP": 0.1}.items():
        for ipc, (outer, inner) in loops.items():
            expected = settings(1000, outer, inner, 256, rate, "constant", "none", 0.01, "noise")
            assert schedule("published", "dc", Occasion("mnist", ipc, network)) == expected
    for kind, ipc in ((LearnConfig, 1), (MatrixConfig, (1,))):
        assert (kind().image_momentum, kind().distance, kind().ipc) == (0.5, "ours", ipc)


def test_fast_schedules() -> None:
    cases = {
        ("ConvNet", 1): settings(600, 1, 1, 8, 0.5, "cosine", "none", 0.01, "noise"),
        ("AlexNet", 1): settings(600, 1, 1, 8, 0.5, "cosine", "none", 0.01, "noise"),
        ("MLP", 1): settings(600, 1, 1, 8, 0.05, "cosine", "median", 0.01, "noise"),
        ("LeNet", 1): settings(1200, 1, 1, 32, 0.1, "cosine", "none", 0.01, "noise"),
        ("ConvNet", 10): settings(120, 10, 10, 32, 0.5, "cosine", "none", 0.05, "real"),
        ("MLP", 5): settings(240, 5, 10, 32, 0.05, "cosine", "median", 0.05, "real"),
        ("LeNet", 50): settings(120, 10, 10, 32, 0.1, "cosine", "none", 0.05, "real"),
    }
    for (network, ipc), expected in cases.items():
        assert schedule("fast", "dc", Occasion("cifar10", ipc, network)) == expected


@pytest.mark.parametrize("chunk", [2, 5])
@pytest.mark.parametrize("distance", ["mse", "ours", "cos"])
def test_gradients_of_all_classes_are_means_over_their_images(distance: str, chunk: int, fresh_seed: int) -> None:
    random = torch.Generator().manual_seed(fresh_seed)
    network = build("mlp-1x3", (1, 2, 2), 3)
    parameters = network.initial(random, torch.float64)
    real, images = (torch.randn(3, n, 1, 2, 2, generator=random, dtype=torch.float64) for n in (5, 2))
    matcher = GradientMatcher(network, distance, CPU, execution_of(network, batch=5, together=True, part=3 * chunk))
    found, gradient = matcher.match_all(parameters, {}, real, images)

    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    variable = images.clone().requires_grad_()

    def mean_gradients(x: torch.Tensor, label: int) -> list[torch.Tensor]:
        hidden = F.relu(x.flatten(1) @ leaves["fc1.weight"].T + leaves["fc1.bias"])
        logits = hidden @ leaves["fc2.weight"].T + leaves["fc2.bias"]
        loss = (torch.logsumexp(logits, 1) - logits[:, label]).mean()
        return list(torch.autograd.grad(loss, list(leaves.values()), create_graph=True))

    total = torch.zeros((), dtype=torch.float64)
    for label in range(3):
        a, b = mean_gradients(variable[label], label), [g.detach() for g in mean_gradients(real[label], label)]
        if distance == "ours":
            rows = [
                (x, y) for left, right in zip(a, b, strict=True) if left.dim() > 1 for x, y in zip(left, right, strict=True)
            ]
            total = total + sum(1 - x @ y / (x.norm() * y.norm() + 1e-6) for x, y in rows)
        else:
            x, y = (torch.cat([g.flatten() for g in each]) for each in (a, b))
            total = total + ((x - y) @ (x - y) if distance == "mse" else 1 - x @ y / (x.norm() * y.norm() + 1e-6))
    (expected,) = torch.autograd.grad(total, variable)
    assert float(found) == pytest.approx(float(total.detach()), rel=1e-9)
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)


def test_the_distance_by_hand() -> None:
    tiny = {"w": torch.full((1, 1), 1e-3, dtype=torch.float64)}
    # 1 - 1e-6 / (1e-6 + 1e-6): the product of norms gets 1e-6 added.
    assert float(gradient_distance("ours", tiny, tiny)) == pytest.approx(0.5, rel=1e-12)
    assert float(gradient_distance("cos", tiny, tiny)) == pytest.approx(0.5, rel=1e-12)
    a = {"w": torch.tensor([[3.0, 0], [0, 4], [1, 1]]), "v": torch.tensor([[1.0, 0, 0]])}
    b = {"w": torch.tensor([[0, 5.0], [0, 2], [-1, -1]]), "v": torch.tensor([[1.0, 1, 0]])}
    # Rows at 90, 0, 180 and 45 degrees, summed and not averaged.
    assert float(gradient_distance("ours", a, b)) == pytest.approx(1 + 0 + 2 + 1 - 0.5**0.5, abs=1e-5)
    assert float(gradient_distance("mse", a, b)) == pytest.approx(9 + 25 + 4 + 8 + 1)
    convnet = build("ConvNetW8", (1, 28, 28), 3)
    assert matched_names(convnet, "ours") == ("conv1.weight", "conv2.weight", "conv3.weight", "classifier.weight")
    assert len(matched_names(convnet, "mse")) == 14
    assert "norm1.bias" in matched_names(build("ConvNetW8LN", (1, 28, 28), 3), "ours")


def test_batch_norm_keeps_nine_tenths_of_its_statistics(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_images(counts=(20, 18))
    problem = problem_of(data, "ConvNetW4BN", dtype=torch.float32)
    method = DC.published(Occasion("mnist", 1, "ConvNetW4BN"))
    drawn = spied_draws(monkeypatch)
    vector, before = problem.new_network(0)
    after = method.refreshed_statistics(problem, vector, before, (0, 0))
    ((size, indices),) = drawn
    assert size == 16
    parameters = Layout.of(problem.network).views(vector)
    seen = F.conv2d(data.inputs(indices), parameters["conv1.weight"], parameters["conv1.bias"], padding=3)
    assert len(seen) == 32
    torch.testing.assert_close(after["norm1.mean"], 0.1 * seen.mean((0, 2, 3)), rtol=1e-3, atol=1e-5)
    variance = 0.9 + 0.1 * seen.transpose(0, 1).flatten(1).var(1)
    torch.testing.assert_close(after["norm1.variance"], variance, rtol=1e-3, atol=1e-5)


def spied_draws(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, torch.Tensor]]:
    """The (size, indices) of all draws of class batches from now on."""
    drawn: list[tuple[int, torch.Tensor]] = []
    real = LabelledImages.draw_class_batches

    def draw(self: LabelledImages, size: int, random: torch.Generator) -> Any:
        found = real(self, size, random)
        drawn.append((size, found.indices))
        return found

    monkeypatch.setattr(LabelledImages, "draw_class_batches", draw)
    return drawn


def test_networks_learn_from_the_images_by_plain_sgd(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes, train = list[Recipe](), dc.train

    def watched(network: Any, members: Any, source: Any, recipe: Recipe, draws: Any, **how: Any) -> Any:
        recipes.append(recipe)
        return train(network, members, source, recipe, draws, **how)

    monkeypatch.setattr(dc, "train", watched)
    walked(DC.published(Occasion("mnist", 10, "MLP")), problem_of(small_images(), "MLP", 10), 1)
    (recipe,) = recipes
    assert [(stage.epochs, stage.learning_rate) for stage in recipe.stages] == [(50, 0.01)]
    assert (recipe.batch_size, recipe.momentum, recipe.weight_decay, recipe.augmentation) == (256, 0, 0, ())
    assert dc.LONGEST == 3


def test_images_begin_as_standard_normal_noise_or_as_distinct_real_ones(small_images) -> None:
    data = small_images(counts=(40, 40))
    problem, method = problem_of(data, "MLP", 40, dtype=torch.float32), DC.published(Occasion("mnist", 40, "MLP"))
    noise = method.begin(problem).images
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    real = replace(method, init="real").begin(problem).images
    wanted = data.inputs(torch.arange(80))
    for part in (slice(0, 40), slice(40, 80)):  # all of a class, each once
        torch.testing.assert_close(real[part].flatten(1).sort(0).values, wanted[part].flatten(1).sort(0).values)


def test_seeds_are_derived_as_released_sets_need_it() -> None:
    for seed, purpose, steps in ((0, "network", (3,)), (7, "real batch", (2, 1)), (2**63 - 1, "initial images", ())):
        text = ":".join(map(str, (seed, purpose, *steps)))
        digest = hashlib.sha256(text.encode()).digest()
        expected = sum(byte << (8 * place) for place, byte in enumerate(digest[:8])) // 2
        assert derived_seed(seed, purpose, *steps) == expected
        assert generator(seed, purpose, *steps).initial_seed() == expected


def test_class_batches_are_uniform_and_without_replacement(small_images) -> None:
    data = small_images(shape=(1, 2, 2), counts=(6, 9))
    seen = torch.zeros(15)
    for draw in range(1500):
        found = data.draw_class_batches(3, torch.Generator().manual_seed(draw))
        assert found.counts == (3, 3) and len(found.indices.unique()) == 6
        assert data.labels[found.indices].tolist() == [0, 0, 0, 1, 1, 1]
        seen[found.indices] += 1
    shares = seen / 1500
    torch.testing.assert_close(shares, torch.tensor([1 / 2] * 6 + [1 / 3] * 9), atol=0.06, rtol=0)


def test_the_probe_looks_at_the_same_256_images_of_three_classes(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_images(shape=(3, 32, 32), counts=(300,) * 4)
    drawn, looked_at = spied_draws(monkeypatch), []
    real = GradientMatcher.real_gradient

    def gradient(self: GradientMatcher, parameters: Any, statistics: Any, x: torch.Tensor, label: int) -> Any:
        looked_at.append((self.execution.precision, label, x.clone()))
        return real(self, parameters, statistics, x, label)

    monkeypatch.setattr(GradientMatcher, "real_gradient", gradient)
    network = build("ConvNetW8", data.shape, 4)
    image_gradient_cosine("mixed", network, "ours", data)
    assert [(each, label) for each, label, _ in looked_at] == [(p, c) for p in ("fp32", "mixed") for c in range(3)]
    assert [size for size, _ in drawn] == [256, 256] and torch.equal(drawn[0][1], drawn[1][1])
    digest = hashlib.sha256(b"0:precision probe images").digest()
    random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    wanted = data.draw_class_batches(256, random).indices.split(256)
    for _, label, x in looked_at:
        torch.testing.assert_close(x, data.inputs(wanted[label]))
    assert precision.LEAST_COSINE == 0.9999


def test_only_a_cosine_of_0_9999_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "has_bfloat16", lambda device: True)
    network = build("ConvNetW8", (1, 28, 28), 2)
    compiled = execution_of(network, batch=256, path="compiled")
    for cosine, expected in ((0.9999, "mixed"), (0.99989, "fp32")):
        found = precision.choose_precision("auto", network, compiled, Work(1e13, 256), lambda _, cosine=cosine: cosine)
        assert found == expected


def test_what_is_long_and_how_often_it_is_kept() -> None:
    assert (driver.CHECKPOINT_SECONDS, execution.LONG_FROM) == (60, 4e12)
