"""Format 2 of the set: decoders, whitening, unequal classes, a learned rate; what is wrong with them in one sentence."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from report_samples import synthetic_set

from condense.decoding import IDENTITY, Tiles
from condense.errors import CondenseError
from condense.preprocessing import ZCA
from condense.synthetic_set import SyntheticSet

RANDOM = torch.Generator().manual_seed(0)


def sample() -> SyntheticSet:
    pixels = torch.randint(0, 256, (4, 3, 4, 5), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return synthetic_set(pixels, ["first", "second"])


def whitening(shape: tuple[int, int, int] = (3, 4, 5), seed: int = 0) -> ZCA:
    return ZCA.fit(torch.rand(30, *shape, generator=torch.Generator().manual_seed(seed)))


def unequal(labels: list[int] | torch.Tensor = [0, 1, 1], each: int = 2) -> SyntheticSet:  # noqa: B006
    labels = torch.as_tensor(labels)
    facts = replace(sample().provenance, images_per_class=each, config={})
    return SyntheticSet(torch.zeros(len(labels), 3, 4, 5), labels, facts)


EXTENDED = {
    "tiles": replace(sample(), decoder=Tiles(2, (0.5, -1.0, 0.25))),
    "zca": replace(sample(), preprocessing=whitening()),
    "rate": replace(sample(), learning_rate=0.0225),
    "unequal": unequal(),
    "fewer soft labels": unequal(torch.tensor([[0.3, 0.7]]).repeat(3, 1)),
    "all": SyntheticSet(
        torch.ones(3, 3, 4, 5),
        torch.tensor([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5]]),
        replace(sample().provenance, config={}),
        Tiles(3),
        whitening(),
        1.5,
    ),
}
by_name = pytest.mark.parametrize("one", EXTENDED.values(), ids=EXTENDED)


def content(one: SyntheticSet) -> tuple[Any, ...]:
    tensors = {"images": one.images, "labels": one.labels, **(one.preprocessing.tensors if one.preprocessing else {})}
    arrays = {name: (tensor.dtype, tensor.shape, tensor.numpy().tobytes()) for name, tensor in tensors.items()}
    return arrays, one.provenance, one.decoder, one.learning_rate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    EXTENDED["all"].save(tmp_path / "set.h5")
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


def change_array(path: Path, name: str, values: np.ndarray | None) -> Path:
    with h5py.File(path, "a") as file:
        del file[name]
        if values is not None:
            file.create_dataset(name, data=values)
    return path


# What is written and read


@by_name
def test_what_is_saved_is_read_back(one: SyntheticSet, tmp_path: Path) -> None:
    assert one.format_version == 2
    one.save(tmp_path / "a.h5")
    loaded = SyntheticSet.load(tmp_path / "a.h5")
    assert content(loaded) == content(one) and loaded.sha256 == one.sha256
    assert loaded.to_bytes() == (tmp_path / "a.h5").read_bytes()


def test_a_set_with_nothing_new_is_of_format_1(tmp_path: Path) -> None:
    plain = sample()
    same = SyntheticSet(plain.images, plain.labels, plain.provenance, IDENTITY, None, None)
    assert plain.format_version == 1 and plain.sha256 == hashlib.sha256(plain.images.numpy().tobytes()).hexdigest()
    assert same.to_bytes() == plain.to_bytes()
    plain.save(tmp_path / "set.h5")
    with h5py.File(tmp_path / "set.h5") as file:
        assert file.attrs["format_version"] == 1 and "decoder" not in file.attrs


def test_the_file_is_what_the_format_says(path: Path) -> None:
    one = EXTENDED["all"]
    with h5py.File(path) as file:
        arrays: dict[str, Any] = dict(file)
        attributes: dict[str, Any] = dict(file.attrs)
        assert sorted(arrays) == ["images", "labels", "whitening_matrix", "whitening_mean"]
        assert {name: array.shape for name, array in arrays.items()} == {
            "images": (3, 3, 4, 5),
            "labels": (3, 2),
            "whitening_mean": (3, 4, 5),
            "whitening_matrix": (60, 60),
        }
        assert {array.dtype for array in arrays.values()} == {np.dtype("f4")}
        bytes_of = {name: array[()].tobytes() for name, array in arrays.items()}
    assert attributes["format_version"] == 2
    assert json.loads(attributes["decoder"]) == {"name": "tiles", "factor": 3, "grey": [0.5]}
    assert json.loads(attributes["preprocessing"]) == "zca" and json.loads(attributes["learning_rate"]) == 1.5
    assert one.bytes_stored == sum(map(len, bytes_of.values())) == 4 * (180 + 6 + 60 + 3600)


def test_the_identity_is_what_the_format_says() -> None:
    one = EXTENDED["all"]
    assert one.preprocessing is not None
    stated = (
        '{"decoder":{"factor":3,"grey":[0.5],"name":"tiles"},"images":["torch.float32",3,3,4,5],'
        '"labels":["torch.float32",3,2],"learning_rate":1.5,"preprocessing":"zca",'
        '"whitening_matrix":["torch.float32",60,60],"whitening_mean":["torch.float32",3,4,5]}'
    )
    digest = hashlib.sha256(stated.encode())
    for tensor in (one.images, one.labels, one.preprocessing.mean, one.preprocessing.matrix):
        digest.update(tensor.numpy().tobytes())
    assert one.sha256 == digest.hexdigest()


def test_the_identity_of_a_normalised_set_states_how() -> None:
    """What tested images pass through is part of what a set is; in format 1 it has no place, and with a whitening no use."""
    one, facts = EXTENDED["rate"], EXTENDED["rate"].provenance
    stated = (
        '{"decoder":{"name":"identity"},"images":["torch.float32",4,3,4,5],"labels":["torch.int64",4],'
        f'"learning_rate":0.0225,"mean":{json.dumps(facts.mean, separators=(",", ":"))},"preprocessing":"per channel",'
        f'"std":{json.dumps(facts.std, separators=(",", ":"))}}}'
    )
    digest = hashlib.sha256(stated.encode() + one.images.numpy().tobytes() + one.labels.numpy().tobytes())
    assert one.sha256 == digest.hexdigest()
    for name in ("mean", "std"):
        other = replace(facts, **{name: [0.25, 0.5, 0.75]})
        assert replace(one, provenance=other).sha256 != one.sha256
        for same in (sample(), EXTENDED["zca"]):
            assert replace(same, provenance=replace(same.provenance, **{name: [0.25, 0.5, 0.75]})).sha256 == same.sha256


def test_equal_rates_are_one_set() -> None:
    assert replace(sample(), learning_rate=1).sha256 == replace(sample(), learning_rate=1.0).sha256
    assert replace(sample(), learning_rate=1).to_bytes() == replace(sample(), learning_rate=1.0).to_bytes()


def test_the_identity_covers_everything_a_network_is_trained_on() -> None:
    one = EXTENDED["all"]
    shifted = one.images.clone()
    shifted[0, 0, 0, 0] += 1
    others = [
        sample(),
        one,
        replace(one, images=shifted),
        replace(one, labels=one.labels.flip(0)),
        replace(one, labels=torch.tensor([0, 1, 1])),
        replace(one, decoder=Tiles(2)),
        replace(one, decoder=Tiles(3, (0.25,))),
        replace(one, decoder=IDENTITY),
        replace(one, preprocessing=whitening(seed=1)),
        replace(one, preprocessing=None),
        replace(one, learning_rate=1.25),
        replace(one, learning_rate=None),
    ]
    assert len({other.sha256 for other in others}) == len(others)


# What it means


def test_tiles_are_decoded_with_their_labels() -> None:
    one = EXTENDED["tiles"]
    images, labels = one.decoded()
    assert images.shape == (16, 3, 4, 5) and labels.tolist() == one.labels.tolist() * 4
    assert one.pixels().shape == (4, 3, 4, 5)
    shown, along = one.decoded_pixels()
    assert shown.dtype == torch.uint8 and torch.equal(along, labels)
    mean, std = 0.25, 0.5
    assert torch.equal(shown, ((images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8))


def test_a_set_as_it_is_decodes_to_itself() -> None:
    one = sample()
    assert one.decoded()[0] is one.images and one.decoded()[1] is one.labels
    assert torch.equal(one.decoded_pixels()[0], one.pixels())


def test_pixels_of_a_whitened_set_are_those_that_were_whitened() -> None:
    pixels = torch.randint(0, 256, (4, 3, 4, 5), generator=RANDOM, dtype=torch.uint8)
    zca = whitening()
    one = replace(sample(), images=zca.apply(pixels.float() / 255), preprocessing=zca)
    assert torch.equal(one.pixels(), pixels)


def test_a_whitening_without_inverse_loads_but_shows_nothing() -> None:
    one = replace(sample(), preprocessing=ZCA(torch.zeros(3, 4, 5), torch.zeros(60, 60)))
    with pytest.raises(CondenseError, match="cannot be shown"):
        one.pixels()


def test_counts() -> None:
    assert sample().counts == (2, 2) and not sample().unequal
    assert EXTENDED["unequal"].counts == (1, 2) and EXTENDED["unequal"].unequal
    assert EXTENDED["fewer soft labels"].counts == (0, 3)
    assert sample().bytes_stored == 4 * 240 + 8 * 4


def test_classes_may_be_unequal_in_any_order_and_one_hot() -> None:
    assert unequal([1, 0, 1, 0, 0, 0], each=4).counts == (4, 2)
    assert unequal(torch.eye(2)[torch.tensor([1, 0, 1])]).counts == (1, 2)


@pytest.mark.parametrize(
    ("labels", "each", "message"),
    [
        ([0, 0, 1], 3, "states 3 images per class, but its labels name class 0 2 times"),
        ([0, 0, 1], 1, "holds 3 images, but 2 classes x 1 were stated"),
        ([0, 0, 0, 1], 2, "states 2 images per class, but its labels name class 0 3 times"),
        ([0, 0], 2, "states 2 images per class, but its labels name class 1 0 times"),
        ([0, 1], 2, "states 2 images per class, but its labels name class 0 1 times"),
        ([[1.0, 0.0], [0.0, 1.0]], 2, "states 2 images per class, but its labels name class 0 1 times"),
        ([[0.5, 0.5]] * 5, 2, "holds 5 images, but 2 classes x 2 were stated"),
    ],
)
def test_numbers_of_images_that_cannot_be(labels: list, each: int, message: str) -> None:
    with pytest.raises(CondenseError, match=message):
        unequal(torch.tensor(labels), each=each)


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf"), True, "0.1", 10**400, torch.tensor(0.1)])
def test_rates_that_cannot_be(rate: Any) -> None:
    with pytest.raises(CondenseError, match=r"states the learning rate .*, which must be above 0 and finite"):
        replace(sample(), learning_rate=rate)


def test_a_decoder_and_a_whitening_must_fit_the_images() -> None:
    with pytest.raises(CondenseError, match="Images of 4 x 5 cannot be cut into 5 x 5 tiles"):
        replace(sample(), decoder=Tiles(5))
    with pytest.raises(CondenseError, match="Tiles with 2 values of grey do not fit images of 3 channels"):
        replace(sample(), decoder=Tiles(2, (0.0, 0.0)))
    with pytest.raises(CondenseError, match=r"holds images \(3, 4, 5\), but a whitening of torch.float32 \(3, 5, 4\)"):
        replace(sample(), preprocessing=whitening((3, 5, 4)))
    exact = whitening().to("cpu", torch.float64)
    with pytest.raises(CondenseError, match=r"a whitening of torch.float64 \(3, 4, 5\) instead of float32"):
        replace(sample(), preprocessing=exact)


# Files


TILES = '{"name": "tiles", "factor": 3, "grey": [0.5]}'


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"format_version": 3}, "was written by a newer condense: it has format version 3"),
        ({"format_version": 2**62}, "was written by a newer condense"),
        ({"format_version": 1}, "holds 3 images, but 2 classes x 2 were stated."),
        (
            {"decoder": TILES.replace("3", "2")},
            "is damaged: its images, labels or what belongs to them do not match the stored SHA-256.",
        ),
        ({"decoder": TILES.replace("3", "0")}, "A factor of tiles must be from 2 to 8, not 0."),
        ({"decoder": TILES.replace("3", "1000000000")}, "A factor of tiles must be from 2 to 8, not 1000000000."),
        ({"decoder": TILES.replace("3", "5")}, "Images of 4 x 5 cannot be cut into 5 x 5 tiles."),
        ({"decoder": TILES.replace("3", '"3"')}, "This describes no decoder:"),
        ({"decoder": TILES.replace("0.5", "NaN")}, "The grey around tiles must be finite numbers"),
        ({"decoder": TILES.replace("0.5", "0.5, 1")}, "Tiles with 2 values of grey do not fit images of 3 channels."),
        ({"decoder": '{"name": "wavelets"}'}, "There is no decoder 'wavelets'; known are 'identity' and 'tiles'."),
        ({"decoder": "null"}, "This describes no decoder: None."),
        ({"decoder": "tiles"}, "is damaged or not a synthetic set of condense"),
        ({"decoder": "[" * 100_000}, "is damaged or not a synthetic set of condense"),
        ({"decoder": 2.0}, "is damaged or not a synthetic set of condense"),
        (
            {"preprocessing": '"per channel"'},
            "is damaged: its images, labels or what belongs to them do not match the stored SHA-256.",
        ),
        ({"preprocessing": '"pca"'}, "There is no preprocessing 'pca'; known are 'per channel' and 'zca'."),
        ({"preprocessing": "[[]]"}, "There is no preprocessing [[]]"),
        ({"learning_rate": "0"}, "states the learning rate 0, which must be above 0 and finite."),
        ({"learning_rate": "NaN"}, "states the learning rate nan"),
        ({"learning_rate": "1e999"}, "states the learning rate inf"),
        ({"learning_rate": "-1"}, "states the learning rate -1"),
        ({"learning_rate": "true"}, "states the learning rate True"),
        ({"learning_rate": "[0.1]"}, "states the learning rate [0.1]"),
        (
            {"learning_rate": "0.1"},
            "is damaged: its images, labels or what belongs to them do not match the stored SHA-256.",
        ),
        ({"learning_rate": 0.1}, "is damaged or not a synthetic set of condense"),
        ({"images_per_class": 3}, "is damaged"),
        ({"images_per_class": 1}, "holds 3 images, but 2 classes x 1 were stated."),
        ({"sha256": "0" * 64}, "is damaged: its images, labels or what belongs to them do not match the stored SHA-256."),
    ],
)
def test_attributes_that_cannot_be(path: Path, attributes: dict, message: str) -> None:
    if attributes == {"images_per_class": 3}:  # of soft labels a larger number says nothing wrong
        assert SyntheticSet.load(change(path, **attributes)).provenance.images_per_class == 3
    else:
        assert message in message_of(change(path, **attributes))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("whitening_matrix", np.eye(59, dtype="f4"), "a square matrix of its size, floating, not torch.float32 (3, 4, 5)"),
        ("whitening_matrix", np.ones((60, 59), "f4"), "(60, 59)"),
        ("whitening_matrix", np.ones(3600, "f4"), "(3600,)"),
        ("whitening_matrix", np.eye(60), "torch.float64 (60, 60)"),
        ("whitening_matrix", np.full((60, 60), np.inf, "f4"), "must have a mean and a matrix that are finite"),
        ("whitening_matrix", np.eye(60, dtype="f4"), "do not match the stored SHA-256"),
        ("whitening_matrix", np.eye(60, dtype=">f4"), "is damaged or not a synthetic set of condense"),
        ("whitening_matrix", np.array(b"text"), "is damaged or not a synthetic set of condense"),
        ("whitening_matrix", None, "there is no whitening_matrix"),
        ("whitening_mean", np.zeros((3, 5, 4), "f4"), "holds images (3, 4, 5), but a whitening of torch.float32 (3, 5, 4)"),
        ("whitening_mean", np.zeros(60, "f4"), "is a mean (C, H, W)"),
        ("whitening_mean", np.full((3, 4, 5), np.nan, "f4"), "must have a mean and a matrix that are finite"),
        ("whitening_mean", None, "there is no whitening_mean"),
        ("images", np.full((3, 3, 4, 5), np.nan, "f4"), "holds pixels that are not finite"),
        ("images", np.zeros((3, 1, 4, 5), "f4"), "must hold float32 images (N, 3, H, W)"),
        ("labels", np.array([0, 0, 1]), "do not match the stored SHA-256"),
        ("labels", np.array([0, 0, 0]), "states 2 images per class, but its labels name class 0 3 times"),
        ("labels", np.full((3, 2), 0.6, "f4"), "soft labels that are no probabilities"),
    ],
)
def test_arrays_that_cannot_be(path: Path, name: str, values: np.ndarray | None, message: str) -> None:
    assert message in message_of(change_array(path, name, values))


def test_a_whitening_larger_than_its_file_is_not_made_room_for(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["whitening_matrix"]
        file.create_dataset("whitening_matrix", (10**6, 10**6), np.float32, chunks=(60, 60))
    assert "whitening_matrix is stated to be larger than the file" in message_of(path)


@pytest.mark.parametrize("name", ["decoder", "preprocessing", "learning_rate"])
def test_every_attribute_is_needed(path: Path, name: str) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs[name]
    assert message_of(path) == f"{path} is damaged: it has no {name}."


def test_what_format_2_states_means_nothing_in_format_1(tmp_path: Path) -> None:
    """Older versions of condense never looked there."""
    sample().save(tmp_path / "set.h5")
    change(tmp_path / "set.h5", decoder=TILES, learning_rate="NaN")
    assert content(SyntheticSet.load(tmp_path / "set.h5")) == content(sample())


def test_a_configuration_is_not_validated_again(tmp_path: Path) -> None:
    """Of settings that no version knows only those are read that the set itself states too."""
    facts = replace(sample().provenance, config={"method": "dc", "iterations": "many", "from the future": {"a": [None]}})
    one = replace(EXTENDED["tiles"], provenance=facts)
    one.save(tmp_path / "set.h5")
    assert SyntheticSet.load(tmp_path / "set.h5").provenance.config == facts.config
