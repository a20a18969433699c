"""What stage T, the networks and their twins both take for granted, against values worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch

from condense.augmentation import published as augmentation
from condense.augmentation.published import Draw, apply, draw
from condense.config import EvaluateConfig
from condense.data.images import DataSet, LabelledImages
from condense.networks.layers import NORM_EPSILON, RUNNING_MOMENTUM, LocalResponseNorm, Pass
from condense.networks.registry import build
from condense.stage_t import evaluate
from condense.stage_t.protocols import Protocol, recipe, whole_recipe
from condense.studies.hyperparameters.grid import parse_grid
from condense.training.optimisers import adamw_step, fresh_state, sgd_step
from condense.training.recipe import Cosine, Recipe, Stage


def test_the_whole_recipe_is_the_published_optimiser_for_thirty_epochs() -> None:
    whole = whole_recipe()
    assert [(stage.epochs, stage.learning_rate) for stage in whole.stages] == [(15, 0.01), (15, 0.001)]
    assert (whole.batch_size, whole.momentum, whole.weight_decay) == (256, 0.9, 5e-4)
    assert (whole.augmentation, whole.decay) == ((), 1)


def test_recipes_by_data_set_and_network() -> None:
    long, short = [(502, 0.01), (499, 0.001)], [(152, 0.01), (149, 0.001)]
    cases = {
        ("mnist", "ConvNet"): (long, ("crop", "scale", "rotate")),
        ("mnist", "ConvNetBN"): (long, ("crop", "noise")),
        ("cifar10", "ConvNetBN"): (long, ("crop", "noise")),
        ("fashion-mnist", "MLP"): (short, ()),
        ("cifar10", "AlexNetBN"): (short, ()),
    }
    for case, (stages, operations) in cases.items():
        found = recipe("published", *case)
        assert [(stage.epochs, stage.learning_rate) for stage in found.stages] == stages
        assert (found.augmentation, found.batch_size, found.momentum, found.weight_decay) == (operations, 256, 0.9, 5e-4)
    siamese, mixed = recipe("dsa", "cifar10", "ConvNet"), recipe("idc", "svhn", "ConvNet")
    assert [(stage.epochs, stage.learning_rate) for stage in siamese.stages] == long
    assert (siamese.law, siamese.augmentation) == ("single", ("color", "crop", "cutout", "flip", "scale", "rotate"))
    assert [(stage.epochs, stage.learning_rate) for stage in mixed.stages] == [
        *((666, 0.01), (167, pytest.approx(0.002)), (167, pytest.approx(0.0004))),
    ]
    assert (mixed.law, mixed.augmentation, mixed.cutmix) == ("several", ("color", "crop", "scale", "rotate"), 0.5)
    report = recipe("report", "mnist", "ConvNetBN")
    assert [(stage.epochs, stage.learning_rate) for stage in report.stages] == [(300, 0.01)]
    assert (report.augmentation, report.batch_size, report.momentum, report.weight_decay) == ((), 256, 0, 0)


def test_steps_are_stages() -> None:
    own = Protocol(name="own", epochs=10, learning_rate=0.5, steps=((3, 0.1), (7, 0.5)))
    found = recipe(own, "mnist", "MLP")
    assert found == Recipe((Stage(3, 0.5), Stage(4, 0.05), Stage(3, 0.025)), new_optimisers=False)
    assert recipe(replace(own, new_optimisers=True), "mnist", "MLP").new_optimisers
    rates = [(rate, anew) for rate, anew in replace(found, new_optimisers=True).course()]
    assert rates == [
        (0.5, True),
        *[(0.5, False)] * 2,
        (0.05, True),
        *[(0.05, False)] * 3,
        (0.025, True),
        *[(0.025, False)] * 2,
    ]
    assert not any(anew for _, anew in found.course())


def test_a_cosine_by_hand() -> None:
    own = Protocol(name="own", epochs=6, learning_rate=2.0, schedule="cosine", warm_up=2, end=0.1)
    rates = [rate for rate, _ in recipe(own, "mnist", "MLP").course()]
    half = math.sqrt(0.5)
    falling = [1.0, 0.1 + 0.9 * (1 + half) / 2, 0.55, 0.1 + 0.9 * (1 - half) / 2]
    assert rates == pytest.approx([2 / 3, 4 / 3, *(2 * factor for factor in falling)])
    assert [Cosine().factor(epoch, 4) for epoch in range(4)] == pytest.approx([1.0, (1 + half) / 2, 0.5, (1 - half) / 2])


def test_optimisers_by_hand() -> None:
    """Two steps of each on one number, and the first of another network's that has taken ten before."""
    sgd = Recipe((Stage(1, 1.0),), momentum=0.5, weight_decay=0.1)
    w, v = torch.tensor([[2.0]], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    for gradient in (1.0, 3.0):  # v = 1 + .2 = 1.2, w = 1.4; v = .6 + 3 + .14 = 3.74, w = 1.4 - 1.87
        sgd_step(w, v, torch.full_like(w, gradient), 0.5, sgd)
    assert (float(w), float(v)) == pytest.approx((2 - 0.6 - 1.87, 3.74))

    adamw = Recipe((Stage(1, 1.0),), weight_decay=0.1, optimiser="adamw", betas=(0.5, 0.75))
    w = torch.tensor([[2.0]], dtype=torch.float64)
    state = fresh_state(adamw, w)
    # m = .5, s = .25: corrected 1 and 1; then m = 1.75, s = 2.4375: corrected by .75 and .4375.
    expected = 2 * 0.95 - 0.5 / (1 + 1e-8)
    adamw_step(w, state, torch.ones_like(w), 0.5, adamw)
    assert float(w) == pytest.approx(expected, rel=1e-12)
    expected = expected * 0.95 - 0.5 * (1.75 / 0.75) / (math.sqrt(2.4375 / 0.4375) + 1e-8)
    adamw_step(w, state, torch.full_like(w, 3.0), 0.5, adamw)
    assert float(w) == pytest.approx(expected, rel=1e-12)
    assert state["steps"].tolist() == [2.0]

    both = torch.tensor([[2.0], [2.0]], dtype=torch.float64)
    state = fresh_state(adamw, both)
    state["steps"][1] = 10
    adamw_step(both, state, torch.ones_like(both), 0.5, adamw)
    later = 2 * 0.95 - 0.5 * (0.5 / (1 - 0.5**11)) / (math.sqrt(0.25 / (1 - 0.75**11)) + 1e-8)
    assert both[:, 0].tolist() == pytest.approx([2 * 0.95 - 0.5 / (1 + 1e-8), later])


@pytest.mark.parametrize(("accuracy", "at_chance"), [(0.639, True), (0.661, False)])
def test_chance_reaches_three_standard_deviations(
    accuracy: float, at_chance: bool, small_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half of 90 images are of the most frequent class, so chance ends at 0.5 + 3 sqrt(0.5 * 0.5 / 90) = 0.6581; two
    # standard deviations would end at 0.6054, four at 0.7108.
    data = DataSet("noise", small_images(), small_images(counts=(45, 30, 15)))
    data = DataSet("noise", small_images(counts=(2, 2, 2)), data.test)
    monkeypatch.setattr(evaluate, "accuracies", lambda network, members, source: [accuracy] * len(members))
    monkeypatch.setattr(evaluate, "accuracies_and_losses", None, raising=False)
    (record,) = evaluate.evaluate_whole(EvaluateConfig(network=("mlp-1x1",), seeds=2), data)
    assert record.accuracies == [accuracy] * 2
    assert any("chance" in note for note in record.notes) is at_chance


def test_augmentation_draws_follow_the_published_laws() -> None:
    operations = ("crop", "scale", "rotate")
    drawn = draw(torch.Size((60_000, 1, 28, 28)), operations, torch.Generator().manual_seed(3))
    shares = torch.bincount(drawn.operation) / 60_000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.01, rtol=0)
    for offset in (drawn.row, drawn.column):  # 0 .. 7; 8 is never drawn
        torch.testing.assert_close(torch.bincount(offset) / 60_000, torch.full((8,), 1 / 8), atol=0.01, rtol=0)
    for side in (drawn.height, drawn.width):  # 28 times 0.8 .. 1.2, truncated: 22 .. 33
        assert (int(side.min()), int(side.max())) == (22, 33)
        # 22.4 to 23 is 0.6 of 11.2 pixels; each whole size between takes 1 of 11.2.
        shares = torch.bincount(side)[22:] / 60_000
        torch.testing.assert_close(shares, torch.tensor([0.6, *[1.0] * 10, 0.6]) / 11.2, atol=0.01, rtol=0)
    assert (int(drawn.angle.min()), int(drawn.angle.max())) == (-45, 44)
    torch.testing.assert_close(torch.bincount(drawn.angle + 45) / 60_000, torch.full((90,), 1 / 90), atol=0.004, rtol=0)
    assert drawn.noise.numel() == 0
    for first, second in ((drawn.row, drawn.column), (drawn.height, drawn.width), (drawn.operation, drawn.row)):
        pair = torch.corrcoef(torch.stack([first, second]).double())
        assert abs(float(pair[0, 1])) < 0.02


def of_one(operation: int, shape: tuple[int, int, int], **values: int) -> Draw:
    names = ("row", "column", "height", "width", "angle")
    each = {name: torch.tensor([values.get(name, 0)]) for name in names}
    return Draw(operation=torch.tensor([operation]), noise=torch.ones(1, *shape), **each)


def test_each_operation_by_hand() -> None:
    x, means = torch.arange(1.0, 17).reshape(1, 1, 4, 4), torch.tensor([[-5.0]])
    cropped = apply(x, ("crop",), of_one(0, (1, 4, 4), row=3, column=6), means)
    # One row above is padding; columns begin at the third.
    assert cropped[0, 0].tolist() == [[-5, -5, -5, -5], [3, 4, -5, -5], [7, 8, -5, -5], [11, 12, -5, -5]]
    scaled = apply(x, ("scale",), of_one(0, (1, 4, 4), height=2, width=4), means)
    assert scaled[0, 0].tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [9, 10, 11, 12], [0, 0, 0, 0]]
    noisy = apply(x, ("noise",), of_one(0, (1, 4, 4)), means)
    torch.testing.assert_close(noisy - x, torch.full_like(x, 0.001), atol=1e-6, rtol=0)
    still = apply(x, ("rotate",), of_one(0, (1, 4, 4), angle=0), means)
    torch.testing.assert_close(still, x, atol=1e-5, rtol=0)
    turned = apply(torch.ones(1, 1, 28, 28), ("rotate",), of_one(0, (1, 28, 28), angle=-45), means)
    assert float(turned[0, 0, 0, 0]) == -5 and float(turned[0, 0, 14, 14]) == pytest.approx(1, abs=1e-4)


