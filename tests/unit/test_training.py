"""The training engine against a plain loop with torch.optim, one network at a time."""

from dataclasses import replace

import pytest
import torch

from condense.execution import for_training, images_at_once, members_at_once, stacks, widest_activation
from condense.networks.registry import build
from condense.reference import training as plain
from condense.reference.networks import load, module
from condense.training.accuracy import accuracies, predictions
from condense.training.engine import MemberDraws, Members, Standing, fresh_members, train
from condense.training.layout import Layout
from condense.training.optimisers import fresh_state, optimiser_step, start_anew
from condense.training.recipe import Cosine, Recipe, Stage
from condense.training.sources import TensorSource

GREY = (1, 28, 28)
CPU = torch.device("cpu")
RECIPE = Recipe((Stage(3, 0.05), Stage(2, 0.005)), batch_size=4, momentum=0.9, weight_decay=5e-4)
AUGMENTED = Recipe((Stage(4, 0.05),), batch_size=5, momentum=0.9, augmentation=("crop", "scale", "rotate"))


def source(count: int = 10, seed: int = 0) -> TensorSource:
    random = torch.Generator().manual_seed(seed)
    return TensorSource(torch.randn(count, *GREY, generator=random, dtype=torch.float64), torch.arange(count) % 3)


def trained(
    name: str, recipe: Recipe, seeds: list[int], data: TensorSource, together: bool, compiled: bool = False
) -> Members:
    network = build(name, GREY, 3)
    groups = [seeds] if together else [[seed] for seed in seeds]
    parts, batch = [], min(recipe.batch_size, len(data.labels))
    execution = replace(for_training(network, CPU, batch=batch), path="compiled" if compiled else "eager")
    for group in groups:
        members = fresh_members(network, group, "test network", dtype=torch.float64)
        draws = [MemberDraws.of(seed, "test") for seed in group]
        parts.append(train(network, members, data, recipe, draws, execution=execution))
    names = parts[0].statistics
    statistics = {name: torch.cat([part.statistics[name] for part in parts]) for name in names}
    return Members(torch.cat([part.vector for part in parts]), statistics)


SIAMESE = Recipe((Stage(2, 0.05), Stage(1, 0.005)), 5, 0.9, augmentation=("color", "rotate", "cutout"), law="single")
MIXED = Recipe(
    (Stage(2, 0.05), Stage(1, 0.01)), 5, 0.9, augmentation=("color", "crop"), law="several", cutmix=0.5, new_optimisers=False
)


@pytest.mark.parametrize("recipe", [SIAMESE, MIXED], ids=["siamese", "mixed"])
@pytest.mark.parametrize("together", [False, True], ids=["in turn", "stacked"])
def test_training_by_the_laws_equals_the_plain_loop(together: bool, recipe: Recipe, fresh_seed: int) -> None:
    assert_equal_to_plain_loop("MLP", recipe, fresh_seed, together=together, compiled=False)


ADAMW = Recipe(
    (Stage(3, 0.01), Stage(2, 0.001)), 4, weight_decay=0.05, new_optimisers=False, optimiser="adamw", betas=(0.8, 0.99)
)
ANEW = replace(ADAMW, new_optimisers=True)
COSINE = Recipe((Stage(7, 0.05),), 4, 0.9, 5e-4, cosine=Cosine())
WARM = Recipe((Stage(9, 0.02),), 4, weight_decay=0.01, optimiser="adamw", betas=(0.9, 0.999), cosine=Cosine(3, 0.1))


@pytest.mark.parametrize(
    "recipe", [ADAMW, ANEW, COSINE, WARM], ids=["AdamW", "AdamW anew", "cosine", "AdamW with a warm cosine"]
)
@pytest.mark.parametrize("together", [False, True], ids=["in turn", "stacked"])
def test_other_optimisers_and_schedules_equal_those_of_torch(together: bool, recipe: Recipe, fresh_seed: int) -> None:
    assert_equal_to_plain_loop("LeNet", recipe, fresh_seed, together=together, compiled=False)


def test_steps_of_adamw_equal_those_of_torch(fresh_seed: int) -> None:
    """Each step, of three networks at once, under a rate that changes; a new optimiser after the twentieth."""
    random = torch.Generator().manual_seed(fresh_seed)
    own = torch.randn(3, 50, generator=random, dtype=torch.float64)
    twins = [torch.nn.Parameter(row.clone()) for row in own]

    def fresh() -> list[torch.optim.AdamW]:
        return [torch.optim.AdamW([twin], betas=(0.8, 0.99), weight_decay=0.05) for twin in twins]

    state, optimisers = fresh_state(ADAMW, own), fresh()
    for step in range(40):
        if step == 20:
            start_anew(state)
            optimisers = fresh()
        gradients, rate = torch.randn(3, 50, generator=random, dtype=torch.float64), 0.1 / (step + 1)
        optimiser_step(own, state, gradients, rate, ADAMW)
        for twin, optimiser, gradient in zip(twins, optimisers, gradients, strict=True):
            twin.grad = gradient.clone()
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
        torch.testing.assert_close(own, torch.stack([twin.detach() for twin in twins]), rtol=1e-12, atol=1e-14)


