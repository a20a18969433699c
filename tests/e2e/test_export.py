"""`condense export`, with sets as they were released."""

from pathlib import Path

import pytest
import torch
from command_line import ROOT, condense

from condense.records import read_records
from condense.synthetic_set import SyntheticSet

RELEASED = ROOT / "artifacts" / "mnist-convnet-ipc1"
SET, RECORDS = RELEASED / "set.h5", RELEASED / "records.jsonl"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What is said of a command that writes nothing."""
    before = {path: path.is_dir() or path.read_bytes() for path in Path.cwd().rglob("*")}
    assert condense(*words) == 2
    assert {path: path.is_dir() or path.read_bytes() for path in Path.cwd().rglob("*")} == before
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("condense: ")
    return err.removeprefix("condense: ").rstrip("\n")


def test_a_released_set_goes_out_with_its_accuracies(capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("export", SET, "--to", "vico", "--out", "result", "--records", RECORDS) == 0
    assert capsys.readouterr().out == "Written: result\n"
    content = torch.load("result/res_DC_MNIST_ConvNet_1ipc.pt", weights_only=True)
    ((images, labels),) = content["data"]
    assert torch.equal(images, SyntheticSet.load(SET).images) and labels.tolist() == list(range(10))
    accuracies = next(record for record in read_records(RECORDS) if record.task == "evaluate").accuracies
    assert content["accs_all_exps"] == {"ConvNet": accuracies}


def test_what_is_lost_is_said_first(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(capsys, "export", SET, "--to", "folder", "--out", "pictures")
    assert sentence.startswith("folder would lose float32 pixels (8 bits are written") and "--lossy" in sentence
    assert condense("export", SET, "--to", "folder", "--out", "pictures", "--lossy") == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("condense: Lost: float32 pixels") and lines[1].startswith("condense: Lost: what is beyond")
    assert sorted(path.name for path in Path("pictures").iterdir()) == [*map(str, range(10)), "README.md"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export", "Missing: SET.h5, --to FORM, --out PATH."),
        (f"export {SET} --to vico", "Missing: --out PATH."),
        (f"export {SET} --to vicoo --out a.pt", "--to = 'vicoo': Input should be 'vico', 'mtt', "),
        (f"export {SET} --to npz --out a.pt", "--out a.pt: the name of the file must end in .npz."),
        (f"export {SET} --to mtt --out a.npz", "--out a.npz: mtt is a folder, whose name does not end in .npz."),
        (f"export {SET} --to mtt --out .", ". exists already, and is never overwritten. Choose another --out."),
        ("export none.h5 --to mtt --out a", "There is no synthetic set at none.h5."),
        (f"export {RECORDS} --to mtt --out a", f"{RECORDS} is not an HDF5 file"),
        (f"export {SET} {SET} --to vico --out a.pt", "Sets 1 and 2 are the same;"),
        (f"export {SET} {SET} --to npz --out a.npz", "npz would lose 1 of the 2 sets (the first is written): --lossy"),
        (f"export {SET} --to vico --out a.pt --records none.jsonl", "Cannot read records from none.jsonl: "),
        (
            f"export {SET} --to dd-ranking --out a",
            "dd-ranking would lose the normalisation (mean 0.1307, std 0.3081), as",
        ),
        (f"export {SET} --to mtt --out a --force", "Unknown option of condense export '--force'."),
    ],
)
def test_mistakes_are_a_sentence_each(capsys: pytest.CaptureFixture[str], words: str, sentence: str) -> None:
    assert refused(capsys, *words.split()).startswith(sentence)


def test_records_of_other_sets_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    others = ROOT / "artifacts" / "fashion-mnist-convnet-ipc1" / "records.jsonl"
    sentence = refused(capsys, "export", SET, "--to", "vico", "--out", "a.pt", "--records", others)
    assert sentence == "None of the records given is an evaluation of a set to be exported."


def test_another_process_that_writes_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from condense.files import taken_files

    with taken_files(Path("a.pt")):
        sentence = refused(capsys, "export", SET, "--to", "vico", "--out", "a.pt")
    assert sentence.startswith("Another process is writing a.pt.")
