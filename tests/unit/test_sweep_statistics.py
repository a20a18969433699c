"""Statistics of a sweep: paired tests, rank correlations, regret, and the tables that print them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from report_samples import CODE, COST
from scipy import stats

from condense.records import Record
from condense.studies.hyperparameters import figures
from condense.studies.hyperparameters.asked import Asked
from condense.studies.hyperparameters.comparison import against_best, differences
from condense.studies.hyperparameters.figures import row_strips
from condense.studies.hyperparameters.grid import load_grid
from condense.studies.hyperparameters.proxy_study import studied, study
from condense.studies.hyperparameters.proxy_table import proxy_table
from condense.studies.hyperparameters.report import headline
from condense.studies.hyperparameters.results import RowResult, Sweep, Trained
from condense.studies.hyperparameters.tables import accuracy_table, difference_table, ratio_table

ESTIMATE = {"estimated_seconds": 0.0, "estimated_memory_bytes": 0}


def result(name: str, accuracies: dict[int, float], seconds: float = 1.0) -> RowResult:
    row = replace(load_grid("report-fashion-mnist").rows[0], name=name)
    config = {"row": row.settings, "parameters": 1, "train_images": 10, "set": None}
    networks, cost = len(accuracies), replace(COST, threads=1, training_seconds=seconds, estimate=ESTIMATE)
    metrics: dict[str, list[float | None]] = {"accuracy": [*accuracies.values()]}
    metrics |= {"training_accuracy": [1.0] * networks, "training_loss": [0.1] * networks}
    return RowResult(row, (Record("sweep", config, list(accuracies), metrics, cost, CODE),))


def with_metrics(record: Record, **metrics: Any) -> Record:
    """The record with others; networks without a loss diverged."""
    losses = metrics.get("training_loss", record.metrics["training_loss"])
    diverged = [seed for seed, loss in zip(record.seeds, losses, strict=True) if loss is None]
    return replace(record, metrics=record.metrics | metrics, diverged=diverged)


def test_differences_are_paired_by_seed() -> None:
    noise = {seed: 0.8 + 0.02 * seed for seed in range(5)}
    shifted = {seed: value + 0.01 + 0.0005 * (-1) ** seed for seed, value in noise.items()}
    random = {0: 0.9, 1: 0.8, 2: 0.85, 7: 0.1}
    first, second, third = differences([result("a", noise), result("b", shifted), result("c", random)])
    assert first.real and first.mean == pytest.approx(-0.0101) and first.seeds == 5
    raw = float(np.asarray(stats.ttest_rel(list(noise.values()), list(shifted.values())))[1])
    assert first.p == pytest.approx(3 * raw)
    assert (second.first, second.second, second.seeds, second.real) == ("a", "c", 3, False) and not third.real
    (alone,) = differences([result("a", {0: 0.5}), result("b", {0: 0.6})])
    assert alone.p is None and not alone.real
    same, always = against_best(
        [result("a", noise), result("b", noise), result("c", {s: v - 0.25 for s, v in noise.items()})]
    )
    assert same.p == 1.0 and always.p is None and always.mean == pytest.approx(0.25)


def test_the_best_row_is_corrected_for_all_pairs() -> None:
    """Which row is best was found in the data tested: p is that of the square table, for k (k - 1) / 2 tests."""
    random = np.random.default_rng(3)
    noise = random.normal(0.8, 0.01, size=(4, 5)) + np.array([[0.0], [0.03], [0.05], [0.02]])
    results = [result(name, dict(enumerate(row.tolist()))) for name, row in zip("abcd", noise, strict=True)]
    found, square = against_best(results), differences(results)
    assert [(one.first, one.second) for one in found] == [("c", "a"), ("c", "b"), ("c", "d")]
    assert [one.p for one in found] == [square[1].p, square[3].p, square[5].p] and all(one.mean > 0 for one in found)
    raw = sorted(float(np.asarray(stats.ttest_rel(noise[2], noise[other]))[1]) for other in (0, 1, 3))
    assert min(one.p for one in found if one.p is not None) == pytest.approx(6 * raw[0])
    many = [result(str(index), dict(enumerate(row.tolist()))) for index, row in enumerate(np.tile(noise, (4, 1)))]
    assert "Holm's correction for all 120 pairs of rows" in difference_table(many, "test").notes[0]


def trained(means: list[float], seconds: float, **values) -> Trained:
    rows = tuple(result(str(index), {0: mean}, seconds) for index, mean in enumerate(means))
    return Trained(values.get("label", "set"), 10, 30, values.get("learn_seconds"), rows, values.get("learned_on"))


def swept(full: Trained, *proxies: Trained, **asked) -> Sweep:
    """A sweep with these results, of the report's grid on Fashion-MNIST unless `asked` says otherwise."""
    grid = load_grid("report-fashion-mnist")
    one = {"dataset": "fashion-mnist", "source": "fashion-mnist", "described": {}, "classes": 10, "seed_ranges": ((0, 0),)}
    return Sweep(Asked(**{**one, "grid": grid, **asked}), full, proxies, ())


