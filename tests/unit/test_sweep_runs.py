"""The sweep as a library: training rows, resuming, estimates, tables."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sweep_samples import GRID, asked, materials_of, records_in, results_in, run, study_of, tables_in, trials

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.data.split import held_out
from condense.decoding import Tiles
from condense.errors import CondenseError
from condense.machine import Surroundings
from condense.networks.registry import build
from condense.preprocessing import ZCA
from condense.records import read_records
from condense.report.rendering import render
from condense.stage_c.learn import learn
from condense.studies import ask_for
from condense.studies.hyperparameters.cells import RowCell
from condense.studies.hyperparameters.estimate import Speed, Work, group_size, memory, training_seconds
from condense.studies.hyperparameters.grid import Grid, load_grid, parse_grid
from condense.studies.hyperparameters.materials import probed_again
from condense.studies.hyperparameters.proxies import load_proxies
from condense.studies.hyperparameters.rows import Reported
from condense.studies.hyperparameters.trial import Calibration
from condense.study.folder import StudyFolder
from condense.training.accuracy import accuracies_and_losses
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.sources import TensorSource

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits", train_size=400)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return parse_grid(GRID, "small.toml")


@pytest.fixture(scope="module")
def done(grid: Grid, digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all is done: four rows on the images and on two sets, three networks each."""
    path = tmp_path_factory.mktemp("sweep")
    few: dict[str, Any] = {"iterations": 2, "inner_loop": 1}
    for method, settings in (("random", {}), ("dc", few)):
        config = LearnConfig(dataset="digits", network="MLP", method=method, **settings)
        learn(config, digits.train).set.save(path / f"{method}.h5")
    run(grid, digits, path / "s", seeds=3, proxy=(path / "random.h5", path / "dc.h5"), proxy_epochs=2)
    return path / "s"


def test_a_file_for_each_row_with_all_its_networks(done: Path) -> None:
    study, folder = study_of(done)
    assert len(study.cells()) == 4 * 3 and len({cell.key for cell in study.cells()}) == 12
    records = records_in(done)
    assert len(records) == 4 * 3 and len(list((done / "rows").glob("*.jsonl"))) == 12
    first = records[0]
    assert first.seeds == [0, 1, 2] and len(set(first.accuracies)) > 1 and first.config["train_images"] == 320
    assert first.config["parameters"] == 784 * 16 + 16 + 16 * 10 + 10
    assert first.cost.training_seconds and 0 < first.cost.training_seconds < first.wall_seconds
    assert first.peak_memory_bytes and first.peak_memory_bytes > 2**26
    assert records[4].config["set"]["method"] == "random" and records[4].config["recipe"]["stages"][0]["epochs"] == 6
    recipe = records[2].config["recipe"]
    assert recipe["stages"][0]["learning_rate"] == pytest.approx(0.05 * 1.6)
    assert recipe["weight_decay"] == pytest.approx(0.001 / 1.6) and recipe["in_proportion"]
    assert not any(folder.place(cell).checkpoint.exists() for cell in study.cells())


def test_keys_name_row_images_and_seeds(grid: Grid, digits: DataSet) -> None:
    named = replace(grid, rows=(replace(grid.rows[0], name="a row/of ../mine"), replace(grid.rows[1], name="..")))
    cells = asked(named, digits, seeds=5, seeds_per_cell=2).cells()
    assert [cell.key.rpartition("-on-")[2] for cell in cells[:3]] == [
        *("real-images-seeds0-1", "real-images-seeds2-3", "real-images-seed4")
    ]
    assert cells[0].key.startswith("rows/a-row-of-mine-") and cells[3].key.startswith("rows/x-")
    assert len({cell.key for cell in cells}) == 6 and all(cell.exclusive for cell in cells)
    assert cells[2].label == "row a row/of ../mine on 320 of 400 training images, seed 4"


