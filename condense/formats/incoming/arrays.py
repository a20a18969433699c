"""Files of named arrays: PyTorch dictionaries, NumPy's .npz, safetensors. What an array is, its name says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condense.data.npz import open_npz
from condense.data.source import check_regular, described
from condense.errors import CondenseError, shortened
from condense.formats.described import ARRAYS as OWN_ARRAYS
from condense.formats.described import KEY, set_of
from condense.formats.incoming.flags import Stated
from condense.formats.incoming.foreign import Foreign, Format, Given
from condense.formats.incoming.torch_files import TORCH_SUFFIXES, is_plain, load_torch, plain
from condense.hdf5 import Entry
from condense.preprocessing import ZCA

ROLES = {
    "images": ("images", "image", "imgs", "data", "x", "image_syn", "images_syn", "image_tensor", "pixels"),
    "labels": ("labels", "label", "targets", "target", "y", "label_syn", "labels_syn", "soft_labels", "hard_labels"),
    "learning_rate": ("learning_rate", "lr", "rate", "syn_lr"),
    "mean": ("whitening_mean", "zca_mean"),
    "matrix": ("whitening_matrix", "zca_matrix"),
}
"""Names of arrays, in any case, by what they are."""
_NEEDED = ("images", "labels")


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays of a file by name, each read when it is asked for.

    text: what condense wrote beside them of a set of its own, None in files of other programs.
    """

    path: Path
    entries: Mapping[str, Entry]
    read: Callable[[str], Tensor]
    text: str | None = None

    def roles(self) -> dict[str, str]:
        """The name of the array of each role that is there. Raises `CondenseError` where two have one role."""
        found: dict[str, str] = {}
        for role, names in ROLES.items():
            own = [name for name in self.entries if name.lower() in names]
            if len(own) > 1:
                raise self.refusal(f"{own[0]} and {own[1]} could both be its {role.replace('_', ' ')}.")
            found |= {role: own[0]} if own else {}
        return found

    def refusal(self, sentence: str) -> CondenseError:
        """An error about the file that ends with what it holds."""
        return CondenseError(f"{shortened(self.path)}: {sentence} It holds {described(self.entries) or 'nothing'}.")

    def scalar(self, name: str) -> float:
        """One number. Raises `CondenseError` for more."""
        found = self.read(name)
        if found.numel() != 1:
            raise self.refusal(f"{name} is no learning rate, which is one number.")
        return float(found.reshape(()).item())


def opened_npz(path: Path) -> Arrays:
    """The arrays of an .npz archive. Raises `CondenseError` as `open_npz` does."""
    check_regular(path)
    source = open_npz(path)

    def read(name: str) -> Tensor:
        array = source.read(name)
        if array.dtype == object:
            raise source.refusal(f"{name} holds texts.")
        whole = array.dtype.kind == "u" and array.dtype.itemsize > 1
        return torch.from_numpy(np.ascontiguousarray(array.astype(np.int64) if whole else _native(array)))

    texts = KEY in source.entries and source.entries[KEY].kind == "text"
    text = str(source.read(KEY).item()) if texts and source.entries[KEY].shape == () else None
    return Arrays(path, source.entries, read, text)


