"""Stopped at any moment, by any signal, a run goes on with --resume and ends in the same bytes as one that was not."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from command_line import condense, write_images

from condense.records import read_records
from condense.stage_c import driver
from condense.stage_c.methods.dc import DC
from condense.synthetic_set import SyntheticSet

WORDS = ("--network", "MLP", "--ipc", "2", "--inner-loop", "1", "--threads", "1", "--quiet")
PROGRAM = "import condense.stage_c.driver as d; d.CHECKPOINT_SECONDS = 0; from condense.cli.main import main; main()"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "noise.npz")


@pytest.fixture
def at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints as often as can be."""
    monkeypatch.setattr(driver, "CHECKPOINT_SECONDS", -1.0)


# Signals to a process of its own


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, images: Path) -> bytes:
    out = tmp_path_factory.mktemp("whole") / "set.h5"
    assert condense("learn", "--dataset", images, *WORDS, "--iterations", 40, "--out", out) == 0
    return out.read_bytes()


def stopped_in_mid_run(number: signal.Signals, words: tuple[object, ...], checkpoint: Path) -> tuple[int, str]:
    """Exit code and stderr of a process that got a signal once it had written checkpoints."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # What a shell starts in the background ignores Ctrl-C, and so would the processes of a test run there.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_in_mid_run(number: signal.Signals, images: Path, uninterrupted: bytes, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    words = ("learn", "--dataset", images, *WORDS, "--iterations", 40, "--out", out)
    code, err = stopped_in_mid_run(number, words, tmp_path / "set.h5.checkpoint")
    if number is signal.SIGKILL:
        assert (code, err) == (-number, "")
    else:
        assert code == 130
        assert err.startswith("condense: Stopped after ") and err.count("\n") == 1
        assert err.endswith("set.h5.checkpoint keeps it. The same command with --resume continues.\n")
        assert sorted(os.listdir(tmp_path)) == ["set.h5.checkpoint"]
    assert not out.exists()
    assert condense(*words) == 2
    assert condense(*words, "--resume") == 0
    assert out.read_bytes() == uninterrupted
    assert not (tmp_path / "set.h5.checkpoint").exists()


# A kill at any access to the disk


class Killed(BaseException):
    """Ends a run as a kill does: nothing in it catches this."""


def kill_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Kills just before the given flush or renaming of a file, counted from 0; says whether it came to that."""
    count = 0

    def counted(function: Callable) -> Callable:
        def call(*arguments: object) -> object:
            nonlocal count
            count += 1
            if count == moment + 1:
                raise Killed
            return function(*arguments)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return lambda: count > moment


def every_moment(words: tuple[object, ...], clear: Callable[[], None]) -> Iterator[int]:
    """Runs the command again and again from nothing, each time killed a little later, until one gets through."""
    for moment in range(1000):
        clear()
        with pytest.MonkeyPatch.context() as patch:
            killed = kill_at(moment, patch)
            with contextlib.suppress(Killed):
                assert condense(*words) == 0
            if not killed():
                return
        yield moment


@pytest.mark.long
def test_killed_at_any_moment_a_run_is_completed_by_resuming(images: Path, tmp_path: Path, at_every_step: None) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    words = ("run", "--dataset", images, *WORDS, "--iterations", 1, "--seeds", 1, "--out")
    assert condense(*words, whole) == 0

    def clear() -> None:
        for path in folder.iterdir() if folder.exists() else ():
            path.unlink()

    moments = 0
    for _ in every_moment((*words, folder), clear):
        assert condense(*words, folder, "--resume") == 0
        assert sorted(os.listdir(folder)) == ["images.png", "page.html", "records.jsonl", "set.h5"]
        for name in ("set.h5", "images.png"):
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
        records = read_records(folder / "records.jsonl")
        assert [record.task for record in records] == ["learn", "evaluate"]
        assert [record.accuracies for record in records] == [r.accuracies for r in read_records(whole / "records.jsonl")]
        moments += 1
    assert moments >= 12