def test_work_is_about_the_seconds_that_the_released_rows_took() -> None:
    """Within a factor of three, rows of one folder beside each other within two: enough for the time that is left."""
    for name in ("cifar10", "fashion-mnist"):
        study, folder = study_of(Path(__file__).parents[2] / "artifacts" / "hyperparameter-study" / name)
        shape = (3, 32, 32) if name == "cifar10" else (1, 28, 28)
        ratios = [
            sum(record.cost.training_seconds or 0.0 for record in folder.records(cell.key)) / cell.work
            for cell in replace(study, shape=shape).cells()
        ]
        assert min(ratios) > 1 / 3 and max(ratios) < 3 and max(ratios) / min(ratios) < 4, ratios
        assert {cell.work for cell in study.cells()} == {0.0}  # version 0.1 did not say how large images are


def test_the_numbers_are_the_engines(done: Path, grid: Grid, digits: DataSet) -> None:
    """Accuracies and mean cross-entropy of seed 1 of the second row, computed once more from its parameters alone."""
    row, record = grid.rows[1], records_in(done)[1]
    network = row.build((1, 28, 28), 10)
    members = fresh_members(network, [1], "sweep network")
    seen, left_out = held_out(digits.train)
    trained = train(network, members, seen, row.recipe(10), [MemberDraws.of(1, "sweep")])
    weight, bias, head, head_bias = trained.vector[0].split([784 * 16, 16, 160, 10])
    for images, accuracy, loss in (
        (digits.test, record.accuracies[1], None),
        (left_out, record.metrics["held_out_accuracy"][1], None),
        (seen, record.metrics["training_accuracy"][1], record.metrics["training_loss"][1]),
    ):
        x = images.inputs(torch.arange(len(images))).flatten(1)
        hidden = torch.relu(x @ weight.view(16, 784).T + bias)
        logits = (hidden @ head.view(10, 16).T + head_bias).double()
        share = (logits.argmax(1) == images.labels).double().mean().item()
        assert share == pytest.approx(accuracy, abs=2 / len(images))
        if loss is not None:
            expected = -logits.log_softmax(1)[torch.arange(320), images.labels].mean().item()
            assert loss == pytest.approx(expected, rel=1e-3)


