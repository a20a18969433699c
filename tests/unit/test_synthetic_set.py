"""The artifact: what is saved is read back, and whatever is wrong with a file is said in one sentence."""

import hashlib
import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from report_samples import synthetic_set

from condense.errors import CondenseError
from condense.synthetic_set import Provenance, SyntheticSet

NUMBERS = ("mean", "std", "images_per_class", "seed", "iterations")
ATTRIBUTES = ["sha256", *(field.name for field in fields(Provenance))]


def sample(images_per_class: int = 2, soft: bool = False) -> SyntheticSet:
    pixels = torch.arange(2 * images_per_class * 3 * 4 * 5).reshape(-1, 3, 4, 5).to(torch.uint8)
    labels = torch.full((len(pixels), 2), 0.5) if soft else None
    return synthetic_set(pixels, ["Katze", "çà 犬"], labels)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sample().save(tmp_path / "set.h5")
    return tmp_path / "set.h5"


def message_of(path: Path) -> str:
    with pytest.raises(CondenseError) as caught:
        SyntheticSet.load(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def change(path: Path, **attributes: Any) -> Path:
    with h5py.File(path, "a") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
    return path


def change_array(path: Path, name: str, values: np.ndarray, **options: Any) -> Path:
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, data=values, **options)
    return path


def equal(one: SyntheticSet, other: SyntheticSet) -> bool:
    tensors = torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
    return tensors and one.labels.dtype == other.labels.dtype and one.provenance == other.provenance


@pytest.mark.parametrize("soft", [False, True])
def test_what_is_saved_is_read_back(tmp_path: Path, soft: bool) -> None:
    saved = sample(soft=soft)
    for name in ("a.h5", "b.h5"):
        saved.save(tmp_path / name)
    assert equal(SyntheticSet.load(tmp_path / "a.h5"), saved)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    SyntheticSet.load(tmp_path / "a.h5").save(str(tmp_path / "c.h5"))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "c.h5").read_bytes()


