"""Distribution matching against its plain twin, step by step in float64, and what follows from its definition."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from stage_c_samples import problem_of, walked

from condense.data.images import LabelledImages
from condense.reference import distribution_matching as plain
from condense.stage_c.features import Features
from condense.stage_c.method import Occasion
from condense.stage_c.methods.dm import DM
from condense.training.layout import Layout

# The twin's sampling goes pixel by pixel, which takes long; shifts and mirrors of its kind are tested with the operations.
SHORT = replace(
    DM.published(Occasion("digits", 2, "MLP")), iterations=3, real_batch=9, augmentation=("color", "cutout", "rotate")
)


@pytest.mark.parametrize(
    ("name", "path"),
    [*((name, "eager") for name in ("MLP", "ConvNetW8", "ConvNetW8BN")), ("ConvNetW8", "compiled")],
)
def test_steps_equal_the_twin(name: str, path: str, small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    data = small_images(shape=(1, 8, 8), counts=(20, 7, 12))
    problem = problem_of(data, name, 2, seed=fresh_seed, batch=9, part=8, path=path)
    settings = replace(SHORT, image_decay="cosine" if path == "eager" else "constant")
    torch.compiler.reset()
    state, steps = settings.begin(problem), 0
    for loss, images in plain.steps(settings, problem):
        state, losses = settings.step(problem, state, steps)
        steps += 1
        assert float(losses["distance"]) == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-12)
    assert steps == settings.steps(problem) == 3


@pytest.mark.parametrize("part", [1, 2, 5, 100])
def test_parts_change_nothing(part: int, small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(counts=(9, 5, 4))
    whole, parted = (walked(SHORT, problem_of(data, "ConvNetW8", 2, part=size), 2) for size in (1000, part))
    torch.testing.assert_close(parted[0].images, whole[0].images, rtol=1e-10, atol=1e-12)
    assert parted[1] == pytest.approx(whole[1], rel=1e-10)


@pytest.mark.parametrize("name", ["ConvNetW8", "ConvNetW8BN"])
def test_the_loss_does_not_depend_on_the_order_of_images(name: str, small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(), name, 3)
    state = SHORT.begin(problem)
    turned = replace(state, images=state.images[[2, 0, 1, 3, 5, 4]])
    (one, found), (other, again) = (SHORT.step(problem, each, 0) for each in (state, turned))
    assert float(found["distance"]) == pytest.approx(float(again["distance"]), rel=1e-12)
    torch.testing.assert_close(one.images[[2, 0, 1, 3, 5, 4]], other.images, rtol=1e-10, atol=1e-12)


def test_all_real_images_are_at_no_distance_from_themselves(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(counts=(5, 5)), "ConvNetW8", 5)
    settings = replace(SHORT, real_batch=5)
    assert float(settings.step(problem, settings.begin(problem), 0)[1]["distance"]) < 1e-20


def test_what_is_wanted_are_means_of_each_class(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(counts=(2, 1)), "MLP")
    features, (vector, statistics) = Features(problem, 1), problem.new_network(0)
    parameters, x = Layout.of(problem.network).views(vector), problem.data.inputs(torch.arange(3), torch.float64)
    seen = features.real(parameters, statistics, x)
    wanted = features.wanted(parameters, statistics, x, (2, 1))
    torch.testing.assert_close(wanted, torch.stack([(seen[0] + seen[1]) / 2, seen[2]]))
