"""HDF5 files of unknown origin: only what lies in the file itself is read, and no more than it can honestly hold.

An HDF5 file can name other files (external links, virtual datasets, external storage), name itself in circles, and state
any size. So only datasets behind hard links are read, stored in the file, of plain types, and written whole.
"""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5l, h5o  # pyright: ignore[reportAttributeAccessIssue] - compiled

from condense.errors import CondenseError, shortened
from condense.sizes import check_honest, largest_honest

MOST_MEMBERS = 10_000
"""Groups and datasets that are looked at in a file."""
_STORED = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
_TEXTS_AT_ONCE = 1024
_LARGEST_ATTRIBUTE = 2**24


@dataclass(frozen=True)
class Entry:
    """A member of a file: its shape (None for what is no array), its type as text, and why it cannot be read, if so."""

    shape: tuple[int, ...] | None
    kind: str
    problem: str | None = None


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, for reading. Raises `CondenseError` where it is no regular file, may not be read, or is open for writing
    elsewhere, and `OSError` where it is damaged or no HDF5 file.
    """
    if not path.is_file():
        raise CondenseError(f"{path}: is no file that can be read.")
    try:
        file = h5py.File(path, "r")
    except PermissionError as error:
        raise CondenseError(f"{path}: cannot be read ({error.strerror or 'no permission'}).") from error
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES) or "unable to lock" in str(error):
            raise CondenseError(
                f"{path}: is locked, as another program has it open for writing; close it there first."
            ) from error
        if "already open for write" in str(error):
            raise CondenseError(
                f"{path}: was left open by a program that was writing it; where that has ended, h5clear -s frees the file."
            ) from error
        raise
    with file:
        yield file


def entries(file: h5py.File, *, nested: bool = True) -> dict[str, Entry]:
    """Every member by its path ('images', 'train/images'), without following any link. Groups are members only where
    `nested` is false; else their members are.
    """
    found: dict[str, Entry] = {}
    groups: list[tuple[str, h5py.h5g.GroupID]] = [("", file.id)]
    seen = set()
    while groups:
        prefix, group = groups.pop()
        info = h5o.get_info(group)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        if len(found) + len(seen) + group.get_num_objs() > MOST_MEMBERS:
            raise CondenseError(f"{_name(file)}: has more than {MOST_MEMBERS:,} members, so it is not looked through.")
        for raw in list(group):
            name = prefix + raw.decode(errors="replace")
            if group.links.get_info(raw).type != h5l.TYPE_HARD:
                found[name] = Entry(None, "link", "is a link, and links are not followed")
                continue
            member = h5o.open(group, raw)
            if isinstance(member, h5py.h5g.GroupID):
                if nested:
                    groups.append((name + "/", member))
                else:
                    found[name] = Entry(None, "group", "is a group")
            elif isinstance(member, h5py.h5d.DatasetID):
                found[name] = _entry(member)
            else:
                found[name] = Entry(None, "type", "is a type")
    return found


def read(file: h5py.File, name: str) -> np.ndarray:
    """The dataset at a path. Raises `CondenseError` for one that is not plain, not whole, or states a size that its file
    cannot hold, and `KeyError` where there is none.
    """
    group: h5py.h5g.GroupID = file.id
    *parents, last = name.split("/")
    for parent in parents:
        group = _member(file, group, parent, h5py.h5g.GroupID, name)
    found = _member(file, group, last, h5py.h5d.DatasetID, name)
    entry = _entry(found)
    if entry.problem:
        raise CondenseError(f"{_name(file)}: {name} {entry.problem}; only arrays that lie in the file itself are read.")
    _check_size(file, found, name)
    dataset = h5py.Dataset(found)
    return _texts(file, dataset, name) if found.dtype.kind == "O" else dataset[()]


def as_str(text: object, where: str) -> str:
    """A text as stored. Raises `CondenseError` for bytes that are not UTF-8, as different ones would become the same text;
    where: what holds it.
    """
    try:
        return text.decode() if isinstance(text, bytes) else str(text)
    except UnicodeDecodeError as error:
        raise CondenseError(f"{where} holds a text that is not UTF-8 ({shortened(text)}); store it as UTF-8.") from error


def attribute(file: h5py.File, name: str) -> object:
    """An attribute of the file: a number, a text, or an array of those. Raises `CondenseError` for other kinds, `KeyError`
    where there is none.
    """
    if name not in file.attrs:
        raise KeyError(f"there is no attribute {name}")
    return _attribute(file, file, name)


def dataset_attribute(file: h5py.File, dataset: str, name: str) -> object:
    """An attribute of a plain dataset at the top of the file, as `attribute` gives it; None where there is none."""
    node = h5py.Dataset(_member(file, file.id, dataset, h5py.h5d.DatasetID, dataset))
    return _attribute(file, node, name) if name in node.attrs else None


def _attribute(file: h5py.File, node: h5py.File | h5py.Dataset, name: str) -> object:
    stored = h5py.h5a.open(node.id, name.encode())
    plain = stored.dtype.kind in "iufSb" or (h5py.check_string_dtype(stored.dtype) and stored.get_space().shape == ())
    if not plain or math.prod(stored.shape) * stored.dtype.itemsize > min(_size(file), _LARGEST_ATTRIBUTE):
        raise CondenseError(f"{_name(file)}: the attribute {name} is neither a number nor a text, or larger than the file.")
    return node.attrs[name]


def _name(file: h5py.File) -> Path:
    return Path(file.filename)


def _size(file: h5py.File) -> int:
    return _name(file).stat().st_size


def _member(file: h5py.File, group: h5py.h5g.GroupID, name: str, kind: type, whole: str) -> h5py.h5d.DatasetID:
    raw = name.encode()
    if not group.links.exists(raw):
        raise KeyError(f"there is no {whole}")
    if group.links.get_info(raw).type != h5l.TYPE_HARD:
        raise CondenseError(f"{_name(file)}: {whole} is a link, and links are not followed; store the array itself.")
    member = h5o.open(group, raw)
    if not isinstance(member, kind):
        raise TypeError(f"{whole} is no array")
    return member


def _entry(dataset: h5py.h5d.DatasetID) -> Entry:
    """What can be said of a dataset before anything is read. The shape of a virtual one is not asked for: that would open
    the files it names.
    """
    settings = dataset.get_create_plist()
    if settings.get_layout() not in _STORED:
        return Entry(None, "virtual", "is a virtual dataset, which names other files")
    if settings.get_external_count():
        return Entry(None, "external", "is stored in another file")
    try:
        kind = dataset.dtype
    except TypeError:
        return Entry(None, "unknown type", "has a type that NumPy does not know")
    if dataset.get_space().get_simple_extent_type() != h5py.h5s.SIMPLE and dataset.get_space().shape != ():
        return Entry(None, "empty", "is empty")
    text = bool(h5py.check_string_dtype(kind))
    if not text and kind.kind not in "biuf":
        return Entry(dataset.shape, str(kind)[:80], "holds neither numbers nor texts")
    return Entry(dataset.shape, "text" if text else str(kind))


def _check_size(file: h5py.File, dataset: h5py.h5d.DatasetID, name: str) -> None:
    """Raises `CondenseError` unless the dataset is written whole and its size is one its file can hold."""
    stated, stored, size = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.get_storage_size(), _size(file)
    settings = dataset.get_create_plist()
    chunked = settings.get_layout() == h5py.h5d.CHUNKED
    chunks = (
        math.prod(-(-side // of) for side, of in zip(dataset.shape, settings.get_chunk(), strict=True)) if chunked else 0
    )
    where = f"{_name(file)}: {name}"
    if stored > size or (not settings.get_nfilters() and stated > size):
        raise CondenseError(f"{where} is stated to be larger than the file.")
    check_honest(stated, size, where)
    if chunked:
        check_honest(math.prod(settings.get_chunk()) * dataset.dtype.itemsize, size, where)
    written = dataset.get_num_chunks() == chunks if chunked else stored >= stated
    if not written:
        raise CondenseError(f"{where} was not written whole, so that what is missing would be read as zeros.")


def _texts(file: h5py.File, dataset: h5py.Dataset, name: str) -> np.ndarray:
    """Texts of any length, a few rows at a time: a small file can state one long text many times over."""
    size, where = _size(file), f"{_name(file)}: {name}"
    rows, in_a_row = (dataset.shape[0], math.prod(dataset.shape[1:])) if dataset.shape else (1, 1)
    step = max(1, min(_TEXTS_AT_ONCE, largest_honest(0) // max(size * in_a_row, 1)))
    texts, total = [], 0
    for start in range(0, rows, step):
        some = np.ravel(dataset[start : start + step] if dataset.shape else dataset[()]).tolist()
        total += sum(map(len, some))
        check_honest(total, size, where)
        texts += [as_str(text, where) for text in some]
    return np.array(texts, dtype=object).reshape(dataset.shape)
