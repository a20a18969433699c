"""The laws of the generalization experiments, which have no twin, against values worked out by hand."""

import pytest
import torch

from condense.data.corrupt import corrupted_labels, gaussian_pixels, random_pixels, shuffled_pixels
from condense.data.images import DataSet
from condense.studies.generalization import checkpoint, course, fit, images, plan, runs
from condense.studies.generalization.course import Course, add_epoch, stuck_epoch
from condense.studies.generalization.images import Standardised, standardised
from condense.studies.generalization.runs import Run, rate_of
from condense.training.engine import Members


def test_images_are_standardised_one_by_one() -> None:
    x = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]], [[[5.0, 5.0], [5.0, 5.0]]], [[[5.0, 5.0], [5.0, 5.5]]]])
    found = standardised(x).flatten(1)
    torch.testing.assert_close(found[0], torch.tensor([-3.0, -1, 1, 3]) / 5**0.5)
    assert not found[1].any()  # the deviation is no less than 1 / sqrt(4)
    torch.testing.assert_close(found[2], torch.tensor([-0.125, -0.125, -0.125, 0.375]) / 0.5)
    assert (images.SIDE, images.JITTER, images.HUE) == (28, 0.1, 0.05)


def test_networks_are_trained_as_in_the_paper(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"small-inception": 0.1, "small-inception-partbn": 0.1, "small-inception-dropout5": 0.1}
    rates |= {"small-inception-nobn": 0.003, "small-alexnet": 0.01, "mlp-1x512": 0.01, "mlp-3x512": 0.01}
    assert {name: rate_of(name) for name in rates} == rates
    asked = []

    def train(network, start, source, recipe, draws, **others):
        asked.append(recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train", train)
    data = DataSet("noise", small_images(counts=(125, 125)), small_images())
    with pytest.raises(KeyboardInterrupt):
        fit.fit([Run(network="mlp-1x2", epochs=7, weight_decay=1e-3)], data)
    (recipe,) = asked
    assert [(stage.epochs, stage.learning_rate) for stage in recipe.stages] == [(7, 0.01)]
    assert (recipe.batch_size, recipe.momentum, recipe.weight_decay) == (60, 0.9, 1e-3)
    # The rate falls by 0.95 with every 50,000 images seen, so by its 200th root with 250.
    assert recipe.decay == pytest.approx(0.95 ** (250 / 50_000))
    assert (runs.FITTED_LOSS, checkpoint.SECONDS, fit.TOGETHER, course.LAST_EPOCHS) == (0.1, 60, 8, 5)


def test_what_the_experiments_vary() -> None:
    assert {name: settings.get("weight_decay") for name, settings in plan.TABLE_SETTINGS.items()} == {
        **{"crop, weight decay": 5e-4, "crop": None, "weight decay": 5e-4, "none": None, "random labels": None},
    }
    assert plan.TABLE_SETTINGS["random labels"] == {"p": 1.0}
    assert [settings.get("weight_decay") for settings in plan.REGULARISERS.values()] == [None, 1e-3, 1e-3]
    assert [rate for _, rate in plan.NORMS.values()] == [0.1, 0.1, 0.1, 0.003]
    assert plan.SCALES["full"].shares == pytest.approx([n / 10 for n in range(11)])


@pytest.mark.parametrize(("accuracy", "loss", "at_chance"), [(0.64, 0.69, 1), (0.67, 0.69, 0), (0.64, 0.67, 0)])
def test_chance_reaches_three_standard_deviations(accuracy: float, loss: float, at_chance: int, small_images) -> None:
    # Half of 90 labels: 0.5 + 3 sqrt(0.25 / 90) = 0.658; the loss of chance is ln 2 = 0.693, of which 0.98 are 0.679.
    seen = Standardised(small_images(counts=(45, 45)))
    found = Course()
    add_epoch(found, Run(network="mlp-1x2"), 1, loss, accuracy, Members(torch.zeros(1, 3), {}), seen)
    assert found.epochs_at_chance == at_chance and not found.ended


def test_when_a_run_is_given_up() -> None:
    assert stuck_epoch(100, 4) == 75  # three quarters
    assert stuck_epoch(300, 4) == 100  # 400 steps
    assert stuck_epoch(12, 4) == 25  # never before 100 steps
    assert stuck_epoch(100, 1000) == 10


def test_corruptions_follow_their_laws(small_images) -> None:
    data = small_images(shape=(3, 4, 4), counts=(2000,) * 4)
    for p in (0.0, 0.4, 1.0):
        found = corrupted_labels(data, p, 1)
        # Of the labels of a class 1 - p stay, and of the p that are drawn anew a quarter fall back on it.
        assert stays(data, found) == pytest.approx(1 - 0.75 * p, abs=0.02)
        shares = torch.tensor(found.counts) / len(found)  # uniform over the classes, whichever p
        torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.02, rtol=0)
    shuffled, alone = shuffled_pixels(data, 1), random_pixels(data, 1)
    for changed in (shuffled, alone):
        assert torch.equal(changed.pixels.flatten(2).sort(2).values, data.pixels.flatten(2).sort(2).values)
    order = [data.pixels[0, 0].flatten().tolist().index(v) for v in shuffled.pixels[0, 0].flatten().tolist()]
    assert torch.equal(data.pixels.flatten(2)[..., order], shuffled.pixels.flatten(2))
    assert not torch.equal(data.pixels.flatten(2)[..., order], alone.pixels.flatten(2))
    wide = small_images(shape=(1, 40, 40), counts=(4, 4))
    drawn = gaussian_pixels(wide, 1).pixels.double().flatten(1)
    expected = wide.pixels.double().flatten(1)
    torch.testing.assert_close(drawn.mean(1), expected.mean(1), atol=8, rtol=0)
    assert float((drawn.std(1) / expected.std(1)).mean()) == pytest.approx(0.925, abs=0.03)  # clipped at 1.7


def stays(data, found) -> float:
    """The share of images whose label is as it was."""
    before = {bytes(pixels.numpy().tobytes()): int(label) for pixels, label in zip(data.pixels, data.labels, strict=True)}
    after = zip(found.pixels, found.labels, strict=True)
    return sum(before[pixels.numpy().tobytes()] == int(label) for pixels, label in after) / len(data)
