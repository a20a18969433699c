"""How folders of images are read: orientation, depth, palettes, frames, sizes, layouts; each by one stated rule."""

import os
import struct
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_samples import message_of
from image_samples import WHITE_TO_BLACK, classes, save, sixteen_bit_png
from PIL import Image, ImageOps

from condense.data import folder as folder_module
from condense.data.catalog import load
from condense.data.image_files import LARGEST, Unsuitable, read_header, read_pixels, squared, upright
from condense.data.reading import Reading

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")
RNG = np.random.default_rng(3)


# Orientation


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_images_are_upright_as_viewers_show_them(tmp_path, orientation, suffix):
    pixels = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"photo.{suffix}", pixels, exif=exif, lossless=True)
    with Image.open(path) as image:
        shown = np.asarray(ImageOps.exif_transpose(image))
    header = read_header(path)
    assert np.array_equal(read_pixels(path, header), shown)
    assert (header.height, header.width) == shown.shape[:2]
    assert np.array_equal(upright(pixels, orientation), shown)


def test_photos_of_a_phone_are_learned_upright_and_that_is_said(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    tall = np.zeros((8, 4), np.uint8)
    tall[0] = 255  # a bright top
    for name, pixels in (("a", tall), ("b", tall[::-1])):
        save(tmp_path / name / "0.png", pixels)
        save(tmp_path / name / "1.png", np.rot90(pixels).copy(), exif=exif)  # as the sensor lies
        save(tmp_path / name / "2.png", pixels)
    data = load(str(tmp_path))
    assert data.train.shape == (1, 8, 4)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [255, 255, 0, 0]
    said = "images turned upright, as their EXIF orientation says: 2 of 6 (the first: a/1.png)."
    assert data.remarks == (said,)
    assert data.train.reading["remarks"] == [said]


# Depth


def with_sixteen_bits(root: Path, largest: int, colour_type: int = 0, channels: int = 1) -> np.ndarray:
    values = np.linspace(0, largest, 30 * channels).round().astype(np.uint16).reshape(5, 6, channels)
    for name in "ab":
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(2):
            (root / name / f"{number}.png").write_bytes(sixteen_bit_png(values, colour_type))
    return values


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3)])
@pytest.mark.parametrize("largest", [255, 4095])
def test_sixteen_bits_that_hold_less_are_asked_about(tmp_path, colour_type, channels, largest):
    values = with_sixteen_bits(tmp_path, largest, colour_type, channels)
    message = message_of(tmp_path)
    assert f"from 0 to {largest}" in message
    assert "--pixel-range" in message
    data = load(str(tmp_path), reading=Reading(pixel_range=f"0,{largest}"))
    expected = np.rint(values.transpose(2, 0, 1) * (255 / largest)).astype(int)
    assert data.train.pixels[0].tolist() == expected.tolist()
    assert data.train.reading["pixel_range"] == f"0,{largest}"


def test_full_sixteen_bits_keep_their_range_in_grey_and_colour(tmp_path):
    with_sixteen_bits(tmp_path / "grey", 65535)
    with_sixteen_bits(tmp_path / "colour", 65535, 2, 3)
    grey, colour = load(str(tmp_path / "grey")), load(str(tmp_path / "colour"))
    assert (grey.train.shape, colour.train.shape) == ((1, 5, 6), (3, 5, 6))
    assert (int(grey.train.pixels.max()), int(grey.train.pixels[0, 0, 0, 1])) == (255, round(255 / 29))
    assert int(colour.train.pixels.max()) == 255


def test_sixteen_bit_grey_with_alpha_stays_grey(tmp_path):
    values = np.linspace(0, 65535, 30).round().astype(np.uint16).reshape(5, 6)
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(2):
            opaque = np.stack([values, np.full_like(values, 65535)], axis=2)
            (tmp_path / name / f"{number}.png").write_bytes(sixteen_bit_png(opaque, 4))
    assert load(str(tmp_path)).train.shape == (1, 5, 6)
    opaque[2, 3, 1] = 65534
    (tmp_path / "a" / "1.png").write_bytes(sixteen_bit_png(opaque, 4))
    assert "a/1.png: has transparent pixels" in message_of(tmp_path)


