"""The HDF5 file of a synthetic set: arrays and attributes in and out. Format: docs/artifact-format.md.

What the parts mean, and whether they fit together, `synthetic_set` knows. Nothing here needs PyTorch (`plain_set`).
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from condense import hdf5
from condense.errors import CondenseError, quoted
from condense.provenance import FIELDS, JSON_FIELDS

VERSIONS = (1, 2)
"""The formats that are read. Format 2 is that of sets with something that format 1 has no place for."""
EXTENSIONS = ("decoder", "preprocessing", "learning_rate")
"""What files of format 2 state besides, as JSON texts."""
WHITENED = "zca"
"""How a file states its preprocessing where it holds the arrays of a whitening."""
PER_CHANNEL = "per channel"
"""How a file states its preprocessing where that is a normalisation of each channel."""


@dataclass(frozen=True, eq=False)
class Stored:
    """The content of a file as plain values: its format version, arrays by name (of NumPy, as they are read, or tensors),
    attributes of the provenance by name, the extensions of format 2 by name, and the digest it states.
    """

    version: int
    arrays: dict[str, Any]
    provenance: dict[str, Any]
    extensions: dict[str, Any]
    sha256: Any

    def to_bytes(self) -> bytes:
        """The file; equal content gives equal bytes."""
        buffer = io.BytesIO()
        # From version 1.10 on HDF5 keeps a checksum of every part of the file but text of variable length, so all text has
        # a fixed length: a flipped byte anywhere is then found, or lies where nothing is stored.
        with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
            for name, array in self.arrays.items():
                file.create_dataset(name, data=np.asarray(array), fletcher32=True, track_times=False)
            head = {"format_version": self.version, "sha256": self.sha256}
            for name, value in (head | self.extensions | self.provenance).items():
                plain = json.dumps(value, sort_keys=True) if name in (*JSON_FIELDS, *EXTENSIONS) else value
                file.attrs[name] = _fixed_length(plain) if isinstance(plain, str) else plain
        return buffer.getvalue()


def read_file(path: Path) -> Stored:
    """Everything in a file, nothing of it believed but that it is whole.

    Raises `CondenseError` for a file that is missing, truncated, damaged, not ours, or of a newer format.
    """
    if not os.path.isfile(path):
        raise CondenseError(f"There is no synthetic set at {path}.")
    if not h5py.is_hdf5(path):
        raise CondenseError(f"{path} is not an HDF5 file, so it is no synthetic set of condense.")
    try:
        with hdf5.opened(path) as file:
            version = _version(file, path)
            attributes = _attributes(file, path, version)
            extensions = {name: attributes.pop(name) for name in EXTENSIONS if name in attributes}
            whitened = extensions.get("preprocessing") == WHITENED
            names = ("images", "labels", *(("whitening_mean", "whitening_matrix") if whitened else ()))
            arrays = {name: _array(file, name, path) for name in names}
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CondenseError(f"{path} is damaged or not a synthetic set of condense: {_first_line(error)}.") from error
    return Stored(version, arrays, attributes, extensions, attributes.pop("sha256"))


def identity_of(
    version: int, arrays: Mapping[str, np.ndarray], provenance: Mapping[str, Any], extensions: Mapping[str, Any]
) -> str:
    """The SHA-256 of what networks are trained on (`SyntheticSet.sha256`).

    provenance, extensions: by name, as `Stored` has them; of the former class names, images per class, mean and std count.
    """
    if version == 1:
        return _identity_of_format_1(arrays["images"], arrays["labels"], provenance)
    stated: dict[str, Any] = {name: [_type(array), *array.shape] for name, array in arrays.items()} | dict(extensions)
    if extensions["preprocessing"] != WHITENED:
        stated |= {name: [*map(float, provenance[name])] for name in ("mean", "std")}
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True, separators=(",", ":")).encode())
    for array in arrays.values():
        digest.update(_bytes_of(array))
    return digest.hexdigest()


def _identity_of_format_1(images: np.ndarray, labels: np.ndarray, provenance: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(_bytes_of(images))
    usual = np.arange(len(provenance["class_names"])).repeat(provenance["images_per_class"])
    if labels.dtype.kind == "f" or not np.array_equal(labels, usual):
        digest.update(f"{_type(labels)} {labels.shape}".encode())
        digest.update(_bytes_of(labels))
    return digest.hexdigest()


def _type(array: np.ndarray) -> str:
    """As PyTorch calls it: identities were first made so."""
    return f"torch.{array.dtype.name}"


def _bytes_of(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, dtype="<f4" if array.dtype.kind == "f" else "<i8").tobytes()


def _fixed_length(text: str) -> np.ndarray:
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def _array(file: h5py.File, name: str, path: Path) -> np.ndarray:
    found = np.asarray(hdf5.read(file, name))
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8 or not found.dtype.isnative:
        raise TypeError(f"{name} has the type {found.dtype}")
    if found.nbytes > path.stat().st_size:  # sets are not compressed
        raise ValueError(f"{name} is stated to be larger than the file")
    return found


def _version(file: h5py.File, path: Path) -> int:
    if "format_version" not in file.attrs:
        raise CondenseError(f"{path} is not a synthetic set of condense: it has no format_version.")
    version = _plain(hdf5.attribute(file, "format_version"))
    if type(version) is int and version > max(VERSIONS):
        raise CondenseError(
            f"{path} was written by a newer condense: it has format version {version}, and this one reads versions up to "
            f"{max(VERSIONS)}."
        )
    if type(version) is not int or version not in VERSIONS:
        raise CondenseError(f"{path} has format version {quoted(version)}; this condense reads versions 1 and 2.")
    return version


def _attributes(file: h5py.File, path: Path, version: int) -> dict[str, Any]:
    """Every attribute of the format, as plain Python values."""
    names = ["sha256", *(EXTENSIONS if version > 1 else ()), *FIELDS]
    missing = [name for name in names if name not in file.attrs]
    if missing:
        raise CondenseError(f"{path} is damaged: it has no {', '.join(missing)}.")
    values = {name: _plain(hdf5.attribute(file, name)) for name in names}
    return {name: json.loads(value) if name in (*JSON_FIELDS, *EXTENSIONS) else value for name, value in values.items()}


def _plain(value: Any) -> Any:
    """An attribute as Python has it; text, of fixed or variable length, as `str`."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return plain.decode() if isinstance(plain, bytes) else plain


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
