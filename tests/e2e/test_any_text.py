"""Whatever is typed or lies in a file: printed in any encoding, never repeated at length, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images
from PIL import Image

from condense.cli.options import COMMANDS
from condense.synthetic_set import SyntheticSet

LONG = "x" * 100_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of classes of many alphabets, a set learned from them, records."""
    folder = tmp_path_factory.mktemp("made")
    for number, name in enumerate(("Grüße", "数字", "±×…")):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(6):
            Image.new("L", (8, 8), 40 * number + index).save(folder / "images" / name / f"{index}.png")
    assert condense("learn", "--dataset", folder / "images", *LEARN, "--out", folder / "set.h5") == 0
    words = ("evaluate", folder / "set.h5", "--seeds", 3, "--protocol", "report", "--quiet", "--out", folder / "r.jsonl")
    assert condense(*words, "--dataset", folder / "images") == 0
    return folder


# Encodings


def in_encoding(encoding: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    program = "from condense.cli.main import main; main()"
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_tables_names_and_mistakes_are_printed_in_any_encoding(encoding: str, made: Path) -> None:
    for words, code in (
        (("table", made / "r.jsonl", "--format", "markdown"), 0),
        (("learn", "--network", "数字\udce9"), 2),
        (("learn", "--dataset", made / "images", *LEARN, "--out", made / f"±{encoding}.h5"), 0),
    ):
        found = in_encoding(encoding, *words)
        assert found.returncode == code and b"Traceback" not in found.stderr and b"Error" not in found.stderr, found.stderr
        (found.stdout + found.stderr).decode(encoding)
    table = in_encoding("ascii", "table", made / "r.jsonl").stdout.decode("ascii")
    assert " +/- " in table and "\\u" not in table


def test_every_help_is_printed_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "from condense.cli.main import main\n"
        f"for name in {list(COMMANDS)}:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit as stop: assert not stop.code, (name, stop)\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment)
    assert found.returncode == 0, found.stderr
    found.stdout.decode("ascii")


# Values of any length and content


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> list[str]:
    """The sentences of a command that ends with an exit code."""
    capsys.readouterr()
    assert condense(*words) == code
    out, err = capsys.readouterr()
    assert not out and err and all(line.startswith("condense: ") for line in err.splitlines())
    return [line.removeprefix("condense: ") for line in err.splitlines()]


@pytest.mark.parametrize(
    "words",
    [
        (LONG,),
        ("learn", f"--{LONG}"),
        ("learn", LONG),
        ("learn", "--resume=" + LONG),
        *(
            ("learn", f"--{flag}", LONG, "--out", "a.h5")
            for flag in (
                "network",
                "dataset",
                "method",
                "schedule",
                "init",
                "ipc",
                "seed",
                "precision",
                "image-learning-rate",
            )
        ),
        ("learn", "--device", LONG, "--out", "a.h5", "--quiet"),
        ("learn", "--out", LONG),
        ("learn", "--out", f"{LONG}.h5"),
        ("learn", "--config", LONG),
        ("learn", "--data-root", LONG, "--out", "a.h5"),
        ("evaluate", LONG, "--out", "r.jsonl"),
        ("evaluate", "--network", "MLP", LONG, "--whole", "--out", "r.jsonl"),
        ("table", LONG),
        ("table", "--format", LONG, "r.jsonl"),
        ("show", LONG, "--out", "a.png"),
        ("info", LONG),
        ("run", "--out", LONG, "--protocol", "published"),
        ("matrix", "--out", LONG),
        ("generalize", LONG),
        ("sweep", LONG, "--out", "a"),
        ("parity", LONG, "--out", "a"),
    ],
    ids=lambda words: " ".join(word[:20] for word in words),
)
def test_what_is_typed_is_never_repeated_at_length(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sentences = said(capsys, *words)
    assert all(len(line) < 700 and "x" * 250 not in line for line in sentences) and "xxx" in "".join(sentences)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        f'network = "{LONG}"',
        f"{LONG} = 3",
        f"seed = {'1' * 5000}",
        f"seed = {'1' * 4000}",
        f"seed = {'[' * 3000}{']' * 3000}",
        f"{'.'.join('a' * 3000)} = 1",
        f"seed = {LONG}",
        f'seed = "{LONG}"',
        f"seed = [{'1, ' * 50_000}]",
        "seed = { " + ", ".join(f"a{number} = 1" for number in range(20_000)) + " }",
        f'dataset = "{LONG}/a"',
        'dataset = "~nosuchuser/images"',
        'dataset = "a\\u0000b"',
        'out = "a\\u0000b.h5"',
        'out = "two\\nlines\\u001b[31m.jsonl"',
        f'out = "{"y" * 300}.h5"',
        "\n".join(f"key{number} = 1" for number in range(5000)),
    ],
    ids=lambda content: content[:30],
)
def test_what_a_file_holds_is_never_repeated_at_length(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(content)
    sentences = said(capsys, "learn", "--config", "a.toml")
    assert len(sentences) <= 20 and all(len(line) < 900 and "\x1b" not in line for line in sentences)
    assert os.listdir(tmp_path) == ["a.toml"]


def test_a_byte_order_mark_is_no_part_of_a_file_of_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_bytes(b'\xef\xbb\xbfnetwork = "MLPP"\r\n')
    (sentence,) = said(capsys, "learn", "--config", "a.toml")
    assert sentence.startswith("a.toml: network: Unknown network 'MLPP'. Did you mean 'MLP'?")


# Paths


NAMES = {"a name of 300": "y" * 300, "a zero byte": "a\0b", "no user": "~nosuchuser/a"}


@pytest.mark.parametrize("name", ["a name of 300", "a zero byte"])
@pytest.mark.parametrize(
    "words",
    [
        "learn --out {}.h5",
        "learn --dataset {} --out a.h5",
        "learn --dataset {}/deeper --out a.h5",
        "learn --data-root {} --out a.h5",
        "learn --config {}",
        "run --out {}",
        "run --out a/{}/b",
        "evaluate {} --out r.jsonl",
        "evaluate SET --out {}",
        "evaluate SET --dataset {} --out r.jsonl",
        "table {}",
        "info {}",
        "show {} --out a.png",
        "show SET --out {}.png",
        "datasets --data-root {}",
        "matrix --out {}",
        "generalize fig1a --out {}",
        "sweep digits --out {}",
        "parity simplenn --out {}",
    ],
)
def test_paths_that_cannot_be(
    words: str, name: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [word.replace("SET", str(made / "set.h5")).replace("{}", NAMES[name]) for word in words.split()]
    (sentence,) = said(capsys, *given)
    wanted = {"a name of 300": "File name too long", "a zero byte": "no path holds a zero byte"}[name]
    assert wanted in sentence and len(sentence) < 350
    assert os.listdir(tmp_path) == []


def test_the_home_of_no_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (sentence,) = said(capsys, "learn", "--dataset", "~nosuchuser/images", "--out", "a.h5")
    assert sentence.startswith("--dataset: ") and "~nosuchuser/images" in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_files_that_may_not_be_read(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in (("r.jsonl", ("table",)), ("a.toml", ("learn", "--config")), ("d", ("table",))):
        path = tmp_path / name
        path.mkdir() if name == "d" else path.write_text("")
        path.chmod(0)
        (sentence,) = said(capsys, *words, path)
        assert str(path) in sentence and "Permission denied" in sentence


def test_a_path_that_may_not_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert said(capsys, "table", "r.jsonl") == ["Cannot use r.jsonl: Permission denied."]


# Counts


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("run --seeds 1000000000", "--seeds = '1000000000': Input should be less than or equal to 10000."),
        ("evaluate --whole --seeds 10001", "--seeds = '10001': Input should be less than or equal to 10000."),
        ("matrix --seeds 1000000000", "--seeds = '1000000000': Input should be less than or equal to 10000."),
        ("matrix --sets 1000000000", "--sets = '1000000000': Input should be less than or equal to 1000."),
        ("generalize --seeds 1000000000", "--seeds = '1000000000': Input should be less than or equal to 10000."),
        ("sweep digits --seeds 1000000000", "--seeds = '1000000000': Input should be less than or equal to 10000."),
        ("learn --ipc 1000000000", "--ipc = '1000000000': Input should be less than or equal to 100000."),
    ],
)
def test_counts_have_limits(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *words.split(), "--out", "a") == [sentence]


# Advice


def test_a_class_of_one_image_under_the_fast_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = write_images(tmp_path / "few.npz", counts=(20, 2))
    words = ("learn", "--dataset", images, "--network", "MLP", "--ipc", 2, "--schedule", "fast", "--out", tmp_path / "a.h5")
    (sentence,) = [line for line in said(capsys, *words) if line.startswith("Class")]
    assert sentence == (
        "Class 1 of few.npz has 1 image, fewer than the 2 images per class asked for. "
        "--init noise does without real images to begin with."
    )
    assert condense(*words, "--init", "noise", "--iterations", 1, "--inner-loop", 1) == 0
    assert SyntheticSet.load(tmp_path / "a.h5").provenance.config["init"] == "noise"
