"""MATLAB files in SVHN's and simpleNN's layouts, and every sentence that says why they cannot be read."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from catalog_samples import DIGITS_OF_SVHN, LABELS, RNG, message_of, write_svhn

from condense.data.catalog import load
from condense.data.reading import Reading

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

# .mat


def test_svhn_layout_is_split_in_file_order(tmp_path):
    data = load(str(write_svhn(tmp_path / "some.mat", DIGITS_OF_SVHN * 5)))
    assert (data.name, data.train.shape, data.train.counts, data.test.counts) == (
        "some.mat",
        (3, 32, 32),
        (4,) * 10,
        (1,) * 10,
    )
    assert sorted(data.train.pixels[:, 0, 0, 0].tolist()) == list(range(40))
    assert data.train.pixels[data.train.labels == 0, 1].unique().tolist() == [10]
    assert data.train.pixels[data.train.labels == 7, 1].unique().tolist() == [7]
    assert data.train.pixels[0, 2, :, 5].tolist() == list(range(32))


def test_svhn_layout_with_labels_from_0_keeps_them(tmp_path):
    data = load(str(write_svhn(tmp_path / "some.mat", list(range(11)) * 5)))
    assert data.train.classes == 11
    assert data.train.pixels[data.train.labels == 10, 1].unique().tolist() == [10]


def test_svhn_layout_without_a_digit_0(tmp_path):
    """The classes are called what they were, and no digit 0 is made of one of them."""
    for labels in (range(1, 10), range(1, 12)):
        data = load(str(write_svhn(tmp_path / "some.mat", list(labels) * 5)))
        assert data.train.class_names == tuple(map(str, labels))
        assert data.train.pixels[data.train.labels == 6, 1].unique().tolist() == [7]


@pytest.mark.parametrize("what", ["names", "size", "variable"])
def test_other_images_in_that_layout_keep_their_labels(tmp_path, what):
    """Only in what looks like SVHN itself 10 is a digit 0."""
    labels = list(range(1, 11)) * 5
    path = write_svhn(tmp_path / "some.mat", labels)
    content = {"X": scipy.io.loadmat(path)["X"], "y": np.array(labels)[:, None]}
    names = [chr(ord("a") + n) for n in range(10)]
    if what == "names":
        content["class_names"] = np.array(names, object)
    elif what == "size":
        content["X"] = content["X"][:30]
    else:
        content["images"] = content.pop("X")
    scipy.io.savemat(path, content)
    data = load(str(path))
    assert data.train.class_names == tuple(names if what == "names" else map(str, range(1, 11)))
    assert data.train.pixels[data.train.labels == 9, 1].unique().tolist() == [10]
    assert any("labels run from 1 to 10; 1 is the first class." in remark for remark in data.remarks)


def test_the_test_file_beside_a_mat_file_is_used(tmp_path):
    train = write_svhn(tmp_path / "train_a.mat", DIGITS_OF_SVHN * 2)
    write_svhn(tmp_path / "test_a.mat", [10, 3])
    data = load(str(train))
    assert (data.train.counts, data.test.labels.tolist()) == ((2,) * 10, [0, 3])
    scipy.io.savemat(tmp_path / "test_a.mat", {"Z": np.zeros((5, 784)), "y": np.zeros((5, 1))})
    assert "train_a.mat with test_a.mat: one lies as in SVHN, (H, W, C, N), the other not" in message_of(train)


def simplenn_rows(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) to rows: channel after channel, row by row."""
    return np.array([[value for channel in image for row in channel for value in row] for image in images], float)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 3), (3, 16)])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("sparse", [False, True])
def test_simplenn_layout(tmp_path, channels, side, first, sparse):
    images = RNG.integers(0, 256, (30, channels, side, side), dtype=np.uint8)
    rows = simplenn_rows(images)
    content = {"Z": scipy.sparse.csc_matrix(rows) if sparse else rows, "y": (LABELS + first)[:, None].astype(float)}
    scipy.io.savemat(tmp_path / "demo.mat", content)
    reading = Reading(image_shape=f"{channels}x{side}x{side}" if channels == 3 else None)
    data = load(str(tmp_path / "demo.mat"), reading=reading)
    assert data.train.counts == (8, 8, 8)
    assert np.array_equal(data.test.pixels[:2].numpy(), images[[12, 27]])
    scipy.io.savemat(tmp_path / "demo.t.mat", {"Z": rows[:4] / 255 * 255, "y": LABELS[:4] + first})
    data = load(str(tmp_path / "demo.mat"), reading=reading)
    assert (data.name, data.train.counts, data.test.labels.tolist()) == ("demo.mat", (10, 10, 10), [0, 0, 1, 2])
    assert np.array_equal(data.test.pixels.numpy(), images[[0, 3, 1, 2]])