def test_a_see_through_value_of_sixteen_bits(tmp_path):
    values = np.linspace(0, 65535, 30).round().astype(np.uint16).reshape(5, 6, 1)
    for key, transparent in ((int(values[1, 1, 0]), True), (5, False)):
        data = struct.pack(">H", key)
        extra = struct.pack(">I", 2) + b"tRNS" + data + struct.pack(">I", zlib.crc32(b"tRNS" + data))
        path = tmp_path / "one.png"
        path.write_bytes(sixteen_bit_png(values, 0, extra))
        if transparent:
            with pytest.raises(Unsuitable, match="transparent"):
                read_pixels(path, read_header(path))
        else:
            assert np.array_equal(read_pixels(path, read_header(path)), values)


def test_a_damaged_sixteen_bit_file_and_one_depth_among_others(tmp_path):
    with_sixteen_bits(tmp_path, 65535)
    path = tmp_path / "b" / "1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "b/1.png: cannot be read as an image; damaged" in message_of(tmp_path)
    save(path, WHITE_TO_BLACK)
    assert "b/1.png: has 8 bits a channel, but 3 of 4 are 16" in message_of(tmp_path)


# Palettes, frames, grey among colours


def test_grey_palettes_stay_grey_and_coloured_ones_are_colours(tmp_path):
    for name in "ab":
        for number in range(2):
            grey = Image.fromarray(WHITE_TO_BLACK).convert("P")
            (tmp_path / name).mkdir(exist_ok=True)
            grey.save(tmp_path / name / f"{number}.png")
    data = load(str(tmp_path))
    assert data.train.shape == (1, 5, 6)
    assert data.train.pixels[0, 0].tolist() == WHITE_TO_BLACK.tolist()
    assert "images with a palette, read as its colours: 4 of 4 (the first: a/0.png)." in data.remarks
    Image.new("RGB", (6, 5), (200, 10, 0)).quantize(4).save(tmp_path / "a" / "0.png")
    data = load(str(tmp_path))
    assert data.train.shape == (3, 5, 6)
    assert data.train.pixels[0, :, 0, 0].tolist() == [200, 10, 0]
    mixed = "images grey among coloured ones, so given three equal channels: 3 of 4 (the first: a/1.png)."
    assert mixed in data.remarks


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_of_an_animation_the_first_frame_is_read_and_that_is_said(tmp_path, suffix):
    classes(tmp_path)
    frames = [Image.new("L", (6, 5), value) for value in (50, 200)]
    path = tmp_path / "b" / f"9.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    data = load(str(tmp_path))
    assert data.test.pixels[-1].unique().tolist() == [50]
    assert f"images of several frames, of which the first was read: 1 of 7 (the first: b/9.{suffix})." in data.remarks


def test_plain_images_need_no_remark(tmp_path):
    data = load(str(classes(tmp_path)))
    assert data.remarks == ()
    assert data.train.reading == {}


def test_only_the_formats_that_are_named_are_decoded(tmp_path):
    classes(tmp_path)
    Image.new("L", (6, 5)).save(tmp_path / "a" / "0.png", format="TIFF")
    assert "a/0.png: cannot be read as an image" in message_of(tmp_path)


# Bad files and sizes


def spoiled(root: Path) -> Path:
    """40 good images, and five of 48 files bad, each in its own way."""
    classes(root, "ab", 20)
    (root / "a" / "0.png").write_bytes(b"no image")
    whole = save(root / "a" / "1.png", RNG.integers(0, 256, (5, 6), dtype=np.uint8)).read_bytes()
    (root / "a" / "1.png").write_bytes(whole[:-25])
    save(root / "a" / "2.png", np.zeros((4, 4), np.uint8))
    Image.new("RGBA", (6, 5), (1, 2, 3, 9)).save(root / "b" / "0.png")
    (root / "b" / "notes.txt").write_text("x")
    return root


