"""Which arrays are images and labels, for what, by their names and by those of the files beside them."""

import numpy as np
import pytest
from array_files import write_arrays
from catalog_samples import COLOUR, GREY, LABELS, message_of

from condense.data.catalog import load

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
FEW = GREY[:4] ^ 255
NAMES = [
    ("X_train", "y_train", "X_test", "y_test"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("train_set_x", "train_set_y", "test_set_x", "test_set_y"),
    ("TRAIN_IMAGES", "Train_Labels", "Test_Images", "TEST_LABELS"),
    ("trainData", "trainTargets", "testData", "testTargets"),
    ("training_features", "training_labels", "testing_features", "testing_labels"),
    ("Xtr", "Ytr", "Xte", "Yte"),
    ("data", "target", "test_data", "test_target"),
    ("X", "y", "X_test", "y_test"),
    ("train_images", "train_labels", "val_images", "val_labels"),
    ("x_train", "y_train", "x_valid", "y_valid"),
    ("images", "labels", "validation_images", "validation_labels"),
]


@SUFFIXES
@pytest.mark.parametrize("names", NAMES, ids="/".join)
def test_the_users_own_test_images_are_used(tmp_path, suffix, names):
    path = write_arrays(tmp_path / f"a{suffix}", dict(zip(names, (GREY, LABELS, FEW, LABELS[:4]), strict=True)))
    data = load(str(path))
    assert (data.train.counts, data.test.counts) == ((10, 10, 10), (2, 1, 1))
    assert np.array_equal(data.test.pixels[:, 0].numpy(), FEW[[0, 3, 1, 2]])
    assert bool(data.remarks) == ("val" in names[2])
    assert all(f"{names[2]} are used as the test images, as there are no others" in remark for remark in data.remarks)


def test_groups_of_an_hdf5_file_are_parts(tmp_path):
    content = {"train/images": GREY, "train/labels": LABELS, "test/images": FEW, "test/labels": LABELS[:4]}
    data = load(str(write_arrays(tmp_path / "a.h5", content)))
    assert (len(data.train), len(data.test)) == (30, 4)


@SUFFIXES
def test_images_for_validation_beside_test_images_are_named_as_unused(tmp_path, suffix):
    content = {"train_images": GREY, "train_labels": LABELS, "test_images": FEW, "test_labels": LABELS[:4]}
    path = write_arrays(tmp_path / f"a{suffix}", content | {"val_images": GREY[:9], "val_labels": LABELS[:9]})
    data = load(str(path))
    assert len(data.test) == 4
    assert data.remarks == (f"{path.name}: val_images are not used; the test images are.",)


@SUFFIXES
@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("train", "test"),
        ("birds_train", "birds_test"),
        ("train-32", "TEST-32"),
        ("birdsTraining", "birdsTesting"),
        ("birds", "birds.t"),
        ("birds", "birds_test"),
        ("train", "val"),
    ],
)
def test_the_file_of_test_images_beside_is_used(tmp_path, suffix, train, test):
    path = write_arrays(tmp_path / f"{train}{suffix}", {"X": GREY, "y": LABELS})
    write_arrays(tmp_path / f"{test}{suffix}", {"X": FEW, "y": LABELS[:4]})
    write_arrays(tmp_path / f"other_test{suffix}", {"X": FEW, "y": LABELS[:4]})
    data = load(str(path))
    assert (len(data.train), len(data.test)) == (30, 4)
    used = f"{train}{suffix}: test images are those of {test}{suffix} beside it."
    unread = [f"{train}{suffix}: not read: other_test{suffix} beside it."] if test == "val" else []
    assert data.remarks == (used, *unread)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.npz", "test.mat"),
        ("train.npz", "test.h5"),
        ("train.mat", "Test.HDF5"),
        ("trainset.npz", "testset.npz"),
        ("XTrain.mat", "XTest.mat"),
        ("Xtrain.npz", "Xtest.npz"),
        ("xtrain.npz", "xtest.npz"),
        ("mnisttrain.npz", "mnisttest.npz"),
        ("MNISTTrain.npz", "MNISTTest.h5"),
        ("data_tr.npz", "data_te.npz"),
        ("data_tr.npz", "data-tst.npz"),
        ("data-train.npz", "data-eval.npz"),
        ("my_train.npz", "my_holdout.npz"),
        ("my_train.npz", "my_held_out.npz"),
        ("train_birds.npz", "birds_test.npz"),
        ("trains.npz", "trains_test.npz"),
        ("trains.npz", "tests.npz"),
        ("birds.npz", "birdstest.mat"),
        ("eau_train.npz", "EAU_TEST.npz"),
        ("\u0432\u043e\u0434\u0430_train.npz", "\u0432\u043e\u0434\u0430_test.npz"),
    ],
)
def test_the_file_beside_is_found_however_its_name_is_written(tmp_path, train, test):
    path = write_arrays(tmp_path / train, {"X": GREY, "y": LABELS})
    suffix = test.lower().rpartition(".")[2]
    write_arrays(tmp_path / f"a.{suffix}", {"X": FEW, "y": LABELS[:4]}).rename(tmp_path / test)
    data = load(str(path))
    assert (len(data.train), len(data.test)) == (30, 4)
    assert data.remarks == (f"{train}: test images are those of {test} beside it.",)


