"""Arrays in .npz and HDF5 files, and every sentence that says why they cannot be read."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from catalog_samples import COLOUR, GREY, LABELS, message_of

from condense.data.catalog import load
from condense.data.reading import Reading

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

# .npz and HDF5


def write_npz(path: Path, content: dict) -> Path:
    np.savez(path, **content)
    return path


def write_hdf5(path: Path, content: dict) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            value = np.asarray(value)
            file[name] = value.astype(h5py.string_dtype()) if value.dtype.kind == "U" else value
    return path


@pytest.fixture(params=[".npz", ".h5", ".hdf5"])
def write(request, tmp_path):
    """Writes a file of each kind."""
    path = tmp_path / f"some{request.param}"
    return lambda content: (write_npz if request.param == ".npz" else write_hdf5)(path, content)


def test_arrays_with_a_split_and_class_names(write):
    content = {"train_images": COLOUR, "train_labels": LABELS, "test_images": COLOUR[:4], "test_labels": LABELS[:4]}
    path = write({**content, "class_names": ["ant", "bee", "çat"]})
    data = load(str(path))
    assert (data.name, data.train.shape, data.train.class_names) == (path.name, (3, 6, 7), ("ant", "bee", "çat"))
    assert torch.equal(data.train.pixels[:10], torch.from_numpy(COLOUR[::3]).permute(0, 3, 1, 2))
    assert data.test.counts == (2, 1, 1)
    assert data.test.mean == data.train.mean


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y"), ("train_images", "train_labels")])
def test_arrays_without_a_split(write, names):
    data = load(str(write({names[0]: GREY, names[1]: LABELS[:, None].astype(float)})))
    assert (data.train.counts, data.test.counts) == ((8, 8, 8), (2, 2, 2))
    assert torch.equal(data.test.pixels[:2, 0], torch.from_numpy(GREY[[12, 27]]))


@pytest.mark.parametrize(
    "images",
    [
        GREY[..., None],
        GREY[:, None],
        GREY.astype(np.int64),
        GREY.astype(">f8"),
        GREY / 255,
        (GREY / 255).astype(np.float32),
        (GREY / 255).astype(np.float16),
        GREY.astype(np.float32) + np.where(GREY < 255, 0.3, 0).astype(np.float32),
    ],
)
def test_the_same_images_in_another_type_or_layout(tmp_path, images):
    data = load(str(write_npz(tmp_path / "a.npz", {"images": images, "labels": LABELS})))
    same = load(str(write_npz(tmp_path / "b.npz", {"images": GREY, "labels": LABELS})))
    assert data.train.fingerprint == same.train.fingerprint
    assert data.test.fingerprint == same.test.fingerprint


def test_channels_first_and_the_ambiguous_case(tmp_path):
    first = write_npz(tmp_path / "a.npz", {"images": COLOUR.transpose(0, 3, 1, 2), "labels": LABELS})
    last = write_npz(tmp_path / "b.npz", {"images": COLOUR, "labels": LABELS})
    assert load(str(first)).train.fingerprint == load(str(last)).train.fingerprint
    path = write_npz(tmp_path / "c.npz", {"images": COLOUR[:, :3], "labels": LABELS})
    assert "images of shape (30, 3, 7, 3) can be read as images of several shapes (3x7, 7x3)" in message_of(path)
    assert load(str(path), reading=Reading(image_shape="3x7")).train.shape == (3, 3, 7)
    assert load(str(path), reading=Reading(image_shape="7x3")).train.shape == (3, 7, 3)


def test_dark_test_images_are_scaled_as_the_training_images_once_that_is_stated(tmp_path):
    content = {"train_images": GREY.astype(float), "train_labels": LABELS, "test_labels": LABELS}
    path = write_npz(tmp_path / "a.npz", {**content, "test_images": np.ones(GREY.shape)})
    assert "for testing float64 from 1 to 1, which does not say what is black" in message_of(path)
    assert load(str(path), reading=Reading(pixel_range="0,255")).test.pixels.unique().tolist() == [1]


def changed(array, value):
    array = array.astype(float)
    array.flat[7] = value
    return array


IMAGES = {"images": GREY, "labels": LABELS}
SPLIT = {"train_images": GREY, "train_labels": LABELS, "test_images": GREY, "test_labels": LABELS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": LABELS}, "images and labels belong together, but images is missing. It holds labels int64 (30,)"),
        (
            {"other": LABELS},
            "holds other int64 (30,); needed are train_images and train_labels, or images and labels, or X and y",
        ),
        ({"images": GREY}, "images and labels belong together, but labels is missing"),
        (
            {**IMAGES, "test_images": GREY, "train_images": GREY},
            "train_images and train_labels belong together, but train_labels",
        ),
        ({k: v for k, v in SPLIT.items() if k != "test_labels"}, "belong together, but test_labels is missing"),
        (
            {**IMAGES, "images": COLOUR[..., :2]},
            "not images of shape (30, 6, 7, 2). It holds images uint8 (30, 6, 7, 2), labels int64 (30,)",
        ),
        ({**IMAGES, "images": GREY[0]}, "images must be (N, H, W), (N, H, W, C), (N, C, H, W)"),
        ({**IMAGES, "images": changed(GREY, np.nan)}, "some pixels are NaN or infinite"),
        ({**IMAGES, "images": changed(GREY, np.inf)}, "some pixels are NaN or infinite"),
        (
            {**IMAGES, "images": changed(GREY / 255, -1.5)},
            "pixels are float64 from -1.5 to 1, which does not say what is black and what is white. --pixel-range",
        ),
        ({**IMAGES, "images": GREY.astype(int) * 2}, "pixels are int64 from 0 to 510, which does not say"),
        ({**SPLIT, "test_images": GREY > 4}, "images must all be whole numbers, all floats or all booleans, not bool and"),
        (
            {**SPLIT, "test_images": GREY / 255},
            "must all be whole numbers, all floats or all booleans, not float64 and uint8",
        ),
        (
            {**SPLIT, "test_images": GREY[:, :5]},
            "training images are (1, 6, 7) (channels, height, width), but test images (1, 5, 7)",
        ),
        (
            {**SPLIT, "test_images": GREY[:0], "test_labels": LABELS[:0]},
            "there are no images in an array of shape (0, 1, 6, 7)",
        ),
        ({**SPLIT, "test_labels": LABELS + 1}, "(test): labels run from 1 to 3, but must be 0 to 2"),
        ({**IMAGES, "labels": LABELS[:-1]}, "one for each of the 30 images, not int64 of shape (29,)"),
        ({**IMAGES, "labels": np.eye(30) * 2}, "labels of shape (30, 30) are not one-hot"),
        ({**IMAGES, "labels": np.zeros((30, 2, 2))}, "labels must be numbers or texts, one for each image"),
        ({**IMAGES, "labels": changed(LABELS, 1.5)}, "labels must be whole numbers from 0, not 1.5"),
        ({**IMAGES, "labels": changed(LABELS, np.nan)}, "labels must be whole numbers from 0, not nan"),
        ({**IMAGES, "labels": LABELS - 1}, "labels must be whole numbers from 0, not -1"),
        ({**IMAGES, "labels": LABELS + 2}, "no image of class 0, 1; every class needs at least one"),
        ({**IMAGES, "labels": LABELS * 2}, "no image of class 1, 3; every class needs at least one"),
        ({**IMAGES, "labels": LABELS * 10**8}, "labels run to 200000000, but 24 images cannot fill so many classes"),
        ({**IMAGES, "labels": np.arange(30)}, "class 0 has a single image"),
        ({**IMAGES, "class_names": ["a", "b"]}, "labels run from 0 to 2, but must be 0 to 1"),
        ({**IMAGES, "class_names": ["a", "b", "c", "dog"]}, "no image of class dog"),
        ({**IMAGES, "class_names": ["a", "b", "a"]}, "class_names has a name twice: a, b, a"),
    ],
)
def test_arrays_that_are_refused(write, content, message):
    path = write(content)
    said = message_of(path)
    assert said.startswith(str(path))
    assert message in said


@pytest.mark.parametrize("share", [0, 0.4, 0.97])
def test_damaged_array_files(write, share):
    path = write(IMAGES)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert message_of(path).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("a.npz", "a.npz: is no NumPy .npz archive, or a truncated one"),
        ("a.h5", "a.h5: cannot be read as an HDF5 file; damaged or of another kind"),
        ("a.mat", "a.mat: cannot be read as a MATLAB file; damaged or of another kind"),
    ],
)
def test_foreign_files(tmp_path, file, message):
    (tmp_path / file).write_bytes(b"something else entirely, long enough to look at" * 30)
    assert message in message_of(tmp_path / file)


def test_python_objects_are_not_loaded(tmp_path):
    path = write_npz(tmp_path / "a.npz", {**IMAGES, "class_names": np.array(["a", None], dtype=object)})
    assert (
        "a.npz: class_names holds Python objects, which are not loaded; store numbers, or texts with astype(str)"
        in message_of(path)
    )


def test_a_synthetic_set_is_no_data_set(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", IMAGES)
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 1
    assert message_of(path) == f"{path}: is a synthetic set made by condense; a data set of real images is needed here."
