"""The published sets in torchvision's folder layout: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100, SVHN.

torchvision downloads them; what is there is read here, and known by its content (`known`), not by its name.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from condense.data.cifar import read_batch, read_names
from condense.data.download import download_into
from condense.data.idx import idx_file, read_idx_pair
from condense.data.images import DataSet
from condense.data.known import PUBLISHED, TEST, TRAIN, known_as
from condense.data.paths import cannot_read, expanded
from condense.data.split import Part, join
from condense.errors import CondenseError

Splits = tuple[Part, Part, Sequence[str]]


@dataclass(frozen=True)
class PublishedSet:
    """One set: how it is described, the files it needs (paths below the data root), how it is fetched and read.

    fetch: downloads into a folder, through torchvision; read: data root -> train, test, class names.
    by_md5: its files' MD5s vouch for it, not its content.
    """

    description: str
    files: Callable[[], list[str]]
    fetch: Callable[[Path], None]
    read: Callable[[Path], Splits]
    by_md5: bool = False


def data_roots(data_root: Path | None = None) -> list[Path]:
    """Where data are looked for, in this order: `data_root`, $CONDENSE_DATA, the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "condense"
    given = [data_root, os.environ.get("CONDENSE_DATA"), cache]
    return [expanded(root) for root in given if root]


def find(name: str, data_root: Path | None = None) -> Path | None:
    """The first data root that has any file of the set `name`, or None; `CondenseError` where one may not be looked into."""
    files = PUBLISHED_SETS[name].files()
    roots = data_roots(data_root)
    try:
        return next((root for root in roots if any(idx_file(root / file) for file in files)), None)
    except OSError as error:
        raise cannot_read(roots[0], error) from error


def load_published(name: str, data_root: Path | None = None) -> DataSet:
    """The set `name` of `PUBLISHED_SETS`, read from the first data root that has it, else downloaded into the first one.

    Raises `CondenseError` when files are damaged or missing beside others, or hold other images or labels than the
    published ones (nothing is then deleted, replaced or downloaded), and when the download fails.
    """
    published = PUBLISHED_SETS[name]
    root = find(name, data_root)
    if root is None:
        root = data_roots(data_root)[0]
        download_into(root, name, published.files(), published.fetch)
    _check_complete(name, root)
    try:
        train, test, class_names = published.read(root)
    except OSError as error:
        raise cannot_read(root, error) from error
    known = PUBLISHED[name]
    data = join(name, train, test, class_names, where=name, mean=known.mean, std=known.std)
    if published.by_md5:
        return replace(data, vouched=(name, data.train.fingerprint, data.test.fingerprint))
    check_content(name, data, (root / published.files()[0]).parent)
    return data


def check_content(name: str, data: DataSet, folder: Path) -> None:
    """Raises `CondenseError` unless the images, labels and names of classes are the published ones of the set `name`."""
    wrong = []
    for part, images, called in ((TRAIN, data.train, "training"), (TEST, data.test, "test")):
        found = known_as(images.fingerprint)
        if found is None:
            wrong.append(f"its {called} images, or their labels, are not the published ones")
        elif found != (name, part):
            of = {TRAIN: "training", TEST: "test"}[found[1]]
            wrong.append(f"its {called} images are the {of} images of {found[0]}")
    if not wrong and data.train.class_names != PUBLISHED[name].class_names:
        wrong.append("its names of classes are not the published ones")
    if wrong:
        raise CondenseError(
            f"{folder} does not hold the published {name}: {'; '.join(wrong)}. Restore the published files, or move these "
            "away to have the set downloaded again."
        )


def _check_complete(name: str, root: Path) -> None:
    missing = [str(root / file) for file in PUBLISHED_SETS[name].files() if not idx_file(root / file)]
    if missing:
        raise CondenseError(
            f"The files of {name} in {root} are incomplete: {', '.join(missing)} missing. Add what is missing, or move "
            "the others away to have the set downloaded again."
        )


