"""FRePo against its plain twin, step by step in float64, and what follows from its definition."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from stage_c_samples import problem_of, walked

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import LabelledImages
from condense.errors import CondenseError, RunFailed
from condense.preprocessing import ZCA
from condense.reference.frepo import PlainFRePo
from condense.stage_c.learn import learn
from condense.stage_c.method import Occasion, state_tensors
from condense.stage_c.methods import frepo
from condense.stage_c.methods.frepo import (
    FRePo,
    lamb_step,
    margin_of,
    nearest_probabilities,
    regression_error,
    scale_of,
)
from condense.training.layout import Layout

SHAPE = (3, 16, 16)
SHORT = replace(
    FRePo.published(Occasion("cifar10", 2, "ConvNetW8")),
    iterations=7,
    real_batch=5,
    pool=2,
    online_steps=2,
    image_learning_rate=0.01,
    network_learning_rate=0.01,
)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("network", "mirror", "path"),
    [
        ("MLP", "none", "eager"),
        ("ConvNetW8", "appended", "eager"),
        ("ConvNetW8BN", "appended", "eager"),
        pytest.param("ConvNetW8", "none", "compiled", marks=pytest.mark.slow),
    ],
)
def test_steps_equal_the_twin(
    network: str, mirror: str, path: str, small_images: Callable[..., LabelledImages], fresh_seed: int
) -> None:
    data = small_images(shape=SHAPE, counts=(5, 4, 4))
    # What rounding becomes of after a network's training with BatchNorm depends on the seed.
    problem = problem_of(data, network, 2, seed=8 if network == "ConvNetW8BN" else fresh_seed, part=4, path=path)
    torch.compiler.reset()
    settings = replace(SHORT, mirror=mirror, iterations=7 if path == "eager" else 2)
    if network == "ConvNetW8BN":  # Adam makes steps of rounding where a gradient is 0, as that of biases before BatchNorm is
        settings = replace(settings, pool=1, iterations=5, image_learning_rate=1e-4, network_learning_rate=1e-5)
    state, number = settings.begin(problem), 0
    for error, images, labels, pool in PlainFRePo(settings, problem).steps():
        state, losses = settings.step(problem, state, number)
        number += 1
        assert float(losses["regression"]) == pytest.approx(error, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(state.labels, labels, rtol=1e-10, atol=1e-12)
        for vector, net in zip(state.vectors, pool, strict=True):
            own = Layout.of(problem.network).views(vector)
            for value, theirs in zip(own.values(), net.parameters(), strict=True):
                torch.testing.assert_close(value, theirs.detach(), rtol=1e-8, atol=1e-8)
    assert number == settings.steps(problem)


def test_a_step_leaves_the_state_as_it_is(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(5, 4)), "ConvNetW8BN", 2)
    state = SHORT.begin(problem)
    before = {name: tensor.clone() for name, tensor in state_tensors(state).items()}
    after, _ = SHORT.step(problem, state, 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state_tensors(state).items())
    place = SHORT.turn(problem, 0).place
    for name in ("vectors", "means", "squares"):
        changed = [bool((one != other).any()) for one, other in zip(getattr(after, name), getattr(state, name), strict=True)]
        assert changed == [one == place for one in range(2)]


def test_every_network_has_its_turn_and_is_drawn_anew_in_time(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE), "MLP")
    method = FRePo.published(Occasion("mnist", 1, "MLP"))
    turns = [method.turn(problem, number) for number in range(3030)]
    assert [Counter(turn.place for turn in turns[first : first + 10]) for first in (0, 500)] == [Counter(range(10))] * 2
    assert [turn.place for turn in turns[:10]] != [turn.place for turn in turns[10:20]]
    ends = Counter[int]()
    for place in range(10):
        own = [turn for turn in turns if turn.place == place]
        ends.update(number for number, turn in enumerate(own) if turn.last)
        assert own[0].trained == 0 and sum(turn.last for turn in own) == 3
        for one, following in pairwise(own):
            assert following.trained == (0 if one.last else one.trained + 1)
        assert max(turn.trained for turn in own) == 100
    assert set(ends.values()) == {1}  # no two networks at once


def test_a_network_that_is_drawn_anew_starts_anew(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(5, 4)), "ConvNetW8BN", 1)
    last = next(number for number in range(20) if SHORT.turn(problem, number).last)
    state, _ = walked(SHORT, problem, last + 1)
    place = SHORT.turn(problem, last).place
    vector, statistics = problem.new_network(SHORT.pool + last)
    assert torch.equal(state.vectors[place], vector)
    assert not state.means[place].any() and not state.squares[place].any()
    assert all(torch.equal(value[place], statistics[name]) for name, value in state.statistics.items())


def test_the_regression_is_the_best_one_there_is() -> None:
    """Its weights w minimise |features w - labels|^2 + ridge |w|^2, and give back labels that a regression can have."""
    features, labels, seen, wanted = drawn(5, 9), drawn(5, 3, seed=1), drawn(7, 9, seed=2), drawn(7, 3, seed=3)
    ridge = 1e-6 * features.square().sum(1).mean()
    rows = torch.cat([features, ridge.sqrt() * torch.eye(9, dtype=torch.float64)])
    weights = torch.linalg.lstsq(rows, torch.cat([labels, torch.zeros(9, 3, dtype=torch.float64)])).solution
    expected = ((seen @ weights - wanted) ** 2).sum() / 14
    torch.testing.assert_close(regression_error(features, labels, seen, wanted), expected, rtol=1e-8, atol=0)
    assert float(regression_error(features, labels, features, labels)) < 1e-9
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = regression_error(features[order], labels[order], seen, wanted)
    torch.testing.assert_close(shuffled, expected, rtol=1e-8, atol=0)


def test_float32_features_are_solved_in_float64() -> None:
    near = drawn(1, 40).repeat(30, 1) + 1e-3 * drawn(30, 40, seed=1)
    labels, seen = drawn(30, 2, seed=2), near + 1e-3 * drawn(30, 40, seed=3)
    exact = regression_error(near.float().double(), labels, seen.float().double(), labels)
    torch.testing.assert_close(regression_error(near.float(), labels, seen.float(), labels), exact)


def test_gradients_are_those_of_finite_differences() -> None:
    features, labels, seen, wanted = drawn(4, 6), drawn(4, 3, seed=1), drawn(5, 6, seed=2), drawn(5, 3, seed=3)
    leaves = features.requires_grad_(), labels.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: regression_error(x, y, seen, wanted), leaves, atol=1e-4)


def test_a_margin_counts_no_further_than_a_share() -> None:
    labels = torch.tensor([[0.9, -0.1, 0.0, 0.0], [0.3, 0.2, 0.1, 0.0], [0.5, 0.5, 0.0, 0.0]])
    assert float(margin_of(labels)) == pytest.approx((0.25 + 0.1 + 0.0) / 3)


def test_lamb_moves_by_a_share_of_the_length() -> None:
    value, gradient = drawn(4, 5), drawn(4, 5, seed=1)
    zeros = torch.zeros_like(value)
    for size in (1e-2, 1e4):
        moved, _, _ = lamb_step(value, zeros, zeros, size * gradient, 0.03, 1)
        assert float((moved - value).norm()) == pytest.approx(0.03 * float(value.norm()), rel=1e-12)
    still, _, _ = lamb_step(value, zeros, zeros, zeros, 0.03, 1)
    assert torch.equal(still, value)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_probabilities_are_the_nearest_there_are(classes: int) -> None:
    values = drawn(20, classes) + 1 / classes
    found = nearest_probabilities(values)
    assert float(found.min()) >= 0
    torch.testing.assert_close(found.sum(1), torch.ones(20, dtype=torch.float64))
    others = torch.distributions.Dirichlet(torch.ones(classes, dtype=torch.float64)).sample((2000,))
    others = torch.cat([others, torch.eye(classes, dtype=torch.float64)])
    apart = torch.cdist(values, others).min(dim=1).values
    assert ((values - found).norm(dim=1) <= apart + 1e-12).all()
    torch.testing.assert_close(nearest_probabilities(found), found)


@pytest.mark.parametrize("counts", [(3, 3), (2,) * 40])
def test_labels_begin_as_classes(counts: tuple[int, ...], small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=(1, 8, 8), counts=counts), "MLP", 2)
    state = SHORT.begin(problem)
    found = SHORT.result(problem, state)
    one_hot = torch.eye(len(counts))[problem.labels]
    torch.testing.assert_close(found.labels, one_hot)
    assert found.labels.dtype == torch.float32 and torch.equal(found.images, problem.real_images())
    torch.testing.assert_close(state.labels * scale_of(len(counts)), one_hot.double() - 1 / len(counts))


def test_of_many_images_a_network_is_trained_on_some(
    small_images: Callable[..., LabelledImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frepo, "MOST_TRAINED_ON", 3)
    problem, sizes = problem_of(small_images(shape=SHAPE, counts=(5, 4)), "MLP", 2), list[int]()
    real = FRePo._training_gradient

    def watched(self: FRePo, *arguments: object) -> object:
        x = arguments[3]
        assert isinstance(x, torch.Tensor)
        sizes.append(len({image.sum().item() for image in x}))
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(FRePo, "_training_gradient", watched)
    walked(replace(SHORT, mirror="none"), problem, 2)
    assert sizes == [3, 3]


def test_real_images_come_in_epochs(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=SHAPE, counts=(7, 4)), "MLP")
    batches = [set(SHORT.real_images(problem, number).tolist()) for number in range(4)]
    assert all(len(batch) == 5 for batch in batches)
    assert not batches[0] & batches[1] and not batches[2] & batches[3]
    assert len(replace(SHORT, real_batch=100).real_images(problem, 3)) == 11


def test_labels_are_learned(small_images: Callable[..., LabelledImages]) -> None:
    data = load("digits", train_size=200).train
    method = replace(SHORT, iterations=30, real_batch=200, mirror="none", image_learning_rate=0.03)
    problem = problem_of(data, "MLP", 1, dtype=torch.float32)
    state, losses = walked(method, problem, 30)
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    found = method.result(problem, state).labels
    assert float(found.max(dim=1).values.min()) < 1 and torch.equal(found.argmax(1), problem.labels)


def test_features_of_nothing_end_a_run() -> None:
    data = load("digits", train_size=100).train
    config = LearnConfig(method="frepo", network="MLP", iterations=3, pool=1, image_learning_rate=1e30)
    with pytest.raises(RunFailed, match="the loss or the images are no longer finite"):
        learn(config, data)


def test_whitened_images_and_few_of_a_class(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=SHAPE, counts=(5, 4))
    whitened = data.whitened_by(ZCA(torch.zeros(SHAPE), torch.eye(data.pixels[0].numel())))
    problem = problem_of(whitened, "ConvNetW8", 2)
    SHORT.check(problem)
    assert all(map(torch.isfinite, map(torch.tensor, walked(SHORT, problem, 2)[1])))
    with pytest.raises(CondenseError, match=r"^Class 1 of noise has 4 images, fewer than the 5 images per class asked for"):
        SHORT.check(problem_of(data, "ConvNetW8", 5))
    with pytest.raises(CondenseError, match=r"^The method frepo learns labels, which takes images of two classes or more"):
        SHORT.check(problem_of(small_images(counts=(5,)), "MLP"))


def test_published_settings() -> None:
    found = FRePo.published(Occasion("cifar10", 50, "ConvNet"))
    assert found == FRePo(
        iterations=500_000,
        real_batch=1024,
        image_learning_rate=3e-4,
        mirror="appended",
        pool=10,
        online_steps=100,
        network_learning_rate=3e-4,
    )
    mirrored = {
        (dataset, ipc)
        for dataset in ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100")
        for ipc in (1, 10)
        if FRePo.published(Occasion(dataset, ipc, "ConvNet")).mirror == "appended"
    }
    assert mirrored == {("cifar10", 1), ("cifar10", 10), ("cifar100", 1)}
    assert found.rate(0) == 3e-4 and found.rate(250_000) == pytest.approx(1.65e-4)
    assert found.rate(500_000) == pytest.approx(3e-5)