SOFT = Recipe((Stage(3, 0.05),), 4, 0.9, augmentation=("crop", "rotate"), cutmix=0.7)


@pytest.mark.parametrize("recipe", [SOFT, replace(SOFT, loss="hard"), replace(SOFT, loss="hard", cutmix=0.0)])
@pytest.mark.parametrize("together", [False, True], ids=["in turn", "stacked"])
def test_soft_labels_equal_the_plain_loop(together: bool, recipe: Recipe, fresh_seed: int) -> None:
    random = torch.Generator().manual_seed(fresh_seed)
    data = TensorSource(source(seed=fresh_seed).images, torch.rand(10, 3, generator=random, dtype=torch.float64).softmax(1))
    assert_equal_to_plain_loop("MLP", recipe, fresh_seed, together=together, compiled=False, data=data)


def test_a_hard_loss_takes_the_likeliest_class() -> None:
    hard = source()
    soft = TensorSource(hard.images, 0.4 * torch.nn.functional.one_hot(hard.labels, 3).double() + 0.2)
    own, same, other = (
        trained("MLP", recipe, [0], data, together=False).vector
        for recipe, data in ((replace(RECIPE, loss="hard"), soft), (RECIPE, hard), (RECIPE, soft))
    )
    assert torch.equal(own, same) and not torch.equal(own, other)


@pytest.mark.parametrize("recipe", [RECIPE, ADAMW, WARM], ids=["SGD", "AdamW", "AdamW with a warm cosine"])
def test_training_goes_on_from_where_it_stood(recipe: Recipe) -> None:
    network, data, kept = build("MLP", GREY, 3), source(), {}

    def keep(standing: Standing) -> None:
        members = Members(standing.members.vector.clone(), dict(standing.members.statistics))
        state = {name: value.clone() for name, value in standing.optimiser.items()}
        kept[standing.epoch] = Standing(standing.epoch, members, state), [draw.states for draw in draws]

    draws = [MemberDraws.of(seed, "test") for seed in (0, 5)]
    whole = train(network, fresh_members(network, [0, 5], "test", dtype=torch.float64), data, recipe, draws, keep=keep)
    assert list(kept) == list(range(1, recipe.epochs + 1))
    for epoch in (2, 3, 4):
        standing, states = kept[epoch]
        again = [MemberDraws.of(seed, "test") for seed in (0, 5)]
        for draw, state in zip(again, states, strict=True):
            draw.restore(state)
        assert torch.equal(train(network, standing, data, recipe, again).vector, whole.vector), epoch


@pytest.mark.parametrize("recipe", [RECIPE, AUGMENTED], ids=["stages", "augmented"])
@pytest.mark.parametrize("together", [False, True], ids=["in turn", "stacked"])
@pytest.mark.parametrize("name", ["MLP", "LeNet", "ConvNetW8", "ConvNetW8BN"])
def test_members_equal_the_plain_loop(name: str, together: bool, recipe: Recipe, fresh_seed: int) -> None:
    assert_equal_to_plain_loop(name, recipe, fresh_seed, together=together, compiled=False)


@pytest.mark.parametrize(
    ("name", "together"), [("MLP", True), ("LeNet", False), ("ConvNetW8", False), ("ConvNetW8BN", False)]
)
def test_compiled_training_equals_the_plain_loop(name: str, together: bool, fresh_seed: int) -> None:
    torch.compiler.reset()
    # The last batch is smaller than the others and runs uncompiled.
    assert_equal_to_plain_loop(name, RECIPE, fresh_seed, together=together, compiled=True)


def assert_equal_to_plain_loop(
    name: str, recipe: Recipe, fresh_seed: int, *, together: bool, compiled: bool, data: TensorSource | None = None
) -> None:
    data, seeds = data or source(seed=fresh_seed), [fresh_seed, 5]
    members = trained(name, recipe, seeds, data, together, compiled)
    network = build(name, GREY, 3)
    test = source(count=40, seed=9)
    for index, seed in enumerate(seeds):
        start = fresh_members(network, [seed], "test network", dtype=torch.float64)
        parameters = Layout.of(network).views(start.vector[0])
        twin = plain.train(
            load(module(name, GREY, 3), parameters), data.images, data.labels, recipe, MemberDraws.of(seed, "test")
        )
        expected = torch.cat([p.detach().reshape(-1) for p in twin.parameters()])
        own = torch.cat([v.reshape(-1) for v in Layout.of(network).views(members.vector[index]).values()])
        assert float((own - expected).norm() / expected.norm()) < 1e-10
        assert accuracies(network, members, test)[index] == plain.accuracy(twin, test.images, test.labels)


