"""What stage C and its plain twin both take for granted, against values worked out by hand."""

import hashlib
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from condense.stage_c.gradient_matching import GradientMatching

from condense.config import LearnConfig, MatrixConfig
from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.randomness import derived_seed, generator
from condense.stage_c import gradient_matching, learn, precision
from condense.stage_c.distance import gradient_distance, matched_names
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.precision import image_gradient_cosine
from condense.stage_c.schedules import Schedule, published_loops, schedule

CPU = torch.device("cpu")


def test_the_image_rate_falls_as_half_a_cosine_to_zero() -> None:
    falling = Schedule(4, 2, 1, 8, 0.1, "cosine", "none", 0.01, "noise")
    expected = [0.1, 0.0961939766, 0.0853553391, 0.0691341716, 0.05, 0.0308658284, 0.0146446609, 0.0038060234]
    found = [falling.rate(iteration, outer) for iteration in range(4) for outer in range(2)]
    assert found == pytest.approx(expected, rel=1e-8)
    constant = Schedule(4, 2, 1, 8, 0.1, "constant", "none", 0.01, "noise")
    assert {constant.rate(iteration, outer) for iteration in range(4) for outer in range(2)} == {0.1}


def test_images_move_by_that_rate_times_momentum_and_gradient(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    config = LearnConfig(network="mlp-1x4", iterations=2, outer_loop=2, real_batch=2, image_decay="cosine", precision="fp32")
    matching = GradientMatching(config, small_images(shape=(1, 4, 4)), build("mlp-1x4", (1, 4, 4), 2))
    monkeypatch.setattr(matching, "image_gradient", lambda vector, statistics, images, step: (1.0, torch.ones_like(images)))
    state = matching.start()
    start, moved = state.images.clone(), 0.0
    velocity = 0.0
    for step in range(4):
        state = matching.advance(state)
        velocity = 0.5 * velocity + 1  # the published momentum is 0.5
        moved += 0.1 * (0.5 * (1 + math.cos(math.pi * step / 4))) * velocity
        torch.testing.assert_close(state.images, start - moved, rtol=1e-5, atol=1e-6)
    # The loss of an iteration is the mean over classes and outer steps: two steps of distance 1 on two classes.
    assert state.losses == (0.5, 0.5)


def test_published_schedules() -> None:
    loops = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
    assert {ipc: published_loops(ipc) for ipc in loops} == loops
    assert [published_loops(ipc) for ipc in (2, 5, 15, 35, 60, 100)] == [
        *((2, 50), (5, 50), (15, 38), (35, 18), (50, 10), (50, 10)),
    ]
    for network, rate in {"MLP": 0.01, "ConvNet": 0.1, "LeNet": 0.1, "AlexNet": 0.1, "ResNet18BN_AP": 0.1}.items():
        for ipc, (outer, inner) in loops.items():
            expected = Schedule(1000, outer, inner, 256, rate, "constant", "none", 0.01, "noise")
            assert schedule("published", ipc, network) == expected
    for kind in (LearnConfig, MatrixConfig):
        assert (kind().image_momentum, kind().distance, kind().ipc) == (0.5, "ours", 1)


def test_fast_schedules() -> None:
    cases = {
        ("ConvNet", 1): Schedule(600, 1, 1, 8, 0.5, "cosine", "none", 0.01, "noise"),
        ("AlexNet", 1): Schedule(600, 1, 1, 8, 0.5, "cosine", "none", 0.01, "noise"),
        ("MLP", 1): Schedule(600, 1, 1, 8, 0.05, "cosine", "median", 0.01, "noise"),
        ("LeNet", 1): Schedule(1200, 1, 1, 32, 0.1, "cosine", "none", 0.01, "noise"),
        ("ConvNet", 10): Schedule(120, 10, 10, 32, 0.5, "cosine", "none", 0.05, "real"),
        ("MLP", 5): Schedule(240, 5, 10, 32, 0.05, "cosine", "median", 0.05, "real"),
        ("LeNet", 50): Schedule(120, 10, 10, 32, 0.1, "cosine", "none", 0.05, "real"),
    }
    for (network, ipc), expected in cases.items():
        assert schedule("fast", ipc, network) == expected


@pytest.mark.parametrize("chunk", [2, 5])
@pytest.mark.parametrize("distance", ["mse", "ours", "cos"])
def test_gradients_of_all_classes_are_means_over_their_images(distance: str, chunk: int, fresh_seed: int) -> None:
    random = torch.Generator().manual_seed(fresh_seed)
    network = build("mlp-1x3", (1, 2, 2), 3)
    parameters = network.initial(random, torch.float64)
    real, images = (torch.randn(3, n, 1, 2, 2, generator=random, dtype=torch.float64) for n in (5, 2))
    matcher = GradientMatcher(network, distance, CPU, real_batch=5)
    found, gradient = matcher.match_all(parameters, {}, real, images, chunk)

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
    network = build("ConvNetW4BN", data.shape, 2)
    matching = GradientMatching(LearnConfig(network="ConvNetW4BN"), data, network)
    drawn = spied_draws(monkeypatch)
    vector, before = matching._new_network(0)
    after = matching.refreshed_statistics(vector, before, (0, 0))
    ((size, indices),) = drawn
    assert size == 16
    parameters = matching.layout.views(vector)
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


def test_networks_learn_from_the_images_by_plain_sgd(small_images) -> None:
    matching = GradientMatching(LearnConfig(network="MLP", ipc=10), small_images(), build("MLP", (1, 28, 28), 2))
    recipe = matching.inner_recipe
    assert [(stage.epochs, stage.learning_rate) for stage in recipe.stages] == [(50, 0.01)]
    assert (recipe.batch_size, recipe.momentum, recipe.weight_decay, recipe.augmentation) == (256, 0, 0, ())
    assert gradient_matching.LONGEST == 3


def test_images_begin_as_standard_normal_noise_or_as_distinct_real_ones(small_images) -> None:
    data = small_images(counts=(40, 40))
    network = build("MLP", data.shape, 2)
    noise = GradientMatching(LearnConfig(network="MLP", ipc=40), data, network).start().images
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    real = GradientMatching(LearnConfig(network="MLP", ipc=40, init="real"), data, network).start().images
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
        looked_at.append((self.precision, label, x.clone()))
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


def test_only_a_cosine_of_0_9999_is_enough(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    network = build("ConvNetW8", (1, 28, 28), 2)
    for cosine, expected in ((0.9999, "mixed"), (0.99989, "fp32")):
        monkeypatch.setattr(precision, "image_gradient_cosine", lambda *_, found=cosine: found)
        assert precision.choose_precision("auto", network, "ours", small_images(), long=True, compiled=True) == expected


def test_what_is_long_and_how_often_it_is_kept() -> None:
    assert (learn.CHECKPOINT_SECONDS, learn.LONG_FROM) == (60, 4e12)
