"""Makes one input, has it read, and says what is wrong with what happened: the only judge of the harness."""

import contextlib
import ctypes
import io
import os
import shutil
import struct
import sys
import time
import traceback
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

import h5py
import numpy as np
from fuzz_kinds import Kind
from fuzz_right import write_right

from condense.errors import CondenseError

MOST_MEMORY = 300 * 2**20
"""Bytes by which the process may grow while it reads an input, beside four times the input's size."""
MOST_SECONDS = 20.0
ACCEPTED, REFUSED = "accepted", "refused"


@dataclass(frozen=True)
class Verdict:
    """outcome: `ACCEPTED`, `REFUSED` or the name of a failure, whose details are in `detail`."""

    outcome: str
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is a failure."""
        return self.outcome not in (ACCEPTED, REFUSED)


class Printed(io.StringIO):
    """What is printed, with a descriptor of its own for a program that gives its output up."""

    descriptor = os.open(os.devnull, os.O_WRONLY)

    def fileno(self) -> int:
        """A file that nobody reads."""
        return self.descriptor


class Watch:
    """Tells when any process opens one of the files of a folder (Linux's inotify)."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        opened = 0x20
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        for path in sorted(folder.iterdir()):
            if libc.inotify_add_watch(self.descriptor, os.fsencode(path), opened) < 0:
                raise OSError(ctypes.get_errno(), "inotify does not work here")

    def opened(self) -> bool:
        """Whether one was opened since it was last asked."""
        found = False
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.descriptor, 4096):
                found = found or bool(struct.unpack_from("iIII", data)[1])
        return found


def make_secret(folder: Path) -> Path:
    """A folder of files that no input names as such; links in inputs lead there."""
    folder.mkdir()
    with h5py.File(folder / "secret.h5", "w") as file:
        file["images"], file["labels"] = np.full((6, 8, 8), 77, "u1"), np.arange(6) % 3
    (folder / "secret.bin").write_bytes(bytes([77]) * 4096)
    return folder


class Judge:
    """Has inputs read in this process, one after the other, in a scratch folder."""

    def __init__(self, kinds: dict[str, Kind], scratch: Path, output: Path | None = None) -> None:
        """output: the file that what is written to the process' standard output and error lies in."""
        self.kinds, self.scratch, self.output = kinds, scratch, output
        self.secret = make_secret(scratch / "secret")
        self.watch = Watch(self.secret)

    def warm_up(self) -> None:
        """Has right inputs read, whose imports and caches are then no longer an input's; each must be accepted."""
        for name, paths in write_right(self.scratch / "right").items():
            for path in paths if name in self.kinds else []:
                verdict = self._read(self.kinds[name], path, Random(0))
                if verdict.outcome not in (ACCEPTED, "memory"):
                    raise RuntimeError(f"{name}: a right input is not accepted: {verdict}")

    def judge(self, name: str, seed: int) -> Verdict:
        """Makes the input of that kind and seed, and has it read."""
        folder = self.scratch / "input"
        folder.mkdir()
        try:
            random = Random(f"{name}:{seed}")
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    path = self.kinds[name].make(random, folder, self.secret)
            except Exception:
                return Verdict("harness", traceback.format_exc()[-400:])
            self.watch.opened()
            self._written()
            return self._read(self.kinds[name], path, random)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _read(self, kind: Kind, path: Path, random: Random) -> Verdict:
        printed, told = Printed(), Printed()
        before, began = _start_of_memory(), time.monotonic()
        with warnings.catch_warnings(record=True) as warned, contextlib.chdir(self.scratch):
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", ResourceWarning)  # as by default: NumPy's reader leaves closing to the collector
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
                verdict = _outcome(kind, path, random)
        seconds, grown = time.monotonic() - began, _peak_of_memory() - before
        if verdict.outcome == "exit":
            verdict = _of_exit(verdict.detail, told.getvalue(), kind)
        if verdict.failed:
            return verdict
        if warned:
            return Verdict("warning", f"{warned[0].category.__name__}: {warned[0].message}")
        if self.watch.opened():
            return Verdict("secret", "a file was opened that was not named")
        if grown > MOST_MEMORY + 4 * _size(path):
            return Verdict("memory", f"{grown / 2**20:.0f} MiB for an input of {_size(path)} bytes, {verdict.outcome}")
        if seconds > MOST_SECONDS:
            return Verdict("slow", f"{seconds:.0f} s")
        return _of_output(printed.getvalue(), self._written()) or verdict

    def _written(self) -> str:
        if self.output is None:
            return ""
        text = self.output.read_text(errors="replace")
        os.truncate(self.output, 0)
        return text


def _outcome(kind: Kind, path: Path, random: Random) -> Verdict:
    try:
        kind.use(path, random)
    except CondenseError as error:
        return _of_message(str(error), kind)
    except SystemExit as error:
        return Verdict("exit", str(error.code))
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        own = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in where if "condense" in frame.filename]
        return Verdict("traceback", f"{type(error).__name__}: {str(error)[:300]!r} at {' < '.join(own[-3:][::-1])}")
    return Verdict(ACCEPTED)


def _of_exit(code: str, told: str, kind: Kind) -> Verdict:
    """A command's exit: code 2 with a message on standard error is a refusal."""
    lines = told.splitlines()
    if code == "None" or code == "0":
        return Verdict(ACCEPTED)
    if code != "2" or not lines:
        return Verdict("exit", f"code {code}: {told[:300]!r}")
    return _of_message("\n".join(line.removeprefix("condense: ") for line in told.rstrip("\n").split("\n")), kind)


def _of_message(message: str, kind: Kind) -> Verdict:
    lines = message.split("\n")
    if not message.strip() or len(lines) > kind.lines or max(map(len, lines)) > kind.characters:
        return Verdict("message", f"{len(lines)} lines, {len(message)} characters: {message[:200]!r}")
    if wrong := unprintable(message):
        return Verdict("message", f"holds {wrong!r}: {message[:200]!r}")
    return Verdict(REFUSED, message)


def _of_output(printed: str, written: str) -> Verdict | None:
    if wrong := unprintable(printed):
        return Verdict("output", f"printed {wrong!r}")
    return Verdict("output", f"a library wrote {written[:300]!r}") if written.strip() else None


def unprintable(text: str) -> str:
    """The first character, other than a line break, that a terminal obeys instead of showing it, or cannot show."""
    categories = ("Cc", "Cs", "Zl", "Zp")
    return next((c for c in text if c != "\n" and (unicodedata.category(c) in categories or c in "\u202e\u202d")), "")


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    return sum(each.stat().st_size for each in files)


def _start_of_memory() -> int:
    """Resident bytes now, from which on the peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS:")


def _peak_of_memory() -> int:
    return _status("VmHWM:")


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


if sys.platform != "linux":
    raise SystemExit("The harness watches memory and files as Linux tells of them.")