def test_killed_at_any_moment_a_replacement_keeps_the_old_set_or_has_the_new(
    images: Path, tmp_path: Path, at_every_step: None
) -> None:
    old, new, out = (tmp_path / name for name in ("old.h5", "new.h5", "set.h5"))
    words = ("learn", "--dataset", images, *WORDS, "--iterations", 2)
    assert condense(*words, "--seed", 1, "--out", old) == condense(*words, "--out", new) == 0

    def put_back() -> None:
        out.write_bytes(old.read_bytes())
        out.with_suffix(".jsonl").write_bytes(old.with_suffix(".jsonl").read_bytes())

    for _ in every_moment((*words, "--out", out, "--force"), put_back):
        assert out.read_bytes() in (old.read_bytes(), new.read_bytes())
        SyntheticSet.load(out)
        assert condense(*words, "--out", out, "--force", "--resume") == 0
        assert out.read_bytes() == new.read_bytes()
        assert read_records(out.with_suffix(".jsonl"))[0].config["seed"] == 0


# A full disk


def test_a_disk_that_is_full_in_mid_run_loses_no_checkpoint(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at_every_step: None
) -> None:
    out, whole = tmp_path / "set.h5", tmp_path / "whole.h5"
    words = ("learn", "--dataset", images, *WORDS, "--iterations", 2)
    assert condense(*words, "--out", whole) == 0
    flushed = 0

    def fail_from_the_second_on(descriptor: int) -> None:
        nonlocal flushed
        flushed += 1
        if flushed > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail_from_the_second_on)
        capsys.readouterr()
        assert condense(*words, "--out", out) == 2
    sentence = "No space left on device. Nothing that was there has been changed."
    assert capsys.readouterr().err == f"condense: Cannot write {out}.checkpoint: {sentence}\n"
    assert sorted(os.listdir(tmp_path)) == ["set.h5.checkpoint", "whole.h5", "whole.jsonl"]
    assert condense(*words, "--out", out, "--resume") == 0
    assert out.read_bytes() == whole.read_bytes()


# Between the parts of a run


def test_a_run_stopped_between_learning_and_evaluating_learns_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "--dataset", images, *WORDS, "--iterations", 2, "--seeds", 1, "--out", tmp_path / "run")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("condense.stage_t.evaluate.fresh_members", interrupt)
        assert condense(*words) == 130
    assert capsys.readouterr().err == (
        "condense: Stopped while training MLP; records of networks finished before are kept. "
        "The same command with --resume continues.\n"
    )
    learned = (tmp_path / "run" / "set.h5").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(DC, "step", interrupt)  # not reached: the set is there
        assert condense(*words, "--resume") == 0
    assert (tmp_path / "run" / "set.h5").read_bytes() == learned
    assert [record.task for record in read_records(tmp_path / "run" / "records.jsonl")] == ["learn", "evaluate"]


def test_resuming_what_is_done_adds_no_record_and_asking_for_more_adds_it(images: Path, tmp_path: Path) -> None:
    words = ("run", "--dataset", images, *WORDS, "--iterations", 2, "--out", tmp_path)
    assert condense(*words, "--seeds", 1) == 0
    records = (tmp_path / "records.jsonl").read_bytes()
    assert condense(*words, "--seeds", 1, "--resume") == 0
    assert (tmp_path / "records.jsonl").read_bytes() == records
    assert condense(*words, "--seeds", 1, "--protocol", "report", "--resume") == 0
    assert condense(*words, "--seeds", 2, "--resume") == 0
    found = [(r.config.get("protocol"), r.seeds) for r in read_records(tmp_path / "records.jsonl")]
    assert found == [(None, []), ("published", [0]), ("report", [0]), ("published", [0, 1])]


def test_resuming_a_learned_set_does_nothing(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("learn", "--dataset", images, *WORDS, "--iterations", 2, "--out", tmp_path / "set.h5", "--resume")
    assert condense(*words) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(DC, "step", None)
    assert condense(*words) == 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interruption_while_the_images_load(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("condense.data.catalog.load", interrupt)
    assert condense("learn", "--dataset", images, *WORDS, "--out", tmp_path / "set.h5") == 130
    assert capsys.readouterr().err == "condense: Stopped.\n"
    assert os.listdir(tmp_path) == []
