"""Published sets are known by their content: in whatever container, and not by their name."""

import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from catalog_samples import declare_published, message_of
from PIL import Image

from condense.data import known
from condense.data.catalog import load
from condense.data.identity import ordered_digest
from condense.data.images import DataSet
from condense.data.known import PUBLISHED, known_as
from condense.data.split import Part, join
from condense.data.torchvision_sets import PUBLISHED_SETS

pytestmark = pytest.mark.usefixtures("no_data_and_no_network")
RNG = np.random.default_rng(5)
LABELS = {"train": np.arange(20, dtype=np.uint8) % 10, "t10k": np.arange(10, dtype=np.uint8)}
PIXELS = {part: RNG.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8) for part, labels in LABELS.items()}


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes())


def write_set(root: Path, pixels: dict[str, np.ndarray], folder: str = "MNIST", shift: int = 0) -> Path:
    for part, labels in LABELS.items():
        write_idx(root / folder / "raw" / f"{part}-images-idx3-ubyte", pixels[part])
        write_idx(root / folder / "raw" / f"{part}-labels-idx1-ubyte", (labels + shift).astype(np.uint8) % 10)
    return root


@pytest.fixture
def mnist(tmp_path, monkeypatch) -> DataSet:
    """A small MNIST, in tmp_path/data, beside a small Fashion-MNIST with other images."""
    write_set(tmp_path / "data", PIXELS)
    write_set(tmp_path / "data", {part: 255 - pixels for part, pixels in PIXELS.items()}, "FashionMNIST")
    for name in ("mnist", "fashion-mnist"):
        declare_published(monkeypatch, name, tmp_path / "data")
    return load("mnist", data_root=tmp_path / "data")


def test_another_set_under_a_published_name_is_refused_and_named(tmp_path, mnist):
    write_set(tmp_path / "wrong", {part: 255 - pixels for part, pixels in PIXELS.items()})
    message = message_of("mnist", data_root=tmp_path / "wrong")
    assert message.startswith(f"{tmp_path}/wrong/MNIST/raw does not hold the published mnist: ")
    assert "its training images are the training images of fashion-mnist" in message
    assert "its test images are the test images of fashion-mnist" in message


def test_changed_labels_or_pixels_under_a_published_name_are_refused(tmp_path, mnist):
    write_set(tmp_path / "shifted", PIXELS, shift=1)
    assert "its training images, or their labels, are not the published ones" in message_of(
        "mnist", data_root=tmp_path / "shifted"
    )
    pixels = {part: values.copy() for part, values in PIXELS.items()}
    pixels["t10k"][3, 4, 5] ^= 1
    message = message_of("mnist", data_root=write_set(tmp_path / "bit", pixels))
    assert "its test images, or their labels, are not the published ones" in message
    assert "training" not in message


def in_npz(path: Path, order: np.ndarray) -> None:
    """The set in one file, the training images in another order."""
    train, labels = PIXELS["train"][order], LABELS["train"][order]
    np.savez(path, train_images=train, train_labels=labels, test_images=PIXELS["t10k"], test_labels=LABELS["t10k"])


def in_folder(root: Path, order: np.ndarray) -> None:
    for part, folder in (("train", "train"), ("t10k", "test")):
        for number, index in enumerate(order[order < len(LABELS[part])]):
            path = root / folder / str(LABELS[part][index]) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(PIXELS[part][index]).save(path)


@pytest.mark.parametrize(("name", "write"), [("mine.npz", in_npz), ("pictures", in_folder)])
def test_published_content_is_the_published_set_in_any_container(tmp_path, mnist, name, write):
    write(tmp_path / name, RNG.permutation(20))
    data = load(str(tmp_path / name))
    assert (data.name, data.published, data.train.name, data.test.name) == ("mnist", "mnist", "mnist", "mnist (test)")
    assert (data.train.mean, data.train.std, data.train.class_names) == ((0.1307,), (0.3081,), tuple("0123456789"))
    assert data.train.fingerprint == mnist.train.fingerprint
    assert data.train.is_known_as(mnist.train.former_fingerprint)
    assert any("holds the published mnist, whole and unchanged" in remark for remark in data.remarks)
    assert load(str(tmp_path / name), train_size=10).published is None


