"""Folders of image files: a sub-folder for each class, or Hugging Face's imagefolder with its table of labels."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condense.data.image_files import Unsuitable, read_header, read_pixels
from condense.data.image_layout import is_image_name
from condense.errors import CondenseError, quoted, shortened
from condense.formats.incoming.flags import Stated
from condense.formats.incoming.foreign import Foreign, Format, Given
from condense.texts import json_of

TABLES = ("metadata.csv", "metadata.jsonl")
_FILE, _LABELS, _SOFT = "file_name", ("label", "labels"), "probabilities"
_PARTS = ("train", "data")
"""Folders that may be all that the given one holds."""
MOST_IMAGES = 1_000_000


def _root(given: Given) -> Path:
    """The folder with the classes or the table: the one given, or the only one in it where that is called as a part."""
    folder = given.path
    within = _folders(folder)
    if _table(folder) is None and len(within) == 1 and within[0].name.casefold() in _PARTS:
        return within[0]
    return folder


def _table(folder: Path) -> Path | None:
    return next((path for name in TABLES if (path := folder / name).is_file()), None)


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, but for hidden entries."""
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _is_image(path: Path) -> bool:
    return is_image_name(path) and path.is_file()


def _recognises_folder(given: Given) -> bool:
    if not given.path.is_dir() or _table(_root(given)) is not None:
        return False
    return any(_is_image(path) for folder in _folders(_root(given)) for path in folder.iterdir())


def _recognises_huggingface(given: Given) -> bool:
    return given.path.is_dir() and _table(_root(given)) is not None


def _read_folder(given: Given, stated: Stated) -> list[Foreign]:
    """By name within a class, one class after another; labels are the names of their folders."""
    root, files, names = _root(given), list[Path](), list[str]()
    for folder in _folders(root):
        own = _visible(folder)
        strange = next((path for path in own if not _is_image(path)), None)
        if strange is not None:
            raise CondenseError(f"{shortened(strange)}: is no image; a class folder holds PNG, JPEG, BMP or WebP files.")
        files += own
        names += [folder.name] * len(own)
    stray = next((path for path in _visible(root) if _is_image(path)), None)
    if stray is not None:
        raise CondenseError(f"{shortened(stray)}: lies outside the folders of the classes.")
    return [_foreign("folder", given, files, (), names, unordered=True)]


def _read_huggingface(given: Given, stated: Stated) -> list[Foreign]:
    """In the order of the table."""
    root = _root(given)
    table = _table(root)
    if table is None:
        raise given.refusal(f"holds neither {' nor '.join(TABLES)}.")
    both = [name for name in TABLES if (root / name).is_file()]
    if len(both) > 1:
        raise given.refusal(f"holds {' and '.join(both)}; leave one of them.")
    rows = _rows(table)
    column = _column(table, rows)
    files = [_file_of(root, table, row) for row in rows]
    return [_foreign("huggingface", given, files, (table,), [row[column] for row in rows])]


def _rows(table: Path) -> list[dict[str, Any]]:
    """The rows of a table. Raises `CondenseError` for one that is none, or has no files."""
    data = table.read_bytes()
    if table.suffix == ".jsonl":
        lines = enumerate(data.splitlines(), 1)
        rows = [json_of(line, f"{shortened(table)}: line {number}") for number, line in lines if line.strip()]
    else:
        try:
            rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        except (UnicodeDecodeError, csv.Error) as error:
            raise CondenseError(f"{shortened(table)}: cannot be read as a table ({shortened(str(error))}).") from error
    wrong = next((row for row in rows if not isinstance(row, dict) or not isinstance(row.get(_FILE), str)), None)
    if not rows or len(rows) > MOST_IMAGES or wrong is not None:
        raise CondenseError(f"{shortened(table)}: every row, of which there must be some, names its image as {_FILE}.")
    return rows


def _column(table: Path, rows: Sequence[dict[str, Any]]) -> str:
    """What the column with the labels is called."""
    if all(row.get(_SOFT) is not None for row in rows):
        return _SOFT
    found = [name for name in _LABELS if all(row.get(name) is not None for row in rows)]
    if len(found) != 1:
        raise CondenseError(f"{shortened(table)}: every row needs a label, in one column that is called {_LABELS[0]}.")
    return found[0]


def _file_of(root: Path, table: Path, row: dict[str, Any]) -> Path:
    """The image of a row. Raises `CondenseError` for one outside of the folder."""
    name = row[_FILE]
    path = Path(os.path.normpath(root / name)) if "\0" not in name else root.parent
    if not path.is_relative_to(os.path.normpath(root)) or not path.resolve().is_relative_to(root.resolve()):
        raise CondenseError(f"{shortened(table)}: {quoted(name)} does not lie in the folder of the table.")
    if not _is_image(path):
        raise CondenseError(f"{shortened(table)}: there is no image {quoted(name)}.")
    return path


def _foreign(
    name: str, given: Given, files: Sequence[Path], tables: Sequence[Path], labels: Sequence[Any], *, unordered: bool = False
) -> Foreign:
    if not files:
        raise given.refusal("there are no images in it.")
    return Foreign(
        name,
        _pixels(files),
        _labels(given, labels),
        given.name,
        (*tables, *files),
        space="bytes",
        unordered=unordered,
        named=_named(labels),
    )


def _pixels(files: Sequence[Path]) -> Tensor:
    """uint8 (N, C, H, W) of image files. Raises `CondenseError`, naming the file, for sizes or depths that differ."""
    found = list[np.ndarray]()
    for path in files:
        try:
            header = read_header(path)
            if header.bits != 8:
                raise Unsuitable(f"has {header.bits} bits a channel, and sets are read with 8")
            pixels = read_pixels(path, header)
        except Unsuitable as error:
            raise CondenseError(f"{shortened(path)}: {error}.") from error
        if found and pixels.shape[:2] != found[0].shape[:2]:
            one, other = (f"{shape[1]}x{shape[0]}" for shape in (pixels.shape, found[0].shape))
            raise CondenseError(f"{shortened(path)}: is {one}, but {files[0].name} is {other}: a set has one size.")
        found.append(pixels)
    channels = max(pixels.shape[2] for pixels in found)  # grey ones among coloured ones get three equal channels
    whole = np.stack([np.broadcast_to(pixels, (*pixels.shape[:2], channels)) for pixels in found])
    return torch.from_numpy(whole).permute(0, 3, 1, 2).contiguous()


def _named(labels: Sequence[Any]) -> tuple[str, ...] | None:
    """Labels as texts, which names of classes or numbers are; None where they are numbers or lists."""
    return tuple(labels) if all(isinstance(label, str) for label in labels) else None


def _labels(given: Given, labels: Sequence[Any]) -> Tensor:
    """Whole numbers (N,) or floats (N, K); of texts, which are understood once the classes are known, zeros."""
    if _named(labels) is not None:
        return torch.zeros(len(labels), dtype=torch.int64)
    if all(isinstance(label, int) and not isinstance(label, bool) and abs(label) < 2**31 for label in labels):
        return torch.tensor(labels, dtype=torch.int64)
    soft = [label for label in labels if isinstance(label, list) and label and all(map(_is_number, label))]
    if len(soft) != len(labels) or len({len(label) for label in soft}) > 1:
        raise given.refusal("its labels must be all names, all whole numbers, or all lists of as many numbers.")
    return torch.tensor(soft, dtype=torch.float32)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


FOLDER = Format("folder", _recognises_folder, _read_folder)
HUGGINGFACE = Format("huggingface", _recognises_huggingface, _read_huggingface)
