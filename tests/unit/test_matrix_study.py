"""The matrix as a study: its cells and their keys, how they are computed and resumed, what fails, what is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matrix_samples import CONFIG, MACHINE, asked_in, conducted, study_of

from condense.config import MatrixConfig
from condense.errors import CondenseError, RunFailed
from condense.stage_t import checkpoint, evaluate
from condense.studies import joined, opened
from condense.studies.matrix import cells as cells_module
from condense.studies.matrix.cells import NetworksCell
from condense.studies.matrix.results import finished_sets, learned, matrices, networks_of, sets_of, trained
from condense.studies.matrix.study import Matrix
from condense.study.estimates import estimated_seconds
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

ONE = replace(CONFIG, learn=("MLP",), train=("MLP",))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "recipe", lambda *case: Recipe((Stage(3, 0.05),)))


def names(keys: list[str]) -> list[str]:
    """Keys without the hashes of their sets."""
    return [key.split("-seed0-")[0] + key[key.index("/") :] for key in keys]


def of_networks(study: Matrix) -> list[str]:
    return [cell.key.partition("/")[2] for cell in networks_of(study.cells())]


def accuracies(path: Path) -> dict[tuple[str, int], float]:
    """Of every network, by the name of its cell's first records and its seed."""
    study, folder = opened(path)
    assert isinstance(study, Matrix)
    found = [(cell, record) for cell in networks_of(study.cells()) for record in trained(cell, folder)]
    return {(c.base, s): a for c, record in found for s, a in zip(record.seeds, record.accuracies, strict=True)}


def test_every_cell_once_and_more_of_everything_adds_cells(tmp_path: Path) -> None:
    assert sorted(names(conducted(tmp_path, CONFIG))) == sorted(
        f"{of}-published/{cell}" for of in ("MLP", "ConvNetW4") for cell in ("set", "MLP-published", "ConvNetW4-published")
    )
    assert conducted(tmp_path, CONFIG) == []
    assert names(conducted(tmp_path, replace(ONE, seeds=3, train=("MLP", "ConvNetW4")))) == [
        "MLP-published/MLP-published-seeds2-2",
        "MLP-published/ConvNetW4-published-seeds2-2",
    ]
    assert len(conducted(tmp_path, replace(ONE, sets=2))) == 2
    study, folder = opened(tmp_path)
    (matrix,) = matrices(networks_of(study.cells()), folder)
    assert matrix.rows == ("ConvNetW4", "MLP") and matrix.cells["MLP", "MLP"].size == "5 (2 sets)"
    assert study.report(folder).exists() and (tmp_path / "tables.md").read_text().count("**Test accuracy") == 1


def test_the_cell_that_is_done_soonest_begins_first(tmp_path: Path) -> None:
    study, folder = asked_in(tmp_path, CONFIG)
    seconds = estimated_seconds(study.cells(), folder, study.paces(study.cells(), study.materials(MACHINE, folder)))
    assert set(seconds) == {cell.key for cell in study.cells()} and all(value > 0 for value in seconds.values())
    by_network = {(c.of.network, c.trained): seconds[c.key] for c in networks_of(study.cells())}
    assert by_network["MLP", "MLP"] == by_network["ConvNetW4", "MLP"] < by_network["MLP", "ConvNetW4"]
    table = study.plan(folder, study.materials(MACHINE, folder), seconds)
    assert table.title.startswith("Matrix of digits: 0 of 4 cells done, about ") and len(table.rows) == 2


def test_keys_follow_from_the_order_of_requests_alone() -> None:
    asked = [replace(ONE, seeds=5), replace(ONE, seeds=3), replace(ONE, seeds=12, seeds_per_cell=4)]
    study = study_of(asked[0])
    for one in asked[1:]:
        study = study_of(one).joined(study, "DIR")
    cells = ["MLP-published", "MLP-published-seeds5-8", "MLP-published-seeds9-11"]
    assert of_networks(study) == cells
    assert [list(cell.seeds) for cell in networks_of(study.cells())] == [[*range(5)], [5, 6, 7, 8], [9, 10, 11]]
    assert of_networks(Matrix.of(json.loads(json.dumps(study.content())), "DIR")) == cells
    sharded = study_of(replace(ONE, seeds=20, seeds_per_cell=5))
    assert of_networks(sharded) == [f"MLP-published-seeds{low}-{low + 4}" for low in (0, 5, 10, 15)]


