"""Which axes are what; rows of values; and asking where several readings fit."""

import numpy as np
import pytest
from array_files import write_arrays
from catalog_samples import LABELS, RNG, message_of

from condense.data.catalog import load
from condense.data.reading import Reading
from condense.data.shapes import layouts

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")


def images_of(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, (30, *shape), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
def test_a_grey_image_as_a_row_is_not_taken_for_a_colour_image(tmp_path, suffix):
    images = images_of(16, 12)
    for name in ("X", "Z"):
        path = write_arrays(tmp_path / f"{name}{suffix}", {name: images.reshape(30, 192), "y": LABELS})
        assert "(30, 192) can be read as images of several shapes (12x16, 16x12, 3x8x8" in message_of(path)
        assert message_of(path).endswith("--image-shape HxW, CxHxW or HxWxC says which.")
        data = load(str(path), reading=Reading(image_shape="16x12"))
        assert np.array_equal(data.test.pixels[:2, 0].numpy(), images[[12, 27]])
        assert data.train.reading["image_shape"] == "1x16x12"


@pytest.mark.parametrize(("stated", "axes"), [("3x8x8", (0, 1, 2, 3)), ("8x8x3", (0, 2, 3, 1))])
def test_colours_in_rows_lie_as_stated(tmp_path, stated, axes):
    images = images_of(3, 8, 8)
    path = write_arrays(tmp_path / "a.npz", {"X": images.transpose(axes).reshape(30, 192), "y": LABELS})
    assert np.array_equal(load(str(path), reading=Reading(image_shape=stated)).test.pixels[:2].numpy(), images[[12, 27]])


@pytest.mark.parametrize("values", [64, 256, 784, 1024, 4096])
def test_rows_that_can_only_be_squares_are_read_so_and_it_is_said(tmp_path, values):
    data = load(str(write_arrays(tmp_path / "a.npz", {"X": images_of(values), "y": LABELS})))
    side = int(values**0.5)
    assert data.train.shape == (1, side, side)
    assert data.remarks == (f"a.npz: rows of values were read as grey images of {side}x{side}, row by row from the left.",)


@pytest.mark.parametrize("values", [12, 36, 144, 192, 400, 768, 780, 2304, 3072, 12288])
def test_other_rows_are_asked_about(tmp_path, values):
    path = write_arrays(tmp_path / "a.npz", {"X": images_of(values), "y": LABELS})
    assert "can be read as images of several shapes" in message_of(path)


@pytest.mark.parametrize("shape", [(3, 64), (1, 64), (64, 3), (3, 5, 3), (1, 5, 1)])
def test_axes_that_can_be_read_in_two_ways_are_asked_about(tmp_path, shape):
    path = write_arrays(tmp_path / "a.npz", {"X": images_of(*shape), "y": LABELS})
    assert "can be read as images of several shapes" in message_of(path)


@pytest.mark.parametrize(
    ("shape", "stated", "read"),
    [
        ((3, 64), "3x64", (1, 3, 64)),
        ((3, 64), "3x8x8", (3, 8, 8)),
        ((64, 3), "8x8x3", (3, 8, 8)),
        ((1, 784), "28x28", (1, 28, 28)),
        ((3, 5, 3), "3x5", (3, 3, 5)),
        ((3, 5, 3), "5x3", (3, 5, 3)),
        ((3, 5, 3), "3x5x3", (3, 5, 3)),
        ((28, 1), "1x28x1", (1, 28, 1)),
        ((6, 7), "6x7", (1, 6, 7)),
        ((6, 7, 3), "6x7x3", (3, 6, 7)),
        ((6, 7, 3), "3x6x7", (3, 6, 7)),
        ((6, 7, 3), "6x7", (3, 6, 7)),
    ],
)
def test_a_stated_shape_decides(tmp_path, shape, stated, read):
    path = write_arrays(tmp_path / "a.npz", {"X": images_of(*shape), "y": LABELS})
    assert load(str(path), reading=Reading(image_shape=stated)).train.shape == read


@pytest.mark.parametrize(("shape", "stated"), [((6, 7), "7x6"), ((42,), "5x8"), ((6, 7, 3), "7x6x3"), ((192,), "8x8")])
def test_a_stated_shape_that_does_not_fit_is_refused(tmp_path, shape, stated):
    path = write_arrays(tmp_path / "a.npz", {"X": images_of(*shape), "y": LABELS})
    assert f"cannot be read as images of --image-shape {stated}. It holds X uint8" in message_of(
        path, reading=Reading(image_shape=stated)
    )


@pytest.mark.parametrize("stated", [None, "20x20", "1x20x20"])
def test_cubes_that_no_option_tells_apart_are_stored_otherwise(tmp_path, stated):
    images, labels = RNG.integers(0, 256, (20, 20, 20), dtype=np.uint8), LABELS[:20]
    path = write_arrays(tmp_path / "a.mat", {"X": images, "y": labels})
    message = message_of(path, reading=Reading(image_shape=stated))
    assert message == (
        f"{path}: X of shape (20, 20, 20) can be read as images of 20x20 in two ways, (N, H, W) and (H, W, N), which no "
        "--image-shape tells apart; store it as (N, 1, H, W)."
    )
    data = load(str(write_arrays(path, {"X": images[:, None], "y": labels})))
    assert np.array_equal(data.test.pixels[:1, 0].numpy(), images[[12]])


@pytest.mark.parametrize("axes", [(30, 27), (30, 3, 3, 3)])
def test_tiny_colour_images_are_read_channels_first_once_that_is_stated(tmp_path, axes):
    images = images_of(3, 3, 3)
    path = write_arrays(tmp_path / "a.npz", {"X": images.reshape(axes), "y": LABELS})
    message = message_of(path)
    assert "can be read as images of 3x3 in two ways, " in message
    assert message.endswith("--image-shape 3x3x3 says that channels come first; store them so where they do not.")
    data = load(str(path), reading=Reading(image_shape="3x3x3"))
    assert np.array_equal(data.test.pixels[:2].numpy(), images[[12, 27]])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(("shape", "labels"), [((8, 8, 20), 20), ((8, 8, 3, 20), 20), ((8, 9, 1, 20), 20)])
def test_images_along_the_last_axis_of_other_files_are_told_so(tmp_path, suffix, shape, labels):
    images = RNG.integers(0, 256, shape, dtype=np.uint8)
    path = write_arrays(tmp_path / f"a{suffix}", {"X": images, "y": LABELS[:labels]})
    assert message_of(path) == (
        f"{path}: X of shape {shape} has its {labels} images along the last axis, as only .mat files may; "
        "np.moveaxis(X, -1, 0) puts them along the first."
    )


def test_images_along_matlabs_last_axis(tmp_path):
    images = images_of(6, 7)
    data = load(str(write_arrays(tmp_path / "a.mat", {"images": images.transpose(1, 2, 0), "labels": LABELS})))
    assert np.array_equal(data.test.pixels[:2, 0].numpy(), images[[12, 27]])


@pytest.mark.parametrize(
    "shape", [(30, 192), (30, 28, 28), (30, 5, 6, 3), (30, 3, 5, 3), (5, 6, 3, 30), (6, 7, 30), (30, 3, 16)]
)
def test_every_reading_gives_the_shape_it_states(shape):
    for layout in layouts(shape, None, matlab=True):
        assert layout.apply(np.zeros(shape)).shape == (layout.count, *layout.image)


def test_enormous_rows_are_looked_at_quickly():
    assert layouts((1, 2**61 - 1), None, "3x8x8") == []
