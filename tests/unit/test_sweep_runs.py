"""The sweep as a library: training rows, resuming, estimates, statistics, tables."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from report_samples import evaluated

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.data.split import held_out
from condense.decoding import Tiles
from condense.errors import CondenseError
from condense.files import taken
from condense.machine import Surroundings
from condense.networks.registry import build
from condense.preprocessing import ZCA
from condense.records import append_record, config_hash, read_records
from condense.report.rendering import Table, render
from condense.stage_c.learn import learn
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.estimate import Speed, Work, group_size, memory, training_seconds
from condense.studies.hyperparameters.folder import Proxy, SweepFolder
from condense.studies.hyperparameters.grid import Grid, load_grid, parse_grid
from condense.studies.hyperparameters.plan import plan_table
from condense.studies.hyperparameters.proxy_study import studied
from condense.studies.hyperparameters.report import write_report
from condense.studies.hyperparameters.results import sweep_of
from condense.studies.hyperparameters.rows import Reported
from condense.studies.hyperparameters.run import (
    Listener,
    all_images,
    asked_for,
    calibrate,
    load_proxies,
    probed_again,
    run_sweep,
    trials_of,
)
from condense.studies.hyperparameters.tables import sweep_tables
from condense.studies.hyperparameters.trial import Calibration, SweepRecord
from condense.training.accuracy import accuracies_and_losses
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.sources import TensorSource

GRID = """
title = "Small"
[defaults]
network = "mlp"
width = 16
learning_rate = 0.05
epochs = 3
batch_size = 16
[[rows]]
[[rows]]
batch_size = 64
[[rows]]
width = 128
weight_decay = 0.001
objective = "summed"
[[rows]]
network = "ConvNet"
width = 4
depth = 2
dropout = 0.2
batch_size = 256
"""


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits", train_size=400)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return parse_grid(GRID, "small.toml")


def run(grid: Grid, seeds: int, digits: DataSet, path: Path, **config) -> SweepFolder:
    folder = SweepFolder(path)
    proxies = load_proxies(SweepConfig(**config), digits, digits)
    folder.ask_for(asked_for(grid, seeds, digits, [proxy for proxy, _ in proxies]))
    on = [all_images(digits), *(one for _, one in proxies)]
    run_sweep(trials_of(grid, digits, on), seeds, digits, folder, Listener())
    return folder


def tables_of(folder: SweepFolder) -> list[Table]:
    sweep = sweep_of(folder)
    return sweep_tables(sweep, studied(sweep))


@pytest.fixture(scope="module")
def done(grid: Grid, digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    path = tmp_path_factory.mktemp("sweep")
    for method, settings in (("random", {}), ("dc", {"iterations": 2, "inner_loop": 1})):
        config = LearnConfig(dataset="digits", network="MLP", method=method, **settings)
        learn(config, digits.train).set.save(path / f"{method}.h5")
    return run(grid, 3, digits, path / "s", proxy=(path / "random.h5", path / "dc.h5"), proxy_epochs=2)


def test_one_line_a_row_with_all_its_networks(done: SweepFolder) -> None:
    records = read_records(done.records)
    assert len(records) == 4 * 3 and not done.unfinished.exists()
    first = records[0]
    assert first.seeds == [0, 1, 2] and len(set(first.accuracies)) > 1 and first.config["train_images"] == 320
    assert first.config["parameters"] == 784 * 16 + 16 + 16 * 10 + 10
    assert 0 < (first.cost.training_seconds or 0) < first.wall_seconds and (first.peak_memory_bytes or 0) > 2**26
    assert records[4].config["set"]["method"] == "random" and records[4].config["recipe"]["stages"][0]["epochs"] == 6
    recipe = records[2].config["recipe"]
    assert recipe["stages"][0]["learning_rate"] == pytest.approx(0.05 * 1.6)
    assert recipe["weight_decay"] == pytest.approx(0.001 / 1.6) and recipe["in_proportion"]


def test_the_numbers_are_the_engines(done: SweepFolder, grid: Grid, digits: DataSet) -> None:
    """Accuracies and mean cross-entropy of seed 1 of the second row, computed once more from its parameters alone."""
    row, record = grid.rows[1], done.finished()[1]
    network = row.build((1, 28, 28), 10)
    members = fresh_members(network, [1], "sweep network")
    seen, left_out = held_out(digits.train)
    trained = train(network, members, seen, row.recipe(10), [MemberDraws.of(1, "sweep")])
    weight, bias, head, head_bias = trained.vector[0].split([784 * 16, 16, 160, 10])
    for images, accuracy, loss in (
        (digits.test, record.accuracies[1], None),
        (left_out, record.held_out_accuracies[1], None),
        (seen, record.training_accuracies[1], record.training_losses[1]),
    ):
        x = images.inputs(torch.arange(len(images))).flatten(1)
        hidden = torch.relu(x @ weight.view(16, 784).T + bias)
        logits = (hidden @ head.view(10, 16).T + head_bias).double()
        share = (logits.argmax(1) == images.labels).double().mean().item()
        assert share == pytest.approx(accuracy, abs=2 / len(images))
        if loss is not None:
            expected = -logits.log_softmax(1)[torch.arange(320), images.labels].mean().item()
            assert loss == pytest.approx(expected, rel=1e-3)


def test_more_seeds_train_only_the_new_ones(done: SweepFolder, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    one = replace(grid, rows=grid.rows[:1])
    for seeds in (1, 3, 2):
        folder = run(one, seeds, digits, tmp_path)
    records = folder.finished()
    assert [record.seeds for record in records] == [[0], [1, 2]]
    joined = [a for record in records for a in record.accuracies]
    assert joined == done.finished()[0].accuracies  # a seed does not depend on how many are asked for
    assert sorted(sweep_of(folder).full.done["1"].accuracies) == [0, 1, 2] and folder.asked().seeds == 3


class Stop(Exception):
    pass


def test_a_row_goes_on_after_its_last_group(done: SweepFolder, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    folder, one = SweepFolder(tmp_path), replace(grid, rows=grid.rows[2:3])
    folder.ask_for(asked_for(one, 3, digits, []))
    trials = trials_of(one, digits, [all_images(digits)])

    def stop(epochs: int, total: int) -> None:
        assert total == 9
        if epochs == 5:
            raise Stop

    with pytest.raises(Stop):
        run_sweep(trials, 3, digits, folder, Listener(training=stop))
    (partial,) = map(SweepRecord.of, read_records(folder.unfinished))
    assert partial.seeds == [0] and not folder.records.exists()
    told: list[int] = []
    run_sweep(trials, 3, digits, folder, Listener(training=lambda epochs, total: told.append(epochs)))
    (record,) = folder.finished()
    assert told == [4, 5, 6, 7, 8, 9]
    assert record.estimated_seconds == pytest.approx(3 * partial.estimated_seconds)
    whole = done.finished()[2]
    assert (record.seeds, record.accuracies) == (whole.seeds, whole.accuracies)
    assert record.training_losses == whole.training_losses


def test_other_test_images_are_refused(done: SweepFolder, grid: Grid, digits: DataSet) -> None:
    done.check(asked_for(grid, 3, digits, []))
    with pytest.raises(CondenseError, match="holds a sweep with other images"):
        done.check(asked_for(grid, 3, replace(digits, test=digits.test.subset(20, 0)), []))


def test_records_of_something_else_beside_a_proxy_are_no_obstacle(digits: DataSet, tmp_path: Path) -> None:
    config = LearnConfig(dataset="digits", network="MLP", iterations=1, inner_loop=1)
    learn(config, digits.train).set.save(tmp_path / "set.h5")
    (tmp_path / "records.jsonl").write_text('{"kind": "sweep"}\n')
    ((proxy, _),) = load_proxies(SweepConfig(proxy=(tmp_path / "set.h5",)), digits, digits)
    assert proxy.learn_seconds is None


def test_an_unfinished_row_is_never_lost(done: SweepFolder, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    whole = done.finished()[2]
    part = replace(whole, seeds=[0], metrics={name: values[:1] for name, values in whole.metrics.items()})
    trials, here = trials_of(grid, digits, [all_images(digits)]), Surroundings.of(torch.device("cpu"))
    folder = SweepFolder(tmp_path)
    folder.keep(part, complete=False)
    left = plan_table(trials, 3, digits, folder).data
    assert [one["left"] for one in left] == [3, 3, 2, 3]
    assert folder.take_up(trials, 3, here) == part and folder.unfinished.exists()
    # Under another number of threads it cannot go on: what it has is kept as it is.
    assert folder.take_up(trials, 3, replace(here, threads=63)) is None
    (kept,) = folder.finished()
    assert kept.estimated_seconds == pytest.approx(whole.estimated_seconds / 3) and kept.estimate["groups"] == 1
    assert replace(kept, cost=replace(kept.cost, estimate=part.estimate)) == part
    assert not folder.unfinished.exists()
    # Killed between joining the others and being removed: it is not kept twice.
    folder.keep(part, complete=False)
    assert folder.take_up(trials, 3, here) is None and folder.finished() == [kept]


def test_the_estimate_is_of_the_networks_a_record_holds(grid: Grid, digits: DataSet) -> None:
    """Begun for two networks, continued with three: what is said of the time grows with them."""
    trial = trials_of(grid, digits, [all_images(digits)])[2]
    calibration = Calibration({trial.speed_key(2): Speed(1e-3, 1e12)}, 1, 1)
    begun = trial.begin(2, calibration, Surroundings.of(torch.device("cpu")))
    said = [record.estimated_seconds for record in trial.train(begun, range(3))]
    assert said == pytest.approx([begun.estimated_seconds * networks / 2 for networks in (1, 2, 3)])


def test_training_that_diverges_is_said(digits: DataSet, tmp_path: Path) -> None:
    grid = parse_grid(GRID[: GRID.index("[[rows]]")] + "[[rows]]\nlearning_rate = 1e30", "g.toml")
    (record,) = run(grid, 1, digits, tmp_path).finished()
    assert record.training_losses == [None] and record.notes[-1] == "seed 0: training diverged"
    tables = tables_of(SweepFolder(tmp_path))
    assert "Row 1: seed 0: training diverged." in tables[0].notes


def test_what_a_folder_refuses(done: SweepFolder, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    with pytest.raises(CondenseError, match="holds a sweep with other rows"):
        done.check(asked_for(replace(grid, rows=grid.rows[1:]), 3, digits, []))
    with pytest.raises(CondenseError, match="holds a sweep with other images"):
        done.check(asked_for(grid, 3, load("digits", train_size=300), []))
    with pytest.raises(CondenseError, match=r"holds no sweep: there is no sweep\.json"):
        sweep_of(SweepFolder(tmp_path))
    (tmp_path / "sweep.json").write_text('{"format": 3}')
    with pytest.raises(CondenseError, match=r"sweep\.json is damaged"):
        sweep_of(SweepFolder(tmp_path))
    with taken(done.path), pytest.raises(CondenseError, match="Another process is at work"), taken(done.path):
        pass
    damaged = json.loads(done.records.read_text().splitlines()[0])
    for metrics, sentence in (
        ({"training_loss": []}, r"records\.jsonl, line 1: 3 seeds but 0 training losses"),
        ({"training_loss": [-1.0] * 3}, r"records\.jsonl, line 1: a record is damaged: accuracies must"),
        ({"held_out_accuracy": [None] * 3}, r"records\.jsonl, line 1: a record is damaged: accuracies must"),
    ):
        changed = {**damaged, "metrics": damaged["metrics"] | metrics}
        (tmp_path / "records.jsonl").write_text(json.dumps(changed) + "\n")
        with pytest.raises(CondenseError, match=sentence):
            SweepFolder(tmp_path).finished()
    del damaged["metrics"]["training_loss"]
    (tmp_path / "records.jsonl").write_text(json.dumps(damaged) + "\n")
    with pytest.raises(CondenseError, match="does not hold one training accuracy and loss for each seed"):
        SweepFolder(tmp_path).finished()
    append_record(tmp_path / "other.jsonl", evaluated([0.5]))
    (tmp_path / "other.jsonl").rename(tmp_path / "records.jsonl")
    with pytest.raises(CondenseError, match="a record of task 'evaluate' is none of a sweep"):
        SweepFolder(tmp_path).finished()


def reads_as_damaged(folder: SweepFolder) -> None:
    with pytest.raises(CondenseError) as caught:
        sweep = sweep_of(folder)
        sweep_tables(sweep, studied(sweep))
    assert len(str(caught.value)) < 500 and str(folder.path) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe{}",
        b"[" * 3000 + b"]" * 3000,
        b'{"seeds": ' + b"9" * 5000 + b"}",
        b'{"classes": 1e999}',
        b"null",
        b"[]",
        b"",
    ],
    ids=["not-utf-8", "deep", "long-number", "1e999", "null", "list", "empty"],
)
def test_a_description_that_is_none(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_bytes(text)
    reads_as_damaged(SweepFolder(tmp_path))


@pytest.mark.parametrize(
    "wrong", [None, "x" * 100_000, -1, 0, 1.5, [], {}, True, [[[[1]]]]], ids=lambda value: str(value)[:9]
)
def test_every_value_of_a_description_may_be_of_another_type(wrong: object, done: SweepFolder, tmp_path: Path) -> None:
    """It is refused or of no consequence; nothing ends in another error."""
    whole = json.loads(done.description.read_text())
    folder = SweepFolder(tmp_path)
    folder.records.write_bytes(done.records.read_bytes())
    places = [(whole, name) for name in whole] + [(whole["grid"], name) for name in whole["grid"]]
    places += [(whole["grid"]["rows"][0], name) for name in whole["grid"]["rows"][0]]
    places += [(whole["proxies"][0], name) for name in whole["proxies"][0]]
    for holder, name in places:
        before, holder[name] = holder[name], wrong
        folder.description.write_text(json.dumps(whole))
        holder[name] = before
        try:
            sweep = sweep_of(folder)
            sweep_tables(sweep, studied(sweep))
        except CondenseError as error:
            assert len(str(error)) < 500, name


@pytest.mark.parametrize("wrong", [None, "x", -1, 0, 1.5, [], {}, True, 10**400], ids=lambda value: str(value)[:9])
def test_every_value_of_a_record_may_be_of_another_type(wrong: object, done: SweepFolder, tmp_path: Path) -> None:
    """With a right hash too."""
    first, *others = done.records.read_text().splitlines()
    whole = json.loads(first)
    folder = SweepFolder(tmp_path)
    folder.description.write_bytes(done.description.read_bytes())
    places = [(holder, name) for holder in (whole, whole["config"], whole["estimate"]) for name in holder]
    for holder, name in places:
        before, holder[name] = holder[name], wrong
        if isinstance(whole["config"], dict):
            whole["config_hash"] = config_hash(whole["config"])
        folder.records.write_text("\n".join([json.dumps(whole), *others]) + "\n")
        holder[name] = before
        try:
            sweep = sweep_of(folder)
            sweep_tables(sweep, studied(sweep))
        except CondenseError as error:
            assert len(str(error)) < 500, name


def test_networks_that_were_not_trained_alike_are_no_row(done: SweepFolder, tmp_path: Path) -> None:
    """Whatever of the configuration differs, and though their seeds do not meet."""
    folder = SweepFolder(tmp_path)
    folder.description.write_bytes(done.description.read_bytes())
    first = json.loads(done.records.read_text().splitlines()[0])
    first["seeds"] = [seed + 10 for seed in first["seeds"]]
    first["config"]["recipe"]["momentum"] = 0.5
    first["config_hash"] = config_hash(first["config"])
    folder.records.write_text(done.records.read_text() + json.dumps(first) + "\n")
    with pytest.raises(CondenseError, match="holds networks of row 1 that were not trained alike"):
        sweep_of(folder)


def test_a_sweep_of_an_earlier_version_is_not_gone_on_with(
    done: SweepFolder, grid: Grid, digits: DataSet, tmp_path: Path
) -> None:
    """It ranked rows on the test images: its tables say so, and it takes no new rows."""
    before = json.loads(done.description.read_text())
    del before["held_out"]
    (tmp_path / "sweep.json").write_text(json.dumps(before))
    with pytest.raises(CondenseError, match="holds a sweep of an earlier version, which compared rows on the test images"):
        SweepFolder(tmp_path).check(asked_for(grid, 3, digits, []))


def test_a_set_asked_for_again_is_described_as_it_is_now(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """Where its learning record was not there before, or a version of condense said less of it."""
    folder = SweepFolder(tmp_path)
    old, other = (Proxy(f"{name}.h5", name, {"set": name}, 30, None) for name in "ab")
    new = replace(old, learn_seconds=3.0, learned_on="cpu, 1 thread")
    folder.ask_for(asked_for(grid, 3, digits, [old, other]))
    folder.ask_for(asked_for(grid, 2, digits, [new]))
    assert folder.asked().proxies == [new, other] and folder.asked().seeds == 3


# Estimates


def test_the_time_model_counts_steps_and_multiply_adds() -> None:
    network = build("mlp-1x256", (1, 28, 28), 10)
    row = load_grid("report-fashion-mnist").rows[0]
    work = Work.of(network, row.recipe(10), 5, 60_000, 1)
    assert (work.groups, work.members, work.steps, work.images) == (5, 1, 60_000, 600_000)
    assert work.multiply_adds == 784 * 256 + 2560
    seconds = training_seconds(work, Speed(constant=1e-3, rate=3e9))
    assert seconds == pytest.approx(5 * (60 + 600_000 * (784 * 256 + 2560) / 1e9))
    stacked = Work.of(network, row.recipe(10), 5, 60_000, 5)
    assert training_seconds(stacked, Speed(1e-3, 3e9)) == pytest.approx(60 + 3_000_000 * (784 * 256 + 2560) / 1e9)
    ragged = Work.of(network, replace(row, batch_size=128).recipe(10), 1, 50_000, 1)
    assert ragged.steps == 10 * 391


def test_the_memory_model_counts_tensors() -> None:
    network, cpu = build("mlp-1x256", (1, 28, 28), 10), torch.device("cpu")
    small, large = (memory(network, 10, images, 1, 50_000_000, (4e8).__int__(), cpu) for images in (60_000, 120_000))
    assert small.parameters == 5 * 4 * 203_530 and small.total == sum(
        (4 * 10**8, 50_000_000, small.parameters, small.activations)
    )
    assert large.activations - small.activations == 16 * 60_000
    wide = build("ConvNet", (3, 32, 32), 10)
    copies = [memory(wide, batch, 1, 1, 0, 0, cpu).parameters / (4 * wide.parameter_count) for batch in (1, 256)]
    assert copies == [5, 6]  # a batch in parts adds their gradients up
    assert (
        memory(wide, 256, 1, 1, 0, 0, cpu).activations
        > memory(wide, 8, 1, 1, 0, 0, cpu).activations
        > 4 * 8 * 3 * 128 * 1024
    )


def test_networks_are_stacked_where_that_pays() -> None:
    cpu, shape = torch.device("cpu"), (1, 28, 28)
    gpu = torch.device("cuda")
    assert group_size(build("mlp-1x64", shape, 10), 5, 10, gpu) == group_size(build("ConvNetW4", shape, 10), 5, 10, gpu) == 5
    assert group_size(build("mlp-1x64", shape, 10), 5, 10, cpu) == 1
    assert group_size(build("ConvNetW4", shape, 10), 5, 10, cpu) == 1
    dropped = replace(load_grid("report-fashion-mnist").rows[0], network="mlp-1x16", dropout=0.5)
    assert group_size(dropped.build(shape, 10), 5, 10, cpu) == 1


def test_memory_is_estimated_well_before_the_run(done: SweepFolder) -> None:
    for record in done.finished():
        assert record.estimated_memory_bytes == pytest.approx(record.peak_memory_bytes, rel=0.15)
        assert 0.05 < record.estimated_seconds / record.training_seconds < 20  # the machine may be busy


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of a part of a run are counted on Linux alone")
def test_a_large_networks_memory_is_estimated_beyond_context_and_data(
    digits: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the context is not most of it: 80 MB of parameters, so that a copy too many or too few shows."""
    monkeypatch.setattr("condense.studies.hyperparameters.probe.ROUND_SECONDS", 0.01)
    text = '[[rows]]\nnetwork = "mlp-2x4096"\nlearning_rate = 0.01\nbatch_size = 64\nepochs = 1'
    (trial,) = trials_of(parse_grid(text, "g.toml"), digits, [all_images(digits)])
    calibration = calibrate([(trial, 3)], digits)
    expected = trial.estimated_memory(3, calibration)
    begun = trial.begin(3, calibration, Surroundings.of(torch.device("cpu")))
    *_, record = trial.train(begun, range(3))
    measured = (record.peak_memory_bytes or 0) - expected.context - expected.data
    assert expected.parameters + expected.activations == pytest.approx(measured, rel=0.15)