@pytest.mark.parametrize(
    ("train", "other"),
    [
        ("train_v2.npz", "test_v1.npz"),
        ("birds_train.npz", "other_test.mat"),
        ("train.npz", "train_val.npz"),
        ("mnisttrain.npz", "mnisttrainval.npz"),
        ("strain.npz", "tests.npz"),
        ("\u0432\u043e\u0434\u0430_train.npz", "\u0440\u0435\u043a\u0430_test.npz"),
        ("a.npz", "held-out.h5"),
        ("data_tr.npz", "x_te.npz"),
    ],
)
def test_other_files_whose_names_speak_of_testing_are_named(tmp_path, train, other):
    path = write_arrays(tmp_path / train, {"X": GREY, "y": LABELS})
    write_arrays(tmp_path / other, {"X": FEW, "y": LABELS[:4]})
    for name in ("trees.npz", "notes.txt", "atests.txt"):
        (tmp_path / name).write_text("nothing")
    data = load(str(path))
    assert (len(data.train), len(data.test)) == (24, 6)
    assert data.remarks == (f"{train}: not read: {other} beside it.",)


def test_the_file_of_test_images_of_the_same_kind_is_the_one(tmp_path):
    for suffix in (".npz", ".mat"):
        write_arrays(tmp_path / f"train{suffix}", {"X": GREY, "y": LABELS})
        write_arrays(tmp_path / f"test{suffix}", {"X": FEW, "y": LABELS[:4]})
    data = load(str(tmp_path / "train.mat"))
    assert data.remarks == (
        "train.mat: test images are those of test.mat beside it.",
        "train.mat: not read: test.npz beside it.",
    )
    (tmp_path / "test.mat").rename(tmp_path / "test.h5")
    assert "test.h5 and test.npz beside it could each be its test images; leave one." in message_of(tmp_path / "train.mat")


@pytest.mark.parametrize("damage", ["text", "link"])
def test_a_file_of_test_images_that_cannot_be_read_is_refused(tmp_path, damage):
    path = write_arrays(tmp_path / "train.npz", {"X": GREY, "y": LABELS})
    (tmp_path / "test.h5").write_text("none") if damage == "text" else (tmp_path / "test.h5").symlink_to("nowhere")
    message = message_of(path)
    assert message.startswith(f"{tmp_path / 'test.h5'}: ")
    assert message.endswith("Its name says that it has the test images of train.npz; if it has not, move it elsewhere.")


def test_a_file_named_for_testing_has_none_beside_it(tmp_path):
    path = write_arrays(tmp_path / "test.npz", {"X": GREY, "y": LABELS})
    write_arrays(tmp_path / "test_val.npz", {"X": FEW, "y": LABELS[:4]})
    assert load(str(path)).remarks == ()


