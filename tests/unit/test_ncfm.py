"""NCFM against its plain twin, step by step in float64, and what follows from the definition of its distance."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from stage_c_samples import problem_of, steps_equal_the_twin, walked, with_drawn_experts
from torch import Tensor

from condense.data.images import LabelledImages
from condense.reference.expert_matching import PlainNCFM, characteristic
from condense.stage_c.characteristic import SCALE, CharacteristicFunction
from condense.stage_c.method import Occasion
from condense.stage_c.methods.ncfm import NCFM

SHORT = replace(
    NCFM.published(Occasion("mnist", 2, "MLP")),
    iterations=3,
    real_batch=3,
    expert_count=2,
    expert_epochs=1,
    frequencies=7,
    augmentation=("color", "cutout"),
)
SHAPE = 1, 8, 8
"""The twin's sampling goes pixel by pixel."""
SIGNAL = CharacteristicFunction()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("mlp-1x32", {"amplitude": 0.2, "cross_entropy": 0.3, "image_weight_decay": 0.5}),
        ("ConvNetW8", {}),
        ("mlp-1x32", {"image_optimiser": "sgd"}),
    ],
)
def test_steps_equal_the_twin(
    name: str, changed: dict[str, Any], small_images: Callable[..., LabelledImages], fresh_seed: int
) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(9, 5)), name, 1, seed=fresh_seed, batch=3, part=16)
    problem, settings = with_drawn_experts(problem, 2, 1), replace(SHORT, pool=2, image_learning_rate=0.01, **changed)
    twin = PlainNCFM(settings, problem)
    found = steps_equal_the_twin(settings, problem, twin.steps(), absolute=1e-10)
    assert found == settings.steps(problem) == 3


def test_a_step_with_empty_ones_after_it_is_the_authors_class_by_class(
    small_images: Callable[..., LabelledImages],
) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(4,) * 10), "mlp-1x8", 1, batch=2)
    problem = with_drawn_experts(problem, 2, 1)
    settings = replace(SHORT, iterations=4, real_batch=2, augmentation=("color",), factor=1, image_decay="constant")
    *_, (_, _, images) = PlainNCFM(settings, problem, in_turn=True).steps()
    begun, (state, _) = settings.begin(problem).images, walked(settings, problem, 4)
    away, apart = (one.flatten(1).norm(dim=1) for one in (images - begun, images - state.images))
    # The first class's are the same but for the least value beside the root; the others have yet to go on along the last
    # gradient, and are behind in the count of steps.
    assert (away > 0).all() and apart[0] < 1e-8 * away[0] and (apart < 0.3 * away).all()


def test_the_distance_is_that_of_complex_numbers() -> None:
    features, others, frequencies = drawn(2, 6, 5), drawn(2, 9, 5, seed=1), drawn(40, 5, seed=2)
    found, wanted = SIGNAL.of(features, frequencies), SIGNAL.of(others, frequencies)
    apart = 0.0
    for one, other in zip(features, others, strict=True):
        between = characteristic(one, frequencies) - characteristic(other, frequencies)
        apart += float(SCALE * 0.5**0.5 * between.abs().mean())
    assert float(SIGNAL.distance(found, wanted)) == pytest.approx(apart, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_squares_of_amplitudes_and_phases_are_added_by_their_weights(share: float) -> None:
    found, wanted = (SIGNAL.of(drawn(1, 6, 5, seed=seed), drawn(1, 5, seed=2)) for seed in (0, 1))
    squares = [float(CharacteristicFunction(weight).distance(found, wanted)) ** 2 for weight in (share, 1.0, 0.0)]
    assert squares[0] == pytest.approx(share * squares[1] + (1 - share) * squares[2], rel=1e-12)
    # Turned in phase alone, and made longer alone.
    turned, longer = torch.stack([found[:, 1], -found[:, 0]], dim=1), 2 * found
    assert float(CharacteristicFunction(1.0).distance(found, turned)) < 1e-12
    assert float(CharacteristicFunction(0.0).distance(found, longer)) < 1e-5


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_equal_features_are_not_apart_in_any_order_or_length(share: float) -> None:
    features, frequencies, signal = drawn(1, 6, 5), drawn(40, 5, seed=2), CharacteristicFunction(share)
    for same, most in ((features, 0.0), (3.0 * features[:, torch.tensor([2, 5, 0, 1, 4, 3])], 1e-10)):
        leaf = same.clone().requires_grad_()
        distance = signal.distance(signal.of(leaf, frequencies), signal.of(features, frequencies))
        (gradient,) = torch.autograd.grad(distance, leaf)
        assert float(distance.detach()) <= most and torch.isfinite(gradient).all()


def test_frequencies_are_new_at_each_step_and_normal(small_images: Callable[..., LabelledImages]) -> None:
    problem, settings = problem_of(small_images(), "mlp-1x8"), replace(SHORT, frequencies=2000)
    one, other = (settings.given(problem, place) for place in (0, 1))
    assert one.shape == (2000, 8) and not torch.equal(one, other) and torch.equal(one, settings.given(problem, 0))
    assert abs(float(one.mean())) < 0.04 and float(one.std()) == pytest.approx(1, abs=0.03)


def test_experts_are_trained_in_their_own_batches(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(), "MLP")
    assert SHORT.experts(problem).recipe.batch_size == 128
    fast = NCFM.fast(Occasion("cifar10", 10, "ConvNet"))
    assert fast.experts(problem) == super(NCFM, fast).experts(problem)


def test_published_settings() -> None:
    settings = NCFM.published(Occasion("cifar10", 10, "ConvNet"))
    assert settings == NCFM(
        iterations=20_000,
        real_batch=1024,
        synthetic_batch=10_000,
        image_optimiser="adamw",
        image_learning_rate=1e-3,
        image_decay="cosine",
        image_weight_decay=5e-4,
        augmentation=("color", "crop", "cutout"),
        factor=2,
        init="first",
        expert_count=20,
        expert_epochs=60,
        expert_batch=128,
        pool=0,
        cross_entropy=1.0,
        frequencies=4096,
        amplitude=0.5,
    )
    assert NCFM.published(Occasion("cifar100", 50, "ConvNet")) == settings
    plain = NCFM.published(Occasion("cifar100", 10, "ConvNet"))
    assert plain == replace(settings, image_optimiser="sgd", image_learning_rate=0.02)
