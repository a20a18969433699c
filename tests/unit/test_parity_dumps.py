"""Dumps that anyone may have written: refused with one sentence, nothing unpickled, nothing huge allocated."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from condense.errors import CondenseError
from condense.studies.parity.trajectory import load_trajectory

GOOD = {"loss": np.ones(3), "steps": np.array([1, 3]), "weight/1": np.ones((2, 4), dtype=np.float32)}


def npy(shape: object, data: bytes = b"", kind: str = "<f8") -> bytes:
    """An array file that states a shape and a type, and holds these bytes."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def written(array: np.ndarray, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("unpickled",)


HOSTILE = {
    "a pickle": {"loss.npy": written(np.array([Bomb()], dtype=object), allow_pickle=True)},
    "terabytes stated": {"loss.npy": npy((2**40,), b"\0" * 24)},
    "more numbers than fit a word": {"loss.npy": npy((2**40, 2**40, 2**40), b"\0" * 24)},
    "a negative shape": {"loss.npy": npy((-3,), b"\0" * 24)},
    "fewer bytes than stated": {"loss.npy": npy((4,), b"\0" * 24)},
    "no array": {"loss.npy": b"hello", "steps.npy": b""},
    "a text file": {"loss.txt": b"1 2 3"},
    "records": {"loss.npy": npy((1,), b"\0" * 16, [("a", "<f8"), ("b", "<f8")])},  # type: ignore[arg-type]
    "times": {"loss.npy": npy((3,), b"\0" * 24, "<M8[s]")},
    "a header of nested lists": {"loss.npy": npy("(" * 5000 + ")" * 5000, b"")},
    "a header that is no dictionary": {"loss.npy": b"\x93NUMPY\x01\x00\x06\x00import"},
    "program as numbers": {name: written(array) for name, array in {**GOOD, "program": np.ones(1000)}.items()},
    "hashes as numbers": {name: written(array) for name, array in {**GOOD, "hash/data": np.ones(())}.items()},
    "complex losses": {"loss.npy": written(np.ones(3, dtype=complex)), "steps.npy": written(np.array([1]))},
    "steps beyond whole numbers": {
        "loss.npy": written(np.ones(3)),
        "steps.npy": written(np.array([1, 2**64 - 1], dtype="u8")),
    },
    "a long name": {f"{'n' * 60_000}.npy": written(np.ones(3)), **{f"{n}.npy": written(a) for n, a in GOOD.items()}},
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_dump_is_refused(members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = {name if name.endswith((".npy", ".txt")) else f"{name}.npy": content for name, content in members.items()}
    path = archive(tmp_path / "dump.npz", named)
    tracemalloc.start()
    with pytest.raises(CondenseError) as error:
        load_trajectory(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "dump.npz" in str(error.value) and len(str(error.value)) < 600 and not (tmp_path / "unpickled").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    zeros = npy((2**24,), b"\0" * 2**27)
    path = archive(tmp_path / "dump.npz", {"loss.npy": zeros, "steps.npy": npy((0,))}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18
    del zeros
    tracemalloc.start()
    with pytest.raises(CondenseError, match=r"would unpack to 134,217,9\d\d; 67,108,864 are read at most"):
        load_trajectory(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.npz")
    for path, said in (
        (tmp_path, "There is no file"),
        (tmp_path / "fifo.npz", "There is no file"),
        (tmp_path / ("n" * 300), "Cannot read|There is no file"),
        (tmp_path / "a\0b.npz", "There is no file"),
    ):
        with pytest.raises(CondenseError, match=said):
            load_trajectory(path)


def test_a_dump_may_be_compressed(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "dump.npz", **GOOD)  # pyright: ignore[reportArgumentType]
    found = load_trajectory(tmp_path / "dump.npz")
    np.testing.assert_array_equal(found.arrays["weight/1"], GOOD["weight/1"])
    assert found.program == "dump"
