"""The generalization experiments as a study: requests, cells and their runs, what is shown, folders of version 0.1."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from report_samples import COST, of_networks

from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError
from condense.records import Record, config_hash
from condense.studies import opened
from condense.studies.generalization import cells as cells_module
from condense.studies.generalization.cells import Fits, Materials
from condense.studies.generalization.config import Experiments, GeneralizeConfig
from condense.studies.generalization.earlier import recorded, requests_of
from condense.studies.generalization.fit import fit
from condense.studies.generalization.report import section_tables, write_report
from condense.studies.generalization.request import OfSize, Request
from condense.studies.generalization.results import Recorded
from condense.studies.generalization.runs import Run
from condense.studies.generalization.shown import shown_of
from condense.studies.generalization.study import Generalization
from condense.studies.generalization.subset import Subset
from condense.study.cell import Place
from condense.study.folder import StudyFolder
from condense.study.machine import Machine

MLP = ("mlp-1x512",)


def images(count: int, seed: int = 0, name: str = "images") -> LabelledImages:
    pixels = torch.randint(0, 256, (count, 1, 28, 28), generator=torch.Generator().manual_seed(seed))
    return LabelledImages.from_arrays(pixels.to(torch.uint8), torch.arange(count) % 10, name=name)


@pytest.fixture(scope="module")
def data() -> DataSet:
    return DataSet("noise", images(60, name="noise"), images(30, seed=1, name="noise"))


def asked(data: DataSet, **settings: object) -> Request:
    """A request of one size for all, of networks that are quick."""
    config = GeneralizeConfig(**{"networks": MLP, "train_size": 20, "seeds": 2, "dataset": "noise"} | settings)  # type: ignore[arg-type]
    return Request.of(config, data)


def keys(*requests: Request) -> list[str]:
    return [cell.key for cell in Generalization(requests).cells()]


def recorded_as_ended(request: Request, skip: Callable[[Run], bool] = lambda run: False) -> list[Record]:
    """A made-up record of every run, that fitted in its second epoch."""
    series = {"train_loss": [1.0, 0.05], "train_accuracy": [0.2, 1.0]}
    runs = {
        run.key(subset): (run, subset)
        for name in request.names
        for line in request.lines(name)
        for run, subset in ((run, request.subset(line)) for run in line.runs)
        if not skip(run)
    }
    return [
        of_networks("fit", run.config(subset), [0.5], seeds=[run.seed], notes=["fitted"], series=series)
        for run, subset in runs.values()
    ]


def test_lines_of_several_experiments_that_are_the_same_runs_are_one_cell(data: DataSet) -> None:
    both = Generalization((asked(data, experiment="fig1b"), asked(data, experiment="fig1c"))).cells()
    assert [(cell.label, list(cell.seeds)) for cell in both] == [
        (f"fig1b: mlp-1x512, p = {p}, seeds 0-1", [0, 1]) for p in ("0", "0.5", "1")
    ]
    assert [cell.key[:-18] for cell in both] == ["runs/mlp-1x512-p0", "runs/mlp-1x512-p0.5", "runs/mlp-1x512-p1"]
    alone = Generalization((asked(data, experiment="fig1a", seeds=1),)).cells()
    assert {cell.key.rpartition("-")[0].rpartition("-")[0] for cell in alone} == {
        f"runs/mlp-1x512-{name}" for name in ("p0", "p1", "shuffled-pixels", "random-pixels", "gaussian")
    }
    assert {cell.key.rpartition("-")[2] for cell in alone} == {"seed0"}


def test_more_seeds_are_more_cells_and_no_key_changes(data: DataSet) -> None:
    first, more = asked(data, experiment="fig1c"), asked(data, experiment="fig1c", seeds=5, seeds_per_cell=2)
    before, after = keys(first), keys(first, more)
    assert set(before) < set(after) and len(after) == 3 * len(before)
    assert {key.rpartition("-seed")[2] for key in set(after) - set(before)} == {"s2-3", "4"}
    assert keys(first, more, asked(data, experiment="fig1b", seeds=4)) == after
    assert [list(cell.seeds) for cell in Generalization((more,)).cells()[:3]] == [[0, 1], [2, 3], [4]]


def test_cells_of_quick_epochs_come_first(data: DataSet) -> None:
    networks = [cell.settings.network for cell in Generalization((asked(data, experiment="table1", networks=()),)).cells()]
    assert list(dict.fromkeys(networks)) == [
        "mlp-1x512",
        "mlp-3x512",
        "small-alexnet",
        *dict.fromkeys(name for name in networks if "inception" in name),
    ]
    one, two = (Generalization((asked(data, experiment="fig1c", seeds=seeds),)).cells()[0] for seeds in (1, 2))
    weights = 28 * 28 * 512 + 512 * 10
    assert one.work_of_epoch == two.work_of_epoch == 20 * weights and two.work == 2 * one.work == 2 * 300 * 20 * weights
    assert one.pace == "mlp-1x512, until fitted" and one.unit == "epoch"


def test_what_was_asked_for_is_read_as_it_was_written(data: DataSet) -> None:
    study = Generalization((asked(data, experiment="fig1a"), asked(data, experiment="table1", epochs=7, seeds_per_cell=1)))
    content = json.loads(json.dumps(study.content()))
    assert Generalization.of(content, "here") == study
    del content["requests"][0]["images"][0]
    with pytest.raises(CondenseError, match="says nothing of its images in the size 20"):
        Generalization.of(content, "here").cells()
    with pytest.raises(CondenseError, match=r"here: requests\.0\.more"):
        Generalization.of({"requests": [content["requests"][1] | {"more": 1}]}, "here")


@pytest.mark.parametrize("wrong", [None, "x", -1, 10**30, 1.5, [], {}, [[]]], ids=str)
def test_every_value_of_what_was_asked_for_may_be_another(wrong: object, data: DataSet, tmp_path: Path) -> None:
    """It is refused with one sentence, or means something."""
    content = json.loads(json.dumps(Generalization((asked(data, experiment="table1"),)).content()))
    request = content["requests"][0]
    of_size = request["images"][0]
    for holder in (content, request, of_size, of_size["subset"]):
        for name in list(holder):
            before, holder[name] = holder[name], wrong
            try:
                study = Generalization.of(content, "here")
                study.tables(StudyFolder(tmp_path))
                assert all(cell.work >= 0 for cell in study.cells())
            except CondenseError as error:
                assert len(str(error)) < 500
            holder[name] = before


def test_what_is_asked_for_again_is_asked_for_once(data: DataSet) -> None:
    first = Generalization((asked(data),))
    for again in (asked(data), asked(data, experiment="fig1a"), asked(data, seeds=1), asked(data, seeds_per_cell=1)):
        assert Generalization((again,)).joined(first, "here") == first
    for new in (asked(data, seeds=3), asked(data, epochs=9), asked(data, networks=()), asked(data, scale="full")):
        assert Generalization((new,)).joined(first, "here").requests == (*first.requests, new)


def test_other_images_under_the_same_name_are_refused(data: DataSet) -> None:
    others = replace(data, train=images(60, seed=7, name="noise"))
    with pytest.raises(CondenseError, match="here holds experiments on other images that are called 'noise'"):
        Generalization((asked(others),)).joined(Generalization((asked(data),)), "here")
    study, machine = Generalization((asked(data),)), Machine(torch.device("cpu"))
    machine._loaded["noise"] = others
    with pytest.raises(CondenseError, match="The images of 'noise' are not those that this study was begun with"):
        study.materials(machine, StudyFolder(Path("nowhere")))
    machine._loaded["noise"] = data
    assert {len(one.train) for one in study.materials(machine, StudyFolder(Path("nowhere"))).images.values()} == {20}


@pytest.fixture
def cell(data: DataSet) -> Fits:
    return Generalization((asked(data, experiment="fig1c", epochs=3),)).cells()[0]


def materials(cell: Fits, data: DataSet, records: Sequence[Record] = ()) -> Materials:
    return Materials({cell.subset: cell.subset.drawn_from(data)}, Recorded(records))


def test_a_run_that_ended_is_kept_until_its_cell_is_done(
    cell: Fits, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, of_cell = Place(tmp_path, tmp_path / "checkpoint"), materials(cell, data)
    whole = cell.run(of_cell, Place(tmp_path, tmp_path / "other"), lambda done, total, loss=None: None)

    def stopped(done: int, total: int, loss: float | None = None) -> None:
        if done == 4:  # in the first epoch of the second run
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cell.run(of_cell, place, stopped)
    assert [path.name for path in place.checkpoint.glob("seed*")] == ["seed0.jsonl"]
    trained: list[int] = []
    monkeypatch.setattr(
        cells_module, "fit", lambda runs, *rest: trained.extend(run.seed for run in runs) or fit(runs, *rest)
    )
    resumed = cell.run(of_cell, place, lambda done, total, loss=None: None)
    assert trained == [1]
    assert [(one.config, one.series, one.accuracies) for one in resumed] == [
        (one.config, one.series, one.accuracies) for one in whole
    ]


def test_runs_that_are_recorded_are_not_trained(
    cell: Fits, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor those that fitted under another limit of epochs that they kept to."""
    known = recorded_as_ended(asked(data, experiment="fig1c", epochs=50))
    monkeypatch.setattr(cells_module, "fit", lambda *given: pytest.fail("nothing is to be trained"))
    records = cell.run(materials(cell, data, known), Place(tmp_path, tmp_path / "c"), lambda done, total, loss=None: None)
    assert [(one.seeds, one.config["epochs"]) for one in records] == [([0], 50), ([1], 50)]


