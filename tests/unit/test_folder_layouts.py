"""Folders with parts: how the parts may be called and nested, and what is said of layouts that are none of those."""

import numpy as np
import pytest
from catalog_samples import message_of
from image_samples import WHITE_TO_BLACK, classes, save, sixteen_bit_png

from condense.data import folder as folder_module
from condense.data.catalog import load
from condense.data.part_names import part_name
from condense.data.reading import Reading

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")
SKIP = Reading(skip_bad=True)


# Names of parts


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_set", "test_set"),
        ("training_set", "test_set"),
        ("trainset", "testset"),
        ("train_images", "test_images"),
        ("Training Data", "Test Data"),
        ("training-images", "Testing"),
        ("TrainImages", "validation_images"),
        ("tr", "te"),
        ("TR_set", "dev"),
        ("seg_train", "seg_test"),
        ("birds-train-64px", "birds-test-64px"),
        ("train2017", "val2017"),
        ("imagestrain", "imagestest"),
    ],
)
def test_parts_are_found_however_people_write_them(tmp_path, train, test):
    classes(tmp_path / train, count=2)
    classes(tmp_path / test, count=1, pixels=255 - WHITE_TO_BLACK)
    data = load(str(tmp_path))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (("a", "b"), (2, 2), (1, 1))
    assert data.test.pixels[0, 0].tolist() == (255 - WHITE_TO_BLACK).tolist()


def test_a_part_in_a_folder_of_the_same_part(tmp_path):
    for part in ("train", "test"):
        classes(tmp_path / f"seg_{part}" / f"seg_{part}", count=2)
    classes(tmp_path / "seg_pred", ["seg_pred"], 2)
    data = load(str(tmp_path))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (("a", "b"), (2, 2), (2, 2))
    assert data.remarks == (f"not read: seg_pred in {tmp_path.name}.",)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "plane"),
        ("freight_train", "test_car"),
        ("steam train", "value", "valley"),
        ("tr", "te", "en"),  # languages
        ("team", "tram"),
        ("contest", "restrain", "testudo"),
        ("train_test", "test_train"),
    ],
)
def test_names_of_classes_are_no_parts(tmp_path, names):
    data = load(str(classes(tmp_path, names, 5)))
    assert (data.train.class_names, data.train.counts) == (tuple(sorted(names)), (4,) * len(names))


def test_what_names_say():
    assert [part_name(name) for name in ("birds", "images", "", "te_sx", "test-train", "trde", "träin")] == [None] * 7
    named = part_name("Seg_Train")
    assert named is not None and (named.part, named.of, named.certain) == ("train", "seg", True)
    named = part_name("te set")
    assert named is not None and (named.part, named.of, named.certain) == ("test", "", False)


def test_parts_that_could_be_two_data_sets_or_are_there_twice(tmp_path):
    for name in ("train", "test_set", "test_images"):
        classes(tmp_path / "twice" / name)
    assert "test_images and test_set are both here; one of them is to be read" in message_of(tmp_path / "twice")
    for name in ("a_train", "a_test", "b_train", "b_val"):
        classes(tmp_path / "several" / name)
    message = message_of(tmp_path / "several")
    assert "there are several data sets with parts (a_train, b_train); give a folder with one of them" in message
    for name in ("train", "test", "val", "dev"):
        classes(tmp_path / "spare" / name, count=2)
    assert load(str(tmp_path / "spare")).remarks == ("not read: dev, val in spare.",)
    classes(tmp_path / "half" / "train_set")
    assert "has a train_set folder, but no test folder" in message_of(tmp_path / "half")


def test_parts_without_classes_are_no_classes(tmp_path):
    for part in ("train_images", "test_images"):
        for number in range(5):
            save(tmp_path / part / f"{number}.png", WHITE_TO_BLACK)
    assert "train_images/0.png: lies outside the class folders" in message_of(tmp_path)


# Folders in class folders


def test_folders_in_class_folders_are_told_as_what_they_are(tmp_path):
    for name in "ab":
        classes(tmp_path / "deep" / name, "xy")
        classes(tmp_path / "turned" / name, ["train", "test"])
    for reading in (Reading(), SKIP):
        message = message_of(tmp_path / "deep", reading=reading)
        assert message.startswith(
            f"{tmp_path}/deep/a: holds folders (x, y) and no images; images lie in the folder of their"
        )
        assert "skip-bad" not in message
        message = message_of(tmp_path / "turned", reading=reading)
        assert message.endswith("/a: holds folders (test, train) and no images; the parts come first, as in test/a.")
    classes(tmp_path / "mixed")
    (tmp_path / "mixed" / "b" / "deeper").mkdir()
    message = message_of(tmp_path / "mixed")
    assert "b/deeper: is a folder, not read, as images lie in the folder of their class itself." in message
    assert message.endswith("--skip-bad leaves it out.")
    assert len(load(str(tmp_path / "mixed"), reading=SKIP).train) == 4


