"""Every way in which real images come in, and every sentence that says why they cannot."""

import hashlib
import io
import pickle
import struct
import urllib.error
import urllib.request
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import torch
from PIL import Image
from torchvision import datasets

from condense.data.catalog import load, names
from condense.data.digits import enlarge
from condense.errors import CondenseError

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1, 2] * 10)
GREY = RNG.integers(0, 256, (30, 6, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (30, 6, 7, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_data_and_no_network(monkeypatch, tmp_path):
    """Every test starts with no data, an empty cache and no network."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.delenv("CONDENSE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def message_of(name, **keywords) -> str:
    with pytest.raises(CondenseError) as caught:
        load(str(name), **keywords)
    message = str(caught.value)
    assert "\n" not in message
    return message


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
    assert data.train.fingerprint.startswith("633fc3901539")
    assert data.test.fingerprint.startswith("d48c12f42621")
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


def write_mnist(root: Path, folder: str = "MNIST", shift: int = 0) -> None:
    for prefix, count in (("train", 20), ("t10k", 10)):
        labels = np.arange(count, dtype=np.uint8)[::-1] % 10
        pixels = (labels[:, None, None] + np.full((1, 28, 28), shift)).astype(np.uint8)
        write_idx(root / folder / "raw" / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(root / folder / "raw" / f"{prefix}-labels-idx1-ubyte", labels)


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_idx_files_become_images(tmp_path, name, folder):
    write_mnist(tmp_path, folder)
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
def test_cifar(cifar, name, classes, each):
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
    assert message.startswith(f"{path}: damaged, not the published cifar10. Restore it")
    path.unlink()
    assert f"incomplete: {path} missing" in message_of("cifar10", data_root=cifar)
    assert files_below(cifar).items() < before.items()


def write_svhn(path: Path, labels: list[int], **more) -> Path:
    """Every image has its place in the file as red, its label as green and its row as blue."""
    pixels = np.zeros((32, 32, 3, len(labels)), np.uint8)
    pixels[:, :, 0] = np.arange(len(labels))
    pixels[:, :, 1] = labels
    pixels[:, :, 2] = np.arange(32)[:, None, None]
    scipy.io.savemat(path, {"X": pixels, "y": np.array(labels, np.uint8)[:, None], **more}, do_compression=True)
    return path


DIGITS_OF_SVHN = [10, *range(1, 10)]


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


def test_sixteen_bit_two_level_and_palette_images(tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((5, 6), 65535, np.uint16)).save(tmp_path / "a" / "0.png")
    Image.fromarray(np.full((5, 6), 257 * 12 + 100, np.uint16)).save(tmp_path / "a" / "1.png")
    Image.new("1", (6, 5), 1).save(tmp_path / "a" / "2.png")
    assert load(str(tmp_path)).train.pixels[:, 0, 0, 0].tolist() == [255, 12]
    assert load(str(tmp_path)).test.pixels.unique().tolist() == [255]
    Image.new("RGB", (6, 5), (200, 10, 0)).quantize(4).save(tmp_path / "a" / "3.png")
    assert load(str(tmp_path)).train.shape == (3, 5, 6)
    assert load(str(tmp_path)).test.pixels[0, :, 0, 0].tolist() == [200, 10, 0]


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
        (lambda p: (p / "b/deeper").mkdir(), "b/deeper: is no image file"),
        (lambda p: (p / "c").mkdir(), "/c: there are no images in this class folder"),
        (lambda p: save_images(p / "c", 1), "class c has a single image; splitting off test images needs at least two"),
        (lambda p: Image.new("L", (6, 5)).save(p / "loose.png"), "loose.png: lies outside the class folders"),
        (lambda p: transparent(p / "a/z.png", 200), "a/z.png: has transparent pixels"),
        (
            lambda p: (p / "a").rename(p / "train") and save_images(p / "train/x", 3),
            "has a train folder, but no test folder",
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
    transparent(tmp_path / "a" / "z.png", 255)
    assert load(str(tmp_path)).test.pixels[0, :, 0, 0].tolist() == [1, 2, 3]


def test_an_empty_folder_and_a_split_that_does_not_fit(tmp_path):
    assert f"{tmp_path}: there are no images; one sub-folder of images for each class is needed" in message_of(tmp_path)
    save_images(tmp_path / "train" / "a", 2)
    save_images(tmp_path / "test" / "z", 2)
    assert f"{tmp_path}/test/z: training has no class of this name; it has a." in message_of(tmp_path)
    (tmp_path / "test" / "z").rename(tmp_path / "test" / "a")
    assert load(str(tmp_path)).test.counts == (2,)
    save_images(tmp_path / "test" / "a", 1, size=(7, 7))
    assert "test/a/image00.png: is 7x7, but " in message_of(tmp_path)


# .npz and HDF5


def write_npz(path: Path, content: dict) -> Path:
    np.savez(path, **content)
    return path


def write_hdf5(path: Path, content: dict) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            value = np.asarray(value)
            file[name] = value.astype(h5py.string_dtype()) if value.dtype.kind == "U" else value
    return path


@pytest.fixture(params=[".npz", ".h5", ".hdf5"])
def write(request, tmp_path):
    """Writes a file of each kind."""
    path = tmp_path / f"some{request.param}"
    return lambda content: (write_npz if request.param == ".npz" else write_hdf5)(path, content)


def test_arrays_with_a_split_and_class_names(write):
    content = {"train_images": COLOUR, "train_labels": LABELS, "test_images": COLOUR[:4], "test_labels": LABELS[:4]}
    path = write({**content, "class_names": ["ant", "bee", "çat"]})
    data = load(str(path))
    assert (data.name, data.train.shape, data.train.class_names) == (path.name, (3, 6, 7), ("ant", "bee", "çat"))
    assert torch.equal(data.train.pixels[:10], torch.from_numpy(COLOUR[::3]).permute(0, 3, 1, 2))
    assert data.test.counts == (2, 1, 1)
    assert data.test.mean == data.train.mean


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y"), ("train_images", "train_labels")])
def test_arrays_without_a_split(write, names):
    data = load(str(write({names[0]: GREY, names[1]: LABELS[:, None].astype(float)})))
    assert (data.train.counts, data.test.counts) == ((8, 8, 8), (2, 2, 2))
    assert torch.equal(data.test.pixels[:2, 0], torch.from_numpy(GREY[[12, 27]]))


@pytest.mark.parametrize(
    "images",
    [
        GREY[..., None],
        GREY[:, None],
        GREY.astype(np.int64),
        GREY.astype(">f8"),
        GREY / 255,
        (GREY / 255).astype(np.float32),
        (GREY / 255).astype(np.float16),
        GREY.astype(np.float32) + np.where(GREY < 255, 0.3, 0).astype(np.float32),
    ],
)
def test_the_same_images_in_another_type_or_layout(tmp_path, images):
    data = load(str(write_npz(tmp_path / "a.npz", {"images": images, "labels": LABELS})))
    same = load(str(write_npz(tmp_path / "b.npz", {"images": GREY, "labels": LABELS})))
    assert data.train.fingerprint == same.train.fingerprint
    assert data.test.fingerprint == same.test.fingerprint


def test_channels_first_and_the_ambiguous_case(tmp_path):
    first = write_npz(tmp_path / "a.npz", {"images": COLOUR.transpose(0, 3, 1, 2), "labels": LABELS})
    last = write_npz(tmp_path / "b.npz", {"images": COLOUR, "labels": LABELS})
    assert load(str(first)).train.fingerprint == load(str(last)).train.fingerprint
    both = COLOUR[:, :3]  # (30, 3, 7, 3): the last axis is the channels
    assert load(str(write_npz(tmp_path / "c.npz", {"images": both, "labels": LABELS}))).train.shape == (3, 3, 7)


def test_dark_test_images_are_scaled_as_the_training_images(tmp_path):
    content = {"train_images": GREY.astype(float), "train_labels": LABELS, "test_labels": LABELS}
    path = write_npz(tmp_path / "a.npz", {**content, "test_images": np.ones(GREY.shape)})
    assert load(str(path)).test.pixels.unique().tolist() == [1]


def changed(array, value):
    array = array.astype(float)
    array.flat[7] = value
    return array


IMAGES = {"images": GREY, "labels": LABELS}
SPLIT = {"train_images": GREY, "train_labels": LABELS, "test_images": GREY, "test_labels": LABELS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": LABELS}, "holds labels; needed are train_images and train_labels, or images and labels, or X and y"),
        ({"other": LABELS}, "holds none of the needed arrays; needed are"),
        ({"images": GREY}, "images and labels belong together, but labels is missing"),
        (
            {**IMAGES, "test_images": GREY, "train_images": GREY},
            "train_images and train_labels belong together, but train_labels",
        ),
        ({k: v for k, v in SPLIT.items() if k != "test_labels"}, "belong together, but test_labels is missing"),
        ({**IMAGES, "images": COLOUR[..., :2]}, "with C = 1 or 3, not (30, 6, 7, 2)"),
        ({**IMAGES, "images": GREY[0]}, "images must be (N, H, W), (N, H, W, C) or (N, C, H, W)"),
        ({**IMAGES, "images": changed(GREY, np.nan)}, "some pixels are NaN or infinite"),
        ({**IMAGES, "images": changed(GREY, np.inf)}, "some pixels are NaN or infinite"),
        (
            {**IMAGES, "images": changed(GREY / 255, -1.5)},
            "pixels run from -1.5 to 1; bytes (0 to 255) or fractions (0 to 1)",
        ),
        ({**IMAGES, "images": GREY.astype(int) * 2}, "bytes (0 to 255) or fractions (0 to 1) are needed"),
        ({**IMAGES, "images": GREY > 4}, "images must all be whole numbers or all be floats, not bool"),
        ({**SPLIT, "test_images": GREY / 255}, "must all be whole numbers or all be floats, not float64 and uint8"),
        (
            {**SPLIT, "test_images": GREY[:, :5]},
            "training images are (1, 6, 7) (channels, height, width), but test images (1, 5, 7)",
        ),
        (
            {**SPLIT, "test_images": GREY[:0], "test_labels": LABELS[:0]},
            "there are no images in an array of shape (0, 1, 6, 7)",
        ),
        ({**SPLIT, "test_labels": LABELS + 1}, "(test): labels run from 1 to 3, but must be 0 to 2"),
        ({**IMAGES, "labels": LABELS[:-1]}, "one for each of the 30 images, not int64 of shape (29,)"),
        ({**IMAGES, "labels": np.eye(30)}, "one for each of the 30 images, not float64 of shape (30, 30)"),
        ({**IMAGES, "labels": LABELS > 0}, "labels must be numbers, one for each of the 30 images, not bool"),
        ({**IMAGES, "labels": changed(LABELS, 1.5)}, "labels must be whole numbers from 0, not 1.5"),
        ({**IMAGES, "labels": changed(LABELS, np.nan)}, "labels must be whole numbers from 0, not nan"),
        ({**IMAGES, "labels": LABELS - 1}, "labels must be whole numbers from 0, not -1"),
        ({**IMAGES, "labels": LABELS + 1}, "no image of class 0; every class needs at least one"),
        ({**IMAGES, "labels": LABELS * 2}, "no image of class 1, 3; every class needs at least one"),
        ({**IMAGES, "labels": LABELS * 10**8}, "labels run to 200000000, but 24 images cannot fill so many classes"),
        ({**IMAGES, "labels": np.arange(30)}, "class 0 has a single image"),
        ({**IMAGES, "class_names": ["a", "b"]}, "labels run from 0 to 2, but must be 0 to 1"),
        ({**IMAGES, "class_names": ["a", "b", "c", "dog"]}, "no image of class dog"),
        ({**IMAGES, "class_names": ["a", "b", "a"]}, "class_names has a name twice: a, b, a"),
    ],
)
def test_arrays_that_are_refused(write, content, message):
    path = write(content)
    said = message_of(path)
    assert said.startswith(str(path))
    assert message in said


@pytest.mark.parametrize("share", [0, 0.4, 0.97])
def test_damaged_array_files(write, share):
    path = write(IMAGES)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert message_of(path).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("a.npz", "a.npz: is no NumPy .npz archive, or a truncated one"),
        ("a.h5", "a.h5: cannot be read as an HDF5 file; damaged or of another kind"),
        ("a.mat", "a.mat: cannot be read as a MATLAB file; damaged or of another kind"),
    ],
)
def test_foreign_files(tmp_path, file, message):
    (tmp_path / file).write_bytes(b"something else entirely, long enough to look at" * 30)
    assert message in message_of(tmp_path / file)


def test_python_objects_are_not_loaded(tmp_path):
    path = write_npz(tmp_path / "a.npz", {**IMAGES, "class_names": np.array(["a", None], dtype=object)})
    assert "a.npz: cannot be read as a NumPy .npz archive; damaged, or with Python objects in it" in message_of(path)


def test_a_synthetic_set_is_no_data_set(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", IMAGES)
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 1
    assert message_of(path) == f"{path}: is a synthetic set made by condense; a data set of real images is needed here."


# .mat


def test_svhn_layout_is_split_in_file_order(tmp_path):
    data = load(str(write_svhn(tmp_path / "some.mat", DIGITS_OF_SVHN * 5)))
    assert (data.name, data.train.shape, data.train.counts, data.test.counts) == (
        "some.mat",
        (3, 32, 32),
        (4,) * 10,
        (1,) * 10,
    )
    assert sorted(data.train.pixels[:, 0, 0, 0].tolist()) == list(range(40))
    assert data.train.pixels[data.train.labels == 0, 1].unique().tolist() == [10]
    assert data.train.pixels[data.train.labels == 7, 1].unique().tolist() == [7]
    assert data.train.pixels[0, 2, :, 5].tolist() == list(range(32))


def test_svhn_layout_with_labels_from_0_keeps_them(tmp_path):
    data = load(str(write_svhn(tmp_path / "some.mat", list(range(11)) * 5)))
    assert data.train.classes == 11
    assert data.train.pixels[data.train.labels == 10, 1].unique().tolist() == [10]


def test_svhn_layout_without_a_digit_0(tmp_path):
    for labels in (range(1, 10), range(1, 12)):
        path = write_svhn(tmp_path / "some.mat", list(labels) * 5)
        assert "some.mat: no image of class 0; every class needs at least one" in message_of(path)


def test_the_test_file_beside_a_mat_file_is_used(tmp_path):
    train = write_svhn(tmp_path / "train_a.mat", DIGITS_OF_SVHN * 2)
    write_svhn(tmp_path / "test_a.mat", [10, 3])
    data = load(str(train))
    assert (data.train.counts, data.test.labels.tolist()) == ((2,) * 10, [0, 3])
    scipy.io.savemat(tmp_path / "test_a.mat", {"Z": np.zeros((5, 784)), "y": np.zeros((5, 1))})
    assert "train_a.mat with test_a.mat: one holds X and y, the other Z and y" in message_of(train)


def simplenn_rows(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) to rows: channel after channel, row by row."""
    return np.array([[value for channel in image for row in channel for value in row] for image in images], float)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 3), (3, 16)])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("sparse", [False, True])
