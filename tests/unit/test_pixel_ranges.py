"""One rule for what is black and what is white, in every kind of file and in all parts of a data set together."""

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch
from array_files import write_arrays
from catalog_samples import LABELS, message_of

from condense.data.catalog import load
from condense.data.conversion import as_bytes
from condense.data.reading import Reading, parse_range, parse_shape
from condense.errors import CondenseError

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

RAMP = np.arange(30 * 6 * 7).reshape(30, 6, 7)
BYTES = (RAMP % 256).astype(np.uint8)
ASKS = "which does not say what is black and what is white. --pixel-range LOW,HIGH does"


@pytest.fixture(params=[".npz", ".h5", ".mat"])
def write(request, tmp_path):
    """Writes arrays into a file of each kind."""
    path = tmp_path / f"a{request.param}"

    return lambda images, **more: write_arrays(path, {"images": images, "labels": LABELS, **more})


def enlarged_digits() -> np.ndarray:
    """Checks enlarged by cubic interpolation, whose largest value is 1.257, as that of such digits."""
    small = np.stack([np.add.outer(np.arange(5), np.arange(5) + n) % 2 for n in range(30)]).astype(float)
    large: Any = scipy.ndimage.zoom(small, (1, 4, 4), order=3)
    return np.asarray(large * (1.257 / np.max(large)))


