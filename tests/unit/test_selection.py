"""Selections by features: against their definitions, and what follows from them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.randomness import generator
from condense.reference import selection as plain
from condense.stage_c import k_means as clusters
from condense.stage_c.k_means import k_means, nearest_centres, nearest_points
from condense.stage_c.selection import by_class, herding, k_center


def features(count: int = 30, seed: int = 0) -> Tensor:
    return torch.randn((count, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_both_are_as_defined(seed: int) -> None:
    assert herding(features(seed=seed), 12).tolist() == plain.herding(features(seed=seed), 12)
    assert k_center(features(seed=seed), 12).tolist() == plain.k_center(features(seed=seed), 12)


@pytest.mark.parametrize("seed", range(5))
def test_both_begin_with_the_same_image_and_take_none_twice(seed: int) -> None:
    points = features(seed=seed)
    assert herding(points, 1).tolist() == k_center(points, 1).tolist()
    for select in (herding, k_center):
        assert sorted(select(points, 30).tolist()) == list(range(30))


@pytest.mark.parametrize("select", [herding, k_center])
def test_none_is_taken_twice_where_several_lie_in_one_place(select: Callable[[Tensor, int], Tensor]) -> None:
    points = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 0.0], [5.0, 0.0]])
    assert sorted(select(points, 4).tolist()) == [0, 1, 2, 3]


def test_k_center_goes_to_the_corners_and_herding_keeps_the_mean() -> None:
    points = torch.tensor([[0.0, 0.0], [10.0, 0.0], [-10.0, 0.0], [0.1, 0.0], [-0.1, 0.0]])
    assert set(k_center(points, 3).tolist()) == {0, 1, 2}
    assert set(herding(points, 3).tolist()) == {0, 3, 4}


@pytest.mark.parametrize("select", [herding, k_center])
def test_each_class_is_selected_from_by_itself(
    select: Callable[[Tensor, int], Tensor], small_images: Callable[..., LabelledImages]
) -> None:
    images = small_images(counts=(7, 4, 9))
    points = features(20)
    chosen = by_class(select, images, points, 3)
    assert images.labels[chosen].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert (chosen[3:6] - 7).tolist() == select(points[7:11], 3).tolist()


@pytest.mark.parametrize(("name", "width"), [("MLP", 128), ("ConvNet", 2048), ("LeNet", 84), ("ResNet18", 512)])
def test_features_are_what_the_classifier_sees(name: str, width: int) -> None:
    network = build(name, (1, 28, 28), 10)
    parameters = network.initial(generator(0, "test"))
    x = torch.randn((2, 1, 28, 28), generator=torch.Generator().manual_seed(1))
    seen = network.features(parameters, x)
    assert seen.shape == (2, width)
    last = [name for name, _ in network.shapes()][-2:]
    logits = seen @ parameters[last[0]].T + parameters[last[1]]
    torch.testing.assert_close(logits, network.logits(parameters, x))


def cpu(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rounds", [0, 1, 100])
@pytest.mark.parametrize("seed", range(3))
def test_k_means_is_as_defined(seed: int, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "POINTS_AT_ONCE", 7)
    points = features(seed=seed)
    centres = k_means(points, 6, cpu(seed), rounds)
    expected = plain.k_means(points, torch.rand(6, generator=cpu(seed), dtype=torch.float64).tolist(), rounds)
    torch.testing.assert_close(centres, torch.stack(expected), rtol=1e-10, atol=1e-12)
    others = features(6, seed + 100)  # of a cluster of two points both are as near
    assert nearest_points(points, others).tolist() == plain.nearest_points(points, list(others))


def test_centres_come_to_rest_in_the_middle_of_clusters() -> None:
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = (middles[:, None] + 0.1 * features(36)[:, :2].view(3, 12, 2)).flatten(0, 1)
    centres = k_means(points, 3, cpu(0))
    owners = nearest_centres(points, centres)
    assert [len(set(own.tolist())) for own in owners.split(12)] == [1, 1, 1] and len(set(owners.tolist())) == 3
    for owner, own in zip(owners[::12], points.split(12), strict=True):
        torch.testing.assert_close(centres[owner], own.mean(0))


def test_centres_and_nearest_points_where_several_lie_in_one_place() -> None:
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 0.0], [5.0, 0.0]])
    centres = k_means(points, 4, cpu(1))
    assert torch.isfinite(centres).all()
    assert sorted(map(tuple, centres[:2].tolist())) == [(0.0, 0.0), (5.0, 0.0)]
    assert sorted(nearest_points(points, centres).tolist()) == [0, 1, 2, 3]