def test_means_are_those_of_each_networks_own_batch() -> None:
    x = torch.stack([torch.zeros(2, 1, 8, 8), torch.full((2, 1, 8, 8), 3.0)])
    random = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    found = augmentation.augment(x, ("crop",), random)
    assert torch.equal(found, x)  # padding a constant image with its mean changes nothing


@pytest.mark.parametrize("name", ["MLP", "LeNet", "ConvNetW16", "ConvNetW16LN", "ResNet18BN_AP", "small-inception-nobn"])
def test_networks_start_as_pytorchs_modules_or_as_he_et_al(name: str, fresh_seed: int) -> None:
    network = build(name, (1, 28, 28), 10)
    drawn = network.initial(torch.Generator().manual_seed(fresh_seed))
    for key, value in drawn.items():
        if "norm" in key:
            assert torch.equal(value, torch.full_like(value, 1.0 if key.endswith("weight") else 0.0)), key
            continue
        he = name == "small-inception-nobn" and "classifier" not in key
        fan_in = math.prod(drawn[key.replace("bias", "weight")].shape[1:])
        if he and key.endswith("bias"):
            assert not value.any()
            continue
        bound = (6 / fan_in) ** 0.5 if he else fan_in**-0.5
        assert float(value.abs().max()) <= bound * (1 + 1e-6)
        if value.numel() > 500:
            assert float(value.abs().max()) > 0.95 * bound
            assert float(value.std()) == pytest.approx(bound / 3**0.5, rel=0.1)  # uniform
            assert abs(float(value.mean())) < 0.1 * bound