AMBIGUOUS = {
    "16 bits holding bytes": (BYTES.astype(np.uint16), "uint16 from 0 to 255"),
    "12 bits": ((RAMP * 4095 // RAMP.max()).astype(np.uint16), "uint16 from 0 to 4095"),
    "12 bits as int16": (RAMP.astype(np.int16), "int16 from 0 to 1259"),
    "cubic interpolation": (enlarged_digits(), "to 1.257,"),
    "interpolation below 0": (BYTES / 255 - 0.1, "float64 from -0.1 to 0.9"),
    "whole 0 and 1": (RAMP % 2, "int64 from 0 to 1"),
    "whole 0 to 16": (RAMP % 17, "int64 from 0 to 16"),
    "floats to 2": (BYTES / 127.5, "float64 from 0 to 2"),
    "floats to 16": ((RAMP % 17).astype(np.float32), "float32 from 0 to 16"),
    "floats to 100": (BYTES / 2.55, "float64 from 0 to 100"),
    "resampled bytes": (np.where(BYTES == 255, 263.4, BYTES), "float64 from 0 to 263.4"),
    "dim fractions": (BYTES / 255 / 16, "float64 from 0 to 0.0625"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_range_that_is_not_clear_is_asked_for(write, case):
    images, said = AMBIGUOUS[case]
    path = write(images)
    message = message_of(path)
    assert message.startswith(str(path))
    assert said in message
    assert ASKS in message
    low, high = float(images.min()), float(images.max())
    data = load(str(path), reading=Reading(pixel_range=f"{low!r},{high!r}"))
    levels = torch.cat([data.train.pixels, data.test.pixels]).unique()
    assert (int(levels[0]), int(levels[-1])) == (0, 255)
    assert len(levels) >= min(100, len(np.unique(images)))
    assert data.remarks == ()


FRACTIONS = BYTES / 255
UNLIKE = {
    "floats": (BYTES.astype(float), FRACTIONS, "float64 from 0 to 255", "float64 from 0 to 1"),
    "floats of two lengths": (BYTES.astype(np.float32), FRACTIONS, "float32 from 0 to 255", "float64 from 0 to 1"),
    "16 bits": (BYTES.astype(np.uint16) * 257, BYTES.astype(np.uint16), "uint16 from 0 to 65535", "uint16 from 0 to 255"),
    "whole numbers": (BYTES.astype(int), RAMP % 2, "int64 from 0 to 255", "int64 from 0 to 1"),
    "bytes and masks": (BYTES, (RAMP % 2).astype(np.uint8), "uint8 from 0 to 255", "uint8 from 0 to 1"),
    "bytes and percent": (BYTES, (RAMP % 101).astype(np.uint8), "uint8 from 0 to 255", "uint8 from 0 to 100"),
    "dark and bright": (BYTES.astype(int) // 4, BYTES.astype(int), "int64 from 0 to 63", "int64 from 0 to 255"),
}


@pytest.mark.parametrize("case", UNLIKE)
@pytest.mark.parametrize("turned", [False, True])
def test_parts_that_are_scaled_differently_are_asked_about(write, case, turned):
    """One range would make one of them black, or nearly so."""
    *parts, first, second = UNLIKE[case]
    (train, said), (test, of_test) = [(parts[0], first), (parts[1], second)][:: -1 if turned else 1]
    path = write(train, test_images=test, test_labels=LABELS)
    message = message_of(path)
    assert f"pixels for training are {said}, for testing {of_test}, {ASKS}" in message
    assert "One range holds for both parts" in message
    data = load(str(path), reading=Reading(pixel_range="0,255" if "16" not in case else "0,65535"))
    assert torch.equal(data.test.pixels.unique(), as_expected(test, 65535 if "16" in case else 255))


def as_expected(images: np.ndarray, white: int) -> torch.Tensor:
    return torch.from_numpy(np.rint(images * (255 / white)).astype(np.uint8)).unique()


def test_grey_levels_are_counted_for_each_part(write):
    path = write(BYTES.astype(float), test_images=FRACTIONS, test_labels=LABELS)
    data = load(str(path), reading=Reading(pixel_range="0,255"))
    assert data.remarks == (
        f"{path.name}: of 256 grey levels of the test images, 2 are left; if that is not meant, --pixel-range LOW,HIGH "
        "states other values for black and white.",
    )


def test_parts_of_which_each_says_the_range_are_read_and_dark_bytes_said(write):
    data = load(str(write(BYTES.astype(int), test_images=BYTES.astype(int) // 2 + 1, test_labels=LABELS)))
    assert (data.train.pixels.max(), data.test.pixels.max()) == (255, 128)
    data = load(str(write(BYTES // 4, test_images=BYTES // 16, test_labels=LABELS)))
    assert (data.train.pixels.max(), data.test.pixels.max()) == (63, 15)
    assert "the largest pixel is 63 of 255, so pictures are dark; --pixel-range 0,63" in data.remarks[0]
    assert "those for testing reach only 15" in data.remarks[0]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"pixel_range": "16,0"}, "pixel_range: a pixel range is LOW,HIGH, two numbers, the lower one first"),
        ({"pixel_range": (0, 16)}, "pixel_range = (0, 16): Input should be a valid string"),
        ({"image_shape": "7"}, "image_shape: an image shape is HxW"),
        ({"image_size": 0}, "image_size = 0: Input should be greater than or equal to 1"),
        ({"skip_bad": "perhaps"}, "skip_bad = 'perhaps': Input should be a valid boolean"),
    ],
)
def test_what_is_stated_from_python_is_checked_too(write, stated, said):
    assert said in message_of(write(BYTES), reading=Reading(**stated))
    assert "reading must be a condense.Reading, not {" in message_of(write(BYTES), reading=stated)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (BYTES.astype(np.int32), BYTES),
        (BYTES.astype(np.float32), BYTES),
        (BYTES / 255, BYTES),
        (np.nextafter(BYTES / 255, 2), BYTES),
        (np.nextafter((BYTES / 255).astype(np.float32), np.float32(2)), BYTES),
        (BYTES / np.float64(np.float32(255 * (1 - 2**-24))), BYTES),
        (BYTES.astype(np.uint16) * 257, BYTES),
        (BYTES > 99, np.where(BYTES > 99, 255, 0)),
    ],
)
def test_what_was_assumed_is_said_and_kept(write, images, expected):
    path = write(images)
    data = load(str(path))
    assert torch.equal(data.test.pixels[:2, 0], torch.from_numpy(expected[[12, 27]].astype(np.uint8)))
    assert len(data.remarks) == 1
    assert data.remarks[0].startswith(f"{path.name}: pixels are ")
    assert "black" in data.remarks[0]
    assert data.train.reading["remarks"] == list(data.remarks)
    low, high = map(float, data.train.reading["pixel_range"].split(","))
    assert (low, high) in ((0, 1), (0, 255), (0, 65535))


def test_bytes_are_read_as_they_are_and_nothing_is_said(write):
    data = load(str(write(BYTES)))
    assert (data.remarks, data.train.reading, data.test.reading) == ((), {}, {})


def test_dark_bytes_keep_their_values_and_it_is_said(write):
    data = load(str(write((RAMP % 17).astype(np.uint8))))
    assert data.train.pixels.unique().tolist() == list(range(17))
    assert "the largest pixel is 16 of 255, so pictures are dark; --pixel-range 0,16" in data.remarks[0]


def test_a_stated_range_clips_and_says_how_much(write):
    data = load(str(write(np.where(BYTES == 255, 300.0, BYTES))), reading=Reading(pixel_range="0,255"))
    assert data.train.pixels.max() == 255
    assert "of the pixels lie outside the range 0 to 255 and were clipped to it" in data.remarks[0]


@pytest.mark.parametrize(
    ("images", "stated", "said"),
    [
        (BYTES, "0,65535", "of 256 grey levels, 2 are left"),
        (BYTES, "0,1", "of 256 grey levels, 2 are left"),
        (RAMP % 17, "0,255000", "of 17 grey levels, 1 is left"),
        (RAMP / 1.0, "0,65535", "of 1260 grey levels, 6 are left"),
    ],
)
def test_lost_grey_levels_are_said_whatever_the_reason(images, stated, said):
    assert said in " ".join(as_bytes([images], "here", Reading(pixel_range=stated)).remarks)


def test_kept_grey_levels_are_not_talked_about():
    for images, stated in ((RAMP % 17, "0,16"), (RAMP, "0,1259"), (BYTES // 16 * 16, None)):
        assert as_bytes([images], "here", Reading(pixel_range=stated)).remarks == ()


def test_conversion_does_not_depend_on_how_it_is_cut_into_blocks(monkeypatch):
    images = np.random.default_rng(0).random((50, 3, 4))
    whole = as_bytes([images], "here").arrays[0]
    monkeypatch.setattr("condense.data.conversion._BLOCK", 7)
    assert np.array_equal(as_bytes([images], "here").arrays[0], whole)
    assert np.array_equal(whole, np.rint(images * 255))


@pytest.mark.parametrize(
    "text", ["", "1", "1,0", "0,0", "0,nan", "-inf,inf", "0,1,2", "a,b", "-1e308,1e308", "0,1e-320", "9" * 5000]
)
def test_ranges_that_are_none(text):
    with pytest.raises(ValueError, match="a pixel range is LOW,HIGH") as caught:
        parse_range(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text", ["", "28", "28x", "0x5", "5x0x3", "2x5x7", "axb", "28X28", "9999x5", "1x2x3x4", "²x3", "9" * 5000]
)
def test_shapes_that_are_none(text):
    with pytest.raises(ValueError, match="an image shape is HxW, CxHxW or HxWxC") as caught:
        parse_shape(text)
    assert len(str(caught.value)) < 300


def test_what_a_source_does_not_take_is_refused(write, tmp_path):
    path = str(write(BYTES))
    assert message_of(path, reading=Reading(image_size=32)) == f"--image-size cannot be used with a file of arrays ({path})."
    assert message_of(path, reading=Reading(skip_bad=True, image_size=8)).startswith("--image-size and --skip-bad cannot")
    with pytest.raises(CondenseError, match="--pixel-range cannot be used with digits, which is read as it was published"):
        load("digits", reading=Reading(pixel_range="0,255"))
