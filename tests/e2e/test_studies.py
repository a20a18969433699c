"""Studies as commands: the complete one of docs/examples, installed, computed by several processes, killed and resumed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import ROOT, condense, installed_into, write_images

EXAMPLE = ROOT / "docs" / "examples" / "study"
WORDS = ("study", "accuracy-by-size", "--ipc", "1", "2", "3", "--seeds", "2", "--threads", "1", "--quiet")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example."""
    return installed_into(tmp_path_factory.mktemp("plugins"), "study")


def start(site: Path, folder: Path, *words: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "condense", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(site: Path, folder: Path, *words: str, code: int = 0) -> str:
    """What a command prints: its output, or with another code what it says is wrong."""
    process = start(site, folder, *words)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    return errors if code else output


def results(folder: Path) -> dict[str, list[tuple[str, list[float]]]]:
    """What networks scored, and on which sets, by cell: all of the records but what it cost."""
    lines = {path.stem: path.read_text().splitlines() for path in sorted((folder / "sizes").glob("*.jsonl"))}
    records = {name: [json.loads(line) for line in own] for name, own in lines.items()}
    return {name: [(one["config_hash"], accuracies_of(one)) for one in own] for name, own in records.items()}


def accuracies_of(record: dict[str, list[float]]) -> list[float]:
    return record.get("metrics", record).get("accuracy", record.get("accuracies", []))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def undisturbed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, computed by one process."""
    folder = tmp_path_factory.mktemp("study")
    said = run(site, folder, *WORDS, "--out", "s")
    assert said.splitlines()[0] == "Tables: s/tables.md" and "page.html" in said
    return folder / "s"


def children_of(process: int) -> list[int]:
    """Processes that a process has started and that compute cells."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(word) for word in text.split()]


def test_it_is_listed_helped_and_shown(
    site: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(site)

    def said(*words: object) -> str:
        assert condense(*words) == 0
        return capsys.readouterr().out

    assert "condense study accuracy-by-size: accuracy against the number of images" in said("study")
    assert "--ipc [INT [INT ...]]" in said("study", "accuracy-by-size", "--help")
    assert said("status", undisturbed) == "3 of 3 cells done\n"
    assert re.search(r"sizes/3 +MLP on 3 per class +done", said("status", undisturbed, "--all"))
    assert said("table", undisturbed, "--format", "markdown").strip() in (undisturbed / "tables.md").read_text()
    csv = said("table", undisturbed, "--format", "csv")
    assert csv.splitlines()[0] == "images_per_class,networks,mean" and len(csv.split()) == 4
    page = (undisturbed / "page.html").read_text()
    (undisturbed / "page.html").unlink()
    assert "page.html" in said("page", undisturbed)
    assert (undisturbed / "page.html").read_text() == page


@pytest.mark.long
def test_several_processes_one_of_them_killed_do_all_cells(site: Path, undisturbed: Path, tmp_path: Path) -> None:
    process = start(site, tmp_path, *WORDS, "--out", "s", "--processes", "3")
    while not (children := children_of(process.pid)):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(children[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert results(tmp_path / "s") == results(undisturbed)


def test_commands_on_one_folder_one_of_them_killed_share_the_cells(site: Path, undisturbed: Path, tmp_path: Path) -> None:
    processes = [start(site, tmp_path, *WORDS, "--out", "s") for _ in range(2)]
    while not list((tmp_path / "s").glob(".study/sizes/*/running.json")):
        time.sleep(0.05)
    claimed = json.loads(next((tmp_path / "s").glob(".study/sizes/*/running.json")).read_text())["process"]
    os.kill(claimed, signal.SIGKILL)
    codes = {process.pid: (process.communicate(timeout=300), process.returncode)[1] for process in processes}
    assert codes.pop(claimed) == -signal.SIGKILL and set(codes.values()) == {0}
    assert results(tmp_path / "s") == results(undisturbed)


def test_a_cell_is_a_command(site: Path, undisturbed: Path, tmp_path: Path) -> None:
    shutil.copytree(undisturbed, tmp_path / "s")
    (tmp_path / "s" / "sizes" / "2.jsonl").unlink()
    assert "2 of 3 cells done; about" in run(site, tmp_path, "status", "s")
    assert "Records: s/sizes/2.jsonl" in run(site, tmp_path, "cell", "s", "sizes/2", "--threads", "1", "--quiet")
    assert results(tmp_path / "s") == results(undisturbed)
    assert "Done already: s/sizes/2.jsonl" in run(site, tmp_path, "cell", "s", "sizes/2", "--quiet")
    assert "has no cell 'sizes/9'" in run(site, tmp_path, "cell", "s", "sizes/9", code=2)


def test_other_settings_in_its_folder_are_refused(site: Path, undisturbed: Path) -> None:
    words = ("study", "accuracy-by-size", "--ipc", "7", "--quiet", "--out", "s")
    said = run(site, undisturbed.parent, *words, code=2)
    assert said.startswith("condense: s holds a accuracy-by-size with other settings (ipc: [1, 2, 3] there, [7] now")
    said = run(site, undisturbed.parent, "study", "accuracy-by-sise", "--out", "t", code=2)
    assert "Unknown study 'accuracy-by-sise'. Did you mean 'accuracy-by-size'?" in said.replace("accuracy-by-sise '", "")
    assert "has a command of its own, condense sweep" in run(site, undisturbed.parent, "study", "sweep", code=2)


@pytest.mark.parametrize("command", ["status", "page", "cell", "table"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "holds no"),
        ("{", "not complete JSON"),
        ('{"format": "condense study 9", "kind": "matrix"}', "another version of condense"),
        ('{"format": "condense study 1"}', "does not say which kind"),
        ('{"format": "condense study 1", "kind": "nothing"}', "Unknown study 'nothing'"),
        ("[" * 10**5, "nested too deep"),
        ('{"format": "condense study 1", "kind": "\\u0000"}', "Unknown study"),
    ],
)
def test_what_is_no_study_is_said_in_a_sentence(
    command: str, text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "study.json").write_text(text)
    words = (command, tmp_path, *(["sizes/1"] if command == "cell" else []))
    assert condense(*words) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


def test_missing_words_are_asked_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert condense("cell") == 2
    assert condense("status", tmp_path / "nowhere") == 2
    assert condense("page") == 2
    assert condense("cell", tmp_path) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "condense: Missing: STUDY." and said[2] == "condense: Missing: DIR."
    assert "holds no study" in said[1] and said[3] == "condense: Missing: KEY."


def test_the_page_of_a_run_is_made_anew(tmp_path: Path) -> None:
    run = ("run", "--dataset", write_images(tmp_path / "noise.npz"), "--network", "mlp-1x8", "--method", "random")
    assert condense(*run, "--seeds", 1, "--protocol", "report", "--quiet", "--out", tmp_path / "run") == 0
    made = {name: (tmp_path / "run" / name).read_bytes() for name in ("page.html", "images.png")}
    for name in made:
        (tmp_path / "run" / name).unlink()
    assert condense("page", tmp_path / "run") == 0
    assert {name: (tmp_path / "run" / name).read_bytes() for name in made} == made


def test_the_guide_quotes_the_example() -> None:
    blocks = re.findall(r"^```(?:python|toml)\n(.*?)^```", (ROOT / "docs" / "adding-a-study.md").read_text(), re.M | re.S)
    source = "".join((EXAMPLE / name).read_text() for name in ("condense_accuracy_by_size.py", "pyproject.toml"))
    lines = {line.strip() for line in source.splitlines()}
    assert len(blocks) >= 4
    for line in "".join(blocks).splitlines():
        assert line.strip() in lines
