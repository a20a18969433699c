"""What tests of files of arrays share: writing the same arrays into each kind of file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io


def write_arrays(path: Path, content: dict[str, Any]) -> Path:
    """The arrays in the kind of file that the name ends in."""
    if path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {name: _cells(np.asarray(value)) for name, value in content.items()})
    else:
        with h5py.File(path, "w") as file:
            for name, value in content.items():
                array = np.asarray(value)
                file[name] = array.astype(h5py.string_dtype()) if array.dtype.kind == "U" else array
    return path


def _cells(array: np.ndarray) -> np.ndarray:
    return array.astype(object) if array.dtype.kind == "U" else array
