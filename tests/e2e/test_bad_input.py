"""Mistakes: one sentence each, exit code 2 (1 for a run that fails), no traceback, nothing lost."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from command_line import LEARN, condense, write_images

from condense.records import read_records
from condense.stage_c.methods.dc import DC
from condense.synthetic_set import SyntheticSet


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, a set learned from them and its record; tests read them only."""
    folder = tmp_path_factory.mktemp("made")
    images = write_images(folder / "noise.npz")
    write_images(folder / "other.npz", seed=1)
    write_images(folder / "few.npz", counts=(20, 3))
    assert condense("learn", "--dataset", images, *LEARN, "--out", folder / "set.h5") == 0
    return folder


class Said:
    """Runs the command line where nothing is written unless a test says so, and checks the form of what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder

    def __call__(self, *words: object, exit_code: int = 2) -> list[str]:
        """The sentences on stderr."""
        before = self.files()
        self.capsys.readouterr()
        assert condense(*words) == exit_code
        assert self.files() == before or exit_code == 1
        out, err = self.capsys.readouterr()
        lines = [line for line in err.splitlines() if "stage C:" not in line]
        assert out == "" and lines and all(line.startswith("condense: ") for line in lines), err
        return [line.removeprefix("condense: ") for line in lines]

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.chdir(tmp_path)
    return Said(capsys, tmp_path)


# Words


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        ("lern", ["Unknown command 'lern'. Did you mean 'learn'? Known: cell, datasets, doctor, evaluate, experts, "]),
        ("--foo", ["Unknown command '--foo'."]),
        ("learn --out", ["--out needs a value."]),
        ("learn --ipc --out a.h5", ["--ipc needs a value."]),
        ("learn --resume=maybe", ["--resume is a switch: it takes no value, but got 'maybe'."]),
        (
            "learn --nework MLP",
            ["Unknown option of condense learn '--nework'. Did you mean '--network'? (condense learn --h"],
        ),
        ("learn -o a.h5", ["Unknown option of condense learn '-o'."]),
        (
            "learn a b",
            ["condense learn does not know what to do with 'a'.", "condense learn does not know what to do with 'b'."],
        ),
        ("info a.h5 b.h5", ["condense info does not know what to do with 'b.h5'."]),
        ("networks --foo", ["condense networks takes no options, but got '--foo'."]),
        ("methods foo", ["condense methods does not know what to do with 'foo'."]),
        ("evaluate --network --out a", ["--network needs a value."]),
        ("learn", ["Missing: --out SET.h5."]),
        ("info", ["Missing: SET.h5."]),
        ("show", ["Missing: SET.h5, --out PICTURE.png."]),
        ("show a.h5", ["Missing: --out PICTURE.png."]),
        ("evaluate", ["Missing: --out RECORDS.jsonl, SET.h5."]),
        ("evaluate --whole", ["Missing: --out RECORDS.jsonl."]),
        (
            "evaluate a.h5 --whole --out a",
            ["--whole trains on all real images, so it takes no synthetic set; leave one of "],
        ),
        ("table", ["Name files of records, or folders of results: condense table RECORDS.jsonl|DIR ..."]),
    ],
)
def test_words_that_cannot_be_understood(said: Said, words: str, sentences: list[str]) -> None:
    found = said(*words.split())
    assert len(found) == len(sentences)
    assert all(line.startswith(sentence) for line, sentence in zip(found, sentences, strict=True))


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ("--ipc abc", "--ipc = 'abc': Input should be a valid integer."),
        ("--ipc 1e3", "--ipc = '1e3': Input should be a valid integer."),
        ("--seed -1", "--seed = '-1': Input should be greater than or equal to 0."),
        ("--threads 0", "--threads = '0': Input should be greater than or equal to 1."),
        ("--threads 1000000", "--threads = '1000000': Input should be less than or equal to 1024."),
        ("--image-learning-rate=-.5", "--image-learning-rate = '-.5': Input should be greater than 0."),
        ("--image-learning-rate nan", "--image-learning-rate = 'nan': Input should be a finite number."),
        ("--network VGG", "--network: Unknown network 'VGG'. Did you mean 'VGG11'? Known: AlexNet, "),
        ("--dataset minst", "--dataset: Unknown data set 'minst'. Did you mean 'mnist'? Known: cifar10, "),
        (
            "--method dcc",
            "--method: Unknown method 'dcc'. Did you mean 'dc'? Known: dance, datm, dc, dm, dream, ",
        ),
        ("--device foo", "Unknown device 'foo'. Known: auto, cpu, cuda, cuda:0, cuda:1, ..."),
        ("--dataset no/where", "There is no file or folder no/where."),
        ("--train-size 7", "--train-size 7 cannot be balanced over the 10 classes of digits; a multiple of 10 can."),
    ],
)
def test_values_that_cannot_be(said: Said, words: str, start: str) -> None:
    (found,) = said("learn", *words.split(), "--out", "a.h5", "--quiet")
    assert found.startswith(start)


def test_a_device_that_is_not_there(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    sentence = "Device 'cuda' is not there: PyTorch sees no CUDA devices."
    assert said("learn", "--device", "cuda", "--out", "a.h5") == [sentence]


def test_all_mistakes_on_the_command_line_and_in_the_file_are_said_at_once(said: Said) -> None:
    Path("a.toml").write_text(
        'ipc = "one"\nnettwork = "MLP"\nseed = 1.5\nquiet = "yes"\nout = 7\nmethod = "dc"\n[more]\na = 1\n'
    )
    words = "extra --config a.toml --seed x --init reel --nix 3 --out"
    found = said("learn", *words.split())
    starts = [
        "Unknown option of condense learn '--nix'.",
        "condense learn does not know what to do with 'extra'.",
        "--out needs a value.",
        "a.toml: quiet = 'yes': Input should be a valid boolean.",
        "a.toml: ipc = 'one': Input should be a valid integer.",
        "a.toml: out = 7: Input should be a valid string.",
        "a.toml: nettwork: Unknown setting 'nettwork'. Did you mean 'network'? Known: ",
        "a.toml: more: Unknown setting 'more'.",
        "--init: Unknown initialisation 'reel'. Did you mean 'real'? Known: noise, real.",
        "--seed = 'x': Input should be a valid integer.",
    ]
    assert len(found) == len(starts)
    assert all(any(line.startswith(start) for line in found) for start in starts), found


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("ipc = = 3", "The configuration a.toml is not valid TOML: Invalid value (at line 1, column 7)."),
        ("\x00", "The configuration a.toml is not valid TOML: "),
        ('config = "b.toml"', "a.toml: config can be given on the command line only."),
        ("network = 3", "a.toml: network = 3: Input should be a valid array."),
        ("seeds = 2024-01-01", "a.toml: seeds = '2024-01-01': Input should be a valid integer."),
        ("seeds = inf", "a.toml: seeds = inf: Input should be a valid integer."),
    ],
)
def test_files_of_options(said: Said, content: str, sentence: str) -> None:
    Path("a.toml").write_text(content)
    (found,) = said("evaluate", "--config", "a.toml", "--whole", "--out", "r.jsonl")
    assert found.startswith(sentence)


def test_files_of_options_that_cannot_be_read(said: Said) -> None:
    Path("binary").write_bytes(b"\xff\xfe\x00")
    assert said("learn", "--config", "none.toml") == ["Cannot read the configuration none.toml: No such file or directory."]
    assert said("learn", "--config", ".") == ["Cannot read the configuration .: Is a directory."]
    assert said("learn", "--config", "binary")[0].startswith("Cannot read the configuration binary: 'utf-8' codec")


# Protocols of one's own


@pytest.mark.parametrize("command", ["run", "evaluate", "matrix"])
@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        ("name = = 3", ["The protocol own.toml is not valid TOML: Invalid value (at line 1, column 8)."]),
        (
            'epoch = 3\nepochs = 0\nlearning_rate = nan\nmomentum = "x"\noptimiser = "adam"\nschedule = "step"\n'
            'law = "all"\naugmentation = ["colour"]\n[[where]]\nnetwork = "ConvNt"\n',
            [
                "own.toml: epochs = 0: Input should be greater than or equal to 1.",
                "own.toml: learning_rate: nan is neither a finite number above 0 nor 'own', the rate that comes with a set.",
                "own.toml: optimiser = 'adam': Input should be 'sgd' or 'adamw'.",
                "own.toml: momentum = 'x': Input should be a valid number.",
                "own.toml: schedule = 'step': Input should be 'steps' or 'cosine'.",
                "own.toml: law = 'all': Input should be 'each', 'single' or 'several'.",
                "own.toml: augmentation.0: Unknown augmentation 'colour'. Did you mean 'color'?",
                "own.toml: name: It must be given.",
                "own.toml: where.0.network.0: Unknown network 'ConvNt'. Did you mean 'ConvNet'?",
                "own.toml: epoch: Unknown setting 'epoch'. Did you mean 'epochs'?",
            ],
        ),
        ('name = "dsa"', ["own.toml: name: 'dsa' is the name of a built-in protocol; give your own another."]),
        (
            'name = "../a"',
            ["own.toml: name: '../a' is no name of a protocol, which has letters, digits, - and _ only, and "],
        ),
        ('name = "a"\nwarm_up = 3', ["own.toml: warm_up: only the schedule cosine has one."]),
        (None, ["Cannot read the protocol own.toml: No such file or directory."]),
    ],
)
def test_protocols_of_ones_own(said: Said, made: Path, command: str, content: str | None, sentences: list[str]) -> None:
    if content is not None:
        Path("own.toml").write_text(content)
    words = {
        "run": ("run", "--dataset", made / "noise.npz", "--out", "folder"),
        "evaluate": ("evaluate", made / "set.h5", "--dataset", made / "noise.npz", "--out", "r.jsonl"),
        "matrix": ("matrix", "--dataset", made / "noise.npz", "--out", "folder"),
    }[command]
    found = said(*words, "--protocol", "own.toml")
    place = "--protocol.0: " if command == "matrix" else "--protocol: "
    assert len(found) == len(sentences)
    assert all(any(line.startswith(f"{place}{sentence}") for line in found) for sentence in sentences), found


def test_protocols_that_cannot_be_told_apart_or_used(said: Said, made: Path) -> None:
    for number in (1, 2):
        Path(f"{number}.toml").write_text(f'name = "own"\nepochs = {number}\n')
    words = ("matrix", "--dataset", made / "noise.npz", "--learn", "MLP", "--train", "MLP", "--out", "folder", "--quiet")
    assert said(*words, "--protocol", "1.toml", "2.toml") == [
        "Two protocols with different settings are called 'own': rename one."
    ]
    Path("rate.toml").write_text('name = "own"\nlearning_rate = "own"\n')
    words = ("evaluate", made / "set.h5", "--dataset", made / "noise.npz", "--out", "r.jsonl", "--quiet")
    assert said(*words, "--protocol", "rate.toml") == [
        "Protocol own trains with the learning rate of the set itself, and this set has none."
    ]


# Images


def test_networks_that_cannot_take_the_images(said: Said, made: Path) -> None:
    words = ("--dataset", made / "noise.npz", "--network", "VGG11", "--quiet")
    sentence = "VGG11 cannot take images of 8x8 pixels: nothing is left of them after its pooling layers."
    (found,) = said("learn", *words, "--out", "a.h5")
    assert found.startswith(sentence)
    (found,) = said("evaluate", made / "set.h5", *words[:2], "--network", "MLP", "VGG11", "--quiet", "--out", "r.jsonl")
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("choice", "advice"),
    [
        (("--method", "random"), ""),
        (("--method", "k-center"), ""),
        (("--method", "dm"), ""),
        (("--init", "real"), " --init noise does without real images to begin with."),
    ],
    ids=str,
)
def test_classes_smaller_than_the_images_asked_for(said: Said, made: Path, choice: tuple[str, str], advice: str) -> None:
    words = ("learn", "--dataset", made / "few.npz", "--network", "MLP", "--quiet", "--ipc", 5, *choice)
    sentence = f"Class 1 of few.npz has 2 images, fewer than the 5 images per class asked for.{advice}"
    assert said(*words, "--out", "a.h5") == [sentence]


def test_noise_may_be_more_than_there_are_images(made: Path, tmp_path: Path) -> None:
    words = ("learn", "--dataset", made / "few.npz", *LEARN, "--ipc", 5)
    assert condense(*words, "--out", tmp_path / "a.h5") == 0


def test_more_images_than_memory(said: Said, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DC, "begin", lambda self, problem: torch.empty(10**15))
    words = ("learn", "--dataset", made / "noise.npz", *LEARN)
    assert said(*words, "--out", "a.h5", exit_code=1)[0].startswith("Out of memory. Fewer images (--ipc, --real-batch)")


# Sets and records


def damaged_set(made: Path, name: str) -> Path:
    path = Path("bad.h5")
    path.write_bytes((made / "set.h5").read_bytes())
    if name == "a flipped byte":
        content = bytearray(path.read_bytes())
        content[content.index(SyntheticSet.load(path).images.numpy().tobytes()) + 100] ^= 1
        path.write_bytes(content)
    elif name == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif name == "text":
        path.write_text("hello")
    elif name == "other images":
        with h5py.File(path, "a") as file:
            del file["images"]
            file["images"] = np.zeros((2, 1, 8, 8), np.float32)
    else:
        with h5py.File(path, "w") as file:
            file["images"], file["labels"] = np.zeros((9, 8, 8), np.uint8), np.arange(9) % 3
    return path


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a flipped byte", "bad.h5 is damaged or not a synthetic set of condense: "),
        ("truncated", "bad.h5 is damaged or not a synthetic set of condense: "),
        ("text", "bad.h5 is not an HDF5 file, so it is no synthetic set of condense."),
        ("other images", "bad.h5 is damaged: its images or labels do not match the stored SHA-256."),
        ("real images", "bad.h5 is not a synthetic set of condense: it has no format_version."),
    ],
)
@pytest.mark.parametrize("command", ["info", "show", "evaluate"])
def test_sets_that_are_damaged_or_foreign(said: Said, made: Path, command: str, name: str, sentence: str) -> None:
    path = damaged_set(made, name)
    out = {"info": (), "show": ("--out", "a.png"), "evaluate": ("--out", "r.jsonl")}[command]
    (found,) = said(command, path, *out)
    assert found.startswith(sentence)


def test_a_set_that_is_not_there(said: Said) -> None:
    for path in ("none.h5", "."):
        assert said("info", path) == [f"There is no synthetic set at {path}."]


def test_a_set_given_as_real_images(said: Said, made: Path) -> None:
    (found,) = said("learn", "--dataset", made / "set.h5", *LEARN, "--out", "a.h5")
    assert "is a synthetic set made by condense" in found


def test_a_set_learned_from_other_images(said: Said, made: Path) -> None:
    words = ("evaluate", made / "set.h5", "--dataset", made / "other.npz", "--seeds", 1, "--out", "r.jsonl")
    (found,) = said(*words)
    assert found.startswith("The set was learned from other images: its noise.npz has fingerprint ")


def test_a_set_whose_images_are_gone_or_whose_configuration_is_foreign(said: Said, made: Path) -> None:
    one = SyntheticSet.load(made / "set.h5")
    for config, sentence in (
        (
            {**one.provenance.config, "dataset": "gone.npz"},
            "a.h5 was learned from 'gone.npz' and does not say where that lies",
        ),
        ({"dataset": "digits", "colour": 3}, "The set has 2 classes, but the digits given here has 10."),
        ({"dataset": 3}, "a.h5: config.dataset = 3: Input should be a valid string."),
        ({"train_size": "many"}, "a.h5: config.train_size = 'many': Input should be a valid integer."),
    ):
        one.provenance.config.clear()
        one.provenance.config.update(config)
        one.save("a.h5", force=True)
        (found,) = said("evaluate", "a.h5", "--out", "r.jsonl")
        assert found.startswith(sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "r.jsonl holds no records."),
        ("hello", "r.jsonl, line 1: not a complete line of JSON"),
        ("{}", "r.jsonl, line 1: damaged record (kind: Field required)."),
        ("\xff", "Cannot read records from r.jsonl: 'utf-8' codec"),
    ],
)
def test_tables_of_what_is_no_record(said: Said, content: str, sentence: str) -> None:
    Path("r.jsonl").write_bytes(content.encode("latin-1"))
    (found,) = said("table", "r.jsonl")
    assert found.startswith(sentence)


def test_tables_of_nothing_evaluated(said: Said, made: Path) -> None:
    sentence = "There are no evaluations among the records, so there is no table of accuracies."
    assert said("table", made / "set.jsonl") == [sentence]
    assert said("table", made / "set.jsonl", "none.jsonl")[0].startswith("Cannot read records from none.jsonl: No such file")
    assert said("table", made / "set.jsonl", "--format", "word") == [
        "--format = 'word': Input should be 'text', 'markdown', 'latex', 'html' or 'csv'."
    ]


def test_records_are_not_appended_to_anything_else(said: Said, made: Path) -> None:
    Path("set.h5").write_bytes((made / "set.h5").read_bytes())
    Path("broken.jsonl").write_text((made / "set.jsonl").read_text()[:-30])
    for out in ("set.h5", "broken.jsonl", "."):
        said("evaluate", made / "set.h5", "--dataset", made / "noise.npz", "--seeds", 1, "--out", out)


# Outputs


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("learn --out a.txt", "--out a.txt: the name of the file must end in .h5."),
        ("learn --out .", "--out .: the name of the file must end in .h5."),
        ("learn --out a.jsonl", "--out a.jsonl: the name of the file must end in .h5."),
        ("learn --out folder.h5", "folder.h5 is a folder; the name of a file is needed."),
        ("learn --out folder.h5 --force", "folder.h5 is a folder; the name of a file is needed."),
        ("learn --out file/a.h5", "Cannot write file/a.h5: file is not a folder."),
        ("learn --out file/b/a.h5", "Cannot write file/b/a.h5: file/b is not a folder."),
        ("learn --out /proc/a.h5", "Cannot write /proc/a.h5: No such file or directory."),
        ("run --out file", "Cannot write file/set.h5: file is not a folder."),
        ("show SET --out a.jpg", "--out a.jpg: the name of the file must end in .png."),
        ("show SET --out file/a.png", "Cannot write file/a.png: file is not a folder."),
        ("evaluate SET --seeds 1 --out file/r.jsonl", "Cannot write file/r.jsonl: file is not a folder."),
    ],
)
def test_places_where_nothing_can_be_written(said: Said, made: Path, words: str, sentence: str) -> None:
    Path("file").write_text("mine")
    Path("folder.h5").mkdir()
    (found,) = said(*words.replace("SET", str(made / "set.h5")).split())
    assert found.startswith(sentence)
    assert Path("file").read_text() == "mine"


def test_results_are_not_replaced_unasked(said: Said, made: Path) -> None:
    words = ("learn", "--dataset", made / "noise.npz", *LEARN)
    assert condense(*words, "--out", "a.h5") == 0
    refusal = "a.h5 exists already. Choose another --out, or pass --force to replace it."
    assert said(*words, "--out", "a.h5") == [refusal]
    Path("a.h5").rename("b.h5")
    Path("b.jsonl").write_text("mine")
    assert said(*words, "--out", "a.h5") == [refusal.replace(".h5", ".jsonl")]
    assert condense(*words, "--seed", 1, "--out", "a.h5", "--force") == 0
    assert SyntheticSet.load("a.h5").provenance.seed == 1
    assert len(read_records(Path("a.jsonl"))) == 1


def test_records_that_are_no_record_of_learning_survive_a_resumed_run(said: Said, made: Path, tmp_path: Path) -> None:
    words = ("learn", "--dataset", made / "noise.npz", *LEARN, "--out", "a.h5")
    assert condense(*words) == 0
    assert condense("evaluate", "a.h5", *words[1:3], "--seeds", 1, "--quiet", "--out", "a.jsonl") == 0
    os.remove("a.h5")
    assert said(*words, "--resume") == ["a.jsonl exists already. Choose another --out, or pass --force to replace it."]


# Runs that fail, and what they leave


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_its_state(said: Said, made: Path) -> None:
    words = ("learn", "--dataset", made / "noise.npz", *LEARN, "--iterations", 50, "--image-learning-rate", 1e35)
    (found,) = said(*words, "--out", "a.h5", exit_code=1)
    assert found.startswith("Stage C stopped at step ")
    assert "no longer finite. Try a smaller learning rate. a.h5.checkpoint keeps the state before that step" in found
    assert sorted(os.listdir()) == ["a.h5.checkpoint"]
    assert said(*words, "--out", "a.h5", "--resume", exit_code=1) == [found]
    (unfinished,) = said(*words, "--out", "a.h5")
    assert unfinished == "a.h5.checkpoint keeps an unfinished run: --resume continues it, --force starts anew."
    (other,) = said(*words[:-1], 0.1, "--out", "a.h5", "--resume")
    assert other.startswith(
        "The checkpoint a.h5.checkpoint belongs to another run (image_learning_rate: 1e+35 there, 0.1 now)"
    )
    assert condense(*words[:-1], 0.1, "--out", "a.h5", "--force") == 0
    assert sorted(os.listdir()) == ["a.h5", "a.jsonl"]


def test_checkpoints_that_are_damaged_or_foreign(said: Said, made: Path) -> None:
    words = ("learn", "--dataset", made / "noise.npz", *LEARN, "--iterations", 50)
    assert condense(*words, "--image-learning-rate", 1e35, "--out", "a.h5") == 1
    checkpoint = Path("a.h5.checkpoint")
    whole = checkpoint.read_bytes()
    for place in range(0, len(whole), 2500):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        checkpoint.write_bytes(flipped)
        (found,) = said(*words, "--image-learning-rate", 1e35, "--out", "a.h5", "--resume")
        assert found.endswith("delete it to start anew.")
    for content in (b"", b"text", whole[:-1], whole[: len(whole) // 2], whole + b"\0"):
        checkpoint.write_bytes(content)
        (found,) = said(*words, "--image-learning-rate", 1e35, "--out", "a.h5", "--resume")
        assert found.endswith("delete it to start anew.")


def test_a_finished_set_of_another_configuration_or_from_other_images_is_not_resumed(said: Said, made: Path) -> None:
    Path("noise.npz").write_bytes((made / "noise.npz").read_bytes())
    words = ("--dataset", "noise.npz", *LEARN, "--out", "a.h5", "--resume")
    assert condense("learn", *words) == condense("learn", *words) == 0
    sentence = "a.h5 was learned with another configuration; choose another --out, or pass --force."
    assert said("learn", *words, "--seed", 5) == [sentence]
    write_images(Path("noise.npz"), seed=1)
    assert said("learn", *words)[0].startswith("The set was learned from other images")


@pytest.mark.parametrize(
    "words", [("run",), ("learn", "--out", "set.h5"), ("learn", "--out", "deeper/set.h5"), ("matrix", "--out", "m")], ids=str
)
def test_results_among_the_images(said: Said, tmp_path: Path, words: tuple[str, ...]) -> None:
    """They would be one more class; nothing is made there."""
    for name in "ab":
        Path(name).mkdir()
    (sentence,) = said(words[0], "--dataset", ".", *words[1:])
    assert "the folder of the images, where it would be one more class. Choose another --out." in sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