def test_a_proxy_that_agrees_and_one_that_does_not() -> None:
    full = trained([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 100)
    good = study(full, trained([0.11, 0.12, 0.13, 0.14, 0.15, 0.16], 1, learn_seconds=14.0))
    bad = study(full, trained([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 2))
    assert good and bad
    assert (good.spearman.value, good.kendall.value, good.regret) == (pytest.approx(1), pytest.approx(1), 0)
    assert (bad.spearman.value, bad.chosen, bad.regret) == (pytest.approx(-1), (0,), pytest.approx(0.5))
    assert bad.chance_regret == pytest.approx(0.25) and (good.full_seconds, good.proxy_seconds) == (600, 6)
    flat = study(full, trained([0.5] * 6, 1))
    assert flat and flat.spearman.value is None and study(full, trained([0.1, 0.2], 1)) is None
    assert flat.chosen == () and flat.regret == pytest.approx(flat.chance_regret) == pytest.approx(0.25)


def test_cost_saved_is_for_as_many_networks_on_one_machine() -> None:
    full = trained([0.1, 0.2, 0.3], 100)
    twice = Trained("set", 10, 30, 14.0, tuple(result(name, {0: 0.1, 1: 0.2}, 4) for name in "012"), "cpu, 1 thread")
    here = study(full, twice)
    assert here and (here.saved, here.saved_with_learning) == (600 / 12, 600 / 26)
    assert (here.networks, here.proxy_networks) == ((1, 1, 1), (2, 2, 2))
    elsewhere = study(full, replace(twice, learned_on="NVIDIA H200, 1 thread"))
    assert elsewhere and elsewhere.saved == 50 and elsewhere.saved_with_learning is None
    threads = tuple(
        replace(row, records=(replace(row.records[0], cost=replace(COST, training_seconds=4.0, estimate=ESTIMATE)),))
        for row in twice.done.values()
    )
    mixed = study(full, replace(twice, rows=threads))
    assert mixed and mixed.saved is None
    table = proxy_table([here, mixed], swept(full))
    assert [row[8:] for row in table.rows] == [("1 / 2", "50.0 ×", "23.1 ×"), ("1 / 2", "–", "–")]


def test_rows_tied_for_the_first_place_are_all_the_choice() -> None:
    full = trained([0.6, 0.2, 0.3], 100)
    tied = study(full, trained([0.1 + 0.2, 0.3, 0.1], 1))  # 0.1 + 0.2 is more than 0.3, in the last bit
    assert tied and tied.chosen == (0, 1) and tied.regret == pytest.approx(0.2)
    flat = study(full, trained([0.5] * 3, 1))
    assert flat
    table = proxy_table([tied, flat], swept(full))
    assert table.rows[0][3] == "0.00" and table.data[0]["spearman_low"] is None  # three rows: no interval
    assert [row["choice"] for row in table.data] == ["0, 1", None] and table.rows[1][5] == "–"
    assert any("rows that differ only in batch size are one run" in note for note in table.notes)


def test_the_ratio_rule_starts_from_the_smallest_batch() -> None:
    """CIFAR-10's first row has batch 50, its third 10: from the first, larger batches would not be what is tested."""
    rows = tuple(replace(result(row.name, {0: 0.5}, 10), row=row) for row in load_grid("report-cifar10").rows)
    table = ratio_table(swept(Trained("all images", 10, 1, None, rows)))
    batches = {row.name: row.batch_size for row in load_grid("report-cifar10").rows}
    assert {row["row"] for row in table.data if row["base"] == "3"} == {"1", "2", "4", "5"}
    assert all(batches[str(row["base"])] <= batches[str(row["row"])] for row in table.data)


def test_a_summed_loss_is_over_no_more_images_than_there_are() -> None:
    row = result("1", {0: 0.5})  # trained on 10 images, with a loss of .1
    rows = tuple(replace(row, row=replace(row.row, name=str(size), batch_size=size)) for size in (5, 10, 128))
    full = Trained("all images", 10, 1, None, rows)
    found = [line["training_loss_as_reported"] for line in accuracy_table(swept(full)).data]
    assert found == pytest.approx([0.05, 0.1, 0.1])


def test_the_ratio_rule_on_the_reports_own_times() -> None:
    rows = tuple(replace(result(row.name, {0: 0.5}, 10), row=row) for row in load_grid("report-fashion-mnist").rows)
    table = ratio_table(swept(Trained("all images", 10, 1, None, rows)))
    found = {row["row"]: row for row in table.data}
    assert found["3"]["base"] == "4" and found["3"]["ratio"] == pytest.approx(10 / 32 / (15 / 8))
    assert found["3"]["reported"] == pytest.approx(31.13 / 171.99) and found["10"]["base"] == "9"
    assert len(found) == 7
    assert proxy_table([], swept(Trained("all images", 10, 1, None, rows))).rows == ()


def test_a_figure_names_the_settings_in_which_rows_differ() -> None:
    first, *_ = load_grid("mlps").rows
    strips = row_strips(swept(trained([0.5, 0.6], 1.0)), "svg").decode()
    assert "0: mlp-1x256<" in strips and "epochs" not in strips  # two rows alike but for their names
    assert figures._names(load_grid("mlps").rows)[0] == f"{first.name}: mlp-1x32, rate 0.003, momentum 0"
    assert figures._names(load_grid("report-fashion-mnist").rows)[1] == "2: mlp-1x256, batch 10, 10 epochs, decay 0.001"


def several(*means: float, spread: float = 0.01, diverged: int = 0) -> Sweep:
    """A sweep of rows with five networks each; of the last one so many diverged, to which class 0's share is an accuracy."""
    noise = np.random.default_rng(0).normal(0, spread, size=(len(means), 5))
    rows = [
        result(str(place), dict(enumerate((mean + own).tolist())))
        for place, (mean, own) in enumerate(zip(means, noise, strict=True))
    ]
    record = rows[-1].records[0]
    losses = [None] * diverged + [0.1] * (5 - diverged)
    accuracies = [0.1] * diverged + record.accuracies[diverged:]
    rows[-1] = replace(rows[-1], records=(with_metrics(record, training_loss=losses, accuracy=accuracies),))
    return swept(Trained("all images", 10, 1, None, tuple(rows)))


def test_no_row_is_called_best_where_no_difference_is_real() -> None:
    said = headline(several(0.5, 0.501, 0.502), [])
    assert said.startswith("No row can be called best: 0 of 3 differences are real. Row ") and "is best" not in said
    assert "is best: 90.0\N{NO-BREAK SPACE}%" in headline(several(0.5, 0.7, 0.9, spread=1e-4), [])
    some = headline(several(0.1, 0.8, 0.8001, spread=1e-3), [])
    assert "has the highest mean" in some and "cannot be told from 1 of the 2 others" in some and "is best" not in some


def test_networks_that_diverged_are_in_no_mean_and_said() -> None:
    sweep = several(0.5, 0.9, spread=1e-3, diverged=2)
    last = sweep.full.done["1"]
    assert last.diverged == {0, 1} and sorted(last.accuracies) == [2, 3, 4] and last.summary
    assert last.summary.mean == pytest.approx(0.9, abs=0.01) and last.summary.n == 3 and last.networks == 5
    table = accuracy_table(sweep)
    assert [line["diverged"] for line in table.data] == [0, 2] and any("in no mean" in note for note in table.notes)
    said = headline(sweep, [])
    assert (
        "Row 0 (mlp-1x256)" in said and "2 of 10 networks diverged and are left out." in said
    )  # no row is best by its luck


def test_a_row_whose_networks_all_diverged_is_said_and_not_ranked() -> None:
    sweep = several(0.5, 0.6, 0.7, 0.8, diverged=5)
    last = sweep.full.done["3"]
    assert last.summary is None and last.training_accuracy is None and list(sweep.full.comparable) == ["0", "1", "2"]
    line = accuracy_table(sweep).data[3]
    assert (line["test_accuracy"], line["n"], line["diverged"]) == (None, 0, 5)
    found = study(sweep.full, sweep.full)
    assert found and found.names == ("0", "1", "2")
    alone = swept(replace(sweep.full, rows=(last,)))
    assert headline(alone, []) == "All networks of the 1 of 10 rows that are done diverged."


def test_rows_are_ranked_by_held_out_images_and_judged_by_test_images() -> None:
    """Test accuracies say the opposite here; the regret is in them, of what was chosen without them."""

    def of(pairs: list[tuple[float, float]]) -> Trained:
        rows = [result(str(place), {0: tested}) for place, (_, tested) in enumerate(pairs)]
        own = [with_metrics(one.records[0], held_out_accuracy=[held]) for one, (held, _) in zip(rows, pairs, strict=True)]
        return Trained("40 images", 10, 1, None, tuple(replace(one, records=(r,)) for one, r in zip(rows, own, strict=True)))

    full, proxy = of([(0.5, 0.9), (0.6, 0.8), (0.7, 0.6)]), of([(0.9, 0.1), (0.6, 0.1), (0.5, 0.1)])
    found = study(full, proxy)
    assert found and found.chosen == (0,) and found.spearman.value == pytest.approx(-1)
    assert found.regret == pytest.approx(0.6 - 0.9) and found.chance_regret == pytest.approx(0.6 - (0.9 + 0.8 + 0.6) / 3)
    sweep = swept(full, proxy, held_out=10, train_images=50, whole_images=50)
    said = headline(sweep, [])
    assert "Row 2 (mlp-1x256) has the highest mean, 70.0\N{NO-BREAK SPACE}% of the held-out images" in said
    assert "On the test images it has 60.0\N{NO-BREAK SPACE}%." in said
    table = accuracy_table(sweep)
    assert "held-out accuracy %" in table.header and any("held out" in note for note in table.notes)
    assert any("compared, and small sets judged, on the test images" in note for note in accuracy_table(swept(full)).notes)


def test_the_headline_says_how_all_sets_did_not_only_the_best() -> None:
    full = trained([0.5, 0.6, 0.7], 1.0, label="all images")
    alike, reversed_, tied = (trained(means, 1.0) for means in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.2, 0.2]))
    sweep = swept(full, alike, reversed_, tied)
    assert headline(sweep, studied(sweep)).endswith(
        "2 small sets rank them with Spearman \N{MINUS SIGN}1.00 to 1.00; taking the row a set ranks first loses "
        "0.0 to 20.0 percentage points, drawing a row 10.0 on average."
    )
    alone = swept(full, alike)
    assert "1 small set ranks them with Spearman 1.00; taking the row a set ranks first loses 0.0" in headline(
        alone, studied(alone)
    )


def test_a_loss_that_exploded_is_printed_by_its_magnitude() -> None:
    row, exploded = result("1", {0: 0.5}), result("2", {0: 0.5})
    exploded = replace(exploded, records=(with_metrics(exploded.records[0], training_loss=[1.5e30]),))
    table = accuracy_table(swept(Trained("all images", 10, 1, None, (row, exploded))))
    column = table.header.index("training loss")
    assert [line[column] for line in table.rows] == ["0.100", "1.5e+30"]
