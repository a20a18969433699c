"""A folder of image files, a sub-folder for each class: headers first, then pixels, and all bad files told at once."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from condense.data.conversion import as_bytes, as_text
from condense.data.image_files import Header, Unsuitable, read_header, read_pixels
from condense.data.image_layout import Bad, Layout, Listed, find_layout
from condense.data.images import DataSet
from condense.data.paths import shown
from condense.data.reading import Reading
from condense.data.split import Part, every_fifth, join
from condense.errors import CondenseError, shortened
from condense.sizes import largest_honest

SHOWN = 10
"""Bad files that a message names."""
STORED = 100
"""Files left out that a set made from the others names."""
LOOKED_INTO = 50_000_000
"""Pixels that are decoded, within a second or two, to tell damaged files in the same message as sizes that differ."""


def load_folder(root: Path, reading: Reading) -> DataSet:
    """The data set of a folder in a layout of `find_layout`; without a split every fifth image of each class is for testing.

    Classes are numbered in the order of their names as text. PNG, JPEG, BMP or WebP, all of one size, or made so
    (`reading.image_size`); one channel when all are grey, else three; pixels by the rule of `as_bytes`. What
    `reading.skip_bad` leaves out is listed in `LabelledImages.reading`.
    Raises `CondenseError` naming up to ten bad files and how many there are: broken ones, those of another size or depth,
    transparent ones, files that are no images; and as `find_layout` and `as_bytes` do.
    """
    layout = find_layout(root)
    listings = [layout.train] if layout.test is None else [layout.train, layout.test]
    files = _Files(root, reading, sum(map(len, listings)) + len(layout.bad), list(layout.bad))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about metadata and large sizes: what matters is checked
        files.read([path for listing in listings for path, _ in listing])
    if files.bad and not reading.skip_bad:
        raise files.unsuitable(layout)
    remarks = [*layout.remarks, *_remarks(files)]
    stacked = [files.stacked(listing) for listing in listings]
    converted = as_bytes([pixels for pixels, _ in stacked], str(root), reading)
    parts = [
        Part(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.tensor(labels))
        for pixels, (_, labels) in zip(converted.arrays, stacked, strict=True)
    ]
    facts = _facts(files, converted.pixel_range, [*remarks, *converted.remarks])
    train, test = parts if layout.test is not None else every_fifth(parts[0], root, layout.classes)
    return join(f"{root.resolve().name}/", train, test, layout.classes, where=root, reading=facts)


@dataclass
class _Files:
    """What is known of the files of a folder: how many there are, which are bad, headers and pixels (H, W, C) of the others.

    unlike: of 'size' and 'bits' those that are not one for all; without_usual: those that are not even one for most.
    looked_into: whether pixels were decoded, and not headers alone.
    channels: 1 or 3 of every image that was read.
    """

    root: Path
    reading: Reading
    count: int
    bad: list[Bad]
    unlike: list[str] = field(default_factory=list)
    without_usual: list[str] = field(default_factory=list)
    looked_into: bool = False
    headers: dict[Path, Header] = field(default_factory=dict)
    pixels: dict[Path, np.ndarray] = field(default_factory=dict)
    channels: dict[Path, int] = field(default_factory=dict)

    def read(self, paths: Sequence[Path]) -> None:
        """Reads all but the bad ones; where sizes differ, and bad ones are not to be skipped, not much is decoded.

        Raises `CondenseError` where most would be skipped, and where the memory would not do.
        """
        side = self.reading.image_size
        self._take(self.headers, paths, read_header)
        for what in ("bits",) if side else ("size", "bits"):
            self._leave_out_unlike(what)
        _check_memory(self.root, self.headers, side)
        quick = sum(header.pixels for header in self.headers.values()) <= LOOKED_INTO
        self.looked_into = not self.unlike or self.reading.skip_bad or quick
        if self.looked_into:
            self._take(self.pixels, list(self.headers), lambda path: read_pixels(path, self.headers[path], side))
            self.channels = {path: pixels.shape[2] for path, pixels in self.pixels.items()}
            self.headers = {path: self.headers[path] for path in self.pixels}

    def stacked(self, listing: Sequence[Listed]) -> tuple[np.ndarray, list[int]]:
        """Pixels (N, H, W, C) and labels of the good ones; grey images among coloured ones get three equal channels."""
        used = [(path, label) for path, label in listing if path in self.pixels]
        if not used:
            raise CondenseError(
                f"{self.root}: no image is left of a part of it; the first bad one: {self.told(self.bad[0])}."
            )
        height, width, _ = self.pixels[used[0][0]].shape
        whole = np.empty((len(used), height, width, max(self.channels.values())), self.pixels[used[0][0]].dtype)
        for place, (path, _) in enumerate(used):
            whole[place] = self.pixels.pop(path)  # so that the images are in memory once
        return whole, [label for _, label in used]

    def name(self, path: Path) -> str:
        """A file as seen from the folder."""
        return shortened(path.relative_to(self.root), 60)

    def told(self, bad: Bad) -> str:
        """A bad file and what is wrong with it."""
        return f"{self.name(bad.path)}: {bad.why}"

    def _take(self, into: dict[Path, Any], paths: Sequence[Path], read: Callable[[Path], Any]) -> None:
        for path in paths:
            try:
                into[path] = read(path)
            except Unsuitable as error:
                self.bad.append(Bad(path, str(error)))

    def _leave_out_unlike(self, what: str) -> None:
        """Files whose size ('size') or bits a channel ('bits') are not the most frequent ones become bad."""
        found = {path: getattr(header, what) for path, header in self.headers.items()}
        if len(set(found.values())) < 2:
            return
        (usual, times), *_ = Counter(found.values()).most_common()
        self.unlike.append(what)
        if 2 * times <= len(found):
            self.without_usual.append(what)
            if self.reading.skip_bad:
                raise CondenseError(
                    f"{self.root}: no {_CALLED[what]} is that of more than half of the {len(found)} images, so --skip-bad "
                    f"would leave out most; {_MADE_ONE[what]}."
                )
        for path, own in found.items():
            if own != usual:
                self.bad.append(Bad(path, f"{_SAID[what].format(own)}, but {times} of {len(found)} are {usual}"))
                del self.headers[path]

    def unsuitable(self, layout: Layout) -> CondenseError:
        """The error that names the first bad files, counts them, and says what would help."""
        advice = self._advice(layout)
        if len(self.bad) == 1:
            return CondenseError(f"{shown(self.bad[0].path)}: {self.bad[0].why}. {advice}")
        return CondenseError(
            f"{self.root}: {len(self.bad)} of {self.count} files cannot be used: {self.first_bad}. {advice}"
        )

    @property
    def first_bad(self) -> str:
        """The first bad files, those together of which the same is wrong, and how many more there are."""
        groups: dict[str, list[str]] = {}
        for bad in self.bad[:SHOWN]:
            groups.setdefault(bad.why, []).append(self.name(bad.path))
        more = f"; and {len(self.bad) - SHOWN} more" if len(self.bad) > SHOWN else ""
        return "; ".join(f"{', '.join(names)}: {why}" for why, names in groups.items()) + more

    def _advice(self, layout: Layout) -> str:
        """What makes these files usable, and whether leaving them out would do."""
        made_one = [_MADE_ONE[what] for what in self.unlike]
        them = "such files" if len(self.bad) > 1 else "it"
        if (lacking := self._lacking(layout)) is not None:
            left = f"without {them} {lacking}"
        elif self.without_usual:
            left = f"--skip-bad would leave out most, as no {_CALLED[self.without_usual[0]]} is that of more than half"
        else:
            left = f"--skip-bad leaves {them} out"
        text = "; ".join([*made_one, left])
        unseen = "" if self.looked_into else f" The pixels of the other {len(self.headers)} were not looked at yet."
        return f"{text[0].upper()}{text[1:]}.{unseen}"

    def _lacking(self, layout: Layout) -> str | None:
        """What would be missing if the bad files were left out, as far as is known; None where nothing would."""
        bad = {one.path for one in self.bad}
        counts = Counter(label for path, label in layout.train if path not in bad)
        needed = 1 if layout.test is not None else 2
        for label, name in enumerate(layout.classes):
            if counts[label] < needed:
                few = "a single image" if counts[label] else "no image"
                return f"{few} of class {shortened(name)} is left{', and none to test on' if counts[label] else ''}"
        if layout.test is not None and all(path in bad for path, _ in layout.test):
            return "no test image is left"
        return None


_CALLED = {"size": "size", "bits": "number of bits a channel"}
_MADE_ONE = {"size": "--image-size N makes all images one size", "bits": "save all with the same number of bits a channel"}
_SAID = {"size": "is {}", "bits": "has {} bits a channel"}


def _check_memory(root: Path, headers: dict[Path, Header], side: int | None) -> None:
    """Raises `CondenseError` where the images would fill the memory, or grow as no pictures do."""
    needed = sum((side**2 if side else one.pixels) * (1 if one.is_grey else 3) * one.bits // 8 for one in headers.values())
    stored = sum(path.stat().st_size for path in headers)
    size = f"{root}: the {len(headers):,} images would take {needed / 1e9:.1f} GB in memory"
    if needed > largest_honest(stored) and not side:
        raise CondenseError(f"{size}, {needed // stored} times what they take as files; pictures do not shrink so much.")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None
    if memory is not None and 2 * needed > memory:  # twice, as they are sorted by class in the end
        raise CondenseError(f"{size}, of {memory / 1e9:.1f} GB that are here; --image-size N makes them smaller.")


def _facts(files: _Files, pixel_range: tuple[float, float], remarks: Sequence[str]) -> dict[str, Any]:
    """What sets made from these images store of how they were read; nothing where nothing was stated or assumed."""
    skipped = [files.told(bad) for bad in files.bad]
    facts = {
        "pixel_range": as_text(pixel_range) if remarks or files.reading.stated else None,
        "image_size": files.reading.image_size,
        "files_skipped": len(skipped),
        "skipped": skipped[:STORED],
        "remarks": list(remarks),
    }
    return {name: value for name, value in facts.items() if value}


def _remarks(files: _Files) -> list[str]:
    """One sentence on each thing that was assumed of some of the images."""
    headers, side = files.headers, files.reading.image_size
    coloured = 3 in files.channels.values()
    groups = {
        "turned upright, as their EXIF orientation says": [path for path, one in headers.items() if one.orientation > 1],
        "of several frames, of which the first was read": [path for path, one in headers.items() if one.frames > 1],
        "with a palette, read as its colours": [path for path, one in headers.items() if one.mode in ("P", "PA")],
        "converted from CMYK to RGB": [path for path, one in headers.items() if one.mode == "CMYK"],
        "grey among coloured ones, so given three equal channels": [
            path for path, channels in files.channels.items() if coloured and channels == 1
        ],
        f"whose central square was resized to {side}x{side} (bilinear, averaging)": [
            path for path, one in headers.items() if side and one.size != f"{side}x{side}"
        ],
        f"enlarged to {side}x{side}": [path for path, one in headers.items() if side and min(one.width, one.height) < side],
    }
    said = [
        f"images {what}: {len(paths)} of {len(headers)} (the first: {files.name(paths[0])})."
        for what, paths in groups.items()
        if paths
    ]
    if files.bad:
        said.append(f"files left out: {len(files.bad)} of {files.count} ({files.first_bad}).")
    return said