@pytest.mark.parametrize(("channels", "side", "lacking"), [(1, 28, 4), (3, 32, 31)])
def test_simplenn_layout_without_trailing_zero_columns(tmp_path, channels, side, lacking):
    images = RNG.integers(0, 256, (30, channels, side, side), dtype=np.uint8)
    images[:, -1, -1, -lacking:] = 0
    scipy.io.savemat(tmp_path / "demo.mat", {"Z": simplenn_rows(images)[:, :-lacking], "y": LABELS[:, None]})
    reading = Reading(image_shape="28x28" if channels == 1 else None)  # of 780 values, 26x30 pictures could be made too
    assert np.array_equal(load(str(tmp_path / "demo.mat"), reading=reading).test.pixels[:2].numpy(), images[[12, 27]])


def write_v73(path: Path, content: dict) -> Path:
    """A MATLAB v7.3 file: HDF5 after 512 bytes, the axes in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            file[name] = value.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return path


def test_version_7_3(tmp_path):
    rows = simplenn_rows(RNG.integers(0, 256, (30, 1, 16, 16)))
    y = LABELS[:, None].astype(float)
    new = load(str(write_v73(tmp_path / "new.mat", {"Z": rows, "y": y})))
    scipy.io.savemat(tmp_path / "old.mat", {"Z": rows, "y": y})
    assert new.train.fingerprint == load(str(tmp_path / "old.mat")).train.fingerprint
    old = load(str(write_svhn(tmp_path / "old_svhn.mat", DIGITS_OF_SVHN * 5)))
    content = {name: scipy.io.loadmat(tmp_path / "old_svhn.mat")[name] for name in ("X", "y")}
    assert load(str(write_v73(tmp_path / "new_svhn.mat", content))).train.fingerprint == old.train.fingerprint
    path = write_v73(tmp_path / "sparse.mat", {"Z/data": y, "y": y})
    assert (
        "sparse.mat: Z is a sparse matrix or a struct, which are read from files up to v7 only; save full(Z)"
        in message_of(path)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"A": np.zeros((2, 3))}, "holds A float64 (2, 3); needed are"),
        (
            {"X": np.zeros((2, 5)), "y": np.zeros((2, 1))},
            "not X of shape (2, 5). It holds X float64 (2, 5), y float64 (2, 1)",
        ),
        (
            {"X": np.zeros((5, 5, 2, 4)), "y": np.zeros((4, 1))},
            "not X of shape (5, 5, 2, 4). It holds X float64 (5, 5, 2, 4), y float64 (4, 1)",
        ),
        (
            {"Z": np.zeros((30, 192)), "y": LABELS},
            "Z of shape (30, 192) can be read as images of several shapes (12x16, 16x12, 3x8x8)",
        ),
        ({"Z": np.zeros((30, 784), np.uint8), "y": LABELS + 2}, "no image of class 0, 1"),
        ({"Z": np.zeros((30, 784)), "y": LABELS[:9]}, "one for each of the 30 images"),
        ({"Z": np.zeros((30, 784)) - 0.5, "y": LABELS}, "pixels are float64 from -0.5 to -0.5"),
        (
            {"data": {"X": np.zeros((30, 8, 8)), "y": LABELS}},
            "a.mat: data is a struct, and structs are not read; save its fields as variables of their own. It holds",
        ),
        (
            {"mnist": {"X": np.zeros((30, 8, 8))}},
            "names like these. mnist is a struct, and structs are not read; save its fields",
        ),
    ],
)
def test_mat_files_that_are_refused(tmp_path, content, message):
    scipy.io.savemat(tmp_path / "a.mat", content)
    assert message in message_of(tmp_path / "a.mat")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.97])
def test_truncated_mat_files(tmp_path, share):
    for path in (
        write_svhn(tmp_path / "a.mat", DIGITS_OF_SVHN * 5),
        write_v73(tmp_path / "b.mat", {"Z": np.zeros((30, 784)), "y": LABELS[:, None]}),
    ):
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert message_of(path).startswith(f"{path}: cannot be read as a MATLAB file")
