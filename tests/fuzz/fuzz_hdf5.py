"""HDF5 files of arrays, with what may be wrong in them: links, virtual datasets, external storage, sizes, types."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
from fuzz_mutations import HOSTILE_TEXTS

Arrays = Mapping[str, np.ndarray]
MAT_HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"


def hdf5_bytes(
    arrays: Arrays, random: Random, secret: Path, *, mat: bool, broken: int, attributes: Mapping[str, Any] | None = None
) -> bytes:
    """A file of these arrays with so many of them, or of other nodes, replaced by something else."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512 if mat else 0) as file:
        for name, array in arrays.items():
            file.create_dataset(
                name, data=array.T if mat else array, **random.choice(_STORAGE[: 1 if array.ndim == 0 else 4])
            )
        for _ in range(broken):
            name = random.choice([*arrays, "other", "test_images", "class_names"])
            random.choice(_NODES)(file, name, random, secret)
        for name, value in (attributes or {}).items():
            _put_attribute(file, name, value)
    data = buffer.getvalue()
    return MAT_HEADER.ljust(512, b"\0") + data[512:] if mat else data


def _put_attribute(file: h5py.File, name: str, value: Any) -> None:
    try:
        file.attrs[name] = np.bytes_(value.encode(errors="surrogatepass")) if isinstance(value, str) else value
    except (OSError, ValueError, TypeError, RuntimeError, OverflowError):  # HDF5 cannot hold it there: another hostile value
        file.attrs[name] = b"\xff"


_STORAGE: tuple[dict[str, Any], ...] = ({}, {"compression": "gzip"}, {"shuffle": True, "chunks": True}, {"fletcher32": True})


def _free(file: h5py.File, name: str) -> str:
    if file.get(name, getlink=True) is not None:  # `in` does not see a link that leads nowhere
        del file[name]
    return name


def _is_here(file: h5py.File, name: str) -> bool:
    """Whether a name stands for something in the file itself; a link may lead nowhere."""
    return isinstance(file.get(name, getlink=True), h5py.HardLink)


def _soft(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    file[_free(file, name)] = h5py.SoftLink(random.choice(["/" + name, "/nowhere", "/", "/y", "/labels"]))


def _external_link(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    file[_free(file, name)] = h5py.ExternalLink(str(secret / "secret.h5"), random.choice(["images", "labels", "/"]))


def _external_storage(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    shape = random.choice([(6, 8, 8), (6,), (192, 6)])
    size = int(np.prod(shape))
    where = [(str(secret / "secret.bin"), 0, size)]
    file.create_dataset(_free(file, name), shape, "u1", external=where)


def _virtual(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    layout = h5py.VirtualLayout((6, 8, 8), "u1")
    source = random.choice([str(secret / "secret.h5"), ".", "nowhere.h5"])
    layout[:] = h5py.VirtualSource(source, name if source == "." else "images", (6, 8, 8))
    file.create_virtual_dataset(_free(file, name), layout, fillvalue=0)


def _huge(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    shape = random.choice([(10**9, 28, 28), (2**40,), (10**5, 10**5), (2000, 1000, 1000), (10**7, 64)])
    file.create_dataset(_free(file, name), shape, random.choice(["u1", "f8"]), chunks=True, fillvalue=random.choice([0, 1]))


def _bomb(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    """Many bytes of one value, honestly there, in a small file."""
    file.create_dataset(
        _free(file, name), data=np.zeros((6000, 100, 100), "u1"), compression="gzip", chunks=(6000, 100, 100)
    )


def _odd_type(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    texts = h5py.string_dtype()
    choices: list[tuple[Any, Any]] = [
        (np.array(list(HOSTILE_TEXTS[4:8]), object), texts),
        (np.array([b"\xff\xfe", b"caf\xe9"]), "S4"),
        (np.zeros(6, [("a", "f4"), ("b", "i4")]), None),
        (np.array(["x" * 100_000], object), texts),
        (np.zeros(6, "c16"), None),
        (np.array([1.0, np.nan, np.inf, -np.inf, 1e300, 0]), None),
        (np.zeros((6, 8, 8), "f2"), None),
        (np.zeros(6, bool), None),
        (np.zeros((0, 8, 8), "u1"), None),
        (h5py.Empty("f4"), None),
        (np.uint8(3), None),
        (np.full(6, 2**63, "u8"), None),
        (np.zeros((6, 2), "V5"), None),
    ]
    data, dtype = random.choice(choices)
    file.create_dataset(_free(file, name), data=data, dtype=dtype)


def _group(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    group = file.create_group(_free(file, name))
    for inner in ("data", "ir", "jc"):
        group[inner] = np.array([0, 2**40, -1][: random.randint(1, 3)])
    group.attrs["MATLAB_sparse"] = np.uint64(random.choice([0, 192, 2**40]))


def _references(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    target = next((there for there in map(str, file) if _is_here(file, there)), "/")
    reference = file[target].ref
    references = random.random() < 0.5
    kind = h5py.ref_dtype if references else h5py.vlen_dtype(np.dtype("u1"))
    made = file.create_dataset(_free(file, name), (6,), kind)
    made[0] = reference if references else np.arange(3, dtype="u1")


def _loop(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    file[_free(file, name)] = file["/"]


def _odd_name(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    odd = b"group" + random.choice([b"caf\xe9", b"\x1b[2J", b"..", b"a" * 60_000, "e\u0301".encode()])
    if not file.id.links.exists(odd):  # `in` cannot ask for a name that is not UTF-8
        file[odd] = np.arange(3)


def _attributes(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    found = file[name] if _is_here(file, name) and random.random() < 0.5 else None
    at: Any = file if found is None else found
    at.attrs[random.choice(["MATLAB_class", "format_version", "MATLAB_empty", "x"])] = random.choice(
        [b"double", b"\xff", "\x1b[1m", 1, np.zeros(9), h5py.Empty("f4")]
    )


def _missing(file: h5py.File, name: str, random: Random, secret: Path) -> None:
    _free(file, name)


_NODES: tuple[Callable[[h5py.File, str, Random, Path], None], ...] = (
    *(_soft, _external_link, _external_storage, _virtual, _huge, _bomb, _odd_type, _odd_type, _group, _references),
    *(_loop, _odd_name, _attributes, _missing),
)