# Tables and page


def test_tables_say_what_the_records_hold(done: SweepFolder) -> None:
    sweep = sweep_of(done)
    tables = {table.title: table for table in sweep_tables(sweep, studied(sweep))}
    assert list(tables) == [
        *("Small: accuracy", "Small: cost", "Differences of held-out accuracy in percentage points"),
        *("Time by the ratio of epochs to batch size", "Small: small sets as proxies"),
        "Small: held-out accuracy (%) on 320 of 400 training images and on small sets",
    ]
    accuracy = tables["Small: accuracy"].data[2]
    record = done.finished()[2]
    assert accuracy["test_accuracy"] == pytest.approx(100 * np.mean(record.accuracies))
    losses = [loss for loss in record.training_losses if loss is not None]
    assert accuracy["training_loss_as_reported"] == pytest.approx(np.mean(losses) * 16 / 10)
    assert "reported_test_accuracy" not in accuracy
    proxies = tables["Small: small sets as proxies"]
    assert [row["set"] for row in proxies.data] == [
        "random, 1 per class, seed 0",
        "dc, MLP, own schedule, 1 per class, seed 0",
    ]
    assert proxies.data[0]["cost_saved"] == proxies.data[0]["cost_saved_with_learning"]
    assert proxies.data[1]["cost_saved_with_learning"] is None  # no record lies beside the set
    small = tables["Small: held-out accuracy (%) on 320 of 400 training images and on small sets"]
    assert small.header[-3:] == ("320 of 400 training images", "set 1", "set 2") and len(small.rows) == len(sweep.full.rows)
    assert small.notes[1] == "Set 1: random, 1 per class, seed 0; set 2: dc, MLP, own schedule, 1 per class, seed 0."
    on_set = [r for r in done.finished() if r.config["set"] is not None and r.config["row"] == record.config["row"]]
    assert small.data[2]["random, 1 per class, seed 0"] == pytest.approx(100 * np.mean(on_set[0].held_out_accuracies))
    for table in tables.values():
        for kind in ("text", "markdown", "latex", "html", "csv"):
            assert render(table, kind)
    page = write_report(done).read_text()
    assert page == write_report(done).read_text() and "http" not in page.replace("http://www.w3.org", "")
    assert "computing time" in page and "made with" in page
    assert {path.name for path in done.path.iterdir() if path.suffix == ".png"} == {"accuracies.png", "proxies.png"}