def _native(array: Any) -> Any:
    """The array in this machine's order of bytes."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def opened_safetensors(path: Path) -> Arrays:
    """The arrays of a .safetensors file. Raises `CondenseError` where the library is missing or the file is damaged."""
    try:
        from safetensors import SafetensorError, safe_open  # pyright: ignore[reportMissingImports] - an extra
    except ImportError as error:
        raise CondenseError(
            f"{shortened(path)}: reading it needs the library safetensors, which is not installed: pip install "
            "'dataset-condensation[formats]'."
        ) from error
    check_regular(path)
    try:
        with safe_open(path, "pt") as file:
            names, text = list(file.keys()), (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise CondenseError(
            f"{shortened(path)}: cannot be read as a safetensors file; damaged ({shortened(str(error))})."
        ) from error
    return of_tensors(path, tensors, text)


def opened_torch(path: Path, content: object) -> Arrays:
    """The tensors and numbers of a dictionary in a PyTorch file."""
    named = {name: value for name, value in content.items() if isinstance(name, str)} if isinstance(content, dict) else {}
    numbers = {
        name: torch.tensor(float(value))
        for name, value in named.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return of_tensors(path, {name: value for name, value in named.items() if is_plain(value)} | numbers)


def of_tensors(path: Path, tensors: Mapping[str, Tensor], text: str | None = None) -> Arrays:
    """Tensors of a file as its arrays."""
    entries = {name: Entry(tuple(one.shape), str(one.dtype).removeprefix("torch.")) for name, one in tensors.items()}
    return Arrays(path, entries, lambda name: plain(tensors[name]), text)


def opened(path: Path) -> Arrays:
    """The arrays of a file of any of these kinds. Raises `CondenseError` for another one."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return opened_npz(path)
    if suffix == ".safetensors":
        return opened_safetensors(path)
    if suffix in TORCH_SUFFIXES:
        return opened_torch(path, load_torch(path))
    raise CondenseError(f"{shortened(path)}: arrays are read from .pt, .npz and .safetensors files.")


def _foreign(given: Given, name: str, arrays: Arrays) -> list[Foreign]:
    if arrays.text is not None:
        own = {known: arrays.read(known) for known in OWN_ARRAYS if known in arrays.entries}
        whole = set_of(own, arrays.text, shortened(arrays.path))
        return [Foreign(name, whole.images, whole.labels, given.name, (given.path,), whole=whole)]
    roles = arrays.roles()
    missing = [role for role in _NEEDED if role not in roles]
    if missing:
        wanted = " and ".join(f"{role} ({', '.join(ROLES[role][:5])}, ...)" for role in missing)
        raise arrays.refusal(f"has no array that is called as {wanted}.")
    if ("mean" in roles) != ("matrix" in roles):
        raise arrays.refusal("a whitening is a mean and a matrix, and it has one of them.")
    whitening, evidence = None, None
    if "matrix" in roles:
        whitening = ZCA(*(arrays.read(roles[role]).float() for role in ("mean", "matrix")))
        evidence = f"{roles['matrix']} is in the file"
    return [
        Foreign(
            name,
            arrays.read(roles["images"]),
            arrays.read(roles["labels"]),
            given.name,
            (given.path,),
            space=None if whitening is None else "whitened",
            learning_rate=arrays.scalar(roles["learning_rate"]) if "learning_rate" in roles else None,
            whitening=whitening,
            evidence=evidence,
        )
    ]


def _has(given: Given, suffix: str) -> bool:
    return given.path.is_file() and given.path.suffix.lower() == suffix


def _recognises_dictionary(given: Given) -> bool:
    content = given.torch
    return isinstance(content, dict) and {"images", "labels"} <= _roles_in(content)


def _roles_in(content: dict[Any, Any]) -> set[str]:
    """Which roles tensors of a dictionary have."""
    names = {str(name).lower() for name, value in content.items() if is_plain(value)}
    return {role for role, known in ROLES.items() if names & {*known}}


def _read_dictionary(given: Given, stated: Stated) -> list[Foreign]:
    return _foreign(given, "arrays", opened_torch(given.path, given.torch))


def _read_npz(given: Given, stated: Stated) -> list[Foreign]:
    return _foreign(given, "npz", opened_npz(given.path))


def _read_safetensors(given: Given, stated: Stated) -> list[Foreign]:
    return _foreign(given, "safetensors", opened_safetensors(given.path))


ARRAYS = Format("arrays", _recognises_dictionary, _read_dictionary)
NPZ = Format("npz", lambda given: _has(given, ".npz"), _read_npz)
SAFETENSORS = Format("safetensors", lambda given: _has(given, ".safetensors"), _read_safetensors)
