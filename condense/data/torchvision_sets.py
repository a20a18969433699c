"""The published sets, through torchvision: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100, SVHN, with the usual normalisation."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from condense.data.download import download_into
from condense.data.idx import check_idx_pair
from condense.data.images import DataSet
from condense.data.split import Part, join
from condense.errors import CondenseError

Statistics = tuple[float, ...]
Splits = tuple[Part, Part, Sequence[str]]
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class PublishedSet:
    """One set: how it is described, the files it needs (path below the data root -> MD5 or None), and how it is read.

    read: (data root, download) -> train, test, class names, through torchvision's dataset class.
    """

    description: str
    mean: Statistics
    std: Statistics
    files: Callable[[], dict[str, str | None]]
    read: Callable[[Path, bool], Splits]


def data_roots(data_root: Path | None = None) -> list[Path]:
    """Where data are looked for, in this order: `data_root`, $CONDENSE_DATA, the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "condense"
    given = [data_root, os.environ.get("CONDENSE_DATA"), cache]
    return [Path(root).expanduser() for root in given if root]


def find(name: str, data_root: Path | None = None) -> Path | None:
    """The first data root that has any file of the set `name`, or None."""
    files = PUBLISHED_SETS[name].files()
    return next((root for root in data_roots(data_root) if any((root / file).exists() for file in files)), None)


def load_published(name: str, data_root: Path | None = None) -> DataSet:
    """The set `name` of `PUBLISHED_SETS`, read from the first data root that has it, else downloaded into the first one.

    Raises `CondenseError` when files are damaged or missing beside others (nothing is then deleted, replaced or
    downloaded), and when the download fails.
    """
    published = PUBLISHED_SETS[name]
    root = find(name, data_root)
    if root is None:
        root = data_roots(data_root)[0]
        download_into(root, name, list(published.files()), lambda folder: published.read(folder, True))
    _check_complete(name, root)
    try:
        train, test, class_names = published.read(root, False)
    except OSError as error:
        raise CondenseError(f"{error.filename or root}: cannot be read ({error.strerror or error}).") from error
    except RuntimeError as error:  # torchvision found a wrong MD5
        raise _damaged(name, root, published.files()) from error
    return join(name, train, test, class_names, where=name, mean=published.mean, std=published.std)


def _check_complete(name: str, root: Path) -> None:
    missing = [str(root / file) for file in PUBLISHED_SETS[name].files() if not (root / file).is_file()]
    if missing:
        raise CondenseError(
            f"The files of {name} in {root} are incomplete: {', '.join(missing)} missing. Add what is missing, or move "
            "the others away to have the set downloaded again."
        )


def _damaged(name: str, root: Path, files: dict[str, str | None]) -> CondenseError:
    bad = [str(root / file) for file, md5 in files.items() if not check_integrity(root / file, md5)]
    return CondenseError(
        f"{', '.join(bad) or root}: damaged, not the published {name}. Restore it, or move the files of {name} "
        "away to have them downloaded again."
    )


def _mnist_files(folder: str) -> dict[str, str | None]:
    kinds = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return {f"{folder}/raw/{kind}-ubyte": None for kind in kinds}


def _read_mnist(kind: type[datasets.MNIST], names: Sequence[str], root: Path, download: bool) -> Splits:
    parts = []
    for train, prefix in ((True, "train"), (False, "t10k")):
        if not download:
            check_idx_pair(root / kind.__name__ / "raw", prefix)
        data = kind(root, train=train, download=download)
        parts.append(Part(data.data[:, None], data.targets))
    return parts[0], parts[1], names


def _cifar_files(kind: type[datasets.CIFAR10]) -> dict[str, str | None]:
    files = [*kind.train_list, *kind.test_list, [kind.meta["filename"], kind.meta["md5"]]]
    return {f"{kind.base_folder}/{file}": md5 for file, md5 in files}


def _read_cifar(kind: type[datasets.CIFAR10], root: Path, download: bool) -> Splits:
    sets = [kind(root, train=train, download=download) for train in (True, False)]
    parts = [Part(torch.from_numpy(data.data).permute(0, 3, 1, 2), torch.tensor(data.targets)) for data in sets]
    return parts[0], parts[1], sets[0].classes


def _svhn_files() -> dict[str, str | None]:
    return {file: md5 for _, file, md5 in (datasets.SVHN.split_list[split] for split in ("train", "test"))}


def _read_svhn(root: Path, download: bool) -> Splits:
    sets = [datasets.SVHN(root, split=split, download=download) for split in ("train", "test")]
    parts = [Part(torch.from_numpy(data.data), torch.from_numpy(data.labels)) for data in sets]
    return parts[0], parts[1], DIGITS


PUBLISHED_SETS = {
    "mnist": PublishedSet(
        "handwritten digits, 60,000 + 10,000 grey images of 28x28, 10 classes",
        (0.1307,),
        (0.3081,),
        lambda: _mnist_files("MNIST"),
        lambda root, download: _read_mnist(datasets.MNIST, DIGITS, root, download),
    ),
    "fashion-mnist": PublishedSet(
        "articles of clothing, 60,000 + 10,000 grey images of 28x28, 10 classes",
        (0.2861,),
        (0.3530,),
        lambda: _mnist_files("FashionMNIST"),
        lambda root, download: _read_mnist(datasets.FashionMNIST, datasets.FashionMNIST.classes, root, download),
    ),
    "svhn": PublishedSet(
        "house numbers, 73,257 + 26,032 colour images of 32x32, 10 classes",
        (0.4377, 0.4438, 0.4728),
        (0.1980, 0.2010, 0.1970),
        _svhn_files,
        _read_svhn,
    ),
    "cifar10": PublishedSet(
        "animals and vehicles, 50,000 + 10,000 colour images of 32x32, 10 classes",
        (0.4914, 0.4822, 0.4465),
        (0.2023, 0.1994, 0.2010),
        lambda: _cifar_files(datasets.CIFAR10),
        lambda root, download: _read_cifar(datasets.CIFAR10, root, download),
    ),
    "cifar100": PublishedSet(
        "animals, plants and things, 50,000 + 10,000 colour images of 32x32, 100 classes",
        (0.5071, 0.4866, 0.4409),
        (0.2673, 0.2564, 0.2762),
        lambda: _cifar_files(datasets.CIFAR100),
        lambda root, download: _read_cifar(datasets.CIFAR100, root, download),
    ),
}
