"""Two commands on the same files, and evaluations that were stopped: nothing is doubled, replaced or done twice."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import LEARN, condense, write_images

from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.errors import CondenseError, Interrupted
from condense.events import Epoch, NetworkTested
from condense.files import taken_files
from condense.pipeline import evaluate_into, learn_and_save, run
from condense.records import read_records
from condense.stage_t import evaluate as stage_t
from condense.stage_t.evaluate import evaluate_network
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

RUNNING = "Another process is writing "


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz")


@pytest.fixture(scope="module")
def learned(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "set.h5"
    assert condense("learn", "--dataset", images, *LEARN, "--out", path) == 0
    return path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training takes two epochs."""
    monkeypatch.setattr(stage_t, "recipe", lambda *case: Recipe((Stage(2, 0.05),)))
    monkeypatch.setattr(stage_t, "whole_recipe", lambda: Recipe((Stage(2, 0.05),)))


# Real processes at the same time


def started(*words: object) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    program = "from condense.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words), "--threads", "1", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def ended(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Exit code and stderr of each, those that succeeded first."""
    return sorted((process.returncode, err) for process in processes if (err := process.communicate(timeout=300)[1]) or True)


@pytest.mark.parametrize(("command", "seeds"), [("run", (0, 1)), ("learn", (0, 0))])
def test_of_two_that_write_the_same_files_one_is_refused(
    command: str, seeds: tuple[int, int], images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" if command == "run" else tmp_path / "out" / "set.h5"
    words = (command, "--dataset", images, "--network", "MLP", "--iterations", 150, "--inner-loop", 1, "--out", out)
    more = ("--seeds", 1, "--protocol", "report") if command == "run" else ()
    first, second = ended(*(started(*words, *more, "--seed", seed) for seed in seeds))
    assert (first[0], second[0]) == (0, 2)
    assert second[1].startswith(f"condense: {RUNNING}") and second[1].count("\n") == 1, second
    folder = tmp_path / "out"
    (records,) = folder.glob("*.jsonl")
    found = read_records(records)
    assert [record.task for record in found] == (["learn", "evaluate"] if command == "run" else ["learn"])
    assert SyntheticSet.load(folder / "set.h5").sha256 == found[0].config["set"]
    assert not [path for path in folder.iterdir() if path.name.startswith(".") or path.name.endswith(".checkpoint")]


def test_of_two_evaluations_into_one_file_one_is_refused(learned: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    words = ("evaluate", learned, "--dataset", images, "--network", "ConvNetW8D1", "--seeds", 3, "--out", out)
    first, second = ended(started(*words), started(*words))
    assert (first[0], second[0]) == (0, 2) and second[1].startswith(f"condense: {RUNNING}{out}.")
    assert len(read_records(out)) == 1 and os.listdir(tmp_path) == ["r.jsonl"]


def test_a_kill_leaves_nothing_taken_and_the_evaluation_goes_on(learned: Path, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    words = (
        "evaluate",
        learned,
        "--dataset",
        images,
        "--network",
        "ConvNetW8D1",
        "--protocol",
        "report",
        "--seeds",
        10,
        "--out",
        out,
    )
    process = started(*words)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*.checkpoint")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    assert not out.exists()
    code, err = ended(started(*words))[0]
    assert code == 2 and err.startswith(f"condense: {checkpoint} keeps an unfinished evaluation: --resume continues it")
    assert ended(started(*words, "--resume")) == [(0, "")]
    (record,) = read_records(out)
    whole = tmp_path / "whole.jsonl"
    assert ended(started(*words[:-1], whole)) == [(0, "")]
    assert read_records(whole)[0].accuracies == record.accuracies and len(record.accuracies) == 10
    assert not list(tmp_path.glob("*.checkpoint"))


# In this process


def test_who_holds_a_file_keeps_all_commands_from_it(images: Path, learned: Path, tmp_path: Path, capsys) -> None:
    out, records = tmp_path / "set.h5", tmp_path / "records.jsonl"
    data = load(str(images))
    config = LearnConfig(network="MLP", iterations=1)
    for held in (out, records):
        with taken_files(held):
            with pytest.raises(CondenseError, match=RUNNING):
                learn_and_save(config, data, out, records)
            with pytest.raises(CondenseError, match=RUNNING):
                run(config, EvaluateConfig(seeds=1), data, tmp_path, force=True)
    with taken_files(records), pytest.raises(CondenseError, match=RUNNING):
        evaluate_into(records, EvaluateConfig(seeds=1), SyntheticSet.load(learned), data)
    assert os.listdir(tmp_path) == []


def test_an_evaluation_that_was_stopped_goes_on(
    learned: Path, images: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    out = tmp_path / "r.jsonl"
    words = (
        "evaluate",
        learned,
        "--dataset",
        images,
        "--network",
        "MLP",
        "ConvNetW4D1",
        "--seeds",
        3,
        "--quiet",
        "--out",
        out,
    )
    plain, calls = stage_t.accuracies, []

    def interrupted(*case):
        calls.append(case)
        if len(calls) == 3:  # the MLPs are one stack, so this is the second ConvNet
            raise KeyboardInterrupt
        return plain(*case)

    with monkeypatch.context() as patch:
        patch.setattr(stage_t, "accuracies", interrupted)
        assert condense(*words) == 130
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    assert capsys.readouterr().err == (
        "condense: Stopped while training ConvNetW4D1; records of networks finished before are kept; "
        f"{checkpoint} keeps the networks tested so far. The same command with --resume continues.\n"
    )
    assert [record.config["network"] for record in read_records(out)] == ["MLP"]
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(stage_t, "accuracies", lambda *case: calls.append(case) or plain(*case))
        assert condense(*words, "--resume") == 0
    assert len(calls) == 2  # the first ConvNet and the MLPs are not trained again
    assert [record.seeds for record in read_records(out)] == [[0, 1, 2]] * 2 and os.listdir(tmp_path) == ["r.jsonl"]


def test_what_is_recorded_is_not_recorded_twice(learned: Path, images: Path, tmp_path: Path, short: None, capsys) -> None:
    out = tmp_path / "r.jsonl"
    words = ("evaluate", learned, "--dataset", images, "--seeds", 2, "--quiet", "--out", out)
    assert condense(*words) == 0
    before = out.read_bytes()
    capsys.readouterr()
    assert condense(*words) == 2
    sentence = f"{out} holds this evaluation of MLP already; --resume leaves it and does what is missing."
    assert capsys.readouterr().err == f"condense: {sentence}\n"
    assert condense(*words, "--resume") == 0 and out.read_bytes() == before
    assert condense(*words, "--protocol", "report") == 0 and condense(*words, "--network", "ConvNetW4D1") == 0
    assert len(read_records(out)) == 3
    other = tmp_path / "other.h5"
    assert condense("learn", "--dataset", images, *LEARN, "--seed", 1, "--out", other) == 0
    assert condense("evaluate", other, *words[2:]) == 0 and len(read_records(out)) == 4


def test_training_on_everything_resumes_too(
    images: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.jsonl"
    words = ("evaluate", "--whole", "--dataset", images, "--network", "ConvNetW4D1", "--seeds", 3, "--quiet", "--out", out)
    plain, calls = stage_t.accuracies, []

    def interrupted(*case):
        calls.append(case)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(*case)

    with monkeypatch.context() as patch:
        patch.setattr(stage_t, "accuracies", interrupted)
        assert condense(*words) == 130
    assert condense(*words) == 2 and condense(*words, "--resume") == 0
    before = out.read_bytes()
    assert condense(*words) == 2 and condense(*words, "--resume") == 0
    assert out.read_bytes() == before and len(read_records(out)[0].accuracies) == 3


def test_a_checkpoint_is_of_one_set(learned: Path, images: Path, tmp_path: Path, short: None) -> None:
    """Two sets whose evaluations were stopped in one file do not meet."""
    data, out = load(str(images)), tmp_path / "r.jsonl"
    first = SyntheticSet.load(learned)
    second = learn_and_save(LearnConfig(network="MLP", iterations=1, seed=7), data, tmp_path / "b.h5", tmp_path / "b.jsonl")
    for found in (first, second):
        with pytest.raises(Interrupted):
            evaluate_into(out, EvaluateConfig(network=("ConvNetW4D1",), seeds=2), found, data, progress=_stop_at_the_third)
    assert len(list(tmp_path.glob("r.jsonl-*.checkpoint"))) == 2
    for found in (first, second):
        (record,) = evaluate_into(out, EvaluateConfig(network=("ConvNetW4D1",), seeds=2), found, data, resume=True)
        assert record.config["set"]["sha256"] == found.sha256
        assert record.accuracies == evaluate_network("ConvNetW4D1", "published", found, data, range(2)).accuracies


def _stop_at_the_third(event: Epoch | NetworkTested) -> None:
    if isinstance(event, Epoch) and event.done == 3:
        raise KeyboardInterrupt


# The end of a run


@pytest.mark.parametrize("failing", ["condense.pipeline.write_atomically", "condense.synthetic_set.write_atomically"])
def test_whatever_fails_at_the_end_leaves_the_checkpoint(
    failing: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CondenseError("No more room.")

    words = ("learn", "--dataset", images, *LEARN, "--out", tmp_path / "set.h5")
    with monkeypatch.context() as patch:
        patch.setattr(failing, fail)
        assert condense(*words) == 2
    assert (tmp_path / "set.h5.checkpoint").exists()
    monkeypatch.setattr("condense.stage_c.methods.dc.DC.step", None)  # nothing is left to compute
    assert condense(*words, "--resume") == 0 and SyntheticSet.load(tmp_path / "set.h5")


@pytest.mark.parametrize("name", ["caf\udce9", "zero\0byte"])
def test_names_that_no_set_can_state_are_refused_before_the_work(name: str, small_images, tmp_path: Path) -> None:
    def never(*_: object) -> None:
        pytest.fail("the work has begun")

    plain = small_images()
    for data in (replace(plain, name=name), replace(plain, class_names=("a", name))):
        with pytest.raises(CondenseError, match=r"is not UTF-8 without zero bytes: no set can state it\. Rename it\."):
            learn_and_save(
                *(LearnConfig(network="MLP"), DataSet(data.name, data, data), tmp_path / "s.h5", tmp_path / "s.jsonl"),
                progress=never,
            )
    assert os.listdir(tmp_path) == []


def test_no_room_is_said_before_the_work(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 100, 100))
    assert condense("learn", "--dataset", images, *LEARN, "--out", tmp_path / "set.h5") == 2
    assert "set.h5: the disk has 0.0 MiB left, fewer than the 0.0 MiB needed." in capsys.readouterr().err