def test_only_records_of_what_is_shown_are_counted(data: DataSet, tmp_path: Path) -> None:
    request = asked(data, experiment="fig2a", networks=(), seeds=1, epochs=2)
    records = recorded_as_ended(request)
    other = replace(records[0], config={"of": "another experiment"}, cost=replace(COST, wall_seconds=1e6))
    write_report(shown_of([request], Recorded([*records, other])), tmp_path)
    page = (tmp_path / "page.html").read_text()
    assert "3 runs on 20 training images of noise" in page and "table1: " not in page
    write_report(shown_of([replace(request, experiment="all", networks=MLP)], Recorded(records)), tmp_path)
    assert "--networks leaves this experiment as it is" in (tmp_path / "page.html").read_text()
    write_report(shown_of([request], Recorded([])), tmp_path)
    assert "No run has ended yet." in (tmp_path / "page.html").read_text()


def test_complete_experiments_that_nobody_asked_for_are_shown_too(data: DataSet) -> None:
    request = asked(data, experiment="fig1b")
    records = recorded_as_ended(request)
    assert [one.called for one in shown_of([request], Recorded(records))] == ["fig1b", "fig1c"]
    assert [one.called for one in shown_of([request], Recorded(records[1:]))] == ["fig1b"]


def test_an_experiment_with_several_settings_is_shown_with_each_and_parts_of_it_are_not(data: DataSet) -> None:
    requests = [asked(data, experiment="fig1a", **settings) for settings in ({}, {"epochs": 9}, {"networks": ("MLP", *MLP)})]
    shown = shown_of(requests, Recorded([]))
    assert [(one.file, one.called) for one in shown] == [
        ("fig1a", "fig1a"),
        ("fig1a-2", "fig1a (noise, small scale, 20 training images, networks MLP, mlp-1x512)"),
    ]
    assert shown[0].request.epochs == 9  # the first is part of the last


