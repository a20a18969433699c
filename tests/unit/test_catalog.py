"""Published data sets and digits: how they are found, read and downloaded, and the sentences that say why not."""

import gzip
import hashlib
import io
import pickle
import struct
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from catalog_samples import DIGITS_OF_SVHN, declare_published, files_below, message_of, write_svhn
from torchvision import datasets

from condense.data import torchvision_sets
from condense.data.catalog import load, names
from condense.data.digits import enlarge

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")

# Names


def test_an_unknown_name_is_answered_with_the_nearest():
    assert "Unknown data set 'minst'. Did you mean 'mnist'? Known: cifar10, cifar100, digits," in message_of("minst")
    assert "Unknown data set ''" in message_of("")


def test_names_has_a_line_for_each_and_says_where_it_lies(tmp_path):
    assert list(names()) == ["digits", "mnist", "fashion-mnist", "svhn", "cifar10", "cifar100"]
    assert all("\n" not in line for line in names().values())
    assert "not here yet" in names()["mnist"]
    write_mnist(tmp_path)
    assert f"in {tmp_path}" in names(tmp_path)["mnist"]
    assert "not here yet" in names(tmp_path)["fashion-mnist"]


def test_a_path_that_is_not_there():
    assert message_of("some/where") == "There is no file or folder some/where."
    assert message_of("nothing.npz") == "There is no file or folder nothing.npz."


def test_a_file_of_no_known_kind(tmp_path):
    (tmp_path / "table.csv").write_text("1,2")
    assert "table.csv: cannot be read as a data set; files may be .mat, .h5, .hdf5, .npz" in message_of(
        tmp_path / "table.csv"
    )


def test_train_size_cuts_only_the_training_images():
    whole, data = load("digits"), load("digits", train_size=50, seed=3)
    assert data.train.counts == (5,) * 10
    assert data.test.fingerprint == whole.test.fingerprint
    assert load("digits", train_size=50, seed=4).train.fingerprint != data.train.fingerprint
    assert "--train-size 7 cannot be balanced over the 10 classes of digits" in message_of("digits", train_size=7)


# digits


def test_digits_are_the_same_everywhere():
    data = load("digits")
    assert (data.name, len(data.train), len(data.test), data.train.shape) == ("digits", 1442, 355, (1, 28, 28))
    assert data.train.fingerprint.startswith("d41d843fb3b0")
    assert data.test.fingerprint.startswith("120886fbc56e")
    assert data.train.former_fingerprint.startswith("633fc3901539")
    assert data.test.former_fingerprint.startswith("d48c12f42621")
    assert data.published == "digits"
    assert (data.test.mean, data.test.std) == (data.train.mean, data.train.std)


def test_enlarging_is_bilinear_interpolation():
    small = torch.randint(0, 17, (20, 8, 8), generator=torch.Generator().manual_seed(0))
    exact = torch.nn.functional.interpolate(small[:, None].double() * 255 / 16, (28, 28), mode="bilinear")[:, 0]
    assert (enlarge(small).double() - exact).abs().max() <= 0.5 + 1e-9
    assert enlarge(torch.tensor([0, 16])[:, None, None].expand(2, 8, 8)).unique().tolist() == [0, 255]


# Published sets


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes())


def write_mnist(root: Path, folder: str = "MNIST", shift: int = 0, packed: bool = False) -> None:
    for prefix, count in (("train", 20), ("t10k", 10)):
        labels = np.arange(count, dtype=np.uint8)[::-1] % 10
        pixels = (labels[:, None, None] + np.full((1, 28, 28), shift)).astype(np.uint8)
        for kind, values in (("images-idx3", pixels), ("labels-idx1", labels)):
            path = root / folder / "raw" / f"{prefix}-{kind}-ubyte"
            write_idx(path, values)
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_become_images(tmp_path, monkeypatch, name, folder, packed):
    write_mnist(tmp_path, folder, packed=packed)
    assert f"in {tmp_path}" in names(tmp_path)[name]
    declare_published(monkeypatch, name, tmp_path)
    data = load(name, data_root=tmp_path)
    assert (data.name, data.train.counts, data.test.counts) == (name, (2,) * 10, (1,) * 10)
    assert data.train.pixels[:, 0, 3, 4].tolist() == data.train.labels.tolist()
    assert (data.train.mean, data.train.std) == {
        "mnist": ((0.1307,), (0.3081,)),
        "fashion-mnist": ((0.2861,), (0.3530,)),
    }[name]
    assert data.train.class_names[0] == {"mnist": "0", "fashion-mnist": "T-shirt/top"}[name]
    assert data.train.pixels.device.type == "cpu"