def test_settings_that_all_rows_share_are_a_note(done: SweepFolder) -> None:
    (table, *_) = tables_of(done)
    assert "learning rate" not in table.header and "batch" in table.header
    assert table.notes[0] == "In all rows: learning rate 0.05, epochs 3."
    assert all(row["learning_rate"] == 0.05 for row in table.data)


def test_a_part_of_the_images_is_called_so(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """And a set made from all of them is said to know more, and nothing printed for all of them stands beside."""
    small, whole = replace(digits, train=digits.train.subset(50, 0)), len(digits.train)
    rows = tuple(replace(grid.rows[0], name=n, batch_size=size, epochs=1) for n, size in zip("abc", (8, 9, 10), strict=True))
    reported = Reported(90.0, 0.1, 90.0, 1.0, 1.0)
    grid = replace(grid, rows=tuple(replace(row, reported=reported) for row in rows), dataset="digits")
    learn(LearnConfig(dataset="digits", network="MLP", method="random"), digits.train).set.save(tmp_path / "r.h5")
    proxies = load_proxies(SweepConfig(proxy=(tmp_path / "r.h5",), proxy_epochs=1), digits, small)
    folder = SweepFolder(tmp_path / "s")
    folder.ask_for(asked_for(grid, 1, small, [proxy for proxy, _ in proxies], whole))
    trials = trials_of(grid, small, [all_images(small, whole), *(on for _, on in proxies)])
    assert trials[0].on.label == "40 of 400 training images"
    run_sweep(trials, 1, small, folder, Listener())
    tables = tables_of(folder)
    titles = [table.title for table in tables]
    assert titles[:2] == [f"Small: {of}, trained on 40 of 400 training images" for of in ("accuracy", "cost")]
    assert not any("reported" in header for header in tables[0].header)
    text = write_report(folder).read_text() + "".join(note for table in tables for note in table.notes)
    assert "Made from more images than the 40 of 400 training images" in text and "all images," not in text
    assert "on all images" not in text


def test_long_rows_are_probed_again(grid: Grid, digits: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trials_of(grid, digits, [all_images(digits)])[0]
    key, fast = trial.speed_key(2), Speed(1e-9, 1e15)
    monkeypatch.setattr("condense.studies.hyperparameters.run.probe", lambda *asked: fast)
    slow, quick = (Calibration({key: Speed(constant, 1e12)}, 1, 1) for constant in (10.0, 1e-3))
    assert probed_again(slow, trial, 2, digits).speeds == {key: fast}
    assert probed_again(quick, trial, 2, digits) is quick


def test_the_probe_steps_with_momentum_where_rows_have_it(
    grid: Grid, digits: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def spied(network, members, source, recipe, draws):
        seen.append(recipe.momentum)
        return train(network, members, source, recipe, draws)

    monkeypatch.setattr("condense.studies.hyperparameters.probe.train", spied)
    monkeypatch.setattr("condense.studies.hyperparameters.probe.ROUND_SECONDS", 0.01)
    rows = tuple(replace(grid.rows[0], momentum=momentum) for momentum in (0.0, 0.5, 0.9))
    trials = trials_of(replace(grid, rows=rows), digits, [all_images(digits)])
    speeds = calibrate([(trial, 1) for trial in trials], digits).speeds
    assert [key.momentum for key in speeds] == [False, True] and {*seen} == {0.0, 0.9}


def test_losses_take_soft_labels(digits: DataSet) -> None:
    network = build("mlp-1x8", (1, 28, 28), 10)
    members = fresh_members(network, [0, 1], "sweep network")
    x, labels = digits.train.inputs(torch.arange(50)), torch.arange(50) % 10
    hard = accuracies_and_losses(network, members, TensorSource(x, labels))
    soft = accuracies_and_losses(network, members, TensorSource(x, torch.nn.functional.one_hot(labels, 10).float()))
    assert hard[0] == soft[0] and hard[1] == pytest.approx(soft[1], rel=1e-12) and len(hard[0]) == 2


def test_proxies_are_told_apart_by_what_networks_are_trained_on(digits: DataSet, tmp_path: Path) -> None:
    one = learn(LearnConfig(method="random", network="MLP"), digits.train).set
    forms = one, one.with_soft_labels(torch.eye(10)[one.labels] * 0.5 + 0.05), replace(one, decoder=Tiles(2))
    paths = tuple(tmp_path / f"{number}.h5" for number in range(len(forms)))
    for path, form in zip(paths, forms, strict=True):
        form.save(path)
    proxies = load_proxies(SweepConfig(proxy=paths), digits, digits)
    assert [proxy.label for proxy, _ in proxies] == [
        "random, 1 per class, seed 0",
        "random, soft labels, 1 per class, seed 0",
        "random, tiles of factor 2, 1 per class, seed 0",
    ]
    replace(one, preprocessing=ZCA.fit(digits.train.pixels[:9].float() / 255)).save(tmp_path / "zca.h5")
    with pytest.raises(CondenseError, match=r"zca\.h5: The set is whitened \(ZCA\)"):
        load_proxies(SweepConfig(proxy=(tmp_path / "zca.h5",)), digits, digits)


def test_a_proxy_of_the_same_images_described_otherwise_is_refused(digits: DataSet, tmp_path: Path) -> None:
    learn(LearnConfig(dataset="digits", network="MLP", method="random"), digits.train).set.save(tmp_path / "set.h5")
    train = digits.train.described_as("digits", digits.train.class_names, (0.2,), (0.9,))
    with pytest.raises(CondenseError, match="learned from these images of digits, but with classes in another order"):
        load_proxies(SweepConfig(proxy=(tmp_path / "set.h5",)), *[replace(digits, train=train)] * 2)
