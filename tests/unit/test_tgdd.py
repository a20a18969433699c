"""TGDD against its plain twin, step by step in float64, and what follows from its definition."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from stage_c_samples import ends_as_class_by_class, problem_of, steps_equal_the_twin, with_drawn_experts

from condense.data.images import LabelledImages
from condense.reference.expert_matching import PlainTGDD
from condense.stage_c.fixed_network import trained_for
from condense.stage_c.method import Occasion
from condense.stage_c.methods.tgdd import TGDD

SHAPE = 1, 8, 8
"""The twin's sampling goes pixel by pixel."""
SHORT = replace(
    TGDD.published(Occasion("mnist", 2, "MLP")),
    iterations=3,
    real_batch=3,
    expert_count=2,
    expert_epochs=3,
    ahead=1,
    augmentation=("color", "cutout"),
)


@pytest.mark.parametrize(("name", "weight"), [("mlp-1x32", 1.0), ("ConvNetW8", 0.3)])
def test_steps_equal_the_twin(
    name: str, weight: float, small_images: Callable[..., LabelledImages], fresh_seed: int
) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(9, 5)), name, 1, seed=fresh_seed, batch=3, part=16)
    problem = with_drawn_experts(problem, 2, 3)
    settings = replace(SHORT, image_decay="cosine", pool=2, cross_entropy=weight)
    found = steps_equal_the_twin(settings, problem, PlainTGDD(settings, problem).steps())
    assert found == settings.steps(problem) == 3


def test_one_step_of_all_classes_is_the_authors_class_by_class_with_momentum(
    small_images: Callable[..., LabelledImages],
) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(4,) * 10), "mlp-1x8", 1, batch=2)
    problem = with_drawn_experts(problem, 2, 3)
    settings = replace(SHORT, iterations=2, real_batch=2, augmentation=("color",), image_learning_rate=0.02, factor=1)
    *_, (_, _, images) = PlainTGDD(settings, problem, momentum=0.5).steps()
    ends_as_class_by_class(settings, problem, images)


def test_networks_are_of_one_expert_the_second_a_little_later(small_images: Callable[..., LabelledImages]) -> None:
    problem = with_drawn_experts(problem_of(small_images(), "mlp-1x8"), 2, 9)
    settings = replace(SHORT, expert_epochs=9, ahead=4)
    of = {tuple(next(iter(trained_for(problem, *place).parameters.values())).flatten()[:3].tolist()): place
          for place in ((which, epoch) for which in range(2) for epoch in range(10))}  # fmt: skip
    drawn = []
    for number in range(200):
        pair = settings.networks(problem, number)
        drawn.append([of[tuple(next(iter(one.parameters.values())).flatten()[:3].tolist())] for one in pair])
    assert all(one[0] == other[0] and one[1] <= other[1] <= one[1] + 4 for one, other in drawn)
    assert {one for one, _ in drawn} == set(of.values())
    assert {other[1] - one[1] for one, other in drawn} == set(range(5))


def test_every_epoch_of_the_experts_is_kept(small_images: Callable[..., LabelledImages]) -> None:
    plan = SHORT.experts(problem_of(small_images(), "MLP"))
    assert (plan.count, plan.kept) == (2, (0, 1, 2, 3))


def test_published_settings() -> None:
    settings = TGDD.published(Occasion("cifar10", 10, "ConvNet"))
    assert settings == TGDD(
        iterations=10_000,
        real_batch=128,
        synthetic_batch=200,
        image_learning_rate=0.2,  # the authors' .01 times 10, all classes at once
        image_decay="constant",
        augmentation=("color", "crop", "cutout"),
        factor=2,
        init="first",
        expert_count=5,
        expert_epochs=60,
        pool=0,
        cross_entropy=1.0,
        ahead=6,
    )