def test_a_network_is_the_same_in_any_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stack in (1, 2):  # however many are trained together
        monkeypatch.setattr(evaluate, "for_training", _stacked(evaluate.for_training, stack))
        whole, parts, later = (tmp_path / f"{name}{stack}" for name in ("whole", "parts", "later"))
        config = replace(ONE, train=("ConvNetW4", "MLP"), seeds=3)
        conducted(whole, config)
        conducted(parts, replace(config, seeds_per_cell=1))
        for seeds in (1, 3):
            conducted(later, replace(config, seeds=seeds))
        assert accuracies(whole) == accuracies(parts) == accuracies(later) and len(accuracies(whole)) == 6


def _stacked(decide: Any, stack: int) -> Any:
    return lambda *case, **how: replace(decide(*case, **how), stack=stack)


def test_data_sets_sizes_and_methods_are_dimensions(tmp_path: Path) -> None:
    config = replace(MatrixConfig(method=("dm", "random"), learn=("MLP",), train=("MLP",), seeds=1), ipc=(1, 2))
    study = study_of(config)
    assert [name.partition("-seed0")[0] for name in (cell.name for cell in sets_of(study.cells()))] == [
        *("dm-MLP-published", "random-MLP-published", "ipc2-dm-MLP-published", "ipc2-random-MLP-published"),
    ]
    one = {"learn": ("MLP",), "train": ("MLP",), "seeds": 1}
    conducted(tmp_path, MatrixConfig(method="random", ipc=(1, 2), **one))
    study, folder = asked_in(tmp_path, MatrixConfig(method="dm", iterations=1, **one))  # a later request adds to it
    assert [(m.images_per_class, m.method, m.name) for m in matrices(networks_of(study.cells()), folder)] == [
        (1, "random", "random-published-published"),
        (1, "dm", "dm-published-published"),
        (2, "random", "ipc2-random-published-published"),
    ]
    page = study.report(folder).read_text()
    assert "digits, 2 images per class, method random, schedule published" in page
    assert (tmp_path / "accuracies-ipc2-random-published-published.png").exists()


def test_data_sets_of_ones_own(tmp_path: Path) -> None:
    own = {name: replace(MACHINE.load("digits"), name=name) for name in ("own.npz", "a b/c.npz")}
    machine = Machine(torch.device("cpu"))
    machine._loaded.update(own)
    study = study_of(replace(ONE, dataset=("digits", "own.npz", "a b/c.npz")), _with_digits(machine))
    assert [cell.name.partition("-MLP")[0] for cell in sets_of(study.cells())][1:] == ["own.npz", "a-b-c.npz"]
    with pytest.raises(CondenseError, match=r"^Two data sets are called 'own\.npz', as results name them: rename one\.$"):
        study_of(replace(ONE, dataset=(str(tmp_path / "own.npz"), "own.npz")), machine)


def _with_digits(machine: Machine) -> Machine:
    machine._loaded["digits"] = MACHINE.load("digits")
    return machine


def test_schedules_and_protocols_are_dimensions(tmp_path: Path) -> None:
    config = replace(ONE, schedule=("published", "fast"), protocol=("published", "report"), iterations=1, seeds=1)
    conducted(tmp_path, config)
    study, folder = opened(tmp_path)
    found = matrices(networks_of(study.cells()), folder)
    assert [(m.schedule, m.protocol) for m in found] == [
        ("published", "published"),
        ("published", "report"),
        ("fast", "published"),
        ("fast", "report"),
    ]
    assert all(len(m.cells) == 1 for m in found)


def test_killed_between_the_set_and_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conducted(tmp_path / "whole", ONE)
    study, folder = asked_in(tmp_path / "killed", ONE)
    (of,) = sets_of(study.cells())
    saved: list[bool] = []

    def killed(self: StudyFolder, key: str, records: list[Any]) -> None:
        saved.append((folder.path / of.name / "set.h5").exists())
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(StudyFolder, "finish", killed)
        conducted(folder.path, ONE)
    assert saved == [True] and not folder.is_done(of.key) and folder.place(of).checkpoint.exists()
    assert names(conducted(folder.path, ONE)) == ["MLP-published/set", "MLP-published/MLP-published"]
    files = [(path / of.name / "set.h5").read_bytes() for path in (tmp_path / "whole", folder.path)]
    assert files[0] == files[1] and accuracies(tmp_path / "whole") == accuracies(folder.path)
    assert not folder.place(of).checkpoint.exists()


