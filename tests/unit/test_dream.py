"""DREAM against its plain twin, step by step in float64, and what follows from its definition."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from stage_c_samples import problem_of
from test_idc import SHAPE, beside

from condense.data.images import LabelledImages
from condense.errors import CondenseError
from condense.networks.layers import Tensors
from condense.reference.dream import PlainDREAM
from condense.stage_c.features import Features, RunningFeatures
from condense.stage_c.method import Occasion
from condense.stage_c.methods.dream import DREAM
from condense.stage_c.methods.idc import IDC
from condense.stage_c.packing import packed
from condense.stage_c.problem import Problem
from condense.training.layout import Layout

SHORT = replace(
    DREAM.published(Occasion("cifar10", 2, "ConvNetW8")),
    iterations=1,
    inner_loop=4,
    renewal=3,
    real_batch=3,
    network_batches=1,
    augmentation=("color",),
)


@pytest.mark.parametrize("changed", [{}, {"candidates": 6, "init": "real", "rounds": 1, "renewal": 1}])
def test_steps_equal_the_twin(changed: dict[str, Any], small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    data, method = small_images(shape=SHAPE, counts=(9, 8)), replace(SHORT, **changed)
    assert beside(PlainDREAM, method, data, fresh_seed) == method.steps(problem_of(data, "ConvNetW8")) == 4


def test_with_batch_norm_too(small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    data = small_images(shape=SHAPE, counts=(9, 8))
    assert beside(PlainDREAM, replace(SHORT, renewal=1), data, fresh_seed, network="ConvNetW8BN") == 4


def grouped(small_images: Callable[..., LabelledImages], groups: int, each: int) -> LabelledImages:
    """Two classes of groups of images that are hardly different within a group, whose members follow one another."""
    data = small_images(shape=SHAPE, counts=(groups * each,) * 2)
    middles = data.pixels.unflatten(0, (2 * groups, each))[:, :1] // 4 * 4
    noise = data.pixels.unflatten(0, (2 * groups, each)) % 4
    return replace(data, pixels=(middles + noise).flatten(0, 1), _cache={})


def test_every_cluster_has_an_image(small_images: Callable[..., LabelledImages]) -> None:
    """Begun anywhere, k-means may join two groups and part another; among a few beginnings most find every group."""
    data, found = grouped(small_images, 2, 8), 0
    for seed in range(6):
        problem = problem_of(data, "ConvNetW8", 1, seed=seed)
        method = replace(SHORT, real_batch=2)
        state = method.begin(problem)
        state = replace(state, vector=problem.new_network(0)[0])
        real = method.real_images(problem, state, 0)
        groups = (real // 8).tolist()
        found += len(set(groups))
        assert [group // 2 for group in groups] == [0, 0, 1, 1]
        assert torch.equal(real, method.real_images(problem, state, 0))
    assert found >= 18


def test_no_image_stands_for_two_clusters(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=SHAPE, counts=(12, 5, 3))
    same = replace(data, pixels=data.pixels[:1].expand(20, -1, -1, -1).contiguous(), _cache={})
    for images in (data, same):
        problem = problem_of(images, "ConvNetW8", 1)
        method = replace(SHORT, real_batch=4, factor=1)
        vector, statistics = problem.new_network(3)
        state = replace(method.begin(problem), vector=vector, statistics=statistics)
        parts = method.real_images(problem, state, 5).split(method.counts(problem))
        for part, (first, last, count) in zip(parts, ((0, 11, 4), (12, 16, 4), (17, 19, 3)), strict=True):
            chosen = set(part.tolist())
            assert len(chosen) == count and min(chosen) >= first and max(chosen) <= last


def test_clusters_are_those_of_the_network_at_hand(
    small_images: Callable[..., LabelledImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, seen = problem_of(small_images(shape=SHAPE, counts=(9, 8)), "ConvNetW8", 1, seed=1), list[Any]()
    real = Features.real

    def watched(self: Features, parameters: Tensors, statistics: Tensors, x: torch.Tensor) -> torch.Tensor:
        seen.append((Layout.of(problem.network).flatten(parameters), len(x)))
        return real(self, parameters, statistics, x)

    monkeypatch.setattr(RunningFeatures, "real", watched)
    method = replace(SHORT, inner_loop=5, candidates=6, init="first")
    state = method.begin(problem)
    kept = list[torch.Tensor]()
    for number in range(5):
        before = problem.new_network(0)[0] if not number else state.vector
        state, _ = method.step(problem, state, number)
        looked = number in (0, 3)
        assert [count for _, count in seen] == [6, 6] * looked
        assert all(torch.equal(vector, before) for vector, _ in seen)
        seen.clear()
        kept.append(state.real)
    assert [len(real) for real in kept] == [6, 6, 0, 6, 0]
    assert torch.equal(kept[0], kept[1])


def test_images_begin_as_clusters_in_a_new_network(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(12, 10)), "ConvNetW8", 2)
    chosen = SHORT.first_images(problem)
    assert len(set(chosen.tolist())) == 16 and (chosen[:8] < 12).all() and (chosen[8:] >= 12).all()
    expected = packed(problem.data.pixels[chosen].double() / 255, 2, 2)
    assert torch.equal(SHORT.begin(problem).images, expected)
    first = replace(SHORT, init="first").first_images(problem)
    assert first.tolist() == [*range(8), *range(12, 20)]
    other = Problem(problem.data, problem.network, 2, seed=9, dtype=torch.float64)
    assert set(SHORT.first_images(other).tolist()) != set(chosen.tolist())


def test_running_features_are_of_an_image_alone(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(), "ConvNetW8BN", part=5)
    vector, statistics = problem.new_network(0)
    network, x = Layout.of(problem.network).views(vector), problem.data.inputs(torch.arange(12), torch.float64)
    of_all, of_batch = (kind(problem, 1).real(network, statistics, x) for kind in (RunningFeatures, Features))
    alone = torch.cat([RunningFeatures(problem).real(network, statistics, image[None]) for image in x])
    torch.testing.assert_close(of_all, alone, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(of_batch, alone)


def test_too_few_candidates_are_refused(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(9, 9)), "ConvNetW8", 2)
    with pytest.raises(CondenseError, match=r"^2 candidates are too few for 3 real images of each class: ask for more"):
        replace(SHORT, candidates=2).check(problem)
    with pytest.raises(CondenseError, match=r"^The method dream matches gradients of convolution weights"):
        SHORT.check(problem_of(problem.data, "MLP", 1))
    for candidates in (0, 3, 100):
        replace(SHORT, candidates=candidates).check(problem)


def test_settings_are_those_of_idc_but_for_the_real_images() -> None:
    for dataset in ("mnist", "cifar10"):
        occasion = Occasion(dataset, 10, "ConvNet")
        for schedule in ("published", "fast"):
            own, others = getattr(DREAM, schedule)(occasion), getattr(IDC, schedule)(occasion)
            differing = {name for name in IDC.settings() if getattr(own, name) != getattr(others, name)}
            assert differing == {"init", "renewal"} | ({"iterations", "real_batch"} if schedule == "published" else set())
    found = DREAM.published(occasion)
    assert (found.iterations, found.real_batch, found.renewal, found.init) == (1000, 128, 10, "clusters")
    assert (found.candidates, found.inner_loop, found.factor, found.image_learning_rate) == (0, 100, 2, 0.01)


def test_what_clusters_cost_is_counted(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(9, 8)), "ConvNetW8", 1)
    costs = [replace(SHORT, candidates=candidates).work(problem).multiply_adds for candidates in (0, 4)]
    assert costs[0] - costs[1] == 9 * 2 * problem.network.multiply_adds
    assert SHORT.cost(problem) > SHORT.work(problem).multiply_adds / (3 * problem.network.multiply_adds)
