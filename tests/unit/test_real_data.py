"""The published sets themselves, where CONDENSE_DATA has them."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalog_samples import message_of

from condense.data.catalog import load, names
from condense.data.images import DataSet, LabelledImages
from condense.data.known import PUBLISHED
from condense.data.torchvision_sets import PUBLISHED_SETS
from condense.networks.registry import build
from condense.stage_c.precision import LEAST_COSINE, image_gradient_cosine

pytestmark = pytest.mark.realdata

MNIST_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
# name: (train images, test images, shape, counts of the training classes, fingerprints of train and test)
EXPECTED = {
    "mnist": (60000, 10000, (1, 28, 28), MNIST_COUNTS, "f726cc00b6ad", "64d301e7c402"),
    "fashion-mnist": (60000, 10000, (1, 28, 28), (6000,) * 10, "aeb9e839ca70", "88f1b1c5dbb0"),
    "cifar10": (50000, 10000, (3, 32, 32), (5000,) * 10, "9f2e98e800a7", "8b50a38e7543"),
    "cifar100": (50000, 10000, (3, 32, 32), (500,) * 100, "ee9bfb618608", "b9c188dd0bb6"),
}


@cache
def real(name: str) -> DataSet:
    return load(name)


@pytest.fixture(scope="module", autouse=True)
def folder() -> Path:
    if "CONDENSE_DATA" not in os.environ:
        pytest.skip("Set CONDENSE_DATA to the folder that holds the real data sets.")
    return Path(os.environ["CONDENSE_DATA"])


@pytest.mark.parametrize("name", EXPECTED)
def test_counts_shapes_and_fingerprints(name):
    train_images, test_images, shape, counts, train_print, test_print = EXPECTED[name]
    data = real(name)
    assert (data.name, len(data.train), len(data.test)) == (name, train_images, test_images)
    assert data.train.shape == data.test.shape == shape
    assert data.train.counts == counts
    assert data.train.fingerprint.startswith(train_print)
    assert data.test.fingerprint.startswith(test_print)
    assert data.test.class_names == data.train.class_names
    assert names()[name].endswith(f"(in {os.environ['CONDENSE_DATA']})")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_published_mean_is_the_measured_one(name):
    train = real(name).train
    measured = LabelledImages.from_arrays(train.pixels, train.labels)
    assert measured.mean == pytest.approx(train.mean, abs=0.01)
    assert real(name).test.mean == train.mean


def test_names_of_classes():
    assert real("mnist").train.class_names == tuple("0123456789")
    assert real("fashion-mnist").train.class_names[9] == "Ankle boot"
    assert real("cifar10").train.class_names[:3] == ("airplane", "automobile", "bird")


def test_a_subset_of_mnist_is_balanced():
    data = load("mnist", train_size=100, seed=1)
    assert data.train.counts == (10,) * 10
    assert data.test.fingerprint == real("mnist").test.fingerprint


def test_part_of_svhn(folder):
    path = folder / "svhn-part" / "train_32x32_first1083.mat"
    if not path.exists():
        pytest.skip(f"{path} is not there.")
    data = load(str(path))
    assert (data.name, len(data.train), len(data.test)) == ("train_32x32_first1083.mat", 867, 216)
    assert data.train.shape == (3, 32, 32)
    # The file starts with the digits 1 9 2 3 2 5 9 3 3 1; its 66 labels 10 are the digit 0.
    counts = tuple(a + b for a, b in zip(data.train.counts, data.test.counts, strict=True))
    assert counts[0] == 66
    assert sum(counts) == 1083
    assert data.train.former_fingerprint.startswith("78f42339c9b1")
    assert data.train.mean == pytest.approx((0.4377, 0.4438, 0.4728), abs=0.03)
    assert torch.equal(data.train.labels.unique(), torch.arange(10))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_the_table_is_of_the_published_files(folder, name):
    train, test, class_names = PUBLISHED_SETS[name].read(folder)
    assert (len(train.labels), len(test.labels)) == ((60000, 10000) if "mnist" in name else (50000, 10000))
    assert tuple(class_names) == PUBLISHED[name].class_names
    data = real(name)
    prints = PUBLISHED[name].fingerprints
    assert prints is not None
    assert (data.train.fingerprint, data.test.fingerprint) == (prints.train, prints.test)
    if prints.former_train:
        assert (data.train.former_fingerprint, data.test.former_fingerprint) == (prints.former_train, prints.former_test)


def test_real_fashion_mnist_as_mnist_is_refused(folder, tmp_path):
    (tmp_path / "MNIST").symlink_to(folder / "FashionMNIST")
    assert "its training images are the training images of fashion-mnist" in message_of("mnist", data_root=tmp_path)


def test_real_mnist_packed_or_in_one_file_is_mnist(folder, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in (folder / "MNIST" / "raw").glob("*.gz"):
        (raw / packed.name).symlink_to(packed)
    data = load("mnist", data_root=tmp_path)
    order = torch.randperm(60000, generator=torch.Generator().manual_seed(0))
    arrays = {"train_images": data.train.pixels[order, 0], "train_labels": data.train.labels[order]}
    tested = {"test_images": data.test.pixels[:, 0], "test_labels": data.test.labels}
    stored: dict[str, Any] = {name: value.numpy() for name, value in (arrays | tested).items()}
    np.savez(tmp_path / "all.npz", **stored)
    again = load(str(tmp_path / "all.npz"))
    assert (again.name, again.published, again.train.mean) == ("mnist", "mnist", (0.1307,))
    assert again.train.is_known_as("a3dac35ba8e3e0eb970dc66e66a66efecc421695af45a6c0f769f3c35357e0ef")
    assert replace(again, train=again.train.subset(200, 0)).published is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "dataset", "passes"),
    [
        ("ConvNet", "mnist", True),
        ("LeNet", "cifar10", True),
        pytest.param("ConvNet", "cifar10", True, marks=pytest.mark.long),
        pytest.param("VGG11", "mnist", False, marks=pytest.mark.long),
    ],
)
def test_networks_whose_image_gradient_bears_bfloat16(network: str, dataset: str, passes: bool) -> None:
    data = real(dataset).train
    cosine = image_gradient_cosine("mixed", build(network, data.shape, data.classes), "ours", data)
    assert (cosine >= LEAST_COSINE) == passes