def test_folders_with_the_names_of_its_classes_are_numbered_as_published(tmp_path, mnist):
    names = ["T-shirt", *PUBLISHED["fashion-mnist"].class_names[1:]]
    for part, folder in (("train", "train"), ("t10k", "test")):
        for number, (pixels, label) in enumerate(zip(255 - PIXELS[part], LABELS[part], strict=True)):
            path = tmp_path / "clothes" / folder / names[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    data = load(str(tmp_path / "clothes"))
    assert (data.name, data.published) == ("fashion-mnist", "fashion-mnist")
    assert data.train.class_names == PUBLISHED["fashion-mnist"].class_names
    assert data.train.pixels[data.train.labels == 9].tolist() == (255 - PIXELS["train"][[19, 9]])[:, None].tolist()
    (tmp_path / "clothes" / "train" / "Bag" / "8.png").rename(tmp_path / "clothes" / "train" / "Coat" / "8.png")
    other = load(str(tmp_path / "clothes"))
    assert (other.name, other.published, other.train.class_names) == ("clothes/", None, tuple(sorted(names)))


def as_version_0_1_read(data: DataSet) -> DataSet:
    """A folder of clothes as it was read before published sets were recognised: classes in the order of their names."""
    by_name = sorted(range(10), key=lambda label: data.train.class_names[label])
    numbers = torch.tensor(by_name).argsort()
    train, test = (Part(one.pixels, numbers[one.labels]) for one in (data.train, data.test))
    return join("clothes/", train, test, [data.train.class_names[label] for label in by_name], where="clothes")


@pytest.mark.parametrize("train_size", [None, 10])
def test_fingerprints_that_version_0_1_gave_the_same_files_stay_known(tmp_path, mnist, train_size):
    tested = {"test_images": 255 - PIXELS["t10k"], "test_labels": LABELS["t10k"]}
    order = RNG.permutation(20)
    train = {"train_images": 255 - PIXELS["train"][order], "train_labels": LABELS["train"][order]}
    np.savez(tmp_path / "mine.npz", **train, **tested)
    data = load(str(tmp_path / "mine.npz"), train_size=train_size)
    numbers = tuple("0123456789")
    former = [ordered_digest(one.pixels.numpy(), one.labels.numpy(), numbers) for one in (data.train.to("cpu"), data.test)]
    assert data.train.class_names == data.test.class_names == PUBLISHED["fashion-mnist"].class_names
    assert data.train.is_known_as(former[0]) and data.test.is_known_as(former[1])
    assert data.train.as_known_by(former[0]).class_names == numbers
    assert data.train.as_known_by(data.train.fingerprint) is data.train
    assert not data.train.is_known_as(former[1]) and not data.train.is_known_as("0" * 64)


def test_classes_are_numbered_as_the_fingerprint_of_version_0_1_has_them(tmp_path, mnist):
    clothes = load("fashion-mnist", data_root=tmp_path / "data")
    names = [name.replace("/", " ") for name in clothes.train.class_names]
    for part, one in (("train", clothes.train), ("test", clothes.test)):
        for number, (pixels, label) in enumerate(zip(one.pixels, one.labels.tolist(), strict=True)):
            path = tmp_path / "clothes" / part / names[label] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(path)
    renamed = [replace(one, class_names=tuple(names)) for one in (clothes.train, clothes.test)]
    before = as_version_0_1_read(replace(clothes, train=renamed[0], test=renamed[1]))
    data = load(str(tmp_path / "clothes"))
    assert (data.name, data.train.class_names) == ("fashion-mnist", clothes.train.class_names)
    for one, former in ((data.train, before.train), (data.test, before.test)):
        assert one.is_known_as(former.former_fingerprint)
        same = one.as_known_by(former.former_fingerprint)
        assert same.class_names == former.class_names == tuple(sorted(names))
        assert torch.equal(same.pixels, former.pixels) and torch.equal(same.labels, former.labels)
        assert same.fingerprint == one.fingerprint  # as they are the published images


def test_a_part_of_a_published_set_and_more_than_it_are_others(tmp_path, mnist):
    for name, count in (("less.npz", 19), ("more.npz", 21)):
        chosen = np.arange(count) % 20
        train, labels = PIXELS["train"][chosen], LABELS["train"][chosen]
        tested = {"test_images": PIXELS["t10k"], "test_labels": LABELS["t10k"]}
        np.savez(tmp_path / name, train_images=train, train_labels=labels, **tested)
        data = load(str(tmp_path / name))
        assert (data.name, data.published) == (name, None)
        assert known_as(data.train.fingerprint) is None
        assert known_as(data.test.fingerprint) == ("mnist", "test")


def test_a_packed_file_that_is_damaged_or_too_large(tmp_path, mnist):
    import gzip

    raw = tmp_path / "data" / "MNIST" / "raw"
    path = raw / "t10k-images-idx3-ubyte"
    content = path.read_bytes()
    path.unlink()
    packed = raw / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(gzip.compress(content))
    assert load("mnist", data_root=tmp_path / "data").published == "mnist"
    packed.write_bytes(gzip.compress(content)[:-20])
    assert f"{packed}: damaged" in message_of("mnist", data_root=tmp_path / "data")
    packed.write_bytes(b"no gzip file")
    assert f"{packed}: damaged" in message_of("mnist", data_root=tmp_path / "data")
    packed.write_bytes(gzip.compress(content + b"more"))
    assert "what is packed in it has more" in message_of("mnist", data_root=tmp_path / "data")
    bomb = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**20, 28, 28) + bytes(2**20)
    packed.write_bytes(gzip.compress(bomb))
    assert "promises 1048576 x 28 x 28 values, which no file of a published set has" in message_of(
        "mnist", data_root=tmp_path / "data"
    )
    packed.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 28, 28)))
    assert "holds no values, its shape being 0x28x28" in message_of("mnist", data_root=tmp_path / "data")