def test_simplenn_layout(tmp_path, channels, side, first, sparse):
    images = RNG.integers(0, 256, (30, channels, side, side), dtype=np.uint8)
    rows = simplenn_rows(images)
    content = {"Z": scipy.sparse.csc_matrix(rows) if sparse else rows, "y": (LABELS + first)[:, None].astype(float)}
    scipy.io.savemat(tmp_path / "demo.mat", content)
    data = load(str(tmp_path / "demo.mat"))
    assert data.train.counts == (8, 8, 8)
    assert np.array_equal(data.test.pixels[:2].numpy(), images[[12, 27]])
    scipy.io.savemat(tmp_path / "demo.t.mat", {"Z": rows[:4] / 255 * 255, "y": LABELS[:4] + first})
    data = load(str(tmp_path / "demo.mat"))
    assert (data.name, data.train.counts, data.test.labels.tolist()) == ("demo.mat", (10, 10, 10), [0, 0, 1, 2])
    assert np.array_equal(data.test.pixels.numpy(), images[[0, 3, 1, 2]])


@pytest.mark.parametrize(("channels", "side", "lacking"), [(1, 28, 4), (3, 32, 31)])
def test_simplenn_layout_without_trailing_zero_columns(tmp_path, channels, side, lacking):
    images = RNG.integers(0, 256, (30, channels, side, side), dtype=np.uint8)
    images[:, -1, -1, -lacking:] = 0
    scipy.io.savemat(tmp_path / "demo.mat", {"Z": simplenn_rows(images)[:, :-lacking], "y": LABELS[:, None]})
    assert np.array_equal(load(str(tmp_path / "demo.mat")).test.pixels[:2].numpy(), images[[12, 27]])


