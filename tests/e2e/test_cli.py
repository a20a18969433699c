"""Every command through the real command line: what it prints, what it writes, how it ends."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images
from PIL import Image

from condense.cli.options import COMMANDS
from condense.data import catalog
from condense.networks import registry
from condense.records import read_records
from condense.stage_c.distance import DISTANCES
from condense.stage_c.methods import method_names
from condense.stage_t.protocols import PROTOCOLS
from condense.synthetic_set import SyntheticSet
from condense.versions import CODE_VERSION


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    path = tmp_path_factory.mktemp("learned") / "set.h5"
    assert condense("learn", "--dataset", images, *LEARN, "--out", path) == 0
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, images: Path, learned: Path) -> Path:
    path = tmp_path_factory.mktemp("evaluated") / "records.jsonl"
    of_images = ("evaluate", learned, "--dataset", images)
    command = (*of_images, "--seeds", 2, "--network", "MLP", "LeNet", "--quiet", "--out")
    assert condense(*command, path) == 2  # LeNet cannot take 8x8 images, which is said before the MLP is trained
    assert not path.exists()
    assert condense(*of_images, "--seeds", 2, "--network", "MLP", "ConvNetW2D1", "--quiet", "--out", path) == 0
    return path


# Help


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_overview(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(*words) == 0
    out, err = capsys.readouterr()
    assert all(f"  {name} " in out for name in COMMANDS) and err == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("--version") == 0
    assert capsys.readouterr().out == f"condense {CODE_VERSION}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_lists_its_options_plainly(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense(name, "--help") == condense(name, "--quiet", "-h") == 0
    out, err = capsys.readouterr()
    assert f"usage: condense {name}" in out and err == ""
    words = {
        "set",
        "sets",
        "records",
        "experiment",
        "framework",
        "study",
        "key",
        "folder",
        "file",
        *(("dataset",) if name == "sweep" else ()),
    }
    for field in fields(COMMANDS[name]):
        assert field.name in words or f"--{field.name.replace('_', '-')} " in out
    assert "{None}" not in out
    if name in ("evaluate", "show", "info"):
        assert "SET.h5" in out


# Lists


def test_datasets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert condense("datasets", "--data-root", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*catalog.names(), "a"]


def test_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("networks") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*registry.names(), "MODULE:FACTORY"]
    counts = {line.split()[0]: line.split()[1:3] for line in lines}
    assert counts["ConvNet"] == ["317,706", "320,010"]  # of the authors' code, on MNIST and on CIFAR-10


def test_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("methods") == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in (*method_names(), *DISTANCES, *PROTOCOLS))


# Learn


def test_learn_writes_a_set_and_its_record(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder" / "set.h5"
    assert condense("learn", "--dataset", images, *LEARN, "--ipc", "2", "--out", out) == 0
    assert capsys.readouterr().out == f"Set:    {out}\nRecord: {out.with_suffix('.jsonl')}\n"
    facts = SyntheticSet.load(out).provenance
    assert (facts.dataset, facts.images_per_class, facts.network, facts.iterations) == ("noise.npz", 2, "MLP", 2)
    (record,) = read_records(out.with_suffix(".jsonl"))
    assert record.task == "learn" and len(record.losses) == 2
    execution = record.config.pop("execution")
    assert (execution["device"], execution["path"], execution["precision"]) == ("cpu", "eager", "fp32")
    assert record.config == {**facts.config, "set": SyntheticSet.load(out).sha256, "path": "eager", "precision": "fp32"}
    assert sorted(path.name for path in out.parent.iterdir()) == ["set.h5", "set.jsonl"]


def test_equal_runs_give_equal_bytes(images: Path, learned: Path, tmp_path: Path) -> None:
    assert condense("learn", "--dataset", images, *LEARN, "--out", tmp_path / "a.h5") == 0
    assert (tmp_path / "a.h5").read_bytes() == learned.read_bytes()
    assert condense("learn", "--dataset", images, *LEARN, "--seed", 1, "--out", tmp_path / "b.h5") == 0
    assert (tmp_path / "b.h5").read_bytes() != learned.read_bytes()


def test_a_file_of_options_does_what_flags_do_and_flags_override_it(images: Path, learned: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        f'dataset = "{images}"\nnetwork = "LeNet"\niterations = 2\ninner_loop = 1\nquiet = true\nout = "{tmp_path}/a.h5"\n'
    )
    assert condense("learn", "--config", tmp_path / "a.toml", "--network=MLP") == 0
    assert (tmp_path / "a.h5").read_bytes() == learned.read_bytes()


def test_flags_may_be_written_with_underscores(images: Path, tmp_path: Path) -> None:
    words = ("--image_learning_rate", 0.5, "--inner_loop=0", "--iterations", 1, "--network", "MLP", "--quiet")
    assert condense("learn", "--dataset", images, *words, "--out", tmp_path / "a.h5") == 0
    config = SyntheticSet.load(tmp_path / "a.h5").provenance.config
    assert (config["image_learning_rate"], config["inner_loop"]) == (0.5, 0)


def test_real_images_at_random(images: Path, tmp_path: Path) -> None:
    words = ("learn", "--dataset", images, "--network", "MLP", "--threads", "1", "--quiet", "--method", "random")
    assert condense(*words, "--out", tmp_path / "a.h5") == 0
    assert SyntheticSet.load(tmp_path / "a.h5").provenance.iterations == 0


def test_small_classes_are_said_once_and_used_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_images(tmp_path / "few.npz", counts=(20, 400))
    words = ("learn", "--dataset", data, "--network", "MLP", "--ipc", 20, "--iterations", 1, "--inner-loop", 0)
    assert condense(*words, "--outer-loop", 3, "--out", tmp_path / "a.h5") == 0
    sentence = "1 of the 2 classes of few.npz have fewer than 256 images (0: 16), so each step takes all there are."
    err = capsys.readouterr().err
    assert err.startswith(f"condense: {sentence}\n") and err.count("fewer than") == 1
    assert read_records(tmp_path / "a.jsonl")[0].notes == [sentence]
    assert condense(*words, "--quiet", "--out", tmp_path / "b.h5") == 0
    assert condense(*words, "--real-batch", 16, "--out", tmp_path / "c.h5") == 0
    assert "fewer than" not in capsys.readouterr().err
    assert read_records(tmp_path / "c.jsonl")[0].notes == []


# Evaluate and table


def test_evaluate_records_every_network(evaluated: Path, learned: Path) -> None:
    records = read_records(evaluated)
    assert [record.config["network"] for record in records] == ["MLP", "ConvNetW2D1"]
    for record in records:
        assert (record.task, record.seeds, len(record.accuracies)) == ("evaluate", [0, 1], 2)
        assert record.config["set"]["sha256"] == SyntheticSet.load(learned).sha256


def test_evaluate_prints_a_table_and_appends(images: Path, learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = learned.with_suffix(".jsonl")  # beside what was learned
    assert condense("evaluate", learned, "--dataset", images, "--seeds", 1, "--out", out) == 0
    printed = capsys.readouterr().out
    assert "MLP" in printed and printed.endswith(f"Records: {out}\n")
    assert [record.task for record in read_records(out)] == ["learn", "evaluate"]


def test_evaluate_on_the_whole_data_set(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "whole.jsonl"
    words = ("--whole", "--dataset", images, "--network", "MLP", "--seeds", 1, "--quiet", "--out", out)
    assert condense("evaluate", *words) == 0
    (record,) = read_records(out)
    assert (record.task, record.config["dataset"], record.config["network"]) == ("whole", "noise.npz", "MLP")


def test_evaluate_finds_images_that_were_moved(images: Path, learned: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.npz"
    moved.write_bytes(images.read_bytes())
    assert condense("evaluate", learned, "--dataset", moved, "--seeds", 1, "--quiet", "--out", tmp_path / "r.jsonl") == 0


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv"])
def test_table_in_every_format(evaluated: Path, learned: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("table", evaluated, learned.with_suffix(".jsonl"), "--format", form) == 0
    out, err = capsys.readouterr()
    assert err == "" and "ConvNetW2D1" in out and "MLP" in out
    assert {"text": "---", "markdown": "| ", "latex": r"\toprule", "csv": ","}[form] in out


# Show and info


def test_show_draws_the_images(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "images.png"
    assert condense("show", learned, "--out", picture) == 0
    assert capsys.readouterr().out == f"Picture: {picture}\n"
    before = picture.read_bytes()
    assert Image.open(picture).size > (16, 8)
    assert condense("show", learned, "--out", picture) == 2
    assert picture.read_bytes() == before
    assert condense("show", learned, "--out", picture, "--force") == 0


def test_info_states_the_provenance(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("info", learned) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    one = SyntheticSet.load(learned)
    assert (lines["sha256"], lines["dataset"], lines["method"]) == (one.sha256, "noise.npz", "dc")
    assert lines["file"] == f"{learned}, intact"
    assert lines["config.iterations"] == lines["iterations"] == "2"


def test_info_moves_no_cursor(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = SyntheticSet.load(learned)
    facts = replace(
        one.provenance, dataset="\x1b[2J\x07", class_names=["\x1b]0;a\x07", "b\nsha256 c"], config={"a\x1b": "\r"}
    )
    replace(one, provenance=facts).save(tmp_path / "set.h5")
    assert condense("info", tmp_path / "set.h5") == 0
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r"} & set(out) and "\nsha256 c" not in out and "\\x1b[2J" in out


def test_results_do_not_say_where_on_this_machine_the_images_lie(
    images: Path, learned: Path, evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SyntheticSet.load(learned).provenance.config["dataset"] == "noise.npz"
    folder, words = tmp_path / "run", ("--network", "MLP", "--iterations", 1, "--seeds", 1, "--quiet")
    assert condense("run", "--dataset", images, *words, "--out", folder) == 0
    assert condense("run", "--dataset", images, *words, "--out", folder, "--resume") == 0
    matrix = ("matrix", "--dataset", images, "--learn", "MLP", "--train", "MLP", *words[2:], "--out", tmp_path / "matrix")
    assert condense(*matrix) == 0
    assert condense(*matrix) == 0
    monkeypatch.chdir(images.parent)
    (images.parent / "below").mkdir()
    for number, given in enumerate(("noise.npz", "below/../noise.npz", "./noise.npz")):
        assert condense("learn", "--dataset", given, *words[:4], "--quiet", "--out", tmp_path / f"{number}.h5") == 0
    stored = [SyntheticSet.load(tmp_path / f"{number}.h5").provenance.config["dataset"] for number in range(3)]
    assert stored == ["noise.npz", "noise.npz", "./noise.npz"]
    every = (learned, learned.with_suffix(".jsonl"), evaluated, *tmp_path.rglob("*"))
    written = [path for path in every if path.is_file() and ".study" not in path.parts]  # which is of this machine
    assert len(written) > 12
    assert not [path for path in written if str(images.parent).encode() in path.read_bytes()]


def test_evaluate_of_a_set_that_does_not_say_where_its_images_lie(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert condense("evaluate", learned, "--seeds", 1, "--out", tmp_path / "r.jsonl") == 2
    sentence = f"{learned} was learned from 'noise.npz' and does not say where that lies: name it with --dataset."
    assert capsys.readouterr().err == f"condense: {sentence}\n"


# Run


def test_table_of_a_folder_is_that_of_its_records(
    evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "records.jsonl").write_bytes(evaluated.read_bytes())
    assert condense("table", evaluated) == 0
    of_file = capsys.readouterr().out
    assert condense("table", tmp_path) == 0 and capsys.readouterr().out == of_file


def test_run_does_everything(images: Path, learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    command = ("run", "--dataset", images, *LEARN, "--seeds", 2, "--out", folder)
    assert condense(*command) == 0
    assert f"Page:    {(folder / 'page.html').as_uri()}" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["images.png", "page.html", "records.jsonl", "set.h5"]
    assert [record.task for record in read_records(folder / "records.jsonl")] == ["learn", "evaluate"]
    assert (folder / "set.h5").read_bytes() == learned.read_bytes()
    assert (folder / "page.html").read_text().count("<html") == 1
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert condense(*command) == 2
    assert "set.h5 exists already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_run_into_a_folder_named_after_it(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert condense("run", "--dataset", images, *LEARN, "--seeds", 1, "--seed", 3) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("noise") and folder.name.endswith("-MLP-ipc1-dc-seed3")
    assert (folder / "page.html").is_file()


# Processes


def process(*words: object, **streams) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("condense")
    return subprocess.run([program, *map(str, words)], stderr=subprocess.PIPE, text=True, timeout=120, **streams)


def test_a_closed_pipe_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        ended = process("networks", stdout=closed)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_said() -> None:
    with open("/dev/full", "w") as full:
        ended = process("networks", stdout=full)
    assert (ended.returncode, ended.stderr) == (1, "condense: Cannot write the output: No space left on device.\n")