def test_a_layout_in_memory_makes_no_difference(tmp_path: Path) -> None:
    contiguous = sample()
    strided = replace(contiguous, images=contiguous.images.contiguous(memory_format=torch.channels_last))
    assert not strided.images.is_contiguous() and strided.sha256 == contiguous.sha256
    for name, one in (("a.h5", contiguous), ("b.h5", strided)):
        one.save(tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_the_file_is_what_the_format_says(path: Path) -> None:
    with h5py.File(path) as file:
        assert sorted(file) == ["images", "labels"]
        assert sorted(file.attrs) == sorted([*ATTRIBUTES, "format_version"])
        arrays: dict[str, Any] = dict(file)
        attributes: dict[str, Any] = dict(file.attrs)
        assert (arrays["images"].dtype, arrays["labels"].dtype) == (np.float32, np.int64)
        assert json.loads(attributes["class_names"]) == ["Katze", "çà 犬"]
        assert attributes["dataset"].decode() == "mnist" and attributes["format_version"] == 1


def test_text_of_variable_length_is_read_too(path: Path) -> None:
    """What other software, and condense before it was released, writes."""
    before = SyntheticSet.load(path)
    facts = {name: getattr(before.provenance, name) for name in ("dataset", "method", "device")}
    change(path, **facts, class_names=json.dumps(before.provenance.class_names))
    assert equal(SyntheticSet.load(path), before)


def test_many_classes_with_long_names(tmp_path: Path) -> None:
    names = [f"{'class' * 20} {number}" for number in range(2000)]
    saved = synthetic_set(torch.zeros(2000, 1, 1, 1, dtype=torch.uint8), names)
    saved.save(tmp_path / "set.h5")
    assert equal(SyntheticSet.load(tmp_path / "set.h5"), saved)


def test_pixels_are_clipped_and_rounded() -> None:
    some = sample()
    values = torch.tensor([-9.0, -0.5, 0.0, 0.5, 9.0])  # with mean 0.25 and std 0.5: 0 and below, 0, 0.25, 0.5, 1 and above
    shown = replace(some, images=values.repeat(4, 3, 4, 1)).pixels()
    assert shown.dtype == torch.uint8
    assert shown[0, 0, 0].tolist() == [0, 0, 64, 128, 255]


def test_saving_replaces_nothing_unasked(path: Path) -> None:
    other = sample(3)
    with pytest.raises(CondenseError, match="exists already"):
        other.save(path)
    assert equal(SyntheticSet.load(path), sample())
    other.save(path, force=True)
    assert equal(SyntheticSet.load(path), other)


def test_saving_where_no_file_can_be(path: Path) -> None:
    with pytest.raises(CondenseError, match=r"Cannot write .*set\.h5 is not a folder"):
        sample().save(path / "below.h5")
    with pytest.raises(CondenseError, match="is a folder"):
        sample().save(path.parent, force=True)


# Files


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_is_needed(path: Path, name: str) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs[name]
    assert message_of(path) == f"{path} is damaged: it has no {name}."


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("value", [np.zeros((2, 2)), 1.5, "{", b"\xff\xfe", h5py.Empty("f4")])
def test_attributes_of_another_type(path: Path, name: str, value: Any) -> None:
    change(path, **{name: value})
    if isinstance(value, str) and name not in ("class_names", "config", "library_versions", "sha256", *NUMBERS):
        assert getattr(SyntheticSet.load(path).provenance, name) == value
    else:
        message_of(path)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"class_names": '["a", "b", "c"]'}, "holds 4 images, but 3 classes x 2 were stated."),
        ({"class_names": '["a"]'}, "holds 4 images, but 1 classes x 2 were stated."),
        ({"class_names": "[1, 2]"}, "is damaged: class_names.0: Input should be a valid string."),
        ({"images_per_class": 3}, "holds 4 images, but 2 classes x 3 were stated."),
        ({"images_per_class": -2}, "states images_per_class -2, which must be from 1 to 1000000000."),
        ({"mean": [0.5]}, "must hold float32 images (N, 1, H, W), not torch.float32 (4, 3, 4, 5)."),
        ({"std": [0.5]}, "must hold float32 images (N, 3, H, W)"),
        ({"std": [0.5, 0.0, 0.5]}, "states a normalisation that cannot be"),
        ({"mean": [0.5, np.nan, 0.5]}, "states a normalisation that cannot be"),
        ({"sha256": "0" * 64}, "is damaged: its images or labels do not match the stored SHA-256."),
        (
            {"format_version": 3},
            "was written by a newer condense: it has format version 3, and this one reads versions up to 2.",
        ),
        ({"format_version": "1"}, "has format version '1'; this condense reads versions 1 and 2."),
        ({"format_version": 0}, "has format version 0; this condense reads versions 1 and 2."),
        ({"format_version": 2}, "is damaged: it has no decoder, preprocessing, learning_rate."),
    ],
)
def test_attributes_that_cannot_be(path: Path, attributes: dict, message: str) -> None:
    assert message in message_of(change(path, **attributes))


def test_a_newer_format_is_said_even_if_attributes_are_missing(path: Path) -> None:
    with h5py.File(change(path, format_version=3), "a") as file:
        del file.attrs["precision"]
    assert message_of(path) == (
        f"{path} was written by a newer condense: it has format version 3, and this one reads versions up to 2."
    )


NAN = np.full((4, 3, 4, 5), np.nan, np.float32)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("images", np.zeros((4, 3, 4, 5), np.float32), "its images or labels do not match the stored SHA-256."),
        ("images", NAN, "holds pixels that are not finite."),
        ("images", np.zeros((4, 3, 4, 5)), "must hold float32 images (N, 3, H, W), not torch.float64"),
        ("images", np.zeros((4, 1, 4, 5), np.float32), "not torch.float32 (4, 1, 4, 5)."),
        ("images", np.zeros((4, 3, 20), np.float32), "not torch.float32 (4, 3, 20)."),
        ("images", np.zeros((4, 3, 0, 5), np.float32), "not torch.float32 (4, 3, 0, 5)."),
        ("images", np.zeros((3, 3, 4, 5), np.float32), "holds 3 images, but 2 classes x 2 were stated."),
        ("images", np.zeros((4, 3, 4, 5), ">f4"), "is damaged or not a synthetic set of condense"),
        ("images", np.array(b"text"), "is damaged or not a synthetic set of condense"),
        ("labels", np.array([0, 0, 1, 2]), "holds labels outside 0 to 1."),
        ("labels", np.array([0, -1, 1, 1]), "holds labels outside 0 to 1."),
        ("labels", np.array([0, 0, 1]), "not torch.int64 (3,)."),
        ("labels", np.zeros(4, np.int32), "must hold labels int64 (N,) or float32 (N, 2), not torch.int32 (4,)."),
        ("labels", np.full((4, 2), np.nan, np.float32), "holds soft labels that are not finite."),
        ("labels", np.zeros((4, 3), np.float32), "not torch.float32 (4, 3)."),
    ],
)
def test_arrays_that_cannot_be(path: Path, name: str, values: np.ndarray, message: str) -> None:
    assert message in message_of(change_array(path, name, values))