def test_all_bad_files_are_told_in_one_message(tmp_path):
    message = message_of(spoiled(tmp_path))
    assert message.startswith(f"{tmp_path}: 5 of 41 files cannot be used: ")
    for said in (
        "b/notes.txt: is no image file",
        "a/0.png: cannot be read as an image; damaged",
        "a/1.png: cannot be read as an image; damaged",
        "a/2.png: is 4x4, but 38 of 39 are 6x5",
        "b/0.png: has transparent pixels",
        "--image-size N makes all images one size; --skip-bad leaves such files out.",
    ):
        assert said in message


def test_bad_files_are_left_out_and_listed_where_that_is_asked(tmp_path):
    data = load(str(spoiled(tmp_path)), reading=Reading(skip_bad=True))
    assert len(data.train) + len(data.test) == 17 + 19
    assert data.train.reading["files_skipped"] == 5
    listed = [one.partition(":")[0] for one in data.train.reading["skipped"]]
    assert sorted(listed) == ["a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/notes.txt"]
    assert not any(str(tmp_path) in one for one in data.train.reading["skipped"])
    assert any(remark.startswith("files left out: 5 of 41 (") for remark in data.remarks)


def test_many_bad_files_are_counted(tmp_path):
    classes(tmp_path, "ab", 20)
    for number in range(15):
        (tmp_path / "a" / f"{number}.png").write_bytes(b"no image")
    message = message_of(tmp_path)
    assert f"{tmp_path}: 15 of 40 files cannot be used: a/0.png" in message
    assert message.count("cannot be read as an image") == 1
    assert "; and 5 more. --skip-bad" in message


def test_sizes_that_differ_are_told_before_anything_is_decoded(tmp_path, monkeypatch):
    classes(tmp_path)
    save(tmp_path / "b" / "0.png", np.zeros((9, 9), np.uint8))
    monkeypatch.setattr(folder_module, "LOOKED_INTO", 0)
    monkeypatch.setattr(folder_module, "read_pixels", None)
    assert "b/0.png: is 9x9, but 5 of 6 are 6x5. --image-size N makes all images one size" in message_of(tmp_path)


def test_most_images_are_never_left_out(tmp_path):
    for number in range(8):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", np.zeros((number + 3, 4), np.uint8))
    message = message_of(tmp_path, reading=Reading(skip_bad=True))
    assert "no size is that of more than half of the 8 images" in message
    assert "--image-size N" in message


def test_image_size_makes_squares_and_says_how(tmp_path):
    for number in range(8):
        save(tmp_path / "ab"[number % 2] / f"{number}.png", np.full((number + 3, 2 * number + 4), 7 * number, np.uint8))
    data = load(str(tmp_path), reading=Reading(image_size=4))
    assert data.train.shape == (1, 4, 4)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 14, 28, 7, 21, 35]
    assert data.train.reading["image_size"] == 4
    assert "images enlarged to 4x4: 1 of 8 (the first: a/0.png)." in data.remarks
    resized = "images whose central square was resized to 4x4 (bilinear, averaging): 8 of 8 (the first: a/0.png)."
    assert resized in data.remarks


def test_resizing_averages_and_cuts_at_the_centre():
    wide = np.zeros((4, 12, 1), np.uint8)
    wide[:, 4:8] = 100
    assert squared(wide, 4).tolist() == np.full((4, 4, 1), 100).tolist()
    assert squared(wide.swapaxes(0, 1), 4).tolist() == np.full((4, 4, 1), 100).tolist()
    checked = np.indices((64, 64)).sum(0)[..., None] % 2 * 255
    assert np.ptp(squared(checked.astype(np.uint8), 8)) <= 40  # no aliasing: near its mean everywhere
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    small = squared(deep, 32)
    assert small.dtype == np.uint16
    averages = deep[:, :, 0].astype(float).reshape(32, 2, 32, 2).mean((1, 3))
    assert np.abs(small[4:-4, 4:-4, 0] - averages[4:-4, 4:-4]).max() < 100
    assert squared(np.zeros((1, 10_000, 1), np.uint8), 500).shape == (500, 500, 1)  # nothing of 5,000,000 columns