def test_more_seeds_train_only_the_new_ones(done: Path, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    one = replace(grid, rows=grid.rows[:1])
    for seeds in (1, 3, 2):
        run(one, digits, tmp_path, seeds=seeds)
    records = records_in(tmp_path)
    assert [record.seeds for record in records] == [[0], [1, 2]]
    joined = [accuracy for record in records for accuracy in record.accuracies]
    assert joined == records_in(done)[0].accuracies  # a seed does not depend on how many are asked for
    assert sorted(results_in(tmp_path).full.done["1"].accuracies) == [0, 1, 2] and study_of(tmp_path)[0].seeds == 3


def test_a_network_does_not_depend_on_its_cell(done: Path, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """The same to the last bit, however seeds are shared among cells."""
    run(replace(grid, rows=grid.rows[1:2]), digits, tmp_path, seeds=3, seeds_per_cell=2)
    records, whole = records_in(tmp_path), records_in(done)[1]
    assert [record.seeds for record in records] == [[0, 1], [2]]
    for name, values in whole.metrics.items():
        assert [value for record in records for value in record.metrics[name]] == values


class Stop(Exception):
    pass


def stopping(at: int):
    def stop(epochs: int, total: int) -> None:
        assert total == 9
        if epochs == at:
            raise Stop

    return stop


def interrupted(grid: Grid, digits: DataSet, path: Path) -> tuple[RowCell, StudyFolder]:
    """The third row alone, stopped in the second of three networks."""
    with pytest.raises(Stop):
        run(replace(grid, rows=grid.rows[2:3]), digits, path, seeds=3, progress=stopping(5))
    study, folder = study_of(path)
    return study.cells()[0], folder


def test_a_row_goes_on_after_its_last_group(done: Path, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    cell, folder = interrupted(grid, digits, tmp_path)
    (partial,) = read_records(folder.place(cell).checkpoint)
    assert partial.seeds == [0] and not folder.is_done(cell.key)
    study, materials = study_of(tmp_path)[0], materials_of(digits, folder)
    assert [one["left"] for one in study.plan(folder, materials, {}).data] == [2]
    told: list[int] = []
    run(replace(grid, rows=grid.rows[2:3]), digits, tmp_path, seeds=3, progress=lambda epochs, total: told.append(epochs))
    (record,) = records_in(tmp_path)
    assert told == [4, 5, 6, 7, 8, 9]
    estimates = [one.cost.estimate["estimated_seconds"] for one in (record, partial)]
    assert estimates[0] == pytest.approx(3 * estimates[1])
    whole = records_in(done)[2]
    assert (record.seeds, record.metrics) == (whole.seeds, whole.metrics)
    assert [one["left"] for one in study.plan(folder, materials, {}).data] == [0]


def test_networks_of_another_machine_are_kept_and_not_gone_on_with(
    done: Path, grid: Grid, digits: DataSet, tmp_path: Path
) -> None:
    """Under another number of threads the last digits may differ: a record for each, and no network lost or twice."""
    cell, folder = interrupted(grid, digits, tmp_path)
    checkpoint = folder.place(cell).checkpoint
    (partial,) = read_records(checkpoint)
    elsewhere = replace(partial, cost=replace(partial.cost, threads=63))
    checkpoint.write_text(f"{elsewhere.to_json()}\n")
    run(replace(grid, rows=grid.rows[2:3]), digits, tmp_path, seeds=3)
    first, second = records_in(tmp_path)
    assert first == elsewhere and second.seeds == [1, 2] and second.threads != 63
    assert [*first.accuracies, *second.accuracies] == records_in(done)[2].accuracies


@pytest.mark.parametrize("of", ["other images", "other seeds", "twice"])
def test_a_checkpoint_of_something_else_is_not_gone_on_with(of: str, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    cell, folder = interrupted(grid, digits, tmp_path)
    checkpoint = folder.place(cell).checkpoint
    (partial,) = read_records(checkpoint)
    records = {
        "other images": [replace(partial, config={**partial.config, "test_images": 1})],
        "other seeds": [replace(partial, seeds=[7])],
        "twice": [partial, partial],
    }
    checkpoint.write_text("".join(f"{record.to_json()}\n" for record in records[of]))
    with pytest.raises(CondenseError, match=r"checkpoint .* is not of this row and these images; delete it\."):
        run(replace(grid, rows=grid.rows[2:3]), digits, tmp_path, seeds=3)


def test_the_estimate_is_of_the_networks_a_record_holds(grid: Grid, digits: DataSet) -> None:
    """Begun for two networks, continued with three: what is said of the time grows with them."""
    trial = trials(asked(grid, digits), digits)[2]
    calibration = Calibration({trial.speed_key(2): Speed(1e-3, 1e12)}, 1, 1)
    begun = trial.begin(2, calibration, Surroundings.of(CPU))
    said = [record.cost.estimate["estimated_seconds"] for record in trial.train(begun, range(3))]
    assert said == pytest.approx([begun.cost.estimate["estimated_seconds"] * networks / 2 for networks in (1, 2, 3)])


def test_training_that_diverges_is_said(digits: DataSet, tmp_path: Path) -> None:
    grid = parse_grid(GRID[: GRID.index("[[rows]]")] + "[[rows]]\nlearning_rate = 1e30", "g.toml")
    run(grid, digits, tmp_path, seeds=1)
    (record,) = records_in(tmp_path)
    assert record.metrics["training_loss"] == [None] and record.notes[-1] == "seed 0: training diverged"
    assert record.diverged == [0]
    assert "Row 1: seed 0: training diverged." in tables_in(tmp_path)[0].notes


def test_records_of_something_else_beside_a_proxy_are_no_obstacle(digits: DataSet, tmp_path: Path) -> None:
    config = LearnConfig(dataset="digits", network="MLP", iterations=1, inner_loop=1)
    learn(config, digits.train).set.save(tmp_path / "set.h5")
    (tmp_path / "records.jsonl").write_text('{"kind": "sweep"}\n')
    ((proxy,), _) = load_proxies((tmp_path / "set.h5",), 30, digits, digits)
    assert proxy.learn_seconds is None


def test_a_set_that_went_fails_only_rows_on_it(done: Path, grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """And is copied anew where the command names it once more."""
    one, sets = replace(grid, rows=grid.rows[:1]), done.parent
    study, _ = ask_for(asked(one, digits, proxies=study_of(done)[0].proxies, seeds=1), tmp_path)
    with pytest.raises(
        CondenseError, match=r"(?s)row 1 on random.*name it once more by --proxy \(it was random.h5\).*on dc"
    ):
        run(one, digits, tmp_path, seeds=1)
    assert [study_of(tmp_path)[1].is_done(cell.key) for cell in study.cells()] == [True, False, False]
    run(one, digits, tmp_path, seeds=1, proxy=(sets / "random.h5", sets / "dc.h5"), proxy_epochs=2)
    assert len(records_in(tmp_path)) == 3
    (tmp_path / "sets" / f"{study.proxies[0].sha256[:12]}.h5").write_bytes((sets / "dc.h5").read_bytes())
    with pytest.raises(CondenseError, match="is another set than random, 1 per class, seed 0"):
        run(one, digits, tmp_path, seeds=2)


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


def test_memory_is_estimated_well_before_the_run(done: Path) -> None:
    for record in records_in(done):
        estimate = record.cost.estimate
        assert estimate["estimated_memory_bytes"] == pytest.approx(record.peak_memory_bytes, rel=0.15)
        assert record.cost.training_seconds  # the machine may be busy
        assert 0.05 < estimate["estimated_seconds"] / record.cost.training_seconds < 20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of a part of a run are counted on Linux alone")
def test_a_large_networks_memory_is_estimated_beyond_context_and_data(
    digits: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the context is not most of it: 80 MB of parameters, so that a copy too many or too few shows."""
    monkeypatch.setattr("condense.studies.hyperparameters.probe.ROUND_SECONDS", 0.01)
    text = '[[rows]]\nnetwork = "mlp-2x4096"\nlearning_rate = 0.01\nbatch_size = 64\nepochs = 1'
    (trial,) = trials(asked(parse_grid(text, "g.toml"), digits), digits)
    calibration = materials_of(digits, StudyFolder(Path("nowhere"))).calibrate([(trial, 3)])
    expected = trial.estimated_memory(3, calibration)
    begun = trial.begin(3, calibration, Surroundings.of(torch.device("cpu")))
    *_, record = trial.train(begun, range(3))
    assert record.peak_memory_bytes
    measured = record.peak_memory_bytes - expected.context - expected.data
    assert expected.parameters + expected.activations == pytest.approx(measured, rel=0.15)


# Tables and page


def test_tables_say_what_the_records_hold(done: Path) -> None:
    sweep = results_in(done)
    tables = {table.title: table for table in tables_in(done)}
    assert list(tables) == [
        *("Small: accuracy", "Small: cost", "Differences of held-out accuracy in percentage points"),
        *("Time by the ratio of epochs to batch size", "Small: small sets as proxies"),
        "Small: held-out accuracy (%) on 320 of 400 training images and on small sets",
    ]
    accuracy = tables["Small: accuracy"].data[2]
    record = records_in(done)[2]
    assert accuracy["test_accuracy"] == pytest.approx(100 * np.mean(record.accuracies))
    losses = [loss for loss in record.metrics["training_loss"] if loss is not None]
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
    on_sets = [r for r in records_in(done) if r.config["set"] is not None and r.config["row"] == record.config["row"]]
    compared = np.array(on_sets[0].metrics["held_out_accuracy"], float)
    assert small.data[2]["random, 1 per class, seed 0"] == pytest.approx(100 * compared.mean())
    for table in tables.values():
        for kind in ("text", "markdown", "latex", "html", "csv"):
            assert render(table, kind)
    study, folder = study_of(done)
    page = study.report(folder).read_text()
    assert page == study.report(folder).read_text() and "http" not in page.replace("http://www.w3.org", "")
    assert "computing time" in page and "made with" in page
    assert {path.name for path in done.iterdir() if path.suffix == ".png"} == {"accuracies.png", "proxies.png"}


def test_settings_that_all_rows_share_are_a_note(done: Path) -> None:
    (table, *_) = tables_in(done)
    assert "learning rate" not in table.header and "batch" in table.header
    assert table.notes[0] == "In all rows: learning rate 0.05, epochs 3."
    assert all(row["learning_rate"] == 0.05 for row in table.data)


def test_a_part_of_the_images_is_called_so(grid: Grid, digits: DataSet, tmp_path: Path) -> None:
    """And a set made from all of them is said to know more, and nothing printed for all of them stands beside."""
    small = replace(digits, train=digits.train.subset(50, 0))
    rows = tuple(replace(grid.rows[0], name=n, batch_size=size, epochs=1) for n, size in zip("abc", (8, 9, 10), strict=True))
    reported = Reported(90.0, 0.1, 90.0, 1.0, 1.0)
    grid = replace(grid, rows=tuple(replace(row, reported=reported) for row in rows), dataset="digits")
    learn(LearnConfig(dataset="digits", network="MLP", method="random"), digits.train).set.save(tmp_path / "r.h5")
    folder = run(grid, small, tmp_path / "s", whole=digits, seeds=1, proxy=(tmp_path / "r.h5",), proxy_epochs=1)
    study = study_of(folder.path)[0]
    assert study.trained_on[0].label == "40 of 400 training images"
    tables = tables_in(folder.path)
    titles = [table.title for table in tables]
    assert titles[:2] == [f"Small: {of}, trained on 40 of 400 training images" for of in ("accuracy", "cost")]
    assert not any("reported" in header for header in tables[0].header)
    text = study.report(folder).read_text() + "".join(note for table in tables for note in table.notes)
    assert "Made from more images than the 40 of 400 training images" in text and "all images," not in text
    assert "on all images" not in text


def test_long_rows_are_probed_again(grid: Grid, digits: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = trials(asked(grid, digits), digits)[0]
    key, fast = trial.speed_key(2), Speed(1e-9, 1e15)
    monkeypatch.setattr("condense.studies.hyperparameters.materials.probe", lambda *asked: fast)
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
    own = trials(asked(replace(grid, rows=rows), digits), digits)
    speeds = materials_of(digits, StudyFolder(Path("nowhere"))).calibrate((trial, 1) for trial in own).speeds
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
    proxies, _ = load_proxies(paths, 30, digits, digits)
    assert [proxy.label for proxy in proxies] == [
        "random, 1 per class, seed 0",
        "random, soft labels, 1 per class, seed 0",
        "random, tiles of factor 2, 1 per class, seed 0",
    ]
    replace(one, preprocessing=ZCA.fit(digits.train.pixels[:9].float() / 255)).save(tmp_path / "zca.h5")
    with pytest.raises(CondenseError, match=r"zca\.h5: The set is whitened \(ZCA\)"):
        load_proxies((tmp_path / "zca.h5",), 30, digits, digits)


def test_a_proxy_of_the_same_images_described_otherwise_is_refused(digits: DataSet, tmp_path: Path) -> None:
    learn(LearnConfig(dataset="digits", network="MLP", method="random"), digits.train).set.save(tmp_path / "set.h5")
    train = digits.train.described_as("digits", digits.train.class_names, (0.2,), (0.9,))
    with pytest.raises(CondenseError, match="learned from these images of digits, but with classes in another order"):
        load_proxies((tmp_path / "set.h5",), 30, *[replace(digits, train=train)] * 2)