def test_the_data_root_comes_first_then_the_environment_then_the_cache(tmp_path, monkeypatch):
    for shift, folder in enumerate(("given", "environment", "cache/condense")):
        write_mnist(tmp_path / folder, shift=100 * shift)
    monkeypatch.setattr(torchvision_sets, "check_content", lambda name, data, folder: None)
    monkeypatch.setenv("CONDENSE_DATA", str(tmp_path / "environment"))
    assert load("mnist", data_root=tmp_path / "given").train.pixels.min() == 0
    assert load("mnist", data_root=tmp_path / "empty").train.pixels.min() == 100
    assert load("mnist").train.pixels.min() == 100
    monkeypatch.delenv("CONDENSE_DATA")
    assert load("mnist").train.pixels.min() == 200


def test_without_a_network_the_expected_files_are_named(tmp_path, monkeypatch, capfd):
    message = message_of("mnist", data_root=tmp_path / "given")
    assert f"mnist could not be downloaded into {tmp_path / 'given'} (urlopen error no network in tests)" in message
    for kind in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        assert f"MNIST/raw/{kind}-ubyte" in message
    assert files_below(tmp_path) == {}
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("CONDENSE_DATA", str(tmp_path / "environment"))
    message = message_of("cifar100")
    assert f"into {tmp_path / 'environment'} " in message
    assert "cifar-100-python/train, cifar-100-python/test, cifar-100-python/meta." in message
    monkeypatch.delenv("CONDENSE_DATA")
    message = message_of("svhn")
    assert f"into {tmp_path / 'cache/condense'} " in message
    assert "train_32x32.mat, test_32x32.mat." in message
    assert "cifar-10-batches-py/data_batch_5" in message_of("cifar10")
    assert "FashionMNIST/raw/t10k-labels-idx1-ubyte" in message_of("fashion-mnist")


def test_a_data_root_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert f"mnist could not be downloaded into {tmp_path / 'file'} (" in message_of("mnist", data_root=tmp_path / "file")


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("train-images-idx3-ubyte", shorten, "its header promises 15696 bytes, but it has 15695"),
        ("t10k-labels-idx1-ubyte", shorten, "its header promises 18 bytes, but it has 17"),
        (
            "train-labels-idx1-ubyte",
            lambda path: path.write_bytes(b"\0\0"),
            "damaged, or no idx file of uint8 in 1 dimensions",
        ),
        ("t10k-images-idx3-ubyte", lambda path: path.write_bytes(b"<html>" * 9), "no idx file of uint8 in 3 dimensions"),
        ("train-labels-idx1-ubyte", lambda path: write_idx(path, np.zeros(19, np.uint8)), "20 train images but 19 labels"),
        ("train-images-idx3-ubyte", Path.unlink, "incomplete"),
    ],
)
def test_damaged_idx_files_are_named_and_left_alone(tmp_path, file, damage, message):
    write_mnist(tmp_path)
    damage(tmp_path / "MNIST/raw" / file)
    before = files_below(tmp_path)
    said = message_of("mnist", data_root=tmp_path)
    assert message in said
    assert str(tmp_path / "MNIST/raw") in said
    assert file in said or "but 19 labels" in said
    assert files_below(tmp_path) == before


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> Path:
    """Both CIFAR sets in small; torchvision is told their MD5."""

    def write(file: str, content: object) -> list[str]:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(content))
        return [path.name, md5(path.read_bytes())]

    def batch(key: str, labels: list[int]) -> dict:
        pixels = np.zeros((len(labels), 3, 1024), np.uint8)
        pixels[:, :, 34] = np.array(labels)[:, None] + [0, 100, 150]  # row 1, column 2
        return {"data": pixels.reshape(-1, 3072), key: labels}

    for kind, key, classes in ((datasets.CIFAR10, "labels", 10), (datasets.CIFAR100, "fine_labels", 100)):
        train = [write(f"{kind.base_folder}/{file}", batch(key, list(range(classes)))) for file, _ in kind.train_list]
        test = [write(f"{kind.base_folder}/{file}", batch(key, [3, 1])) for file, _ in kind.test_list]
        meta_name, meta_key = kind.meta["filename"], kind.meta["key"]
        meta = write(f"{kind.base_folder}/{meta_name}", {meta_key: [f"kind {i}" for i in range(classes)]})
        monkeypatch.setattr(kind, "train_list", train)
        monkeypatch.setattr(kind, "test_list", test)
        monkeypatch.setattr(kind, "meta", {"filename": meta_name, "key": meta_key, "md5": meta[1]})
    return tmp_path