# Sizes that headers promise


def png_of_size(path: Path, width: int, height: int) -> None:
    """A small file whose header promises so many black pixels, and whose content keeps the promise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    content = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b""))


@pytest.mark.parametrize("reading", [Reading(), Reading(image_size=32)])
def test_pictures_of_88_megapixels_are_refused_by_their_headers(tmp_path, monkeypatch, reading, recwarn):
    for name in "ab":
        for number in range(2):
            png_of_size(tmp_path / name / f"{number}.png", 9400, 9400)
    monkeypatch.setattr(folder_module, "read_pixels", None)
    message = message_of(tmp_path, reading=reading)
    assert (
        f"a/0.png, a/1.png, b/0.png, b/1.png: has 9400x9400 pixels, more than the {LARGEST:,} pixels that are read"
        in message
    )
    png_of_size(tmp_path / "a" / "0.png", 20_000, 10_000)
    assert f"a/0.png: has more than the {LARGEST:,} pixels that are read" in message_of(tmp_path, reading=reading)
    assert not recwarn.list


def test_files_that_grow_as_no_pictures_do_are_refused(tmp_path):
    for name in "ab":
        for number in range(3):
            png_of_size(tmp_path / name / f"{number}.png", 8000, 8000)
    message = message_of(tmp_path)
    assert "the 6 images would take 0.4 GB in memory, " in message
    assert "times what they take as files" in message


# Layouts


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("TRAIN", "test"), ("training", "testing"), ("training", "validation"), ("train", "val")],
)
def test_parts_are_found_under_their_usual_names(tmp_path, train, test):
    classes(tmp_path / train, count=2)
    classes(tmp_path / test, count=1, pixels=255 - WHITE_TO_BLACK)
    data = load(str(tmp_path))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (("a", "b"), (2, 2), (1, 1))
    said = f"the images in {test} are the test images, as there is no test folder."
    assert data.remarks == ((said,) if test in ("validation", "val") else ())


def test_what_is_not_read_is_said(tmp_path):
    for part in ("train", "test", "val", "extra"):
        classes(tmp_path / part, count=2)
    data = load(str(tmp_path))
    assert data.remarks == (f"not read: extra, val in {tmp_path.name}.",)
    classes(tmp_path / "Train")
    assert "Train and train are both here" in message_of(tmp_path)


def test_what_systems_leave_behind_is_no_class(tmp_path):
    classes(tmp_path)
    for name in ("__MACOSX", ".git", "@eaDir"):
        classes(tmp_path / name, "x")
        (tmp_path / "a" / name).mkdir()
    for name in ("Thumbs.db", "thumbs.db", ".DS_Store", "Desktop.ini", "._0.png"):
        (tmp_path / name).write_text("x")
        (tmp_path / "b" / name).write_text("x")
    assert load(str(tmp_path)).train.class_names == ("a", "b")


def test_one_class_is_refused(tmp_path):
    classes(tmp_path, ["images"], 5)
    message = message_of(tmp_path)
    assert f"{tmp_path}: there is one class only, images; two sub-folders of images" in message
    np.savez(tmp_path / "one.npz", images=RNG.integers(0, 256, (9, 5, 6), dtype=np.uint8), labels=np.zeros(9, int))
    assert "one.npz: there is one class only, 0; " in message_of(tmp_path / "one.npz")
    classes(tmp_path / "deeper" / "birds", "ab")
    message = message_of(tmp_path / "deeper")
    assert "there is one class only, birds; " in message
    assert message.endswith(f"If the data set is what lies in {tmp_path}/deeper/birds, give that folder.")
    assert load(str(tmp_path / "deeper" / "birds")).train.class_names == ("a", "b")
    classes(tmp_path / "split" / "train", "a")
    classes(tmp_path / "split" / "test", "a")
    assert f"{tmp_path}/split/train: there is one class only, a" in message_of(tmp_path / "split")


def test_the_layout_of_tiny_imagenet_is_understood(tmp_path):
    for name in ("n01", "n02"):
        classes(tmp_path / "train" / name, ["images"], 2)
        (tmp_path / "train" / name / f"{name}_boxes.txt").write_text("n01_0.JPEG\t0\t0\t63\t63\n")
    for number in range(4):
        save(tmp_path / "val" / "images" / f"val_{number}.png", np.full((5, 6), 60 * number, np.uint8))
    lines = [f"val_{number}.png\tn0{2 - number % 2}\t0\t32\t44\t62\n" for number in range(4)]
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(lines))
    classes(tmp_path / "test", ["images"], 3)
    data = load(str(tmp_path))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (("n01", "n02"), (2, 2), (2, 2))
    assert data.test.pixels[:, 0, 0, 0].tolist() == [60, 180, 0, 120]
    assert data.remarks == (
        "the images in val are the test images, as the images of test have no classes.",
        f"not read: test in {tmp_path.name}.",
    )
    (tmp_path / "val" / "val_annotations.txt").write_text("val_0.png\tn09\n")
    assert "val_annotations.txt: training has no class 'n09'" in message_of(tmp_path)
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(lines[:3]) + "../../else.png\tn01\n")
    message = message_of(tmp_path)
    assert "val/images/val_3.png: has no class in val_annotations.txt" in message
    assert "is in val_annotations.txt, but not there" in message


def test_a_class_is_one_however_its_name_is_composed(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "zoë") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for names in (("zoz", decomposed), ("zoz", composed)):
        root = tmp_path / str(len(names[1]))
        for part in ("train", "test"):
            classes(root / part, names, 2)
        assert load(str(root)).train.class_names == ("zoz", composed)
    classes(tmp_path / "mixed" / "train", ["zoz", composed], 2)
    classes(tmp_path / "mixed" / "test", ["zoz", decomposed], 2)
    assert load(str(tmp_path / "mixed")).test.counts == (2, 2)
    classes(tmp_path / "mixed" / "train", [decomposed], 2)
    assert "two folders are called zoë, one composed and one decomposed" in message_of(tmp_path / "mixed")


# Names that the system or a result would refuse


def test_names_that_are_no_text_are_refused_before_the_work(tmp_path):
    root = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(root)
    classes(Path(os.fsdecode(root)))
    assert "caf\\udce9: this name is not in UTF-8" in message_of(os.fsdecode(root))
    classes(tmp_path / "fine")
    os.rename(os.fsencode(tmp_path) + b"/fine/a", os.fsencode(tmp_path) + b"/fine/caf\xe9")
    assert "the name of this class is not in UTF-8" in message_of(tmp_path / "fine")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300, "cannot be read (File name too long)"),
        ("x" * 300 + ".npz", "cannot be read (File name too long)"),
        ("~nouser/images", "the home folder of that user is not known here"),
        ("~nouser", "the home folder of that user is not known here"),
        ("a\0b.npz", "a path cannot hold a NUL character"),
        ("a\0b", "a path cannot hold a NUL character"),
    ],
)
def test_paths_that_the_system_refuses(name, said):
    message = message_of(name)
    assert said in message
    assert "\0" not in message
    assert said in message_of("mnist", data_root=name)


def test_what_may_not_be_read_is_said(tmp_path, monkeypatch):
    classes(tmp_path)
    target = tmp_path / "a" / "1.png"
    opened = Image.open

    def refusing(path: Path, **options: Any) -> Image.Image:
        if path == target:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refusing)
    assert f"{target}: cannot be read (Permission denied). --skip-bad" in message_of(tmp_path)
    looked = Path.iterdir

    def closed(path: Path):
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert f"{tmp_path}/b: cannot be read (Permission denied)." in message_of(tmp_path)