def test_constants_of_layers() -> None:
    assert (NORM_EPSILON, RUNNING_MOMENTUM) == (1e-5, 0.1)
    x = torch.zeros(1, 12, 1, 1)
    x[0, 5] = 30.0
    found = LocalResponseNorm()(x, {}, Pass({}, False, False))
    # 1 + 0.001 * 900 / 9 = 1.1, to the power of 0.75.
    assert float(found[0, 5]) == pytest.approx(30 / 1.1**0.75, rel=1e-5)
    neighbour = torch.ones(1, 12, 1, 1)
    neighbour[0, 0] = 300.0
    found = LocalResponseNorm()(neighbour, {}, Pass({}, False, False)).flatten()
    assert float(found[4]) == pytest.approx((1 + 0.001 * (90_000 + 8) / 9) ** -0.75, rel=1e-5)
    assert float(found[5]) == pytest.approx((1 + 0.001) ** -0.75, rel=1e-5)


def test_a_summed_objective_is_the_mean_ones_with_another_rate() -> None:
    text = '[[rows]]\nnetwork = "mlp"\nwidth = 8\nlearning_rate = 0.01\nbatch_size = 128\nepochs = 3\nweight_decay = 0.001\n'
    (row,) = parse_grid(text + 'objective = "summed"\n', "test").rows
    found = row.recipe(10)
    assert [(stage.epochs, stage.learning_rate) for stage in found.stages] == [(3, pytest.approx(0.128))]
    assert found.weight_decay == pytest.approx(0.001 / 12.8) and found.batch_size == 128
    (row,) = parse_grid(text + 'objective = "mean"\n', "test").rows
    assert row.recipe(10).stages[0].learning_rate == 0.01 and row.recipe(10).weight_decay == 0.001


def test_images_are_normalised_by_the_usual_constants() -> None:
    from condense.data.known import PUBLISHED

    usual = {
        "mnist": ((0.1307,), (0.3081,)),
        "fashion-mnist": ((0.2861,), (0.3530,)),
        "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
        "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
    }
    assert {name: (found.mean, found.std) for name, found in PUBLISHED.items() if found.mean} == usual
    pixels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).reshape(2, 1, 1, 2)
    images = LabelledImages.from_arrays(pixels, torch.tensor([0, 1]), mean=[0.5], std=[0.25])
    expected = torch.tensor([-2.0, -1.2, -0.4, 2.0]).reshape(2, 1, 1, 2)
    torch.testing.assert_close(images.inputs(torch.arange(2)), expected, atol=1e-6, rtol=0)