def write_v73(path: Path, content: dict) -> Path:
    """A MATLAB v7.3 file: HDF5 after 512 bytes, the axes in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            file[name] = value.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return path


def test_version_7_3(tmp_path):
    rows = simplenn_rows(RNG.integers(0, 256, (30, 3, 16, 16)))
    y = LABELS[:, None].astype(float)
    new = load(str(write_v73(tmp_path / "new.mat", {"Z": rows, "y": y})))
    scipy.io.savemat(tmp_path / "old.mat", {"Z": rows, "y": y})
    assert new.train.fingerprint == load(str(tmp_path / "old.mat")).train.fingerprint
    old = load(str(write_svhn(tmp_path / "old_svhn.mat", DIGITS_OF_SVHN * 5)))
    content = {name: scipy.io.loadmat(tmp_path / "old_svhn.mat")[name] for name in ("X", "y")}
    assert load(str(write_v73(tmp_path / "new_svhn.mat", content))).train.fingerprint == old.train.fingerprint
    path = write_v73(tmp_path / "sparse.mat", {"Z/data": y, "y": y})
    assert "sparse.mat: Z is sparse, which is read from files up to v7 only; save full(Z)" in message_of(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"A": np.zeros((2, 3))}, "holds A (2, 3); needed are X (H, W, C, N) and y as in SVHN, or Z (N, C*H*W) and y"),
        ({"X": np.zeros((2, 3)), "y": np.zeros((2, 1))}, "holds X (2, 3), y (2, 1); needed are"),
        ({"X": np.zeros((5, 5, 2, 4)), "y": np.zeros((4, 1))}, "holds X (5, 5, 2, 4), y (4, 1); needed are"),
        ({"Z": np.zeros((30, 700)), "y": LABELS}, "the 700 columns of Z are no square image with 1 or 3 channels"),
        ({"Z": np.zeros((30, 784)), "y": LABELS + 2}, "no image of class 0, 1"),
        ({"Z": np.zeros((30, 784)), "y": LABELS[:9]}, "one for each of the 30 images"),
        ({"Z": np.zeros((30, 784)) - 0.5, "y": LABELS}, "pixels run from -0.5 to -0.5"),
    ],
)
def test_mat_files_that_are_refused(tmp_path, content, message):
    scipy.io.savemat(tmp_path / "a.mat", content)
    assert message in message_of(tmp_path / "a.mat")


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.97])
def test_truncated_mat_files(tmp_path, share):
    for path in (
        write_svhn(tmp_path / "a.mat", DIGITS_OF_SVHN * 5),
        write_v73(tmp_path / "b.mat", {"Z": np.zeros((30, 784)), "y": LABELS[:, None]}),
    ):
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        assert message_of(path).startswith(f"{path}: cannot be read as a MATLAB file")
