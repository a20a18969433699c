"""Labels of every usual kind become classes from 0; what could mean two things is refused."""

import h5py
import numpy as np
import pytest
from array_files import write_arrays
from catalog_samples import GREY, LABELS, message_of

from condense.data.catalog import load
from condense.data.labels import as_classes
from condense.errors import CondenseError

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

WORDS = np.array(["cat", "dog", "ant"])[LABELS]


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
@pytest.mark.parametrize(
    ("labels", "names", "order", "said"),
    [
        (LABELS, ("0", "1", "2"), (0, 1, 2), None),
        (LABELS.astype(float)[:, None], ("0", "1", "2"), (0, 1, 2), None),
        (LABELS + 1, ("1", "2", "3"), (0, 1, 2), "labels run from 1 to 3; 1 is the first class."),
        (np.eye(3)[LABELS], ("0", "1", "2"), (0, 1, 2), "labels are one-hot rows of 3 classes."),
        (np.eye(3, dtype=bool)[LABELS], ("0", "1", "2"), (0, 1, 2), "labels are one-hot rows of 3 classes."),
        (
            WORDS,
            ("ant", "cat", "dog"),
            (2, 0, 1),
            "labels are texts; the 3 classes are numbered in the order of their names.",
        ),
        (np.array(["9", "10", "11"])[LABELS], ("9", "10", "11"), (0, 1, 2), "labels are texts; the 3 classes"),
    ],
)
def test_labels_of_every_usual_kind(tmp_path, suffix, labels, names, order, said):
    data = load(str(write_arrays(tmp_path / f"a{suffix}", {"images": GREY, "labels": labels})))
    assert (data.train.class_names, data.train.counts, data.test.counts) == (names, (8, 8, 8), (2, 2, 2))
    assert np.array_equal(data.test.pixels[::2, 0].numpy(), GREY[[12 + start for start in order]])
    assert len(data.remarks) == (said is not None)
    assert all((said or "") in remark for remark in data.remarks)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".hdf5"])
@pytest.mark.parametrize("name", ["labels", "class_names"])
def test_texts_that_are_not_utf_8_are_refused(tmp_path, suffix, name):
    """Read with a stand-in for what is not understood, two classes would become one."""
    texts = np.array([b"\xe9", b"\xe8", b"a"])
    path = tmp_path / f"a{suffix}"
    content = {"images": GREY, "labels": LABELS} | {name: texts[LABELS] if name == "labels" else texts}
    if suffix == ".hdf5":  # of any length, where the others are of one
        with h5py.File(path, "w") as file:
            for key, value in content.items():
                file[key] = value.astype(h5py.string_dtype()) if value.dtype.kind == "S" else value
    else:
        write_arrays(path, content)
    assert f"{path}: {name} holds a text that is not UTF-8 (b'\\x" in message_of(path)
    utf_8 = np.array(["é", "è", "a"])
    write_arrays(path, content | {name: np.char.encode(utf_8[LABELS] if name == "labels" else utf_8, "utf-8")})
    assert sorted(load(str(path)).train.class_names) == ["a", "è", "é"]


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
def test_boolean_labels(tmp_path, suffix):
    data = load(str(write_arrays(tmp_path / f"a{suffix}", {"images": GREY, "labels": LABELS > 0})))
    assert (data.train.counts, data.train.class_names) == ((8, 16), ("0", "1"))
    assert data.remarks == (f"a{suffix}: labels are booleans; false is class 0, true class 1.",)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
def test_class_names_order_texts_and_number_labels_from_1(tmp_path, suffix):
    content = {"images": GREY, "labels": WORDS, "class_names": ["dog", "cat", "ant"]}
    data = load(str(write_arrays(tmp_path / f"a{suffix}", content)))
    assert np.array_equal(data.test.pixels[::2, 0].numpy(), GREY[[13, 12, 14]])
    data = load(str(write_arrays(tmp_path / f"b{suffix}", content | {"labels": LABELS + 1})))
    assert (data.train.class_names, data.train.counts) == (("dog", "cat", "ant"), (8, 8, 8))
    path = write_arrays(tmp_path / f"c{suffix}", content | {"labels": LABELS + 1, "class_names": ["none", "a", "b", "c"]})
    assert "no image of class none; every class needs at least one" in message_of(path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([WORDS, np.array(["cat", "cow"], object)], "the label 'cow' is no class of the training images (ant, cat, dog)"),
        ([LABELS, WORDS], "training and test labels are of different kinds"),
        ([np.eye(3)[LABELS], LABELS], "training and test labels are of different kinds"),
        ([np.ones((4, 3))], "labels of shape (4, 3) are not one-hot"),
        ([np.zeros((4, 3))], "labels of shape (4, 3) are not one-hot"),
        ([np.array([[0.5, 0.5], [1, 0]])], "labels of shape (2, 2) are not one-hot"),
        ([np.array([1, -1, 1])], "labels must be whole numbers from 0, not -1"),
        ([np.array([1, 2, np.nan])], "labels must be whole numbers from 0, not nan"),
        ([np.zeros((3, 3, 3))], "labels must be numbers or texts, one for each image, or one-hot rows, not float64"),
    ],
)
def test_labels_that_are_refused(parts, message):
    with pytest.raises(CondenseError) as caught:
        as_classes([part.astype(object) if part.dtype.kind == "U" else part for part in parts], "here")
    assert message in str(caught.value)


def test_labels_from_1_are_counted_from_0_only_where_all_are_there():
    for training, test in (([1, 2, 3], [0, 1]), ([1, 3], [1]), ([0, 1, 2], [1, 2])):
        found = as_classes([np.array(training), np.array(test)], "here")
        assert (found.labels[0].tolist(), found.class_names, found.remarks) == (training, None, ())


def test_a_large_label_takes_no_memory_to_be_refused():
    """Counting up to it would take 15 GiB."""
    large = np.array([1, 2, 2_000_000_000])
    assert as_classes([large], "file").labels[0].tolist() == large.tolist()