def test_a_set_that_was_removed_is_learned_again(tmp_path: Path) -> None:
    conducted(tmp_path, ONE)
    study, folder = opened(tmp_path)
    (of,) = sets_of(study.cells())
    (tmp_path / of.name / "set.h5").unlink()
    assert not opened(tmp_path)[1].is_done(of.key)
    assert names(conducted(tmp_path, ONE)) == ["MLP-published/set"]
    assert learned(of, folder) is not None and len(finished_sets(study.cells(), folder)) == 1


def test_a_set_that_cannot_be_learned_stops_no_other(tmp_path: Path) -> None:
    config = replace(CONFIG, image_learning_rate=1e30, learn=("MLP", "ConvNetW4"))
    with pytest.raises(
        RunFailed, match=r"(?s)learning with MLP \(published with [^)]*, seed 0\): .*no longer finite.*ConvNetW4"
    ):
        conducted(tmp_path, config)
    study, folder = opened(tmp_path)
    assert not matrices(networks_of(study.cells()), folder)[0].cells
    study.report(folder)  # says that nothing is done


def test_what_does_not_fit_in_memory_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(name: str, *case: Any, **how: Any) -> Any:
        if name == "MLP":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return plain(name, *case, **how)

    plain = cells_module.evaluate_network
    monkeypatch.setattr(cells_module, "evaluate_network", train)
    with pytest.raises(RunFailed, match=r"Not enough memory\.$"):
        conducted(tmp_path, replace(CONFIG, learn=("MLP",)))
    study, folder = opened(tmp_path)
    assert [folder.is_done(cell.key) for cell in study.cells()] == [True, False, True]


def test_networks_begun_on_other_threads_stop_no_other(tmp_path: Path) -> None:
    study, folder = asked_in(tmp_path, CONFIG)
    first = networks_of(study.cells())[0]
    begun = folder.place(first).checkpoint
    checkpoint.save_tested(begun, checkpoint.Tested({0: 0.5}), {"threads": 64})
    with pytest.raises(RunFailed, match=r"belongs to an evaluation of another set, under other settings, threads"):
        conducted(tmp_path, CONFIG)
    assert [folder.is_done(cell.key) for cell in networks_of(study.cells())] == [False, True, True, True]
    begun.unlink()
    assert conducted(tmp_path, CONFIG) == [first.key]


def test_each_set_has_its_own_subset(tmp_path: Path) -> None:
    config = replace(ONE, train_size=200, sets=2)
    conducted(tmp_path, config)
    study, folder = opened(tmp_path)
    digits = MACHINE.load("digits")
    found = finished_sets(study.cells(), folder)
    for cell, one in found:
        evaluate.check_same_data(one, replace(digits, train=digits.train.subset(200, cell.config.seed)))
    assert len({one.provenance.dataset_fingerprint for _, one in found}) == 2
    assert len(matrices(networks_of(study.cells()), folder)) == 1 and study.report(folder).exists()


def test_other_images_of_the_same_name_are_refused(tmp_path: Path) -> None:
    asked_in(tmp_path, ONE)
    digits = MACHINE.load("digits")
    for part, other in (("training", replace(digits, train=digits.test)), ("test", replace(digits, test=digits.train))):
        machine = Machine(torch.device("cpu"))
        machine._loaded["digits"] = other
        now = replace(ONE, seeds=5)
        study, folder = joined(study_of(now, machine), tmp_path)
        with pytest.raises(CondenseError, match=f"holds a matrix of other {part} images of digits"):
            study.check(study.materials(machine, folder), folder, now)
    assert opened(tmp_path)[0].content()["requests"] == study_of(ONE).content()["requests"]


def test_a_matrix_keeps_the_fingerprints_it_has(tmp_path: Path) -> None:
    study, folder = asked_in(tmp_path, ONE)
    former = MACHINE.load("digits").test.former_fingerprint
    assert study.materials(MACHINE, folder).of("digits").test.fingerprint != former
    changed(tmp_path / "study.json", lambda content: content["images"]["digits"].update(test=former))
    study, folder = joined(study_of(ONE), tmp_path)
    assert study.materials(MACHINE, folder).of("digits").test.fingerprint == former


def changed(path: Path, do: Any) -> None:
    content = json.loads(path.read_text())
    do(content)
    path.write_text(json.dumps(content))