# What would help


def test_bits_that_differ_are_mended_by_no_size(tmp_path):
    classes(tmp_path, count=4)
    deep = np.linspace(0, 65535, 30).round().astype(np.uint16).reshape(5, 6, 1)
    (tmp_path / "b" / "0.png").write_bytes(sixteen_bit_png(deep, 0))
    message = message_of(tmp_path)
    assert message.endswith(
        "b/0.png: has 16 bits a channel, but 7 of 8 are 8. Save all with the same number of bits a channel; "
        "--skip-bad leaves it out."
    )
    for number in range(4):
        (tmp_path / "b" / f"{number}.png").write_bytes(sixteen_bit_png(deep, 0))
    message = message_of(tmp_path)
    assert "--image-size" not in message and "--skip-bad leaves" not in message
    assert message.endswith(
        "Save all with the same number of bits a channel; without such files no image of class b is left."
    )


def test_leaving_out_is_advised_only_where_enough_is_left(tmp_path):
    for part in ("train", "test"):
        classes(tmp_path / part, count=2)
    for number in range(2):
        (tmp_path / "train" / "b" / f"{number}.png").write_bytes(b"no image")
    assert message_of(tmp_path).endswith(". Without such files no image of class b is left.")
    classes(tmp_path / "train", count=2)
    for name in "ab":
        for number in range(2):
            (tmp_path / "test" / name / f"{number}.png").write_bytes(b"no image")
    assert message_of(tmp_path).endswith(". Without such files no test image is left.")
    classes(tmp_path / "whole", count=2)
    (tmp_path / "whole" / "a" / "1.png").write_bytes(b"no image")
    assert message_of(tmp_path / "whole").endswith(". Without it a single image of class a is left, and none to test on.")
    for number in range(4):
        save(tmp_path / "sizes" / "ab"[number % 2] / f"{number}.png", np.zeros((number + 3, 4), np.uint8))
        save(tmp_path / "sizes" / "ab"[number % 2] / f"{number}x.png", np.zeros((number + 3, 4), np.uint8))
    message = message_of(tmp_path / "sizes")
    assert "--image-size N makes all images one size" in message and "--skip-bad leaves" not in message


def test_a_reason_is_said_once_of_all_files_that_it_is_true_of(tmp_path):
    classes(tmp_path, count=20)
    long = "a picture with a name of very many words " * 4
    for number in range(12):
        (tmp_path / "a" / f"{number:02} {long}.gif").write_bytes(b"GIF")
    (tmp_path / "b" / "notes.txt").write_text("x")
    message = message_of(tmp_path)
    assert message.count("is no image file") == 1 and "; and 3 more. --skip-bad leaves such files out." in message
    assert len(message) < 1000 + len(str(tmp_path))
    (said,) = load(str(tmp_path), reading=SKIP).remarks
    assert said.startswith("files left out: 13 of 53 (a/00 a picture") and said.count("is no image file") == 1


def test_it_is_said_where_pixels_were_not_looked_at(tmp_path, monkeypatch):
    classes(tmp_path)
    save(tmp_path / "b" / "0.png", np.zeros((9, 9), np.uint8))
    assert "not looked at" not in message_of(tmp_path)
    monkeypatch.setattr(folder_module, "LOOKED_INTO", 0)
    assert message_of(tmp_path).endswith("--skip-bad leaves it out. The pixels of the other 5 were not looked at yet.")


@pytest.mark.parametrize("content", [None, "images/0.png", "0.png"])
def test_test_images_without_classes_are_told_so(tmp_path, content):
    classes(tmp_path / "train", count=2)
    for part in ("test", "val"):
        (tmp_path / part).mkdir()
        if content:
            save(tmp_path / part / content, WHITE_TO_BLACK)
    message = message_of(tmp_path)
    assert message.startswith(f"{tmp_path}/test: there are no classes; one sub-folder of images for each, or a file")
    assert "val_annotations.txt" in message