def test_a_file_of_all_images_beside_its_parts_is_split(tmp_path):
    path = write_arrays(tmp_path / "birds.npz", {"X": GREY, "y": LABELS})
    for part in ("train", "test"):
        write_arrays(tmp_path / f"birds_{part}.npz", {"X": FEW, "y": LABELS[:4]})
    data = load(str(path))
    assert (len(data.test), data.remarks) == (6, ("birds.npz: not read: birds_test.npz beside it.",))


def test_files_beside_as_courses_have_them(tmp_path):
    names = ["no", "yes"]
    write_arrays(tmp_path / "test_cats.h5", {"test_set_x": FEW, "test_set_y": LABELS[:4] > 1, "list_classes": names})
    content = {"train_set_x": GREY, "train_set_y": LABELS > 1, "list_classes": names}
    data = load(str(write_arrays(tmp_path / "train_cats.h5", content)))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (("no", "yes"), (20, 10), (3, 1))


def test_a_file_beside_is_named_where_it_is_not_used(tmp_path):
    content = {"X_train": GREY, "y_train": LABELS, "X_test": FEW, "y_test": LABELS[:4]}
    path = write_arrays(tmp_path / "train.npz", content)
    write_arrays(tmp_path / "test.npz", {"X": GREY, "y": LABELS})
    data = load(str(path))
    assert len(data.test) == 4
    assert data.remarks == ("train.npz: test.npz beside it not used, as it has test images of its own.",)


def test_two_files_that_could_be_the_test_images_are_refused(tmp_path):
    path = write_arrays(tmp_path / "a_train.npz", {"X": GREY, "y": LABELS})
    for name in ("a_test", "A-TEST"):
        write_arrays(tmp_path / f"{name}.npz", {"X": GREY, "y": LABELS})
    assert "A-TEST.npz and a_test.npz beside it could each be its test images; leave one." in message_of(path)


def test_a_file_beside_with_other_arrays_is_refused(tmp_path):
    path = write_arrays(tmp_path / "train.npz", {"X": GREY, "y": LABELS})
    other = write_arrays(tmp_path / "test.npz", {"X_train": GREY, "y_train": LABELS})
    assert message_of(path) == (
        f"{other}: its arrays are not clearly test images. It holds X_train uint8 (30, 6, 7), y_train int64 (30,). Its name "
        "says that it has the test images of train.npz; if it has not, move it elsewhere."
    )


@SUFFIXES
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"X_train": GREY, "y_train": LABELS, "X_test": FEW},
            "X_test and test_labels belong together, but test_labels is missing",
        ),
        ({"images": GREY, "labels": LABELS, "held_out": FEW}, "held_out may be images too, but its name does not say which"),
        ({"images": GREY, "x": GREY, "labels": LABELS}, "images and x could each be the images; leave one of them"),
        ({"images": GREY, "labels": LABELS, "split": LABELS}, "split may say which images are for testing"),
        ({"images": GREY, "labels": LABELS, "train_idx": LABELS}, "train_idx may say which images are for testing"),
        ({"pictures": GREY, "kinds": LABELS}, "holds kinds int64"),
        ({"x_test": GREY, "y_test": LABELS}, "holds x_test uint8 (30, 6, 7), y_test int64"),
    ],
)
def test_what_may_matter_and_is_not_understood_is_refused(tmp_path, suffix, content, message):
    assert message in message_of(write_arrays(tmp_path / f"a{suffix}", content))


USAGE = np.array(["Training", "PublicTest"])[LABELS % 2]
CHOSEN = np.arange(20)


