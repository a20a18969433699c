"""Folders of images, and every sentence that says why one cannot be read."""

from pathlib import Path

import pytest
from catalog_samples import message_of
from PIL import Image

from condense.data.catalog import load

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

# Image folders


def save_images(folder: Path, count: int, *, size=(6, 5), mode="L", suffix="png", value=None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        grey = Image.new("L", size, index if value is None else value)
        grey.convert(mode).save(folder / f"image{index:02}.{suffix}")


def test_a_folder_is_split_at_every_fifth_image_of_a_class(tmp_path):
    save_images(tmp_path / "toys.v1" / "cat", 12)
    save_images(tmp_path / "toys.v1" / "ant", 3)
    (tmp_path / "toys.v1" / ".hidden").mkdir()
    (tmp_path / "toys.v1" / "cat" / ".DS_Store").write_text("x")
    data = load(str(tmp_path / "toys.v1"))
    assert (data.name, data.train.class_names, data.train.shape) == ("toys.v1/", ("ant", "cat"), (1, 5, 6))
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 1, 0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert data.test.pixels[:, 0, 0, 0].tolist() == [2, 4, 9]
    assert data.test.labels.tolist() == [0, 1, 1]
    assert (data.test.class_names, data.test.mean, data.test.std) == (("ant", "cat"), data.train.mean, data.train.std)


def test_a_folder_with_its_own_split(tmp_path):
    save_images(tmp_path / "train" / "a", 2, mode="RGB", suffix="bmp")
    save_images(tmp_path / "train" / "b", 1, mode="L", suffix="webp", value=77)
    save_images(tmp_path / "train" / "c", 1, suffix="jpg", value=99)
    save_images(tmp_path / "test" / "b", 3, suffix="PNG")
    data = load(str(tmp_path))
    assert data.train.shape == (3, 5, 6)
    assert data.train.counts == (2, 1, 1)
    assert data.test.counts == (0, 3, 0)
    assert data.train.pixels[:, :, 2, 2].tolist() == [[0, 0, 0], [1, 1, 1], [77, 77, 77], [99, 99, 99]]


def transparent(path: Path, alpha: int) -> None:
    Image.new("RGBA", (6, 5), (1, 2, 3, alpha)).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "a/image01.png").write_bytes(b"not an image"), "a/image01.png: cannot be read as an image"),
        (
            lambda p: (p / "a/image01.png").write_bytes((p / "a/image01.png").read_bytes()[:50]),
            "a/image01.png: cannot be read as an image; damaged",
        ),
        (lambda p: Image.new("L", (4, 5)).save(p / "b/z.png"), "b/z.png: is 4x5, but "),
        (
            lambda p: (p / "b/notes.txt").write_text("x"),
            "b/notes.txt: is no image file; a class folder holds only .png, .jpg",
        ),
        (lambda p: (p / "b/deeper").mkdir(), "b/deeper: is a folder, not read"),
        (lambda p: (p / "c").mkdir(), "/c: there are no images in this class folder"),
        (lambda p: save_images(p / "c", 1), "class c has a single image; splitting off test images needs at least two"),
        (lambda p: Image.new("L", (6, 5)).save(p / "loose.png"), "loose.png: lies outside the class folders"),
        (lambda p: transparent(p / "a/z.png", 200), "a/z.png: has transparent pixels"),
        (
            lambda p: (p / "a").rename(p / "Train") and save_images(p / "Train/x", 3),
            "has a Train folder, but no test folder (val or validation would do)",
        ),
    ],
)
def test_an_unsuitable_image_folder(tmp_path, spoil, message):
    save_images(tmp_path / "a", 4)
    save_images(tmp_path / "b", 4)
    assert load(str(tmp_path)).train.counts == (3, 3)
    spoil(tmp_path)
    assert message in message_of(tmp_path)


def test_an_opaque_alpha_channel_is_no_transparency(tmp_path):
    save_images(tmp_path / "a", 1, value=1)
    save_images(tmp_path / "b", 2, value=200)
    transparent(tmp_path / "a" / "z.png", 255)
    assert load(str(tmp_path)).test.pixels[0, :, 0, 0].tolist() == [1, 2, 3]


def test_an_empty_folder_and_a_split_that_does_not_fit(tmp_path):
    assert f"{tmp_path}: there are no images; one sub-folder of images for each class is needed" in message_of(tmp_path)
    save_images(tmp_path / "train" / "a", 2)
    save_images(tmp_path / "train" / "b", 2)
    save_images(tmp_path / "test" / "z", 2)
    assert f"{tmp_path}/test/z: training has no class of this name; it has a, b." in message_of(tmp_path)
    (tmp_path / "test" / "z").rename(tmp_path / "test" / "a")
    assert load(str(tmp_path)).test.counts == (2, 0)
    save_images(tmp_path / "test" / "a", 1, size=(7, 7))
    assert "test/a/image00.png: is 7x7, but " in message_of(tmp_path)