@pytest.mark.parametrize("name", ["MLP", "ConvNetW8BN"])
def test_a_members_numbers_do_not_depend_on_its_company(name: str) -> None:
    data = source()
    alone = trained(name, RECIPE, [5], data, together=True)
    accompanied = trained(name, RECIPE, [2, 5, 8], data, together=True)
    torch.testing.assert_close(accompanied.vector[1], alone.vector[0], rtol=1e-10, atol=1e-13)


def test_training_leaves_its_input_alone() -> None:
    network, data = build("ConvNetW8BN", GREY, 3), source()
    members = fresh_members(network, [0], "test", dtype=torch.float64)
    before = members.vector.clone(), {name: value.clone() for name, value in members.statistics.items()}
    train(network, members, data, RECIPE, [MemberDraws.of(0, "test")])
    assert torch.equal(members.vector, before[0])
    assert all(torch.equal(members.statistics[name], value) for name, value in before[1].items())


def test_soft_labels_equal_hard_ones_when_one_hot() -> None:
    hard = source()
    soft = TensorSource(hard.images, torch.nn.functional.one_hot(hard.labels, 3).double())
    vectors = [trained("MLP", RECIPE, [0], data, together=False).vector for data in (hard, soft)]
    torch.testing.assert_close(*vectors, rtol=1e-10, atol=1e-13)


def test_layout_round_trip_and_channels_last() -> None:
    network = build("ConvNetW8", (3, 32, 32), 10)
    layout = Layout.of(network)
    parameters = network.initial(torch.Generator().manual_seed(0))
    vector = layout.flatten(parameters)
    assert vector.shape == (network.parameter_count,)
    views = layout.views(torch.stack([vector, 2 * vector]))
    for name, value in parameters.items():
        assert torch.equal(views[name][0], value) and torch.equal(views[name][1], 2 * value)
    weight = layout.views(vector)["conv2.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last) and weight.data_ptr() != vector.data_ptr()


def test_predictions_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = build("ConvNetW8", GREY, 3), source(count=23)
    members = fresh_members(network, [0, 1], "test", dtype=torch.float64)
    whole = predictions(network, members, data)
    monkeypatch.setattr("condense.execution.images_at_once", lambda network, device: 4)
    assert torch.equal(predictions(network, members, data), whole)


def test_stacking_rule() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert members_at_once(build("MLP", GREY, 10), 10, cpu) == 20
    assert members_at_once(build("MLP", GREY, 10), 256, cpu) == 1
    assert members_at_once(build("ConvNet", GREY, 10), 10, cpu) == 1
    assert members_at_once(build("ConvNet", GREY, 10), 10, gpu) == 20
    assert members_at_once(build("ConvNet", GREY, 10), 256, gpu) == 8
    assert members_at_once(build("alexnet-classic", GREY, 10), 10, gpu) == 1


def test_a_seed_has_the_same_company_whatever_else_is_asked_for() -> None:
    assert stacks([0], 20) == [(range(20), [0])]
    assert stacks([3, 25, 0, 21], 20) == [(range(20), [3, 0]), (range(20, 40), [25, 21])]
    assert stacks(range(3), 1) == [(range(seed, seed + 1), [seed]) for seed in range(3)]


def test_chunk_rule_keeps_the_widest_activation_in_the_cache() -> None:
    network = build("ConvNet", GREY, 10)
    assert widest_activation(network) == 128 * 32 * 32
    assert images_at_once(network, torch.device("cpu")) == 32
    assert images_at_once(build("MLP", GREY, 10), torch.device("cpu")) == 1024


@pytest.mark.parametrize("name", ["ConvNetW8", "LeNet"])
def test_a_batch_in_chunks_gives_the_same_training(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe((Stage(3, 0.05),), batch_size=256, momentum=0.9, weight_decay=5e-4)
    whole = trained(name, recipe, [0], source(), together=False)
    monkeypatch.setattr("condense.execution.images_at_once", lambda network, device: 3)
    monkeypatch.setattr("condense.execution.GRADIENT_WRITE", 0)
    parts = trained(name, recipe, [0], source(), together=False)
    torch.testing.assert_close(parts.vector, whole.vector, rtol=1e-10, atol=1e-13)
