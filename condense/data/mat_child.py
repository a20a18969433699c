"""Reads a MATLAB file (v4 to v7) in a process of its own, as SciPy's reader can be made to crash, or to take all memory.

Run as a script, `mat_child.py FILE LIMIT`; it imports nothing of condense, so it starts quickly. To standard output goes a
line of JSON, either {"problem": text} or {"entries": {name: [shape, kind, problem]}, "arrays": [names]}, then each of these
arrays in NumPy's format. Arrays have the type they have in MATLAB (logical: bool); sparse ones are filled up; text is
unicode. More than LIMIT bytes altogether are not read.
"""

import json
import math
import sys
import warnings
from typing import Any, BinaryIO

import numpy as np
import scipy.io
import scipy.sparse

BYTES = {"single": 4, "logical": 1, "char": 4} | {f"{sign}int{8 * n}": n for sign in ("", "u") for n in (1, 2, 4)}
"""Bytes of a value of MATLAB's classes; 8 of all others."""
HEADROOM = 2**30
"""Address space beyond what the process has and the limit, for SciPy's copies and libraries' own."""
LONGEST = 600
"""Seconds of computing after which a reader does not end any more."""


class Refused(Exception):
    """A file that will not be read; the message says why."""


def main(path: str, limit: int, out: BinaryIO) -> None:
    """Writes what is in the file to `out`, in the form that the module's docstring states."""
    try:
        _limit_memory(3 * limit + HEADROOM)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entries, arrays = _contents(path, limit)
    except Refused as error:
        out.write(json.dumps({"problem": str(error)}).encode() + b"\n")
        return
    except MemoryError:
        out.write(json.dumps({"problem": "needs more memory than a file of its size can honestly ask for"}).encode() + b"\n")
        return
    except Exception as error:  # SciPy raises many kinds for damaged or foreign bytes
        text = f"cannot be read as a MATLAB file; damaged or of another kind ({str(error)[:80] or type(error).__name__})"
        out.write(json.dumps({"problem": text}).encode() + b"\n")
        return
    out.write(json.dumps({"entries": entries, "arrays": list(arrays)}).encode() + b"\n")
    for array in arrays.values():
        np.lib.format.write_array(out, array, allow_pickle=False)
    out.flush()


def _limit_memory(beyond: int) -> None:
    """Where the system can: no more address space than the process has now and `beyond`, and no endless loop."""
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = now + beyond
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST if hard < 0 else min(LONGEST, hard), hard))


def _contents(path: str, limit: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    stated = scipy.io.whosmat(path)
    total = sum(math.prod(map(int, shape)) * BYTES.get(kind, 8) for _, shape, kind in stated if kind != "sparse")
    if total > limit or any(min(map(int, shape), default=0) < 0 for _, shape, _ in stated):
        raise Refused(f"would expand to {total:,} bytes; so much is not believed of a file of its size")
    loaded = scipy.io.loadmat(path, mat_dtype=True)
    entries, arrays = {}, {}
    for name, value in ((name, value) for name, value in loaded.items() if not name.startswith("__")):
        plain, kind, problem = _plain(name, value, limit)
        entries[name] = [list(map(int, np.shape(value))), kind, problem]
        if plain is not None:
            arrays[name] = plain
    return entries, arrays


def _plain(name: str, value: Any, limit: int) -> tuple[np.ndarray | None, str, str | None]:
    """(The array or None, its type, why it cannot be read)."""
    if scipy.sparse.issparse(value):
        return _filled(name, value, limit), f"sparse {value.dtype}", None
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        return array, str(array.dtype), None
    if array.dtype.kind == "U":
        return array, "text", None
    if array.dtype.kind == "O" and array.dtype.names is None and array.size:
        texts = [cell.item() if isinstance(cell, np.ndarray) and cell.size == 1 else cell for cell in array.ravel()]
        if all(isinstance(text, str) for text in texts):
            return np.array(texts, dtype=str).reshape(array.shape), "text", None
        return None, "cell", "is a cell array of other things than texts"
    if array.dtype.names:
        return None, "struct", "is a struct, and structs are not read; save its fields as variables of their own"
    return None, str(array.dtype)[:80], "holds neither numbers nor texts"


def _filled(name: str, value: Any, limit: int) -> np.ndarray:
    """A sparse matrix as an array, once every index is known to lie inside: SciPy's conversion does not look."""
    rows, columns = map(int, value.shape)
    if rows * columns * value.dtype.itemsize > limit:
        raise Refused(
            f"{name} is a sparse matrix of {rows:,} x {columns:,}, too large to be filled up from a file of its size"
        )
    matrix = value if value.format == "coo" else None
    if matrix is not None:
        first, second, data = matrix.row, matrix.col, matrix.data
        inside = len(first) == len(second) == len(data)
        inside = inside and bool(((first >= 0) & (first < rows) & (second >= 0) & (second < columns)).all())
    else:
        pointers, first, data = value.indptr, value.indices, value.data
        major, minor = (columns, rows) if value.format == "csc" else (rows, columns)
        inside = len(pointers) == major + 1 and pointers[0] == 0 and bool((np.diff(pointers) >= 0).all())
        inside = inside and pointers[-1] <= min(len(first), len(data))
        first = first[: pointers[-1]] if inside else first
        inside = inside and bool(((first >= 0) & (first < minor)).all())
    if not inside:
        raise Refused(f"{name} is a sparse matrix with entries outside its shape; the file is damaged")
    return value.toarray()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.stdout.buffer)
