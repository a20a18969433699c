"""Distribution matching against its plain twin, step by step in float64, and what follows from its definition."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.reference import distribution_matching as plain
from condense.stage_c.methods.dm import DM, class_means
from condense.stage_c.problem import Problem

# The twin's sampling goes pixel by pixel, which takes long; shifts and mirrors of its kind are tested with the operations.
SHORT = DM(iterations=3, real_batch=9, augmentation=("color", "cutout", "rotate"))


def problem_of(data: LabelledImages, name: str, seed: int = 0) -> Problem:
    return Problem(data, build(name, data.shape, data.classes), 2, seed, torch.float64)


@pytest.mark.parametrize("name", ["MLP", "LeNet", "ConvNetW8", "ConvNetW8BN"])
def test_steps_equal_the_twin(name: str, small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    problem = problem_of(small_images(counts=(20, 7, 12)), name, fresh_seed)
    state = SHORT.begin(problem)
    for loss, images in plain.steps(SHORT, problem):
        state, losses = SHORT.step(problem, state)
        assert losses["distance"] == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-12)
    assert state.step == 3


def test_the_loss_does_not_depend_on_the_order_of_images(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(), "ConvNetW8")
    state = SHORT.begin(problem)
    turned = replace(state, images=state.images[[1, 0, 3, 2]])
    assert SHORT.step(problem, state)[1] == pytest.approx(SHORT.step(problem, turned)[1], rel=1e-12)


def test_all_real_images_are_at_no_distance_from_themselves(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(counts=(5, 5))
    problem = replace(problem_of(data, "ConvNetW8"), images_per_class=5)
    settings = replace(SHORT, real_batch=5)
    assert settings.step(problem, settings.begin(problem))[1]["distance"] < 1e-20


def test_means_are_of_each_class() -> None:
    rows = torch.tensor([[1.0], [3.0], [10.0]])
    assert class_means(rows, (2, 1)).tolist() == [[2.0], [10.0]]


def test_published_settings() -> None:
    assert DM.published("cifar10", 10) == DM(iterations=20_000, real_batch=256, image_learning_rate=1.0, image_momentum=0.5)
    assert [DM.published("cifar10", ipc).image_learning_rate for ipc in (1, 50, 100)] == [1, 1, 10]
    assert DM.published("cifar100", 100).image_learning_rate == 1
    assert "flip" in DM.published("fashion-mnist", 1).augmentation
    assert "flip" not in DM.published("mnist", 1).augmentation
