"""Sets of other programs on the command line: evaluated and imported, with what is open asked for."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import condense
from foreign_files import Run, huggingface, image_folder, mtt, normalised, pixels_of, real_images, vico
from test_bad_input import Said

from condense.data.catalog import load
from condense.data.images import DataSet
from condense.records import read_records
from condense.synthetic_set import SyntheticSet

TRAIN = ("--seeds", "1", "--network", "MLP", "--quiet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataSet]:
    """A file of real images, and what it holds."""
    noise = real_images()
    path = tmp_path_factory.mktemp("real") / "noise.npz"
    arrays = {
        f"{part}_{what}": value.numpy()
        for part, images in (("train", noise.train), ("test", noise.test))
        for what, value in (("images", images.pixels), ("labels", images.labels))
    }
    np.savez(path, **arrays, class_names=np.array(noise.train.class_names))
    return path, load(path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.chdir(tmp_path)
    return Said(capsys, tmp_path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_same_images_score_the_same_native_and_imported(here: Path, data: tuple[Path, DataSet]) -> None:
    path, _ = data
    native = ("learn", "--dataset", path, "--network", "MLP", "--ipc", "2", "--method", "random", "--out", "native.h5")
    assert condense(*native, "--quiet") == 0
    learned = SyntheticSet.load("native.h5")
    foreign = vico(here / "res_DC_noise_MLP_2ipc.pt", [(learned.images, learned.labels)])
    assert condense("import", foreign, "--dataset", path, "--out", "imported.h5", "--quiet") == 0
    imported = SyntheticSet.load("imported.h5")
    assert imported.sha256 == learned.sha256 and imported.provenance.method == "dc"
    for one in ("native.h5", foreign.name):
        assert condense("evaluate", one, *TRAIN, "--dataset", path, "--out", f"{one}.jsonl") == 0
    (native_record,), (record,) = (read_records(here / f"{one}.jsonl") for one in ("native.h5", foreign.name))
    assert record.accuracies == native_record.accuracies and record.config["recipe"] == native_record.config["recipe"]
    assert record.config["set"]["sha256"] == learned.sha256 and record.protocol == "published"


def test_five_sets_are_five_rows(here: Path, data: tuple[Path, DataSet], capsys: pytest.CaptureFixture[str]) -> None:
    path, real = data
    foreign = vico(here / "res_DC_noise_ConvNet_1ipc.pt", [normalised(real, 1, start) for start in range(5)])
    (here / "short.toml").write_text('name = "short"\nepochs = 2\n')
    words = ("evaluate", foreign, *TRAIN, "--dataset", path, "--protocol", "short.toml", "--out", "r.jsonl")
    assert condense(*words) == 0
    assert len(read_records(here / "r.jsonl")) == 5
    capsys.readouterr()
    assert condense("table", "r.jsonl") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if ", set " in line]
    assert len(rows) == 5 and all(f"set {number} of 5" in row for number, row in enumerate(rows, 1))
    assert condense(*words, "--resume") == 0 and len(read_records(here / "r.jsonl")) == 5
    assert condense("import", foreign, "--dataset", path, "--out", "set.h5", "--quiet") == 0
    assert sorted(one.name for one in here.glob("set*.h5")) == [f"set-{number}.h5" for number in range(1, 6)]
    assert condense("import", foreign, "--dataset", path, "--only", "3", "--out", "third.h5", "--quiet") == 0
    assert SyntheticSet.load("third.h5").sha256 == SyntheticSet.load("set-3.h5").sha256


def test_what_was_assumed_is_said_and_stored(
    here: Path, data: tuple[Path, DataSet], capsys: pytest.CaptureFixture[str]
) -> None:
    path, real = data
    foreign = mtt(here / "run", *normalised(real), rate=0.5)
    words = ("--pixels", "normalised", "--method", "mine", "--learned-with", "LeNet")
    assert condense("import", foreign, "--dataset", path, *words, "--out", "a.h5") == 0
    err = capsys.readouterr().err
    assert "assumed: mean and standard deviation are those of noise.npz." in err
    facts = SyntheticSet.load("a.h5").provenance
    told = facts.config["imported"]
    assert (facts.method, facts.network, facts.iterations) == ("mine", "LeNet", 0)
    assert told["format"] == "mtt" and told["stated"]["pixels"] == "normalised" and len(told["assumed"]) == 1
    assert set(told["files"]) == {"images_best.pt", "labels_best.pt", "lr_best.pt"}
    assert str(here) not in str(facts)
    assert condense("info", "a.h5") == 0 and "imported" in capsys.readouterr().out
    (here / "short.toml").write_text('name = "short"\nepochs = 2\n')
    words = (*TRAIN, "--dataset", path, "--protocol", "short.toml")
    assert condense("evaluate", "a.h5", *words, "--out", "r.jsonl") == 0


def test_whitened_images_are_tested_on_whitened_ones(here: Path, data: tuple[Path, DataSet]) -> None:
    path, real = data
    images, _ = normalised(real)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    foreign = mtt(here / "run", images, logits, rate=0.02, whitened=True)
    (here / "own.toml").write_text('name = "own-rate"\nepochs = 2\nlearning_rate = "own"\n')
    words = (*TRAIN, "--dataset", path, "--protocol", "own.toml", "--out", "r.jsonl")
    assert condense("evaluate", foreign, "--zca", "fit", *words) == 0
    (record,) = read_records(here / "r.jsonl")
    assert record.config["set"]["preprocessing"] == "ZCA" and record.config["set"]["labels"] == "soft"
    assert record.config["recipe"]["stages"][0]["learning_rate"] == pytest.approx(0.02)


def saved(here: Path, content: Any, name: str = "a.pt") -> Path:
    torch.save(content, here / name)
    return here / name


def test_what_is_open_is_asked_for(said: Said, data: tuple[Path, DataSet]) -> None:
    path, real = data
    here = said.folder
    (images, labels), (pixels, _) = normalised(real), pixels_of(real)
    unit = pixels / 255
    out = ("--dataset", path, "--out", "a.h5", "--quiet")
    asked = [
        (saved(here, [unit, labels], "data.pt"), (), "--format idc with --factor N"),
        (here / "data.pt", ("--format", "idc"), "--factor N"),
        (here / "data.pt", ("--format", "pair"), "--pixels unit|normalised"),
        (mtt(here / "mtt", images, labels), (), "--pixels normalised, or --pixels whitened with --zca"),
        (mtt(here / "whitened", images, labels, whitened=True), (), "no matrix comes with them"),
        (mtt(here / "soft", images, torch.full((6, 3), 1 / 3)), ("--pixels", "normalised"), "--labels probabilities or"),
        (saved(here, [images, torch.randn(6, 3)]), (), "--labels logits takes their softmax"),
        (saved(here, {"images": pixels.permute(0, 2, 3, 1), "labels": labels}, "b.pt"), (), "--channels-last"),
        (vico(here / "unit.pt", [(unit, labels)]), (), "--pixels unit|normalised"),
        (saved(here, {"data": [[images, labels]], "x": images, "y": labels}, "both.pt"), (), "--format says which"),
    ]
    for file, words, sentence in asked:
        (found,) = said("import", file, *words, *out)
        assert sentence in found, found


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_would_run_code_runs_nothing(said: Said, data: tuple[Path, DataSet], old: bool) -> None:
    path, real = data
    for command in ("evaluate", "import"):
        content = [*normalised(real), Run(said.folder / "ran")]
        torch.save(content, "evil.pt", _use_new_zipfile_serialization=not old)
        (found,) = said(command, "evil.pt", "--dataset", path, "--out", {"import": "a.h5", "evaluate": "r.jsonl"}[command])
        assert f"evil.pt: names {os.mkdir.__module__}.mkdir, which reading it would run; nothing of it was run." in found
        assert not (said.folder / "ran").exists()


def test_sets_that_do_not_fit(said: Said, data: tuple[Path, DataSet]) -> None:
    path, real = data
    here = said.folder
    (images, labels), out = normalised(real), ("--dataset", path, "--out", "a.h5", "--quiet")
    mean, std = (torch.tensor(values)[:, None, None] for values in (real.train.mean, real.train.std))
    wrong = [
        ([images, labels * 5], "its labels run from 0 to 10, but the data set has 3 classes, 0 to 2."),
        ([images, labels + 1], "They seem to count from 1"),
        ([images, labels - 1], "its labels run from -1 to 1"),
        ([images[:4], labels[:4]], "has no image of T-shirt/top"),
        ([images, torch.randn(6, 5)], "its labels are of 5 classes, but the data set has 3."),
        ([images, labels[:4]], "there must be one label, or one row of numbers, for each image."),
        ([images, labels + 0.5], "must be whole numbers"),
        ([images.repeat(1, 1, 2, 2), labels], "its images are (6, 3, 12, 12), and those of the data set (N, 3, 6, 6)."),
        ([images[:, :1], labels], "its images are (6, 1, 6, 6)"),
        ([images.transpose(0, 1), labels], "the axes of images and channels are swapped"),
        ([images.transpose(1, 2), labels], "axes are swapped"),
        ([labels, images], "labels stand before images"),
        ([images.flatten(1), labels], "its images are (6, 108)"),
        ([(images - mean) / std, labels], "the images look normalised twice"),
        ([images * torch.nan, labels], "not finite"),
        ([images * 1j, labels], "is neither a set of condense nor one"),
        ([images], "is neither a set of condense nor one of another program that is recognised"),
        ({"data": [[images]]}, "set 1 under 'data' is not [images, labels]"),
        ({"data": []}, "holds 0 sets"),
        ({"images": images}, "is neither a set of condense nor one"),
        ({"images": images, "imgs": images, "labels": labels}, "images and imgs could both be its images."),
    ]
    for content, sentence in wrong:
        (found,) = said("import", saved(here, content), *out)
        assert sentence in found, found


def test_flags_that_do_not_fit(said: Said, data: tuple[Path, DataSet]) -> None:
    path, real = data
    here = said.folder
    file, out = saved(here, [*normalised(real)]), ("--dataset", path, "--out", "a.h5", "--quiet")
    native = here / "native.h5"
    words = ("learn", "--dataset", path, "--network", "MLP", "--method", "random", "--out", native, "--quiet")
    assert condense(*words) == 0
    wrong = [
        (("import", file, *out, "--format", "vico"), "is not of the format vico"),
        (("import", file, *out, "--format", "zip"), "Unknown format 'zip'"),
        (("import", file, *out, "--pixels", "unit"), "are no pixels from 0 to 1, as --pixels says."),
        (("import", file, *out, "--pixels", "bytes"), "are no pixels from 0 to 255"),
        (("import", file, *out, "--zca", "fit"), "--zca is for whitened images"),
        (("import", file, *out, "--pixels", "whitened", "--zca", "none.pt"), "none.pt"),
        (("import", file, *out, "--pixels", "whitened", "--zca", file), "has no mean"),
        (("import", file, *out, "--mean", "0.5"), "--mean and --std state a normalisation together"),
        (("import", file, *out, "--mean", "0", "0", "0", "--std", "0", "1", "1"), "standard deviations are above 0"),
        (("import", file, *out, "--labels", "logits"), "are one class each"),
        (("import", file, *out, "--only", "2"), "--only asks for set 2, and it holds 1."),
        (("import", file, *out, "--factor", "7"), "cannot be cut into 7 x 7 tiles"),
        (("import", file, *out, "--method", "a b"), "'a b' is no name of a method"),
        (("import", file, *out, "--learned-with", "VGG"), "Unknown network 'VGG'"),
        (("import", file, "--out", "a.h5"), "Missing: --dataset DATASET."),
        (("import", file, "--dataset", path), "Missing: --out SET.h5."),
        (("import", file, "--dataset", path, "--out", "a.pt"), "the name of the file must end in .h5"),
        (("import", "none.pt", *out), "There is no file or folder none.pt."),
        (("import", native, *out), "is an HDF5 file"),
        (("import", file, "--dataset", path, "--out", native), "native.h5"),
        (("evaluate", file, "--out", "r.jsonl"), "name it with --dataset."),
        (("evaluate", native, "--pixels", "unit", "--out", "r.jsonl"), "--pixels is for sets of other programs"),
        (("evaluate", "--whole", "--zca", "fit", "--out", "r.jsonl"), "--zca is for sets of other programs"),
        (("evaluate", "none.pt", "--out", "r.jsonl"), "There is no synthetic set at none.pt."),
    ]
    for words, sentence in wrong:
        found = said(*words)
        assert any(sentence in line for line in found), found


def test_names_of_files_are_held_to(said: Said, data: tuple[Path, DataSet]) -> None:
    path, real = data
    pairs, out = [normalised(real)], ("--dataset", path, "--out", "a.h5", "--quiet")
    (found,) = said("import", vico(said.folder / "res_DC_CIFAR10_ConvNet_2ipc.pt", pairs), *out)
    assert "its name says that it is of cifar10, and --dataset that it is of noise.npz." in found
    (found,) = said("import", vico(said.folder / "res_DC_own_ConvNet_10ipc.pt", pairs), *out)
    assert "its name says 10 images per class, but it holds 2 of one." in found
    (found,) = said("evaluate", vico(said.folder / "a.pt", pairs * 2), "--dataset", path, "--out", "r.jsonl", "--quiet")
    assert "a.pt, set 2 of 2 is the same as a.pt, set 1 of 2; --only takes one of them." in found


def test_damaged_files_and_folders(said: Said, data: tuple[Path, DataSet]) -> None:
    path, real = data
    here = said.folder
    (images, labels), (pixels, _) = normalised(real), pixels_of(real)
    (here / "empty").mkdir()
    whole = saved(here, [images, labels]).read_bytes()
    for name, content in (("cut.pt", whole[:-300]), ("text.pt", b"hello"), ("empty.pt", b""), ("cut.npz", b"PK\3\4")):
        (here / name).write_bytes(content)
    names = ["ant", "ant", "bee", "bee", "wasp", "wasp"]
    image_folder(here / "strange", pixels, names)
    image_folder(here / "notes", pixels, ["0", "0", "1", "1", "2", "2"])
    (here / "notes" / "0" / "notes.txt").write_text("hello")
    image_folder(here / "alone", pixels, ["0", "0", "1", "1", "2", "2"])
    (here / "alone" / "1.png").write_bytes((here / "alone" / "0" / "000.png").read_bytes())
    huggingface(here / "climbs", pixels, ["ant"] * 6)
    (here / "climbs" / "train" / "metadata.csv").write_text("file_name,label\n../../alone/1.png,0\n")
    huggingface(here / "mixed", pixels, [0, 0, 1, 1, "ant", [1.0]], "metadata.jsonl")
    huggingface(here / "no-label", pixels, [None] * 6, "metadata.jsonl")
    (mtt(here / "alone-mtt", images, labels).with_name("labels_best.pt")).unlink()
    mtt(here / "rate", images, labels)
    torch.save(torch.zeros(2), here / "rate" / "lr_best.pt")
    mtt(here / "negative", images, labels, rate=-1.0)
    normal = ("--pixels", "normalised")
    wrong = [
        ("cut.pt", (), "cannot be read as a PyTorch file of tensors"),
        ("text.pt", (), "cannot be read as a PyTorch file of tensors"),
        ("empty.pt", (), "cannot be read as a PyTorch file of tensors"),
        ("cut.npz", (), "is no NumPy .npz archive"),
        ("strange", (), "'wasp' is no class of the data set, which are ant, bee, T-shirt/top, or the numbers 0 to 2."),
        ("notes", (), "notes.txt: is no image"),
        ("alone", (), "1.png: lies outside the folders of the classes."),
        ("climbs", (), "does not lie in the folder of the table."),
        ("mixed", (), "must be all names, all whole numbers, or all lists"),
        ("no-label", (), "every row needs a label"),
        ("alone-mtt", (), "labels_best.pt"),
        ("rate", normal, "lr_best.pt beside it holds no learning rate"),
        ("negative", normal, "learning rate -1.0"),
        ("empty", (), "is neither a set of condense nor one"),
    ]
    for name, words, sentence in wrong:
        (found,) = said("import", name, *words, "--dataset", path, "--out", "a.h5", "--quiet")
        assert sentence in found, found
