"""The generalization experiments as a library: images, runs and how they end, lines, tables, figures."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report_samples import of_networks

from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError
from condense.networks.registry import build
from condense.studies.generalization import figures, published
from condense.studies.generalization import fit as fitting
from condense.studies.generalization.checkpoint import checkpoint_path
from condense.studies.generalization.config import Experiments
from condense.studies.generalization.course import LAST_EPOCHS, stuck_epoch
from condense.studies.generalization.figures import course_figure, error_figure, slowdown_figure
from condense.studies.generalization.findings import rates_without_norm
from condense.studies.generalization.fit import fit, ordered_key
from condense.studies.generalization.images import Augmented, Cropped, Standardised, fitted, remark, standardised
from condense.studies.generalization.plan import EXPERIMENTS, SCALES, Line, Scale, lines
from condense.studies.generalization.request import subsets
from condense.studies.generalization.results import Recorded, Result, gathered
from condense.studies.generalization.runs import Run, rate_of
from condense.studies.generalization.subset import Subset
from condense.studies.generalization.tables import (
    capped_table,
    comparison_table,
    published_table,
    slowdown_table,
    summary_table,
    without_ratio,
)
from condense.training import engine
from condense.training.engine import fresh_members
from condense.training.layout import Layout
from condense.training.recipe import Recipe, Stage


def images(count: int, side: int = 32, channels: int = 3, seed: int = 0) -> LabelledImages:
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=torch.Generator().manual_seed(seed))
    return LabelledImages.from_arrays(pixels.to(torch.uint8), torch.arange(count) % 10)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return DataSet("noise", images(60), images(30, seed=1))


def test_images_are_cropped_in_the_centre_and_standardised_one_by_one() -> None:
    source = images(5)
    x = Standardised(source).inputs(torch.tensor([[0, 3]]), torch.float64)
    inner = source.pixels[3, :, 2:30, 2:30].double()
    assert x.shape == (1, 2, 3, 28, 28)
    torch.testing.assert_close(x[0, 1], (inner - inner.mean()) / inner.std(correction=0))


def test_an_image_of_one_colour_is_zero() -> None:
    flat = LabelledImages.from_arrays(torch.full((2, 3, 28, 28), 7, dtype=torch.uint8), torch.tensor([0, 1]))
    assert (Standardised(flat).inputs(torch.arange(2)) == 0).all()


@pytest.mark.parametrize("corruption", ["shuffled pixels", "random pixels"])
def test_moved_pixels_stay_in_the_image(data: DataSet, corruption: str) -> None:
    plain, moved = (
        Run(network="small-inception", corruption=name).sources(data.train, data.test) for name in ("labels", corruption)
    )
    for one, other in list(zip(plain, moved, strict=True))[: 2 if corruption == "shuffled pixels" else 1]:
        before, after = (source.inputs(torch.arange(len(source.labels)), torch.float64) for source in (one, other))
        assert not torch.equal(before, after)
        torch.testing.assert_close(*(x.flatten(2).sort(dim=2).values for x in (before, after)))


def test_records_of_other_rules_are_not_taken_for_new_ones(data: DataSet) -> None:
    runs = Run(network="MLP"), Run(network="MLP", corruption="gaussian"), Run(network="small-inception-nobn")
    plain, pixels, without = (run.config(Subset.of(data)) for run in runs)
    assert pixels.keys() - plain.keys() == {"corrupted_pixels"} and without.keys() - plain.keys() == {"initialisation"}


def test_small_images_are_refused() -> None:
    with pytest.raises(CondenseError, match="images of 20x20 pixels; these networks take 28x28 or more"):
        Standardised(images(10, side=20))


def test_random_crops_are_windows_of_the_image() -> None:
    source = images(10)
    crops = Cropped(source).crops(torch.arange(10), torch.Generator().manual_seed(3))
    windows = source.pixels.unfold(2, 28, 1).unfold(3, 28, 1)
    assert all((windows[index] == crop[:, None, None]).all((0, 3, 4)).any() for index, crop in enumerate(crops))
    assert (
        len({int((windows[i] == c[:, None, None]).all((0, 3, 4)).flatten().int().argmax()) for i, c in enumerate(crops)}) > 3
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_draws_for_every_image_and_keeps_tests_as_they_are(channels: int) -> None:
    source = Augmented(images(40, channels=channels))
    first, again, other = (source.augmented(torch.zeros(40).long(), torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other) and torch.isfinite(first).all()
    assert len({image.numpy().tobytes() for image in first}) == 40
    plain = Standardised(source.images).inputs(torch.arange(40))
    assert torch.equal(source.inputs(torch.arange(40)), plain)


def test_a_run_ends_when_it_has_fitted(data: DataSet) -> None:
    (record,) = fit([Run(network="mlp-1x512", epochs=100)], data)
    losses = record.series["train_loss"]
    assert record.notes == ["fitted"] and record.series["train_accuracy"][-1] == 1.0 and losses[-1] < 0.1 <= losses[-2]
    assert record.config["p"] == 0 and record.config["train_images"] == 60 and len(losses) < 100


def test_a_run_that_has_not_fitted_at_the_last_epoch_is_censored(data: DataSet) -> None:
    (record,) = fit([Run(network="mlp-1x512", epochs=2)], data)
    assert record.notes == ["censored"] and len(record.series["train_loss"]) == 2


def test_a_run_that_diverges_is_found_out(data: DataSet) -> None:
    (record,) = fit([Run(network="mlp-3x512", epochs=50, learning_rate=1e4)], data)
    assert record.notes == ["diverged"] and len(record.series["train_loss"]) < 10


def test_a_run_that_stays_at_chance_is_given_up(data: DataSet) -> None:
    (record,) = fit([Run(network="mlp-1x512", epochs=140, learning_rate=1e-9)], data)
    assert record.notes == ["diverged"] and len(record.series["train_loss"]) == stuck_epoch(140, 1) == 105


def test_a_run_that_has_left_chance_is_not_given_up(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([[(1.5, 0.5)]])  # in the first epoch; then chance, as after a jump of the loss
    monkeypatch.setattr(fitting._Epoch, "take", lambda epoch: next(told, [(2.5, 0.1)]))
    (record,) = fit([Run(network="mlp-1x512", epochs=120)], data)
    assert record.notes == ["diverged"] and len(record.series["train_loss"]) == 120  # at the end it counts all the same


def test_a_run_that_leaves_chance_late_is_censored(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([[(1.5, 0.5)], *[[(2.5, 0.1)]] * (19 - LAST_EPOCHS), [(1.5, 0.5)]])  # then chance, but not long enough
    monkeypatch.setattr(fitting._Epoch, "take", lambda epoch: next(told, [(2.5, 0.1)]))
    (record,) = fit([Run(network="mlp-1x512", epochs=20)], data)
    assert record.notes == ["censored"] and len(record.series["train_loss"]) == 20


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_runs_at_chance_are_given_up_within_the_epochs_of_each_scale(scale: Scale) -> None:
    for experiment in EXPERIMENTS:
        for line in lines(experiment, scale, 1):
            steps = -(-(line.train_size or 50_000) // 60)
            assert all(stuck_epoch(epochs, steps) < epochs for epochs in (scale.epochs, scale.course_epochs))


def test_a_record_is_told_when_its_run_ends_and_stacks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, noise = images(10, seed=2).pixels.repeat(6, 1, 1, 1), images(60, seed=3).pixels
    easy = LabelledImages.from_arrays((kinds // 2 + noise // 4).to(torch.uint8), torch.arange(60) % 10)
    data = DataSet("easy", easy, easy)
    monkeypatch.setattr(fitting, "at_once", lambda runs, data: 2)  # as on a GPU
    runs = [Run(network="mlp-1x512", p=p, seed=1, epochs=60) for p in (1.0, 0.0, 0.5)]
    told: list[tuple[float, int]] = []
    done = [0]
    records = fit(runs, data, lambda epoch, *_: done.append(epoch), lambda r: told.append((r.config["p"], done[-1])))
    lengths = {record.config["p"]: len(record.series["train_loss"]) for record in records}
    assert [record.config["p"] for record in records] == [1.0, 0.0, 0.5] and lengths[0.0] < lengths[1.0]
    # Epochs told before: those of the same stack, and for the last run those of the stack before (60 by its progress).
    assert told == [(0.0, lengths[0.0] - 1), (1.0, lengths[1.0] - 1), (0.5, 60 + lengths[0.5] - 1)]


@pytest.mark.parametrize(
    ("network", "seeds", "augmentation"),
    [("mlp-1x512", 2, "none"), ("ConvNetW4BN", 1, "all"), ("small-inception-dropout5", 1, "none")],
)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    network: str, seeds: int, augmentation: str, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Run(network=network, epochs=4, stops=False, test_every=2, augmentation=augmentation)
    runs = [replace(one, seed=seed) for seed in range(seeds)]
    monkeypatch.setattr(fitting, "at_once", lambda runs, data: seeds)  # as on a GPU
    whole = fit(runs, data)

    def stop(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(runs, data, stop, checkpoints=tmp_path)
    assert len(list(tmp_path.iterdir())) == seeds
    told: list[int] = []
    resumed = fit(runs, data, lambda epoch, epochs, loss: told.append(epoch), checkpoints=tmp_path)
    assert told == [3, 4] and not list(tmp_path.iterdir())
    assert [(one.series, one.accuracies, one.notes) for one in resumed] == [
        (one.series, one.accuracies, one.notes) for one in whole
    ]


def test_runs_that_have_got_equally_far_are_one_stack() -> None:
    assert fitting._stacks([0, 3, 0, 0, 3], 2) == [[0, 2], [3], [1, 4]]


def test_a_checkpoint_is_of_the_images_in_their_order(data: DataSet) -> None:
    """Batches depend on it, and records do not; it is the key that earlier versions gave."""
    run, turned = Run(network="mlp-1x512"), data.train.pixels.clone()
    for places in torch.arange(len(turned)).split(data.train.counts):
        turned[places] = data.train.pixels[places.flip(0)]
    mixed = replace(data, train=replace(data.train, pixels=turned, _cache={}))
    assert run.key(Subset.of(mixed)) == run.key(Subset.of(data))
    assert ordered_key(run, mixed) != ordered_key(run, data)
    stated = run.config(Subset.of(data))["dataset_fingerprint"]
    assert stated == data.train.fingerprint != data.train.former_fingerprint


def test_a_damaged_checkpoint_is_refused(data: DataSet, tmp_path: Path) -> None:
    run = Run(network="mlp-1x512", epochs=2)
    path = checkpoint_path(tmp_path, ordered_key(run, data), torch.device("cpu"))
    path.write_bytes(b"condense generalization checkpoint 2 00\nrest")
    with pytest.raises(CondenseError, match="damaged and cannot be resumed; delete it to start anew"):
        fit([run], data, checkpoints=tmp_path)


def test_together_or_alone_gives_the_same_but_for_rounding(data: DataSet) -> None:
    runs = [Run(network="mlp-1x512", p=p, seed=seed, epochs=4) for p in (0.0, 1.0) for seed in (0, 1)]
    together, alone = fit(runs, data), [fit([run], data)[0] for run in runs]
    for one, other in zip(together, alone, strict=True):
        assert one.config == other.config and one.notes == other.notes
        np.testing.assert_allclose(one.series["train_loss"], other.series["train_loss"], rtol=1e-4)
    assert len({record.config_hash for record in together}) == 4


@pytest.mark.parametrize("network", ["mlp-1x512", "small-inception-nobn"])
def test_losses_and_accuracies_are_those_of_the_training_steps(data: DataSet, network: str) -> None:
    """Against a plain loop: every image counts as it was just before the step it led to."""
    run = Run(network=network, epochs=2, learning_rate=0.01)
    small = replace(data, train=data.train.subset(50, 0))
    (record,) = fit([run], small)
    source, _ = run.sources(small.train, small.test)
    built = build(network, (3, 28, 28), 10)
    layout = Layout.of(built)
    vector = fresh_members(built, [0], "generalization network").vector[0]
    order = engine.MemberDraws.of(0, "generalization").order
    velocity = torch.zeros_like(vector)
    decay = 0.95 ** (50 / 50_000)
    for epoch in range(2):
        indices = torch.randperm(50, generator=order)
        inputs = vector.clone().requires_grad_()
        logits = built.logits(layout.views(inputs), source.inputs(indices))
        loss = torch.nn.functional.cross_entropy(logits, source.labels[indices])
        accuracy = (logits.argmax(1) == source.labels[indices]).double().mean()
        assert record.series["train_loss"][epoch] == pytest.approx(loss.item(), rel=1e-4)
        assert record.series["train_accuracy"][epoch] == pytest.approx(accuracy.item(), abs=1e-9)
        velocity = 0.9 * velocity + torch.autograd.grad(loss, inputs)[0]
        vector = vector - 0.01 * decay**epoch * velocity


def test_what_steps_saw_is_averaged_over_images_not_steps() -> None:
    epoch = fitting._Epoch()
    logits = torch.eye(10)[None]
    labels = torch.arange(10)[None]
    epoch.add(engine.Seen(torch.tensor([1.0]), logits, labels))
    epoch.add(engine.Seen(torch.tensor([4.0]), logits[:, :5], labels[:, 5:]))
    assert epoch.take() == [(pytest.approx(2.0), pytest.approx(10 / 15))]
    epoch.add(engine.Seen(torch.tensor([3.0]), logits, labels))
    assert epoch.take() == [(3.0, 1.0)]


def test_tests_along_the_way(data: DataSet) -> None:
    (record,) = fit([Run(network="mlp-1x512", epochs=5, stops=False, test_every=2)], data)
    assert record.series["tested_at"] == [2, 4, 5] and len(record.series["test_accuracy"]) == 3
    assert record.accuracies == [record.series["test_accuracy"][-1]]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("scale", SCALES)
def test_lines_have_a_run_a_seed(experiment: str, scale: str) -> None:
    found = lines(experiment, SCALES[scale], 3)
    assert all([run.seed for run in line.runs] == [0, 1, 2] for line in found)
    assert len({(line.group, line.label) for line in found}) == len(found)
    rates = {run.network: run.learning_rate for line in found for run in line.runs if "nobn" not in run.network}
    assert rates and all(rate == (0.1 if name.startswith("small-inception") else 0.01) for name, rate in rates.items())


def test_inception_without_batchnorm_is_tried_at_the_papers_rate_and_at_one_it_trains_at() -> None:
    found = lines("fig2b", SCALES["small"], 1)
    rates = [run.learning_rate for line in found for run in line.runs if run.network == "small-inception-nobn"]
    assert rates == [0.1, 0.003] and rate_of("small-inception-nobn") == 0.003


def test_a_run_that_has_fitted_is_not_done_again_under_another_limit_of_epochs(data: DataSet) -> None:
    run = Run(network="mlp-1x512", epochs=150)
    (fitted,) = fit([run], data)
    assert fitted.notes == ["fitted"]
    took = len(fitted.series["train_loss"])
    known = Recorded([fitted])
    assert known.of(run, Subset.of(data)) is fitted is known.of(replace(run, epochs=took), Subset.of(data))
    assert known.of(replace(run, epochs=took - 1), Subset.of(data)) is None
    assert (
        known.of(replace(run, stops=False), Subset.of(data)) is None
        and known.of(replace(run, seed=1, epochs=200), Subset.of(data)) is None
    )
    censored = Recorded([replace(fitted, notes=["censored"])])
    assert censored.of(run, Subset.of(data)) is not None and censored.of(replace(run, epochs=200), Subset.of(data)) is None


def test_fig1b_and_fig1c_share_their_runs() -> None:
    first, second = (lines(name, SCALES["small"], 2) for name in ("fig1b", "fig1c"))
    assert [line.runs for line in first] == [line.runs for line in second]
    differing = {line.group for line, other in zip(first, second, strict=True) if line.train_size != other.train_size}
    assert differing == {"mlp-1x512"}  # test errors are compared on equally many images


def test_tables_and_figures(data: DataSet) -> None:
    scale = replace(SCALES["small"], shares=(0.0, 1.0), epochs=120)
    found = lines("fig1b", scale, 2, networks=("mlp-1x512", "mlp-3x512"))
    runs = [run for line in found for run in line.runs]
    records = [
        record for network in ("mlp-1x512", "mlp-3x512") for record in fit([r for r in runs if r.network == network], data)
    ]
    results = gathered(found, Recorded(records), {line.train_size: Subset.of(data) for line in found})
    assert [len(result.records) for result in results] == [2, 2, 2, 2]
    table = summary_table("fig1b", results)
    assert table.rows[0][:4] == ("mlp-1x512", "p = 0", "2", "2 fitted")
    capped = [result.capped(3) for result in results]
    assert summary_table("capped", capped).rows[0][3:5] == ("2 censored", "≥ 3.0")
    for draw in (slowdown_figure, partial(error_figure, classes=10)):
        assert draw(results, "title", "svg") == draw(results, "title", "svg") != draw(capped, "title", "svg")
        assert b"not fitted" not in draw(results, "title", "svg") and b"not fitted" in draw(capped, "title", "svg")
    assert course_figure(results, "train_loss", "training loss", "title", "svg").startswith(b"<?xml")


def result(x: float, *ends: tuple[str, int], at: float = 0.5, group: str = "MLP") -> Result:
    """A line with a made-up record a seed: how it ended and after how many epochs; tested at `at`, every second epoch."""
    records = {}
    for seed, (outcome, epochs) in enumerate(ends):
        fitted = outcome == "fitted"
        looks = list(range(2, epochs + 1, 2))
        series = {
            "train_loss": [2.0] * (epochs - fitted) + [0.05] * fitted,
            "train_accuracy": [0.2] * (epochs - fitted) + [1.0] * fitted,
            "test_accuracy": [at] * len(looks),
            "tested_at": [float(epoch) for epoch in looks],
        }
        records[seed] = of_networks("fit", {}, [at], seeds=[seed], notes=[outcome], series=series)
    return Result(Line(group, f"p = {x:g}", tuple(Run(network="MLP", seed=seed) for seed in records), None, x), records)


def drawn(draw: Callable[[Axes], None]) -> Axes:
    axes = Figure().add_subplot()
    draw(axes)
    return axes


def crosses(axes: Axes) -> list[list[float]]:
    """Where on the abscissa crosses are drawn, those of the legend not counted."""
    found = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_marker() == "x"]
    return [places for places in found if places]


def test_ratios_are_taken_against_fitted_runs_only() -> None:
    results = [result(0, ("fitted", 2), ("censored", 9), ("diverged", 0)), result(1, *[("fitted", 8)] * 3)]
    assert figures.ratios(results) == [{0: 1}, {0: 4}]
    assert without_ratio(results) == (
        "Not drawn, as they did not fit at p = 0, so that there is nothing to divide by: MLP, seeds 1, 2."
    )
    assert without_ratio(results[1:]) is None
    assert (
        without_ratio([result(0.5, ("fitted", 4), ("diverged", 1))]) == "Not drawn, as they diverged: MLP, p = 0.5, seed 1."
    )
    assert slowdown_figure([result(0, ("diverged", 0)), result(1, ("fitted", 3))], "title", "svg")


def test_test_errors_of_unfitted_runs_are_hollow_and_those_of_diverged_ones_left_out() -> None:
    results = [
        result(0, *[("fitted", 4)] * 2),
        result(0.5, ("fitted", 4), ("censored", 9)),
        result(1, ("fitted", 4), ("diverged", 2)),
    ]
    assert list(results[2].test_errors) == [0]
    axes = drawn(partial(figures._errors, results, 80.0))
    lines_ = {line.get_label(): line for line in axes.lines}
    assert np.ma.getmaskarray(np.ma.masked_invalid(lines_["MLP"].get_ydata())).tolist() == [False, True, True]
    hollow = [np.asarray(line.get_xdata()).tolist() for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [places for places in hollow if places] == [[0.5]]
    assert crosses(axes) == [[1]]
    assert len(axes.collections) == 1 and {"not fitted", "diverged, or at chance"} <= lines_.keys()
    assert list(np.asarray(lines_["chance"].get_ydata())) == [80.0, 80.0]


def test_courses_end_where_runs_diverge() -> None:
    epochs, values = result(0, ("fitted", 2), ("diverged", 3), ("censored", 4)).course("train_loss")
    assert epochs.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(values, [[2, 0.05, 0.05, 0.05], [2, 2, 2, np.nan], [2, 2, 2, 2]])
    epochs, values = result(0, ("diverged", 4), ("censored", 6)).course("test_accuracy")
    assert epochs.tolist() == [2, 4, 6]
    np.testing.assert_array_equal(values, [[0.5, 0.5, np.nan], [0.5, 0.5, 0.5]])
    axes = drawn(partial(figures._courses, [result(0, ("diverged", 4), ("censored", 6))], "test_accuracy"))
    assert crosses(axes) == [[4]]
    axes = drawn(partial(figures._courses, [result(0, ("fitted", 2), ("fitted", 4))], "train_loss"))
    assert [len(np.asarray(line.get_xdata())) for line in axes.lines] == [2, 4, 4]


def test_comparisons_leave_diverged_runs_out_and_say_how_many_had_fitted() -> None:
    others = [("censored", 4), ("fitted", 4), ("diverged", 1)]
    table = comparison_table("t", [result(0, *[("fitted", 4)] * 3), result(1, *others)])
    assert table is not None and table.rows[0][1:3] == ("2", "1, 2")


def test_epochs_are_those_until_a_run_had_fitted() -> None:
    long = result(0, ("fitted", 3))
    long.records[0].series["train_loss"] += [0.01] * 7
    long.records[0].series["train_accuracy"] += [0.99, *[1.0] * 6]
    assert long.epochs == {0: 3} and summary_table("t", [long]).rows[0][4] == "3.0"


def test_times_to_fit_are_compared_to_those_of_the_same_seed_without_corruption() -> None:
    ends = [("fitted", 4), ("fitted", 10), ("censored", 9)]
    slower = [("fitted", 8), ("fitted", 20), ("fitted", 90)]
    table = slowdown_table("t", [result(0, *ends), result(0.5, *slower), result(1, ("fitted", 2), ("fitted", 20))])
    assert table is not None
    # Twice as long with both seeds: no spread, and no p; then half and twice as long, with a t of 0; no interval of two.
    assert table.rows[0] == ("MLP", "p = 0.5", "2", "2.00", "", "–")
    assert table.rows[1][2:] == ("2", "1.00", "", "1.000")
    three = [result(0, *[("fitted", 4)] * 3), result(1, *[("fitted", 8)] * 3)]
    (row,) = slowdown_table("t", three).rows  # type: ignore[union-attr]
    assert row[2:5] == ("3", "2.00", "2.00 to 2.00")
    assert slowdown_table("t", [result(0, ("censored", 4)), result(1, ("fitted", 4))]) is None


def test_the_capped_table_names_what_is_censored() -> None:
    table = capped_table("t", [result(0, ("fitted", 3), ("fitted", 9))], 5)
    assert table.rows == (("MLP", "p = 0", "2", "1 fitted, 1 censored", "≥ 4.0", "seed 1"),)


def test_eight_networks_can_be_told_apart() -> None:
    results = [result(0, ("fitted", 4), group=f"network {index}") for index in range(8)]
    axes = drawn(partial(figures._errors, results, 80.0))
    looks = {(line.get_color(), line.get_marker()) for line in axes.lines if "network" in str(line.get_label())}
    assert len(looks) == 8


def test_the_page_says_at_which_rate_inception_without_batchnorm_trains() -> None:
    def at(rate: float, *ends: tuple[str, int], loss: float) -> Result:
        found = result(0, *ends)
        for record in found.records.values():
            record.config.update(network="small-inception-nobn", learning_rate=rate)
            record.series["train_loss"][-1:] = [loss]
        return found

    results = [at(0.1, ("diverged", 3), loss=2.3), at(0.01, ("diverged", 4), loss=2.3), at(0.001, ("fitted", 4), loss=0.05)]
    assert rates_without_norm([*results, at(0.001, ("diverged", 4), loss=2.4)]) == [
        "Inception without BatchNorm, rate 0.001: does not train reliably (1 of 2 runs ended better than chance, these at "
        "100.0 % training accuracy on average).",
        "Inception without BatchNorm, rate 0.01: does not train (none of 1 runs ended better than chance).",
        "Inception without BatchNorm, rate 0.1: does not train (none of 1 runs ended better than chance).",
    ]
    assert rates_without_norm([]) == []


def test_named_networks_are_those_of_fig1a_each_once() -> None:
    config = Experiments(experiment="fig1a", seeds=1, networks=("MLP", "LeNet", "MLP"))
    assert [line.group for line in config.lines("fig1a")] == ["MLP"] * 5 + ["LeNet"] * 5
    found = config.lines("fig1a")
    assert (found[0].name(found), found[0].name(found[:5])) == ("MLP, true labels", "true labels")


def test_test_images_are_balanced_whatever_the_classes() -> None:
    labels = torch.arange(700) % 7
    source = LabelledImages.from_arrays(torch.zeros(700, 3, 28, 28, dtype=torch.uint8), labels)
    whole = DataSet("seven", source, source)
    assert {of.test_images for of in subsets(Experiments(train_size=70), whole).values()} == {497}


def test_experiments_over_the_share_of_corrupted_labels_see_more_images() -> None:
    labels = torch.arange(1000) % 10
    source = LabelledImages.from_arrays(torch.zeros(1000, 3, 28, 28, dtype=torch.uint8), labels)
    whole = DataSet("ten", source, source)
    config = Experiments()
    sizes = {(name, line.train_size) for name in EXPERIMENTS for line in config.lines(name)}
    shares = {("fig1b", 960), ("fig1b", 9600), ("fig1c", 960)}
    assert sizes == shares | {(name, 240) for name in ("fig1a", "fig2a", "fig2b", "table1")}
    networks = {(line.group, line.train_size) for line in config.lines("fig1b")}
    assert networks == {("small-inception", 960), ("small-alexnet", 960), ("mlp-1x512", 9600)}
    assert {of.train_images for of in subsets(Experiments(train_size=70), whole).values()} == {70}
    assert {of.train_images for of in subsets(Experiments(scale="full"), whole).values()} == {1000}
    few = replace(whole, train=source.subset(500, seed=0))
    sizes_of_few = {size: of.train_images for size, of in subsets(Experiments(experiment="fig1b"), few).items()}
    assert sizes_of_few == {240: 240, 960: 500, 9600: 500}  # as many as there are: nobody asked for more by --train-size
    with pytest.raises(CondenseError, match=r"--train-size 960 needs 96 images per class.* at most 500 are possible"):
        subsets(Experiments(experiment="fig1b", train_size=960), few)


def test_a_scale_is_balanced_over_any_number_of_classes() -> None:
    """240 images are no multiple of 7 classes, and nobody gave a --train-size to be told so."""
    labels = torch.arange(1400) % 7
    source = LabelledImages.from_arrays(torch.zeros(1400, 3, 28, 28, dtype=torch.uint8), labels)
    found = subsets(Experiments(experiment="fig1a"), DataSet("seven", source, source))
    assert found[240].train_images == 238 and found[960].train_images == 959


def test_larger_images_are_seen_whole() -> None:
    """Classes that differ in the corners of 64x64 images alone, which a centre crop does not have."""
    labels = torch.arange(80) % 4
    pixels = torch.randint(100, 130, (80, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        row, column = divmod(label, 2)
        pixels[index, :, 54 * row : 54 * row + 10, 54 * column : 54 * column + 10] = 255
    source = LabelledImages.from_arrays(pixels, labels)
    whole = DataSet("corners", source, source)
    data = subsets(Experiments(train_size=40), whole)[40].drawn_from(whole)
    run = Run(network="mlp-1x512", epochs=60)
    assert run.config(Subset.of(data))["resized"] == "from 64x64"
    seen, _ = run.sources(data.train, data.test)
    assert seen.images.shape == (3, 28, 28) and "64x64 pixels are resized, each as a whole, to the 28x28" in remark(
        source.shape
    )
    (record,) = fit([run], data)
    assert record.notes == ["fitted"] and record.accuracies == [1.0]
    assert Cropped(seen.images).augmented(torch.arange(4), torch.Generator().manual_seed(0)).shape == (4, 3, 28, 28)


def test_what_is_cropped_as_published_is_no_other(data: DataSet) -> None:
    """Images of up to 32x32 pixels are those of the paper: cropped, and their runs known as they were."""
    for side in (28, 30, 32):
        pixels = torch.randint(0, 256, (20, 3, side, side), generator=torch.Generator().manual_seed(side), dtype=torch.uint8)
        images = LabelledImages.from_arrays(pixels, torch.arange(20) % 2)
        assert fitted(images) is images and remark(images.shape) == ""
        assert "resized" not in Run(network="mlp-1x512").config(Subset.of(DataSet("own", images, images)))
        top = (side - 28) // 2
        torch.testing.assert_close(
            Standardised(images).inputs(torch.arange(20)),
            standardised(images.pixels[..., top : top + 28, top : top + 28].float()),
        )


def test_a_rate_at_which_some_runs_diverged_does_not_train_reliably() -> None:
    runs = [Run(network="small-inception-nobn", learning_rate=0.1, seed=seed) for seed in range(3)]
    notes, accuracies = (["diverged"], ["diverged"], ["censored"]), (0.1, 0.1, 0.225)
    records = {
        run.seed: of_networks(
            "fit",
            {"network": run.network, "learning_rate": 0.1},
            [0.1],
            seeds=[run.seed],
            notes=note,
            series={"train_accuracy": [accuracy]},
        )
        for run, note, accuracy in zip(runs, notes, accuracies, strict=True)
    }
    (said,) = rates_without_norm([Result(Line("small-inception-nobn", "x", tuple(runs), None), records)])
    assert said.endswith(
        "rate 0.1: does not train reliably (1 of 3 runs ended better than chance, these at 22.5 % training accuracy on "
        "average)."
    )


def test_the_rate_falls_by_the_recipes_decay_after_each_epoch() -> None:
    network, source = build("mlp-1x5", (3, 28, 28), 10), Standardised(images(20))
    start = fresh_members(network, [0], "start")
    rates: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "optimiser_step", lambda vector, state, gradient, rate, recipe: rates.append(rate))
        recipe = Recipe((Stage(3, 0.1),), batch_size=10, decay=0.5)
        engine.train(network, start, source, recipe, [engine.MemberDraws.of(0, "decay")])
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_lines_not_run_yet_are_named(data: DataSet) -> None:
    found = lines("fig2b", SCALES["small"], 2, 3)
    results = gathered(found, Recorded([]), {line.train_size: Subset.of(data) for line in found})
    assert [row[3] for row in summary_table("fig2b", results).rows] == ["not run"] * 4
    assert comparison_table("fig2b", results) is None


def test_the_papers_table_1_stands_beside_ours() -> None:
    planned = lines("table1", SCALES["small"], seeds=1)
    assert [(line.group, line.label) for line in planned] == [
        (network, setting) for network, settings in published.TABLE_1.items() for setting in settings
    ]
    results = [Result(line, {}) for line in planned]
    rows = published_table("table1", results).rows
    assert rows[0][:2] == ("small-inception", "crop, weight decay") and rows[0][-2:] == ("100.0", "89.05")
    assert rows[-1][:2] == ("mlp-1x512", "random labels") and rows[-1][-2:] == ("99.34", "10.61")
    assert published_table("table1", [replace(results[0], line=Line("LeNet", "none", (), None))]).rows[0][-2:] == ("", "")