def test_what_is_no_description_of_a_matrix_is_refused(tmp_path: Path) -> None:
    asked_in(tmp_path, ONE)
    description = tmp_path / "study.json"
    text = description.read_text()
    cases = [
        (lambda content: content.pop("requests"), "it has no requests"),
        (lambda content: content["requests"][0].pop("dataset"), "it does not say of which data set it is"),
        (lambda content: content["requests"][0].update(dataset=[5]), "it does not say of which data set it is"),
        (lambda content: content["requests"][0].update(seeds="2"), r"seeds = '2': Input should be a valid integer"),
        (lambda content: content["requests"][0].update(sedes=2), "Unknown setting 'sedes'"),
        (lambda content: content["requests"].append([]), "a request is not an object"),
        (lambda content: content["images"].clear(), "it says nothing of the images 'digits'"),
        (lambda content: content["images"].update(digits=5), "Input should be"),
        (lambda content: content["images"]["digits"].update(counts=[3, -1]), "Input should be greater than or equal to 1"),
        (lambda content: content.update(more=1), "nothing is called 'more' there"),
    ]
    for do, sentence in cases:
        description.write_text(text)
        changed(description, do)
        with pytest.raises(CondenseError, match=sentence) as caught:
            opened(tmp_path)
        assert "study.json is damaged" in str(caught.value) and "\n" not in str(caught.value)


def test_files_under_another_name_are_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, protocol=("published", "report"), seeds=1)
    conducted(tmp_path, config)
    study, folder = opened(tmp_path)
    by_name = {(c.of.network, c.key.partition("/")[2]): folder.records_path(c.key) for c in networks_of(study.cells())}
    published = by_name["MLP", "MLP-published"]
    kept = published.read_bytes()
    for of, other, sentence in (
        ("MLP", "MLP-report", "under the protocol report"),
        ("MLP", "ConvNetW4-published", "of ConvNetW4 under"),
        ("ConvNetW4", "MLP-published", "that do not belong to .*set.h5"),
    ):
        published.write_bytes(by_name[of, other].read_bytes())
        with pytest.raises(CondenseError, match=sentence):
            study.tables(folder)
    published.write_bytes(kept)
    one, other = (tmp_path / cell.name / "set.h5" for cell in sets_of(study.cells()))
    one.write_bytes(other.read_bytes())
    with pytest.raises(CondenseError, match=r"is not the set that .*set\.jsonl describes"):
        study.report(folder)


def test_networks_of_other_seeds_are_refused(tmp_path: Path) -> None:
    conducted(tmp_path, ONE)
    study, folder = opened(tmp_path)
    (cell,) = networks_of(study.cells())
    more = replace(cell, seeds=range(4))
    with pytest.raises(CondenseError, match=r"holds networks with the seeds 0, 1, not 0 to 3\."):
        trained(more, folder)


def test_other_settings_are_refused_where_they_would_stand_in_one_matrix(tmp_path: Path) -> None:
    asked_in(tmp_path, ONE)
    with pytest.raises(CondenseError, match=r"other settings \(iterations: 2 there, 5 now\)\. Choose another --out"):
        asked_in(tmp_path, replace(ONE, iterations=5))
    with pytest.raises(CondenseError, match=r"other settings \(train_size: None there, 100 now\)"):
        asked_in(tmp_path, replace(ONE, train_size=100))
    study, _ = asked_in(tmp_path, replace(ONE, iterations=5, ipc=(2,)))
    assert [cell.config.iterations for cell in sets_of(study.cells())] == [2, 5]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(CondenseError, match="holds other files"):
        asked_in(tmp_path / "other", ONE)


# Folders of version 0.1


@pytest.fixture
def of_0_1(tmp_path: Path) -> Iterator[Path]:
    """A folder as version 0.1 left it: seeds 0 and 1, then seed 2 asked for and recorded for one of two networks, and four
    asked for and none of them recorded."""
    config = replace(ONE, train=("MLP", "ConvNetW4"))
    for seeds in (2, 3):
        conducted(tmp_path, replace(config, seeds=seeds))
    (folder,) = (path.parent for path in tmp_path.glob("*/set.h5"))
    added = folder / "MLP-published-seeds2-2.jsonl"
    (folder / "MLP-published.jsonl").write_text((folder / "MLP-published.jsonl").read_text() + added.read_text())
    added.unlink()
    (folder / "ConvNetW4-published-seeds2-2.jsonl").unlink()
    content = json.loads((tmp_path / "study.json").read_text())
    (tmp_path / "study.json").unlink()
    images = {name: content["images"]["digits"][name] for name in ("training", "test")}
    asked = ("learn", "train", "schedule", "protocol", "sets", "seeds", "seed")
    first = content["requests"][0]
    settings = {name: value for name, value in first.items() if name not in (*asked, "seeds_per_cell", "method")}
    settings |= {"dataset": "digits", "ipc": 1}
    requests = [{name: first[name] for name in asked} | {"seeds": seeds} for seeds in (2, 3, 4)]
    described = {"format": "condense matrix 2", "images": images, "settings": settings, "requests": requests}
    (tmp_path / "matrix.json").write_text(json.dumps(described))
    yield tmp_path


