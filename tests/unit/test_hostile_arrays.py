"""Damaged and hostile `.mat`, `.npz` and idx files end with one sentence, and take no more memory than they are worth."""

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from array_files import write_arrays
from catalog_samples import GREY, LABELS, message_of

from condense.data import mat_child
from condense.data.catalog import load
from condense.data.idx import read_idx
from condense.errors import CondenseError

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")


def sparse_file(path: Path, old: np.ndarray, new: np.ndarray) -> Path:
    """A sparse Z of 30 x 64, with some of its stored bytes replaced."""
    rows = np.zeros((30, 64))
    rows[np.arange(30), np.arange(30) * 2] = 200
    scipy.io.savemat(path, {"Z": scipy.sparse.csc_matrix(rows), "y": LABELS[:, None]})
    raw = path.read_bytes()
    assert raw.count(old.astype("<i4").tobytes()) == 1
    path.write_bytes(raw.replace(old.astype("<i4").tobytes(), new.astype("<i4").tobytes()))
    return path


ROWS = np.arange(30)
POINTERS = np.searchsorted(np.arange(30) * 2, np.arange(65))


def put(array: np.ndarray, place: int, value: int) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ROWS, put(ROWS, 5, 30)),
        (ROWS, put(ROWS, 29, 2**31 - 1)),
        (ROWS, put(ROWS, 0, -1)),
        (POINTERS, put(POINTERS, 5, 10**8)),
        (POINTERS, put(POINTERS, 64, 2**31 - 1)),
        (POINTERS, put(POINTERS, 3, -5)),
    ],
)
def test_a_sparse_index_beyond_its_shape(tmp_path, old, new):
    message = message_of(sparse_file(tmp_path / "a.mat", old, new))
    assert message.startswith(f"{tmp_path / 'a.mat'}: ")
    assert (
        "Z is a sparse matrix with entries outside its shape; the file is damaged" in message or "cannot be read" in message
    )


def test_an_honest_sparse_file_is_read(tmp_path):
    data = load(str(sparse_file(tmp_path / "a.mat", ROWS, ROWS)))
    assert (len(data.train), data.train.pixels.unique().tolist()) == (24, [0, 200])


def test_sparse_matrices_that_would_fill_the_memory(tmp_path):
    matrix = scipy.sparse.csc_matrix(([1.0], ([0], [0])), shape=(30000, 300000))
    scipy.io.savemat(tmp_path / "a.mat", {"Z": matrix, "y": np.zeros((30000, 1), np.uint8)}, do_compression=True)
    assert (tmp_path / "a.mat").stat().st_size < 10_000
    assert "Z is a sparse matrix of 30,000 x 300,000, too large to be filled up from a file" in message_of(
        tmp_path / "a.mat"
    )


def test_compressed_zeros_in_a_mat_file(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"X": np.zeros((1000, 1000, 3, 60), np.uint8), "y": LABELS}, do_compression=True)
    assert "would expand to 180,000,240 bytes; so much is not believed" in message_of(tmp_path / "a.mat")


@pytest.mark.parametrize(
    "act", ["os.abort()", "sys.exit(1)", "print('{')", "os.kill(os.getpid(), 11)", 'print(\'{"arrays": ["X"]}\')']
)
def test_a_crash_of_the_reader_is_one_sentence(tmp_path, monkeypatch, act):
    (tmp_path / "child.py").write_text(f"import os, sys\n{act}\n")
    monkeypatch.setattr(mat_child, "__file__", str(tmp_path / "child.py"))
    path = write_arrays(tmp_path / "a.mat", {"X": GREY, "y": LABELS})
    assert message_of(path) == f"{path}: cannot be read as a MATLAB file; damaged, its reader breaks off."


def test_more_memory_than_the_limit_ends_in_one_sentence(tmp_path):
    """The child's own limit, for what no header states."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(mat_child.__file__).parent)!r}); import mat_child\n"
        "mat_child.HEADROOM = 2**27\n"
        "mat_child._contents = lambda path, limit: bytearray(2**32)\n"
        "mat_child.main('any', 1000, sys.stdout.buffer)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"needs more memory than a file of its size can honestly ask for" in done.stdout


@pytest.mark.parametrize("seed", range(8))
def test_mutated_mat_files_end_with_one_sentence_or_are_read(tmp_path, seed):
    random = np.random.default_rng(seed)
    path = write_arrays(tmp_path / "a.mat", {"X": GREY, "y": LABELS})
    raw = bytearray(path.read_bytes())
    for place in random.integers(124, len(raw), 6):
        raw[place] = random.integers(256)
    path.write_bytes(bytes(raw))
    try:
        load(str(path))
    except CondenseError as error:
        assert "\n" not in str(error)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """The bytes of a `.npy`, with another shape stated in its header."""
    stream = io.BytesIO()
    facts = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape or array.shape}
    np.lib.format.write_array_header_1_0(stream, facts)
    return stream.getvalue() + array.tobytes()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"images.npy": npy(np.zeros((30, 2000, 2000), np.uint8))},
            "images would expand to 120,000,128 bytes from a file of",
        ),
        ({"images.npy": npy(GREY, (30, 6, 7000))}, "images is damaged; its header states 1,260,000 bytes, but it has 1,260"),
        (
            {"images.npy": npy(GREY, (30, 10**9, 10**9))},
            "images is damaged; its header states 30,000,000,000,000,000,000 bytes",
        ),
        ({"images": b"no array"}, "images is no array"),
        ({"images.npy": b"no array"}, "images is damaged or no array"),
        ({"images.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 10**6}, "images is damaged or no array"),
        ({"images.npy": npy(GREY), "labels.npy": b""}, "labels is damaged or no array"),
        ({"images.npy": npy(np.array([None]))}, "images holds Python objects, which are not loaded"),
        ({"images.npy": npy(np.zeros(30, [("a", "f4")]))}, "images holds neither numbers nor texts"),
    ],
)
def test_hostile_archives(tmp_path, members, message):
    path = zipped(tmp_path / "a.npz", {"labels.npy": npy(LABELS)} | members)
    assert message in message_of(path)


@pytest.mark.parametrize("shape", [(0, 28, 28), (5, 0, 28), (5, 28, 0)])
def test_idx_files_without_images(tmp_path, shape):
    (tmp_path / "images").write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", *shape))
    with pytest.raises(CondenseError, match=f"holds no values, its shape being {'x'.join(map(str, shape))}"):
        read_idx(tmp_path / "images", 3)


def test_two_members_of_one_name(tmp_path):
    """The first is asked for its shape, the last one is read."""
    path = zipped(tmp_path / "a.npz", {"images.npy": npy(GREY), "labels.npy": npy(LABELS)})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("images.npy", npy(GREY[:, :2]))
    assert "damaged; images is stated to be of shape" in message_of(path)