@SUFFIXES
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"train": CHOSEN, "test": CHOSEN[:10]}, "test and train"),
        ({"tr": CHOSEN, "tst": CHOSEN[:10]}, "tr and tst"),
        ({"tr_idx": CHOSEN, "te_idx": CHOSEN[:10]}, "te_idx and tr_idx"),
        ({"trainInd": CHOSEN, "testInd": CHOSEN[:10]}, "testInd and trainInd"),
        ({"validation": CHOSEN}, "validation"),
        ({"val_idx": CHOSEN}, "val_idx"),
        ({"validx": CHOSEN}, "validx"),
        ({"holdOut": CHOSEN}, "holdOut"),
        ({"usage": USAGE}, "usage"),
        ({"phase": LABELS}, "phase"),
        ({"datasplit": LABELS}, "datasplit"),
        ({"indices": CHOSEN}, "indices"),
        ({"mask": LABELS > 0}, "mask"),
        ({"kind": np.array(["train", "test"])[LABELS % 2]}, "kind"),
        ({"n_train": np.array([20])}, "n_train"),
    ],
)
def test_what_may_say_a_split_is_refused(tmp_path, suffix, more, named):
    path = write_arrays(tmp_path / f"a{suffix}", {"X": GREY, "y": LABELS, **more})
    assert f"{path}: {named} may say which images are for testing, and " in message_of(path)
    tested = {"X_test": FEW, "y_test": LABELS[:4]}
    data = load(str(write_arrays(path, {"X": GREY, "y": LABELS, **more, **tested})))
    assert len(data.test) == 4


@SUFFIXES
def test_arrays_that_number_or_describe_all_images_say_no_split(tmp_path, suffix):
    content = {"X": GREY, "y": LABELS, "ids": np.arange(30), "remark": np.array(["a", "b"])[LABELS % 2]}
    data = load(str(write_arrays(tmp_path / f"a{suffix}", content)))
    assert len(data.test) == 6
    assert "not read: ids" in data.remarks[0]


@pytest.mark.parametrize(
    "names",
    [
        ("X_eval", "y_eval"),
        ("x_holdout", "y_holdout"),
        ("Xtst", "Ytst"),
        ("x_test_set", "y_test_set"),
        ("testset_images", "testset_labels"),
        ("validx", "validy"),
        ("valid_x", "valid_y"),
    ],
)
def test_further_words_for_test_images(tmp_path, names):
    content = {"X_train": GREY, "y_train": LABELS} | dict(zip(names, (FEW, LABELS[:4]), strict=True))
    data = load(str(write_arrays(tmp_path / "a.npz", content)))
    assert np.array_equal(data.test.pixels[:, 0].numpy(), FEW[[0, 3, 1, 2]])


@SUFFIXES
def test_what_else_there_is_is_named(tmp_path, suffix):
    content = {"data": GREY.reshape(30, 42), "images": GREY, "target": LABELS, "scores": np.ones((30, 2))}
    data = load(str(write_arrays(tmp_path / f"digits{suffix}", content)))
    assert data.train.shape == (1, 6, 7)
    assert data.remarks == (f"digits{suffix}: not read: scores float64 (30, 2).",)


@SUFFIXES
def test_rows_of_other_values_than_the_pictures_are_no_copy_of_them(tmp_path, suffix):
    content = {"images": GREY, "X": GREY.reshape(30, 42) ^ 1, "labels": LABELS}
    path = write_arrays(tmp_path / f"a{suffix}", content)
    assert "images and X could each be the images; leave one of them" in message_of(path).replace(
        "X and images", "images and X"
    )


@SUFFIXES
@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 1, 3)])
def test_rows_that_are_the_pictures_in_another_order_are_a_copy(tmp_path, suffix, axes):
    rows = COLOUR.transpose(axes).reshape(30, 126)
    path = write_arrays(tmp_path / f"a{suffix}", {"images": COLOUR, "X": rows.astype(float), "labels": LABELS})
    assert load(str(path)).train.shape == (3, 6, 7)


def test_a_long_list_of_arrays_is_cut(tmp_path):
    path = write_arrays(tmp_path / "a.npz", {f"{n:03}{'n' * 90}": LABELS for n in range(200)})
    assert "180 more; needed are" in message_of(path)
    assert len(message_of(path)) < 2500