def test_titles_say_how_many_images_each_network_sees(data: DataSet) -> None:
    request = asked(data, experiment="fig1b", networks=(), seeds=1)
    (one,) = shown_of([request], Recorded([]))
    assert section_tables(one, published=False)[0].title == "fig1b, 20 training and 30 test images of noise"
    subset = request.images[0].subset
    sizes = (OfSize(size=960, subset=subset), OfSize(size=9600, subset=replace(subset, train_images=30)))
    (one,) = shown_of([replace(request, train_size=None, images=sizes)], Recorded([]))
    title = "fig1b, 20 (mlp-1x512: 30) training and 30 test images of noise"
    assert section_tables(one, published=False)[0].title == title


def test_the_papers_accuracies_stand_beside_those_on_its_own_images_only(data: DataSet) -> None:
    for name, published, is_shown in (("cifar10", True, True), ("cifar10", False, False), ("noise", True, False)):
        named = replace(data, train=replace(data.train, name=name, _cache={}))
        (one,) = shown_of([asked(named, experiment="table1", networks=())], Recorded([]))
        (table,) = section_tables(one, published=published)
        assert ("paper: test %" in table.header) is is_shown


def written(path: Path, records: Sequence[Record]) -> Path:
    """A folder as version 0.1 left it."""
    lines = []
    for record in records:
        fields = {name: getattr(record, name) for name in ("config", "seeds", "accuracies", "notes", "series", "losses")}
        cost = {name: getattr(record, name) for name in ("wall_seconds", "peak_memory_bytes", "device", "threads")}
        cost |= {name: getattr(record, name) for name in ("started_at", "library_versions", "config_hash")}
        lines.append(json.dumps({"kind": "fit", "code_version": "0.1.0", **fields, **cost}, sort_keys=True))
    path.mkdir(exist_ok=True)
    (path / "records.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def digits() -> DataSet:
    """Noise that is called digits: of these, records of version 0.1 tell how many classes there are."""
    return DataSet("digits", images(60, name="digits"), images(30, seed=1, name="digits"))


@pytest.mark.parametrize(
    "settings",
    [
        {"experiment": "all"},
        {"experiment": "fig1a", "seeds": 3},
        {"experiment": "table1", "epochs": 9, "train_size": None},
        {"experiment": "fig1b", "networks": ("MLP", "mlp-1x512")},
        {"experiment": "fig2b", "networks": ()},
        {"experiment": "table1", "networks": (), "scale": "full", "train_size": None},
        {"experiment": "all", "networks": ()},
    ],
    ids=str,
)
def test_what_version_0_1_was_asked_for_follows_from_its_records(
    settings: dict[str, object], digits: DataSet, tmp_path: Path
) -> None:
    request = asked(digits, **{"dataset": "digits"} | settings)
    records = recorded_as_ended(request)
    study, folder = opened(written(tmp_path, records))
    assert isinstance(study, Generalization)
    assert {cell.key for cell in study.cells()} == set(keys(request))
    assert all(folder.is_done(cell.key) for cell in study.cells())
    tables = [one.title for one in study.tables(folder)]
    whole = Generalization((request,))
    assert tables == [one.title for one in whole.tables(StudyFolder(tmp_path, whole.earlier_records(tmp_path)))]


def test_incomplete_experiments_of_version_0_1_are_left_to_their_command(digits: DataSet, tmp_path: Path) -> None:
    fig1c = asked(digits, experiment="fig1c", dataset="digits")
    fig1a = asked(digits, experiment="fig1a", dataset="digits")
    whole, part = recorded_as_ended(fig1c), recorded_as_ended(fig1a, skip=lambda run: run.corruption == "gaussian")
    fewer = [record for record in whole if record.config["p"] or not record.config["seed"]]
    for records, seeds in (([*whole, *part], 2), (fewer, 1)):
        found = [(request.experiment, request.seeds) for request in requests_of(records)]
        assert found == [("fig1b", seeds), ("fig1c", seeds)]  # the same runs
    path = written(tmp_path, part)
    with pytest.raises(CondenseError, match="make up no whole experiment on a published data set"):
        opened(path)
    again = Generalization((fig1a,)).joined(Generalization(()), "here")
    earlier = again.earlier_records(path)
    assert {key.split("-")[2] for key in set(keys(fig1a)) - earlier.keys()} == {"gaussian"}


def test_what_is_no_folder_of_these_experiments_is_none(tmp_path: Path) -> None:
    assert recorded(tmp_path) == [] and Generalization.earlier(tmp_path) is None
    (tmp_path / "records.jsonl").write_text('{"kind": "sweep"}\n')
    assert recorded(tmp_path) == []


@pytest.mark.parametrize("wrong", [None, "x", -1, 1.5, [], {}, ["diverged"], [0.5]], ids=str)
def test_every_value_of_a_runs_record_may_be_of_another_type(wrong: object, digits: DataSet, tmp_path: Path) -> None:
    """It is refused with one sentence, or of no consequence, whatever its hash."""
    request = asked(digits, experiment="table1", dataset="digits", seeds=1, epochs=2)
    path = written(tmp_path, recorded_as_ended(request))
    lines = (path / "records.jsonl").read_text().splitlines()
    whole = json.loads(lines[0])
    places = [(part, name) for part in (whole, whole["config"], whole["series"]) for name in part]
    for holder, name in places:
        before, holder[name] = holder[name], wrong
        if isinstance(whole["config"], dict):
            whole["config_hash"] = config_hash(whole["config"])
        (path / "records.jsonl").write_text("\n".join([json.dumps(whole), *lines[1:]]) + "\n")
        holder[name] = before
        try:
            study, folder = opened(path)
            study.report(folder)
        except CondenseError as error:
            assert len(str(error)) < 500


def test_records_of_cells_are_looked_at_before_they_are_shown(data: DataSet, tmp_path: Path) -> None:
    study = Generalization((asked(data, experiment="fig1c", seeds=1),))
    folder = StudyFolder(tmp_path)
    record = recorded_as_ended(study.requests[0])[0]
    key = next(cell.key for cell in study.cells() if cell.settings.p == record.config["p"])
    folder.finish(key, [replace(record, series={})])
    with pytest.raises(CondenseError, match="a record of a run lacks losses and accuracies by epoch"):
        study.tables(folder)
    folder.finish(key, [record])
    assert study.data_table(folder).data[0]["outcome"] == "fitted"


def test_subsets_say_what_images_are(data: DataSet) -> None:
    subset = Subset.of(data)
    assert (subset.dataset, subset.classes, subset.shape, subset.train_images, subset.test_images) == (
        *("noise", 10, (1, 28, 28)),
        *(60, 30),
    )
    assert subset.drawn_from(data).train.fingerprint == data.train.fingerprint
    few = Request.of(GeneralizeConfig(train_size=20), data).images[0].subset
    assert few.train_images == 20 and len(few.drawn_from(data).train) == 20
    with pytest.raises(CondenseError, match="not those that this study was begun with"):
        subset.drawn_from(replace(data, train=data.train.subset(30, 0)))
    with pytest.raises(CondenseError, match="it takes no other networks"):
        Experiments(experiment="fig2a", networks=MLP).check()