def _fetch_parts(kind: type[datasets.MNIST] | type[datasets.CIFAR10]) -> Callable[[Path], None]:
    def fetch(folder: Path) -> None:
        kind(folder, train=True, download=True)

    return fetch


def _fetch_svhn(folder: Path) -> None:
    for split in ("train", "test"):
        datasets.SVHN(folder, split=split, download=True)


def _mnist_files(folder: str) -> list[str]:
    kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return [f"{folder}/raw/{kind}-ubyte" for kind in kinds]


def _read_mnist(name: str, folder: Path) -> Splits:
    pairs = [read_idx_pair(folder / "raw", prefix) for prefix in ("train", "t10k")]
    parts = [Part(torch.tensor(images)[:, None], torch.tensor(labels).long()) for images, labels in pairs]
    return parts[0], parts[1], PUBLISHED[name].class_names


def _cifar_files(kind: type[datasets.CIFAR10]) -> list[str]:
    return [f"{kind.base_folder}/{file}" for file, _ in [*kind.train_list, *kind.test_list, [kind.meta["filename"], ""]]]


def _read_cifar(kind: type[datasets.CIFAR10], labels: str, names: str, root: Path) -> Splits:
    folder = root / kind.base_folder
    parts = []
    for files in (kind.train_list, kind.test_list):
        batches = [read_batch(folder / file, labels) for file, _ in files]
        pixels, numbers = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        parts.append(Part(torch.from_numpy(pixels), torch.from_numpy(numbers)))
    return parts[0], parts[1], read_names(folder / kind.meta["filename"], names)


def _svhn_files() -> list[str]:
    return [file for _, file, _ in (datasets.SVHN.split_list[split] for split in ("train", "test"))]


def _read_svhn(root: Path) -> Splits:
    files = [(root / file, md5) for _, file, md5 in (datasets.SVHN.split_list[split] for split in ("train", "test"))]
    bad = [str(path) for path, md5 in files if not check_integrity(path, md5)]
    if bad:
        raise CondenseError(
            f"{', '.join(bad)}: damaged, not the published svhn. Restore it, or move the files of svhn away to have them "
            "downloaded again."
        )
    sets = [datasets.SVHN(root, split=split) for split in ("train", "test")]
    parts = [Part(torch.from_numpy(data.data), torch.from_numpy(data.labels)) for data in sets]
    return parts[0], parts[1], PUBLISHED["svhn"].class_names


PUBLISHED_SETS = {
    "mnist": PublishedSet(
        "handwritten digits, 60,000 + 10,000 grey images of 28x28, 10 classes",
        lambda: _mnist_files("MNIST"),
        _fetch_parts(datasets.MNIST),
        lambda root: _read_mnist("mnist", root / "MNIST"),
    ),
    "fashion-mnist": PublishedSet(
        "articles of clothing, 60,000 + 10,000 grey images of 28x28, 10 classes",
        lambda: _mnist_files("FashionMNIST"),
        _fetch_parts(datasets.FashionMNIST),
        lambda root: _read_mnist("fashion-mnist", root / "FashionMNIST"),
    ),
    "svhn": PublishedSet(
        "house numbers, 73,257 + 26,032 colour images of 32x32, 10 classes",
        _svhn_files,
        _fetch_svhn,
        _read_svhn,
        by_md5=True,
    ),
    "cifar10": PublishedSet(
        "animals and vehicles, 50,000 + 10,000 colour images of 32x32, 10 classes",
        lambda: _cifar_files(datasets.CIFAR10),
        _fetch_parts(datasets.CIFAR10),
        lambda root: _read_cifar(datasets.CIFAR10, "labels", "label_names", root),
    ),
    "cifar100": PublishedSet(
        "animals, plants and things, 50,000 + 10,000 colour images of 32x32, 100 classes",
        lambda: _cifar_files(datasets.CIFAR100),
        _fetch_parts(datasets.CIFAR100),
        lambda root: _read_cifar(datasets.CIFAR100, "fine_labels", "fine_label_names", root),
    ),
}