def test_a_folder_of_0_1_is_continued_as_it_is(of_0_1: Path) -> None:
    before = {path: path.read_bytes() for path in of_0_1.glob("*/*") if path.parent.name != ".study"}
    study, folder = opened(of_0_1)
    assert [(cell.key.partition("/")[2], folder.is_done(cell.key)) for cell in study.cells()] == [
        ("set", True),
        ("MLP-published", True),
        ("ConvNetW4-published", True),
        ("ConvNetW4-published-seeds2-2", False),
        ("MLP-published-seeds3-3", False),
        ("ConvNetW4-published-seeds3-3", False),
    ]
    assert "3" in study.tables(folder)[0].rows[0][1] or study.tables(folder)
    again = replace(ONE, train=("MLP", "ConvNetW4"), seeds=4)
    keys = [key.partition("/")[2] for key in conducted(of_0_1, again)]
    assert sorted(keys) == ["ConvNetW4-published-seeds2-2", "ConvNetW4-published-seeds3-3", "MLP-published-seeds3-3"]
    assert {path: path.read_bytes() for path in before} == before
    assert conducted(of_0_1, again) == []
    assert sorted(seed for _, seed in accuracies(of_0_1)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (of_0_1 / "study.json").exists() and [cell.work > 0 for cell in opened(of_0_1)[0].cells()] == [True] * 6


def test_what_0_1_left_unfinished_is_resumed(of_0_1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = (path.parent for path in of_0_1.glob("*/set.h5"))
    left, took = folder / "ConvNetW4-published.checkpoint", list[str]()
    left.write_text("as it was")
    (folder / "MLP-published.jsonl").write_bytes(b"")  # a kill just before the line was written

    def train(name: str, *case: Any, checkpoint: Path, **how: Any) -> Any:
        took.append(checkpoint.read_text() if checkpoint.exists() else "nothing")
        checkpoint.unlink(missing_ok=True)
        return plain(name, *case, **how)

    plain = cells_module.evaluate_network
    monkeypatch.setattr(cells_module, "evaluate_network", train)
    keys = [key.partition("/")[2] for key in conducted(of_0_1, replace(ONE, train=("MLP", "ConvNetW4"), seeds=4))]
    assert {"MLP-published", "MLP-published-seeds2-2", "ConvNetW4-published-seeds2-2"} < set(keys)
    assert took.count("as it was") == 1 and not left.exists()


def test_a_record_of_0_1_without_its_set_counts_for_nothing(of_0_1: Path) -> None:
    (path,) = of_0_1.glob("*/set.h5")
    kept = path.read_bytes()
    path.unlink()
    study, folder = opened(of_0_1)
    assert not folder.is_done(study.cells()[0].key) and not matrices(networks_of(study.cells()), folder)[0].cells
    keys = conducted(of_0_1, replace(ONE, train=("MLP", "ConvNetW4"), seeds=4))
    assert keys[0].endswith("/set") and path.read_bytes() == kept
    assert SyntheticSet.load(path).sha256 and len(accuracies(of_0_1)) == 8


def test_a_damaged_description_of_0_1_is_refused(of_0_1: Path) -> None:
    description = of_0_1 / "matrix.json"
    text = description.read_text()
    for do, sentence in (
        (lambda content: content.pop("images"), "damaged"),
        (lambda content: content.update(format="condense matrix 1"), "was written by another version of condense"),
        (lambda content: content["settings"].pop("dataset"), "is damaged: it does not say of which data set it is"),
        (lambda content: content["requests"].clear(), "it has no requests"),
        (lambda content: content.update(requests=5), "damaged"),
    ):
        description.write_text(text)
        changed(description, do)
        with pytest.raises(CondenseError, match=sentence):
            opened(of_0_1)
    description.write_text("{")
    with pytest.raises(CondenseError, match=r"matrix\.json is damaged"):
        opened(of_0_1)


def test_whole_paths_of_earlier_versions_stay_the_names_of_their_data_sets(of_0_1: Path) -> None:
    changed(of_0_1 / "matrix.json", lambda content: content["settings"].update(dataset="/home/someone/digits"))
    study, _ = joined(study_of(ONE), of_0_1)
    assert {cell.config.dataset for cell in sets_of(study.cells())} == {"/home/someone/digits"}
    assert isinstance(study.cells()[1], NetworksCell) and study.datasets == ["digits"]
