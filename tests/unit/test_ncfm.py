"""NCFM against its plain twin, step by step in float64, and what follows from the definition of its distance."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from stage_c_samples import problem_of, with_drawn_experts
from torch import Tensor

from condense.data.images import LabelledImages
from condense.reference.expert_matching import PlainNCFM, characteristic
from condense.stage_c.characteristic import SCALE, CharacteristicFunction
from condense.stage_c.method import Occasion
from condense.stage_c.methods.ncfm import NCFM

SHORT = replace(
    NCFM.published(Occasion("mnist", 2, "MLP")),
    iterations=3,
    real_batch=5,
    expert_count=2,
    expert_epochs=1,
    frequencies=7,
    augmentation=("color", "cutout"),
)
SIGNAL = CharacteristicFunction()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ["MLP", "ConvNetW8"])
def test_steps_equal_the_twin(name: str, small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    problem = problem_of(small_images(counts=(20, 9, 12)), name, 2, seed=fresh_seed, batch=5, part=16)
    problem, settings = with_drawn_experts(problem, 2, 1), replace(SHORT, pool=2)
    state, number = settings.begin(problem), 0
    for distance, loss, images in PlainNCFM(settings, problem).steps():
        state, losses = settings.step(problem, state, number)
        number += 1
        assert float(losses["distance"]) == pytest.approx(distance, rel=1e-10)
        assert float(losses["cross-entropy"]) == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-9, atol=1e-10)
    assert number == settings.steps(problem) == 3


def test_the_distance_is_that_of_complex_numbers() -> None:
    features, others, frequencies = drawn(2, 6, 5), drawn(2, 9, 5, seed=1), drawn(40, 5, seed=2)
    found, wanted = SIGNAL.of(features, frequencies), SIGNAL.of(others, frequencies)
    apart = 0.0
    for one, other in zip(features, others, strict=True):
        between = characteristic(one, frequencies) - characteristic(other, frequencies)
        apart += float(SCALE * 0.5**0.5 * between.abs().mean())
    assert float(SIGNAL.distance(found, wanted)) == pytest.approx(apart, rel=1e-9)


def test_equal_features_are_not_apart_in_any_order_or_length() -> None:
    features, frequencies = drawn(1, 6, 5), drawn(40, 5, seed=2)
    same = 3.0 * features[:, torch.randperm(6, generator=torch.Generator().manual_seed(3))]
    leaf = same.clone().requires_grad_()
    distance = SIGNAL.distance(SIGNAL.of(leaf, frequencies), SIGNAL.of(features, frequencies))
    (gradient,) = torch.autograd.grad(distance, leaf)
    # What is left is the least value of the phases' part.
    assert float(distance.detach()) == pytest.approx(SCALE * (0.5e-12) ** 0.5, rel=1e-3) and torch.isfinite(gradient).all()


def test_frequencies_are_new_at_each_step_and_normal(small_images: Callable[..., LabelledImages]) -> None:
    problem, settings = problem_of(small_images(), "mlp-1x8"), replace(SHORT, frequencies=2000)
    one, other = (settings.given(problem, place) for place in (0, 1))
    assert one.shape == (2000, 8) and not torch.equal(one, other) and torch.equal(one, settings.given(problem, 0))
    assert abs(float(one.mean())) < 0.04 and float(one.std()) == pytest.approx(1, abs=0.03)


def test_published_settings() -> None:
    settings = NCFM.published(Occasion("cifar10", 10, "ConvNet"))
    assert settings == NCFM(
        iterations=20_000,
        real_batch=1024,
        synthetic_batch=200,
        image_learning_rate=1e-3 * math.sqrt(10),
        image_decay="cosine",
        augmentation=("color", "crop", "cutout"),
        factor=2,
        init="first",
        expert_count=20,
        expert_epochs=60,
        pool=0,
        cross_entropy=1.0,
        frequencies=4096,
        image_weight_decay=5e-4 * math.sqrt(10),
    )
    assert NCFM.published(Occasion("cifar100", 1, "ConvNet")).image_learning_rate == pytest.approx(0.01)
