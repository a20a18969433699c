"""Selections by scores, and soft labels of an early-stopped network: the twins, and what follows from the definitions."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from stage_c_samples import problem_of, walked, with_drawn_experts

from condense.data.images import LabelledImages
from condense.reference import scores as plain
from condense.stage_c.embedding import in_two_halves
from condense.stage_c.fixed_network import trained_for
from condense.stage_c.method import Occasion
from condense.stage_c.methods.random_soft import RandomSoft
from condense.stage_c.methods.scores import EL2N, Forgetting, GraNd
from condense.stage_c.methods.selections import Herding, KCenter, KMeans, Random
from condense.stage_c.problem import Problem
from condense.stage_c.selection import largest

OCCASION = Occasion("cifar10", 10, "ConvNet")


def noise(small_images: Callable[..., LabelledImages], network: str = "ConvNetW8BN", *, networks: int = 2) -> Problem:
    problem = problem_of(small_images(shape=(1, 8, 8), counts=(9, 8, 12)), network, 2)
    return with_drawn_experts(problem, networks, 4)


def said(problem: Problem, which: int, epoch: int) -> list[tuple[bool, float, float]]:
    """What the twin says of every image."""
    fixed, x = trained_for(problem, which, epoch), problem.data.inputs(torch.arange(len(problem.data)), torch.float64)
    return [
        plain.looked_at(problem.network, fixed.parameters, fixed.statistics, image, int(label))
        for image, label in zip(x, problem.data.labels, strict=True)
    ]


@pytest.mark.parametrize("network", ["ConvNetW8", "ConvNetW8BN"])
@pytest.mark.parametrize(("kind", "place"), [(EL2N, 1), (GraNd, 2)])
def test_scores_of_several_networks_are_added_up(
    kind: type[EL2N | GraNd], place: int, network: str, small_images: Callable[..., LabelledImages]
) -> None:
    problem, method = noise(small_images, network), kind(epochs=4, networks=2)
    state, losses = walked(method, problem, method.steps(problem))
    both = [said(problem, which, 4) for which in range(2)]
    wanted = torch.tensor([[one[place] for one in each] for each in both], dtype=torch.float64).sum(0)
    torch.testing.assert_close(state.scores, wanted, rtol=1e-10, atol=1e-12)
    assert losses == [pytest.approx(sum(not one[0] for one in each) / len(each)) for each in both]


def test_what_was_right_and_is_wrong_is_forgotten(small_images: Callable[..., LabelledImages]) -> None:
    problem, method = noise(small_images), Forgetting(epochs=4, networks=2)
    history = [[[one[0] for one in said(problem, which, epoch)] for epoch in range(1, 5)] for which in range(2)]
    counts = [plain.forgotten(each) for each in history]
    assert any(map(any, counts))
    for epochs in range(1, 5):
        state, _ = walked(method, problem, 4 + epochs)
        second = plain.forgotten(history[1][:epochs])
        assert state.scores.tolist() == [one + other for one, other in zip(counts[0], second, strict=True)]
        assert state.correct.tolist() == history[1][epochs - 1]


def test_all_selections_of_a_seed_look_through_the_same_networks(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    plans = [kind.fast(OCCASION).experts(problem) for kind in (Forgetting, EL2N, GraNd, Herding, KCenter, KMeans)]
    assert len({(str(plan.recipe), plan.count, plan.first) for plan in plans}) == 1
    rates = [rate for rate, _ in plans[0].recipe.course()]
    assert rates == [0.01] * 5 + [pytest.approx(0.001)] * 5


def test_other_seeds_have_other_networks(small_images: Callable[..., LabelledImages]) -> None:
    plans = [GraNd(epochs=4, networks=10).experts(replace(noise(small_images), seed=seed)) for seed in range(3)]
    assert [range(plan.first, plan.first + plan.count) for plan in plans] == [range(10), range(10, 20), range(20, 30)]


@pytest.mark.parametrize("epochs", range(1, 4))
def test_the_rate_falls_in_the_second_half(epochs: int) -> None:
    stages = in_two_halves(epochs, 1.0)
    assert sum(stage.epochs for stage in stages) == epochs and stages[0].learning_rate == 1
    assert stages[0].epochs == -(-epochs // 2)


def test_the_largest_scores_are_kept_and_equal_ones_drawn() -> None:
    scores = torch.tensor([0.0, 3.0, 1.0, 2.0, 3.5])
    assert largest(scores, 3, torch.Generator().manual_seed(0)).tolist() == [4, 1, 3]
    equal = torch.zeros(50)
    drawn = [tuple(largest(equal, 3, torch.Generator().manual_seed(seed)).tolist()) for seed in range(5)]
    assert len(set(drawn)) == 5 and all(len(set(one)) == 3 for one in drawn)


def test_the_images_of_the_largest_scores_are_selected(small_images: Callable[..., LabelledImages]) -> None:
    problem, method = noise(small_images), GraNd(epochs=4, networks=1)
    state = walked(method, problem, 1)[0]
    selected, first = method.result(problem, state).images.split(2), 0
    for images, count in zip(selected, problem.data.counts, strict=True):
        best = sorted(range(first, first + count), key=lambda index: -float(state.scores[index]))[:2]
        assert torch.equal(images, problem.data.inputs(torch.tensor(best)))
        first += count


def test_published_settings() -> None:
    assert Forgetting.published(OCCASION) == Forgetting(epochs=40, networks=1)
    assert EL2N.published(OCCASION) == EL2N(epochs=20, networks=10)
    assert GraNd.published(OCCASION) == GraNd(epochs=40, networks=10)
    soft = RandomSoft.published(OCCASION)
    assert soft == RandomSoft(expert_epochs=20, network_learning_rate=0.001)
    assert RandomSoft.published(Occasion("cifar100", 50, "ConvNet")).expert_epochs == 104


# Soft labels


def test_soft_labels_are_what_the_network_says_of_the_random_images(small_images: Callable[..., LabelledImages]) -> None:
    problem, method, random = noise(small_images), RandomSoft(expert_epochs=4, network_learning_rate=0.1), Random()
    condensed = method.result(problem, method.begin(problem))
    assert torch.equal(condensed.images, random.result(problem, random.begin(problem)).images)
    assert condensed.labels.shape == (6, 3) and condensed.labels.dtype == torch.float32
    fixed = trained_for(problem, 0, 4)
    for image, label in zip(condensed.images, condensed.labels, strict=True):
        logits = problem.network.logits(fixed.parameters, image[None].double(), fixed.statistics)[0]
        torch.testing.assert_close(label.double(), logits.exp() / logits.exp().sum(), rtol=0, atol=1e-6)


def test_every_epoch_is_at_one_rate(small_images: Callable[..., LabelledImages]) -> None:
    plan = RandomSoft(expert_epochs=3, network_learning_rate=0.1).experts(noise(small_images))
    assert [rate for rate, _ in plan.recipe.course()] == [0.1] * 3