@pytest.mark.parametrize(("name", "classes", "each"), [("cifar10", 10, 5), ("cifar100", 100, 1)])
def test_cifar(cifar, monkeypatch, name, classes, each):
    declare_published(monkeypatch, name, cifar)
    data = load(name, data_root=cifar)
    assert data.train.counts == (each,) * classes
    assert data.train.class_names == data.test.class_names == tuple(f"kind {i}" for i in range(classes))
    assert data.test.labels.tolist() == [1, 3]
    assert data.test.pixels[:, :, 1, 2].tolist() == [[1, 101, 151], [3, 103, 153]]
    assert data.test.pixels.int().sum() == 1 + 101 + 151 + 3 + 103 + 153
    assert data.train.mean == {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4866, 0.4409)}[name]
    assert data.train.std == {"cifar10": (0.2023, 0.1994, 0.2010), "cifar100": (0.2673, 0.2564, 0.2762)}[name]


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_damaged_cifar_is_named_and_left_alone(cifar, file):
    path = cifar / "cifar-10-batches-py" / file
    shorten(path)
    before = files_below(cifar)
    message = message_of("cifar10", data_root=cifar)
    assert message.startswith(f"{path}: damaged, or no file of CIFAR's (")
    path.unlink()
    assert f"incomplete: {path} missing" in message_of("cifar10", data_root=cifar)
    assert files_below(cifar).items() < before.items()


class Response(io.BytesIO):
    """What urlopen gives."""

    url = None

    @property
    def length(self):
        return len(self.getvalue())


def serve_svhn(tmp_path, monkeypatch, cut: int | None = None) -> None:
    """A network that has a small SVHN, cut off after `cut` bytes."""
    served = {f"{s}_32x32.mat": write_svhn(tmp_path / s, DIGITS_OF_SVHN * 2).read_bytes() for s in ("train", "test")}
    split_list = {file.split("_")[0]: [f"http://x/{file}", file, md5(data)] for file, data in served.items()}
    monkeypatch.setattr(datasets.SVHN, "split_list", split_list)
    answer = lambda request, **_: Response(served[request.full_url.rpartition("/")[2]][:cut])  # noqa: E731
    monkeypatch.setattr(urllib.request, "urlopen", answer)


def test_a_download_is_silent_complete_and_done_once(tmp_path, monkeypatch, capfd):
    serve_svhn(tmp_path, monkeypatch)
    data = load("svhn", data_root=tmp_path / "new")
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["test_32x32.mat", "train_32x32.mat"]
    assert (data.train.counts, data.train.class_names, data.train.shape) == ((2,) * 10, tuple("0123456789"), (3, 32, 32))
    assert data.train.pixels[:, :, 5, 9].tolist()[:4] == [[0, 10, 5], [10, 10, 5], [1, 1, 5], [11, 1, 5]]
    assert data.train.mean == (0.4377, 0.4438, 0.4728)
    monkeypatch.setattr(urllib.request, "urlopen", None)
    assert load("svhn", data_root=tmp_path / "new").train.fingerprint == data.train.fingerprint


def test_a_download_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    serve_svhn(tmp_path, monkeypatch, cut=100)
    assert f"svhn could not be downloaded into {tmp_path / 'new'} (" in message_of("svhn", data_root=tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_damaged_svhn_is_not_downloaded_again(tmp_path, monkeypatch):
    serve_svhn(tmp_path, monkeypatch)
    load("svhn", data_root=tmp_path / "new")
    shorten(tmp_path / "new" / "test_32x32.mat")
    before = files_below(tmp_path / "new")
    assert f"{tmp_path / 'new' / 'test_32x32.mat'}: damaged" in message_of("svhn", data_root=tmp_path / "new")
    assert files_below(tmp_path / "new") == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train_size": "100"}, "train_size must be a whole number of 1 or more, not '100'."),
        ({"train_size": 10.0}, "train_size must be a whole number of 1 or more, not 10.0."),
        ({"train_size": 0}, "train_size must be a whole number of 1 or more, not 0."),
        ({"train_size": True}, "train_size must be a whole number of 1 or more, not True."),
        ({"train_size": 10, "seed": -1}, "seed must be a whole number of 0 or more, not -1."),
        ({"train_size": 10, "seed": None}, "seed must be a whole number of 0 or more, not None."),
        ({"reading": {"pixel_range": "0,16"}}, "reading must be a condense.Reading, not {'pixel_range': '0,16'}."),
    ],
)
def test_what_python_gives_is_checked(given, said):
    assert message_of("digits", **given) == said