class Evil:
    """Runs a command where it is unpickled carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def cifar_batch(**changed: object) -> bytes:
    content = {"data": np.zeros((4, 3072), np.uint8), "fine_labels": [0, 1, 2, 3], **changed}
    return pickle.dumps({name: value for name, value in content.items() if value is not None})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps([1, 2]),
        cifar_batch(data=None),
        cifar_batch(data=np.zeros((4, 3071), np.uint8)),
        cifar_batch(data=np.zeros((4, 3072), np.float32)),
        cifar_batch(data=np.zeros((5, 3072), np.uint8)),
        cifar_batch(fine_labels=[0, 1, 2, 100]),
        cifar_batch(fine_labels=["0", "1", "2", "3"]),
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a place in the memo that would take gigabytes
    ],
)
def test_files_that_are_none_of_cifars(tmp_path, content):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(cifar_batch(fine_label_names=["a"]))
    (folder / "train").write_bytes(content)
    assert f"{folder / 'train'}: damaged" in message_of("cifar100", data_root=tmp_path)


def test_a_pickle_runs_nothing(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(cifar_batch(more=Evil(tmp_path / "made")))
    message = message_of("cifar100", data_root=tmp_path)
    assert f"{folder / 'train'}: damaged, or no file of CIFAR's (it names " in message
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_cifar_in_every_protocol(tmp_path, monkeypatch, protocol):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    pixels = RNG.integers(0, 256, (100, 3072), dtype=np.uint8)
    batch = {"data": pixels, "fine_labels": list(range(100))}
    for name, content in (
        ("train", batch),
        ("test", {**batch, "data": 255 - pixels}),
        ("meta", {"fine_label_names": [f"k{i}" for i in range(100)]}),
    ):
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    declare_published(monkeypatch, "cifar100", tmp_path)
    assert torch.equal(load("cifar100", data_root=tmp_path).train.pixels.flatten(1), torch.from_numpy(pixels))


def test_a_folder_with_the_name_of_a_published_set_is_not_passed_over(tmp_path, mnist, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "mnist"):
        in_folder(tmp_path / name, np.arange(20))
        message = message_of(name)
        assert f"'{name}' is a published set, and a folder of images here. Say ./{name} for the folder" in message
    assert load("mnist", data_root=tmp_path / "data").published == "mnist"
    assert load("./mnist").name == "mnist"
    nested = tmp_path / "svhn" / "train" / "train" / "3"
    nested.parent.mkdir(parents=True)
    (tmp_path / "digits" / "train" / "3").rename(nested)
    assert "'svhn' is a published set, and a folder of images here" in message_of("svhn")
    (tmp_path / "digits").rename(tmp_path / "other")
    (tmp_path / "digits").mkdir()
    (remark,) = load("digits").remarks
    assert remark == "digits is the published set; what is called so in this folder would be ./digits."


def test_a_folder_of_torchvision_is_told_from_a_folder_of_images(tmp_path, mnist, monkeypatch):
    monkeypatch.chdir(tmp_path / "data")
    message = message_of("MNIST")
    assert message == "MNIST is a folder here, without classes of images; for the published set say mnist, with --data-root."
    assert load("mnist", data_root=".").published == "mnist"
    in_folder(tmp_path / "data" / "Digits", np.arange(20))
    assert load("Digits").published == "mnist"


def test_fingerprints_can_be_looked_up_without_pytorch():
    program = (
        "import runpy, sys; known_as = runpy.run_path(sys.argv[1])['known_as']; "
        "assert not {'torch', 'numpy', 'condense'} & set(sys.modules), 'heavy'; "
        "print(known_as('a3dac35ba8e3e0eb970dc66e66a66efecc421695af45a6c0f769f3c35357e0ef'), known_as('0' * 64))"
    )
    command = [sys.executable, "-S", "-c", program, known.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("('mnist', 'train') None\n", "")


def test_no_fingerprint_is_of_two_parts():
    prints = [one for each in PUBLISHED.values() if each.fingerprints for one in vars(each.fingerprints).values() if one]
    assert len(prints) == len(set(prints)) == 18
    assert all(known_as(one) for one in prints)
    assert set(PUBLISHED) == {"digits", *PUBLISHED_SETS}
