"""Lists of PyTorch tensors: VICO's files of several sets, [images, labels], and IDC's data.pt."""

import re
from typing import Any

from torch import Tensor

from condense.formats.incoming.flags import Stated
from condense.formats.incoming.foreign import Foreign, Format, Given
from condense.formats.incoming.torch_files import is_plain, plain

_VICO_NAME = re.compile(r"res_(?P<method>[A-Za-z]+)_(?P<dataset>[A-Za-z0-9]+)_(?P<network>\w+?)_(?P<ipc>[0-9]{1,6})ipc")
_DATASETS = {
    "MNIST": "mnist",
    "FashionMNIST": "fashion-mnist",
    "SVHN": "svhn",
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
}
"""How VICO's files spell data sets."""
MOST_SETS = 1000
"""Sets that are read from one file."""


def _is_pair(value: Any) -> bool:
    """Whether a value is a list of two tensors, the first of images by its axes."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_plain, value))


def _recognises_vico(given: Given) -> bool:
    return isinstance(given.torch, dict) and isinstance(given.torch.get("data"), list)


def _read_vico(given: Given, stated: Stated) -> list[Foreign]:
    """Every [images, labels] under 'data'; what accuracies the file states beside is not used."""
    pairs = given.torch["data"]
    if not pairs or len(pairs) > MOST_SETS:
        raise given.refusal(f"holds {len(pairs):,} sets under 'data'; from 1 to {MOST_SETS:,} are read.")
    for number, pair in enumerate(pairs, 1):
        if not _is_pair(pair):
            raise given.refusal(f"set {number} under 'data' is not [images, labels], two tensors.")
    named = _VICO_NAME.match(given.path.name)
    says: dict[str, Any] = {}
    if named is not None:
        says = {
            "method": named["method"].lower(),
            "network": named["network"],
            "dataset": _DATASETS.get(named["dataset"], named["dataset"]),
            "images_per_class": int(named["ipc"]),
        }
    return [
        Foreign(
            "vico",
            *_tensors(given, images, labels),
            f"{given.name}, set {number} of {len(pairs)}" if len(pairs) > 1 else given.name,
            (given.path,),
            space="normalised",
            place=number - 1,
            **says,
        )
        for number, (images, labels) in enumerate(pairs, 1)
    ]


def _recognises_list(given: Given) -> bool:
    return _is_pair(given.torch)


def _read_pair(given: Given, stated: Stated) -> list[Foreign]:
    return [Foreign("pair", *_tensors(given, *given.torch), given.name, (given.path,))]


def _read_idc(given: Given, stated: Stated) -> list[Foreign]:
    tensors = _tensors(given, *given.torch)
    return [Foreign("idc", *tensors, given.name, (given.path,), space="unit", factor=None, method="idc")]


def _tensors(given: Given, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images and labels. Raises `CondenseError` where they stand the other way round."""
    if images.dim() <= 2 and labels.dim() >= 3:
        raise given.refusal(
            f"its first tensor is {tuple(images.shape)} and its second {tuple(labels.shape)}: labels stand before images; a "
            "list is [images, labels]."
        )
    return plain(images, given.path, "images"), plain(labels, given.path, "labels")


VICO = Format("vico", _recognises_vico, _read_vico)
PAIR = Format("pair", _recognises_list, _read_pair)
IDC = Format("idc", _recognises_list, _read_idc)
