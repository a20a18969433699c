"""Selections by scores, and soft labels of an early-stopped network: the twins, and what follows from the definitions."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from stage_c_samples import problem_of, walked

from condense.data.images import LabelledImages
from condense.networks.layers import Tensors
from condense.reference import scores as plain
from condense.stage_c import embedding
from condense.stage_c.embedding import Embedding
from condense.stage_c.method import Occasion
from condense.stage_c.methods.random_soft import RandomSoft
from condense.stage_c.methods.scores import EL2N, Forgetting, GraNd, Scores
from condense.stage_c.methods.selections import Random
from condense.stage_c.problem import Problem
from condense.stage_c.selection import largest
from condense.training.layout import Layout

OCCASION = Occasion("cifar10", 10, "ConvNet")


def noise(small_images: Callable[..., LabelledImages], network: str = "ConvNetW8BN") -> Problem:
    return problem_of(small_images(shape=(1, 8, 8), counts=(9, 8, 12)), network, 2)


def parameters_of(problem: Problem, state: Scores | Embedding) -> Tensors:
    return Layout.of(problem.network).views(state.vector)


@pytest.mark.parametrize("network", ["ConvNetW8", "ConvNetW8BN"])
def test_each_epoch_is_as_the_twin_says(network: str, small_images: Callable[..., LabelledImages]) -> None:
    problem, history = noise(small_images, network), list[list[bool]]()
    method = GraNd(epochs=4, networks=1, network_learning_rate=0.5)
    state = method.begin(problem)
    x = problem.data.inputs(torch.arange(len(problem.data)), torch.float64)
    for number in range(4):
        state, _ = method.step(problem, state, number)
        parameters = parameters_of(problem, state)
        found = [
            plain.looked_at(problem.network, parameters, state.statistics, image, int(label))
            for image, label in zip(x, problem.data.labels, strict=True)
        ]
        history.append([right for right, _, _ in found])
        assert state.correct.tolist() == history[-1]
        assert state.forgotten.tolist() == plain.forgotten(history)
    errors, gradients = (torch.tensor([one[place] for one in found], dtype=torch.float64) for place in (1, 2))
    torch.testing.assert_close(state.errors, errors, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(state.gradients, gradients, rtol=1e-10, atol=1e-12)


def test_what_was_right_and_is_wrong_is_forgotten(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    method = Forgetting(epochs=4, networks=1)
    state = method.begin(problem)
    right = replace(state, correct=torch.ones_like(state.correct), forgotten=state.forgotten + 2)
    after, _ = method.step(problem, right, 0)
    assert not after.correct.all() and torch.equal(after.forgotten, 2 + (~after.correct).long())
    wrong, _ = method.step(problem, replace(right, correct=~right.correct), 0)
    assert torch.equal(wrong.forgotten, right.forgotten)


def test_all_scores_come_from_one_run(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    methods = [kind.fast(OCCASION) for kind in (Forgetting, EL2N, GraNd)]
    ends = [walked(method, problem, 2)[0] for method in methods]
    for end in ends[1:]:
        for name in ("vector", "correct", "forgotten", "errors", "gradients"):
            assert torch.equal(getattr(end, name), getattr(ends[0], name))
    settings = [(method.epochs, method.networks, method.network_learning_rate) for method in methods]
    assert settings == [(10, 1, 0.01)] * 3
    end = ends[0]
    for method, score in zip(methods, (end.forgotten, end.errors, end.gradients), strict=True):
        assert torch.equal(method.scores(end), score)


def test_scores_of_several_networks_are_added_up(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    method = EL2N(epochs=2, networks=2)
    state, sums = method.begin(problem), torch.zeros(len(problem.data), dtype=torch.float64)
    for number in range(method.steps(problem)):
        before, (state, _) = state, method.step(problem, state, number)
        if number % 2:
            parameters = parameters_of(problem, state)
            x = problem.data.inputs(torch.arange(len(problem.data)), torch.float64)
            for place, (image, label) in enumerate(zip(x, problem.data.labels, strict=True)):
                sums[place] += plain.looked_at(problem.network, parameters, state.statistics, image, int(label))[1]
        else:
            assert torch.equal(state.errors, before.errors)
    torch.testing.assert_close(state.errors, sums, rtol=1e-10, atol=1e-12)


def test_the_largest_scores_are_kept_and_equal_ones_drawn() -> None:
    scores = torch.tensor([0.0, 3.0, 1.0, 2.0, 3.5])
    assert largest(scores, 3, torch.Generator().manual_seed(0)).tolist() == [4, 1, 3]
    equal = torch.zeros(50)
    drawn = [tuple(largest(equal, 3, torch.Generator().manual_seed(seed)).tolist()) for seed in range(5)]
    assert len(set(drawn)) == 5 and all(len(set(one)) == 3 for one in drawn)


def test_the_images_of_the_largest_scores_are_selected(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    method = GraNd(epochs=1, networks=1)
    state = walked(method, problem, 1)[0]
    found, first = method.result(problem, state).images.split(2), 0
    for images, count in zip(found, problem.data.counts, strict=True):
        best = sorted(range(first, first + count), key=lambda index: -float(state.gradients[index]))[:2]
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
    problem = noise(small_images)
    method = RandomSoft(expert_epochs=2, network_learning_rate=0.1)
    state = walked(method, problem, 2)[0]
    found, random = method.result(problem, state), Random()
    assert torch.equal(found.images, random.result(problem, random.begin(problem)).images)
    assert found.labels.shape == (6, 3) and found.labels.dtype == torch.float32
    for image, label in zip(found.images, found.labels, strict=True):
        logits = problem.network.logits(parameters_of(problem, state), image[None].double(), state.statistics)[0]
        torch.testing.assert_close(label.double(), logits.exp() / logits.exp().sum(), rtol=0, atol=1e-6)


def test_every_epoch_is_at_one_rate(small_images: Callable[..., LabelledImages]) -> None:
    problem = noise(small_images)
    state, method = embedding.new_embedding(problem), RandomSoft(expert_epochs=3, network_learning_rate=0.1)
    for number in range(3):
        state, _ = embedding.after_epoch(problem, state, 0.1, number)
    assert torch.equal(walked(method, problem, 3)[0].vector, state.vector)