def test_more_images_than_a_file_can_hold_are_not_made_room_for(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["images"]
        file.create_dataset("images", (10**9, 3, 4, 5), np.float32, chunks=(1, 3, 4, 5))
    assert "images is stated to be larger than the file" in message_of(path)


def test_a_group_where_an_array_is_expected(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["labels"]
        file.create_group("labels")
    assert "labels is no array" in message_of(path)
    with h5py.File(path, "a") as file:
        del file["labels"]
    assert "is damaged or not a synthetic set of condense" in message_of(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    message_of(path)


def test_foreign_files(path: Path) -> None:
    for content in (b"", b"text", os.urandom(5000)):
        path.write_bytes(content)
        assert message_of(path) == f"{path} is not an HDF5 file, so it is no synthetic set of condense."
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = np.zeros((4, 5, 5)), np.zeros(4)
    assert message_of(path) == f"{path} is not a synthetic set of condense: it has no format_version."


@pytest.mark.parametrize("name", ["", "nothing.h5", "set.h5/below.h5", "x" * 300 + ".h5"])
def test_where_there_is_no_file(path: Path, name: str) -> None:
    assert message_of(path.parent / name) == f"There is no synthetic set at {path.parent / name}."


# Sets that cannot be made


@pytest.mark.parametrize("text", ["a\0b", "\0", "\udcff"])
def test_text_that_cannot_be_stored(text: str) -> None:
    some = sample()
    with pytest.raises(CondenseError, match=r"cannot hold the dataset .*: texts are UTF-8 without zero bytes"):
        replace(some, provenance=replace(some.provenance, dataset=text))


def test_tensors_that_do_not_belong_together() -> None:
    some = sample()
    with pytest.raises(CondenseError, match="The synthetic set must hold float32 images"):
        replace(some, images=some.images.double())
    with pytest.raises(CondenseError, match=r"The synthetic set must hold labels int64 \(N,\)"):
        replace(some, labels=some.labels[:3])


# Labels


def labelled(labels: torch.Tensor, images_per_class: int = 2) -> SyntheticSet:
    return replace(sample(images_per_class), labels=labels)


def test_the_digest_of_a_set_is_of_its_labels_too() -> None:
    usual = sample()
    digest = hashlib.sha256(usual.images.numpy().tobytes())
    assert usual.sha256 == digest.hexdigest(), "the sets that are released have such digests"
    others = [labelled(torch.tensor(labels)) for labels in ([1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1])]
    soft = [labelled(torch.eye(2)[usual.labels]), labelled(torch.full((4, 2), 0.5))]
    assert len({one.sha256 for one in (usual, *others, *soft)}) == 6
    digest.update(b"torch.int64 (4,)")
    digest.update(np.array([1, 1, 0, 0]).tobytes())
    assert others[0].sha256 == digest.hexdigest()


def test_other_labels_survive_the_file(tmp_path: Path) -> None:
    for name, labels in (("a", torch.tensor([1, 0, 1, 0])), ("b", torch.tensor([[0.25, 0.75]]).repeat(4, 1))):
        saved = labelled(labels)
        saved.save(tmp_path / name)
        assert equal(SyntheticSet.load(tmp_path / name), saved)


@pytest.mark.parametrize("labels", [[1, 1, 0, 0], [0, 1, 0, 1]])
def test_changed_labels_are_damage(path: Path, labels: list[int]) -> None:
    assert "its images or labels do not match" in message_of(change_array(path, "labels", np.array(labels)))


def test_a_released_set_with_labels_shifted_by_one_is_damaged(tmp_path: Path) -> None:
    released = Path(__file__).parents[2] / "artifacts" / "mnist-convnet-ipc1" / "set.h5"
    path = tmp_path / "set.h5"
    path.write_bytes(released.read_bytes())
    change_array(path, "labels", (SyntheticSet.load(path).labels.numpy() + 1) % 10)
    assert message_of(path) == f"{path} is damaged: its images or labels do not match the stored SHA-256."


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
def test_as_many_images_of_each_class_as_are_stated(path: Path, labels: list[int]) -> None:
    with pytest.raises(CondenseError, match="states 2 images per class, but its labels name class 0"):
        labelled(torch.tensor(labels))
    assert "states 2 images per class" in message_of(change_array(path, "labels", np.array(labels)))


LOGITS = torch.tensor([[3.0, -1.0], [0.0, 0.0], [-2.0, 2.0], [80.0, -80.0]])


@pytest.mark.parametrize(
    "labels",
    [
        LOGITS,
        torch.full((4, 2), 0.6),
        torch.full((4, 2), 0.0),
        torch.tensor([[1.5, -0.5]]).repeat(4, 1),
        LOGITS.log_softmax(1),
    ],
)
def test_soft_labels_are_probabilities(path: Path, labels: torch.Tensor) -> None:
    with pytest.raises(CondenseError, match=r"soft labels that are no probabilities .* logits=True\) converts logits"):
        labelled(labels)
    with pytest.raises(CondenseError, match="soft labels that are no probabilities"):
        sample().with_soft_labels(labels)
    assert "soft labels that are no probabilities" in message_of(change_array(path, "labels", labels.numpy()))


def test_soft_labels_that_are_none_must_be_of_each_class_as_often() -> None:
    """Rows of 0 and 1 are hard labels in another form."""
    rows = torch.eye(len(sample().provenance.class_names))
    with pytest.raises(CondenseError, match="its labels name class"):
        sample().with_soft_labels(rows[torch.zeros(len(sample().images), dtype=torch.int64)])
    assert sample().with_soft_labels(rows[sample().labels]).soft


def test_soft_labels_may_miss_their_sum_by_rounding() -> None:
    labelled(LOGITS.softmax(1).half().float())
    labelled(torch.full((4, 2), 0.5004))
    with pytest.raises(CondenseError, match=r"within 0\.001"):
        labelled(torch.full((4, 2), 0.501))


def test_logits_are_converted_where_that_is_asked_for() -> None:
    soft = sample().with_soft_labels(LOGITS.double(), logits=True)
    assert soft.soft and not sample().soft and soft.labels.dtype == torch.float32
    assert torch.allclose(soft.labels, LOGITS.softmax(1))
    assert torch.equal(sample().with_soft_labels(soft.labels).labels, soft.labels)


@pytest.mark.parametrize("labels", [torch.zeros(4), torch.zeros(4, 3), torch.zeros(4, 2, dtype=torch.int64)])
def test_what_soft_labels_cannot_be_made_of(labels: torch.Tensor) -> None:
    with pytest.raises(CondenseError, match=r"Soft labels must be floats \(4, 2\), not"):
        sample().with_soft_labels(labels, logits=True)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"seed": -1}, "states seed -1, which must be from 0 to"),
        ({"iterations": -1}, "states iterations -1, which must be from 0 to"),
        ({"seed": np.uint64(2**63)}, "states seed 9223372036854775808"),
        ({"images_per_class": 0}, "states images_per_class 0, which must be from 1 to"),
        ({"config": '{"seed": 5}'}, "contradicts itself: seed is 0 and in its configuration 5."),
        ({"config": '{"ipc": 1}'}, "contradicts itself: images_per_class is 2 and in its configuration 1."),
        ({"network": "MLP", "config": '{"network": "LeNet"}'}, "contradicts itself: network is 'MLP'"),
    ],
)
def test_values_that_cannot_be(path: Path, attributes: dict, message: str) -> None:
    assert message in message_of(change(path, **attributes))
