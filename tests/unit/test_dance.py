"""DANCE against its plain twin, step by step in float64, and what follows from its definition."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from stage_c_samples import ends_as_class_by_class, problem_of, steps_equal_the_twin, walked, with_drawn_experts

from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.errors import CondenseError
from condense.preprocessing import ZCA
from condense.reference.expert_matching import PlainDANCE
from condense.stage_c.expert_matching import by_class
from condense.stage_c.learn import learn
from condense.stage_c.method import Occasion
from condense.stage_c.methods.dance import DANCE, interpolated
from condense.stage_c.problem import Problem

# The twin's sampling goes pixel by pixel, which takes long.
SHORT = replace(
    DANCE.published(Occasion("mnist", 2, "MLP")),
    iterations=3,
    real_batch=5,
    expert_count=2,
    expert_epochs=1,
    augmentation=("color", "cutout"),
)


def problem_with_experts(data: LabelledImages, name: str, images_per_class: int = 2, **changed: Any) -> Problem:
    return with_drawn_experts(problem_of(data, name, images_per_class, **changed), 2, 1)


@pytest.mark.parametrize(
    ("name", "factor", "path"),
    [("MLP", 2, "eager"), ("ConvNetW8", 1, "eager"), ("ConvNetW8", 2, "eager"), ("MLP", 2, "compiled")],
)
def test_steps_equal_the_twin(
    name: str, factor: int, path: str, small_images: Callable[..., LabelledImages], fresh_seed: int
) -> None:
    data = small_images(shape=(1, 8, 8), counts=(20, 9, 12))
    problem = problem_with_experts(data, name, seed=fresh_seed, batch=5, part=16, path=path)
    decay, pool = ("cosine", 2) if path == "eager" else ("constant", 0)
    settings = replace(SHORT, factor=factor, image_decay=decay, pool=pool)
    torch.compiler.reset()
    found = steps_equal_the_twin(settings, problem, PlainDANCE(settings, problem).steps())
    assert found == settings.steps(problem) == 3


def test_one_step_of_all_classes_is_the_authors_class_by_class_with_momentum(
    small_images: Callable[..., LabelledImages],
) -> None:
    problem = problem_with_experts(small_images(shape=(1, 8, 8), counts=(6,) * 10), "MLP", 1)
    settings = replace(SHORT, iterations=2, augmentation=("color",), image_learning_rate=0.02, factor=1)
    *_, (_, _, images) = PlainDANCE(settings, problem, momentum=0.5).steps()
    ends_as_class_by_class(settings, problem, images)


@pytest.mark.parametrize("part", [1, 9, 1000])
def test_parts_change_nothing(part: int, small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(counts=(12, 9))
    whole, parted = (walked(SHORT, problem_with_experts(data, "ConvNetW8", part=size), 2) for size in (500, part))
    torch.testing.assert_close(parted[0].images, whole[0].images, rtol=1e-10, atol=1e-12)


def test_networks_lie_between_their_initial_and_trained_weights(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_with_experts(small_images(), "ConvNetW8")
    (expert, _), names = problem.experts, interpolated(problem, 0, 0.0).parameters
    for share, epoch in ((0.0, 1), (1.0, 0)):
        found = interpolated(problem, 0, share).parameters
        wanted = replace(problem, experts=(replace(expert, vectors={0: expert.vectors[epoch], 1: expert.vectors[epoch]}),))
        for name, value in interpolated(wanted, 0, 0.0).parameters.items():
            assert torch.equal(found[name], value)
    half = interpolated(problem, 0, 0.5).parameters
    first = interpolated(problem, 0, 1.0).parameters
    assert all(torch.allclose(half[name], (first[name] + names[name]) / 2) for name in names)
    first_of = [next(iter(SHORT.networks(problem, number)[1].parameters.values())) for number in range(20)]
    trained = [next(iter(interpolated(problem, chosen, 0.0).parameters.values())) for chosen in (0, 1)]
    chosen = [[torch.equal(found, one) for one in trained] for found in first_of]
    assert all(sum(each) == 1 for each in chosen) and {tuple(each) for each in chosen} == {(True, False), (False, True)}


def test_epochs_of_real_images_are_without_replacement(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(counts=(7, 3)), "MLP")
    drawn = [problem.epoch_batches(3, number, "real order") for number in range(4)]
    assert all(batch.counts == (3, 3) for batch in drawn)
    first = Counter(index for batch in drawn[:2] for index in batch.indices[:3].tolist())
    assert len(first) == 6 and max(first) < 7
    assert all(sorted(batch.indices[3:].tolist()) == [7, 8, 9] for batch in drawn)
    assert drawn[0].indices.tolist() != drawn[2].indices.tolist()


def test_a_pool_is_gone_through_in_turn(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_with_experts(small_images(counts=(12, 9)), "ConvNetW8")
    settings = replace(SHORT, pool=2, image_learning_rate=1e-12, cross_entropy=0.0)
    _, distances = walked(settings, problem, 4)
    assert distances[2:] == pytest.approx(distances[:2], rel=1e-6) and distances[0] != pytest.approx(distances[1], rel=1e-3)


def test_first_images_are_packed_and_decoded_class_by_class(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(counts=(9, 8))
    images = SHORT.begin(problem_of(data, "MLP", 2)).images
    for place, index in enumerate((0, 2, 4, 6)):  # image k * ipc + i is tile k of stored image i
        row, column = divmod(place, 2)
        tile = images[0, :, 14 * row : 14 * (row + 1), 14 * column : 14 * (column + 1)]
        torch.testing.assert_close(tile, data.pixels[index, :, ::2, ::2].double() / 255)
    decoded = by_class(images, 2, 2)
    assert decoded.shape == (2, 8, 1, 28, 28)
    torch.testing.assert_close(decoded[1], by_class(images[2:], 1, 2)[0])
    other = replace(SHORT, init="random").begin(problem_of(data, "MLP", 2)).images
    assert not torch.equal(other, images)


def test_of_many_decoded_images_some_are_drawn(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_with_experts(small_images(counts=(12, 9)), "ConvNetW8")
    settings = replace(SHORT, synthetic_batch=3, augmentation=())
    state, _ = walked(settings, problem, 1)
    changed = by_class((state.images != settings.begin(problem).images).double(), 2, 2).flatten(2).any(2)
    assert 3 <= int(changed[0].sum()) <= 6  # three in each of two sweeps, of eight


def test_sets_hold_tiles_of_pixels_from_0_to_1(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(counts=(12, 9))
    given = {"iterations": 2, "expert_count": 1, "expert_epochs": 1, "image_learning_rate": 50.0}
    config = LearnConfig(method="dance", network="MLP", ipc=2, **given)
    learned = learn(config, data)
    pixels = learned.set.images * data.std[0] + data.mean[0]
    assert learned.set.decoder.multiple == 4 and pixels.min() > -1e-6 and pixels.max() < 1 + 1e-6
    stated = learned.record.config["experts"]
    assert stated["count"] == len(stated["networks"]) == 1 and learned.record.cost.experts_seconds > 0
    assert learned.record.config["experts"]["recipe"]["cutmix"] == 0.5


def test_whitened_images_are_refused(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(1, 6, 6), counts=(12, 9))
    white = data.whitened_by(ZCA.fit(data.pixels.float() / 255))
    with pytest.raises(CondenseError, match="dance learns pixels from 0 to 1, which the whitened images"):
        SHORT.check(problem_of(white, "MLP", 2))


@pytest.mark.parametrize(("ipc", "rate"), [(1, 0.02), (10, 0.2), (50, 1.0)])
def test_published_settings(ipc: int, rate: float) -> None:
    found = DANCE.published(Occasion("cifar10", ipc, "ConvNet"))
    assert found.image_learning_rate == pytest.approx(rate)
    assert found == DANCE(
        iterations=10_000,
        real_batch=128,
        synthetic_batch=200,
        image_learning_rate=found.image_learning_rate,
        image_decay="constant",
        augmentation=("color", "crop", "cutout"),
        factor=2,
        init="first",
        expert_count=5,
        expert_epochs=60,
        pool=0,
        cross_entropy=1.0,
    )
    assert DANCE.published(Occasion("mnist", ipc, "ConvNet")).augmentation == ("color", "crop")
