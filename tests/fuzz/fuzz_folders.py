"""Folders: of image files, and of published sets as they lie in a data root."""

import io
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz_mutations import mutated_bytes
from PIL import Image

FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("L", "RGB", "I;16", "CMYK"),
}
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}


def picture(random: Random, side: tuple[int, int], form: str, mode: str) -> bytes:
    """An encoded image of random pixels, now and then with EXIF, transparency or more frames."""
    draw = np.random.default_rng(random.randrange(2**32))
    if mode == "I;16":
        image = Image.fromarray(draw.integers(0, random.choice([256, 4096, 65536]), side).astype("u2"))
    else:
        image = Image.fromarray(draw.integers(0, 256, (*side, 3)).astype("u1")).convert("L" if mode == "LA" else "RGB")
        image = image.convert(mode)
    options: dict[str, Any] = {}
    if random.random() < 0.2 and form in ("JPEG", "PNG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif[274] = random.choice([1, 3, 6, 8, 5, 0, 99])
        options["exif"] = exif.tobytes()
    if random.random() < 0.1 and form in ("GIF", "PNG") and mode in ("P", "L"):
        options["transparency"] = random.randrange(256)
    if random.random() < 0.15 and form in ("GIF", "PNG", "WEBP") and mode in ("RGB", "P", "L"):
        options |= {"save_all": True, "append_images": [image.rotate(90), image]}
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    data = buffer.getvalue()
    if "exif" in options and random.random() < 0.3:
        at = data.find(options["exif"][:8])
        data = data[:at] + mutated_bytes(data[at : at + 40], random) + data[at + 40 :]
    return data


@cache
def _large_png(width: int, height: int, honest: bool) -> bytes:
    """A PNG that states so many pixels, and has them (all black) or not."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width * 3 + 1) * height if honest else 100_000), 1)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _text_png() -> bytes:
    """A PNG whose text chunk unpacks to far more than it is."""
    data = b"key\0\0" + zlib.compress(b"x" * 10_000_000)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = _large_png(8, 8, True)
    return whole[:33] + chunk + whole[33:]


def make_images(random: Random, folder: Path, secret: Path) -> Path:
    """An image folder in one of the layouts users have, with something wrong in it two times in three."""
    root = folder / "pictures"
    layouts: list[list[str]] = [
        ["cat", "dog"],
        ["cat", "dog", "owl"],
        ["train/cat", "train/dog", "test/cat", "test/dog"],
        ["Train/cat", "Train/dog", "Test/cat", "Test/dog"],
        ["training/a", "training/b", "validation/a", "validation/b"],
        ["train/a/images", "train/b/images", "val/images"],
        ["images"],
        ["a", "b", "__MACOSX", ".DS_Store"],
        ["train/a", "train/b"],
        ["."],
        ["e\u0301", "\u00e9"],
    ]
    form = random.choice(["PNG", "JPEG", *FORMATS])
    side, mode = random.choice([(8, 8), (8, 12), (28, 28)]), random.choice(FORMATS[form])
    for place in random.choice(layouts):
        (root / place).mkdir(parents=True, exist_ok=True)
        for index in range(random.choice([2, 5, 6])):
            (root / place / f"{index}{SUFFIXES[form]}").write_bytes(picture(random, side, form, mode))
    for _ in range(random.choice([0, 1, 2])):
        where = random.choice([path for path in root.rglob("*") if path.is_dir()] or [root])
        random.choice(_ODDITIES)(where, random, side)
    return root


def _another(where: Path, random: Random, side: tuple[int, int]) -> None:
    form = random.choice(list(FORMATS))
    shape = random.choice([side, (9, 7), (1, 1), (300, 2)])
    data = picture(random, shape, form, random.choice(FORMATS[form]))
    (where / ("another" + random.choice([SUFFIXES[form], ".png", ".PNG", ".jpeg"]))).write_bytes(data)


def _damaged(where: Path, random: Random, side: tuple[int, int]) -> None:
    form = random.choice(list(FORMATS))
    data = mutated_bytes(picture(random, side, form, random.choice(FORMATS[form])), random)
    (where / f"damaged{SUFFIXES[form]}").write_bytes(data)


def _large(where: Path, random: Random, side: tuple[int, int]) -> None:
    width, height, honest = random.choice(
        [(9000, 9000, True), (60_000, 60_000, False), (2**31 - 1, 1, False), (0, 5, False)]
    )
    (where / "large.png").write_bytes(_large_png(width, height, honest))


def _text(where: Path, random: Random, side: tuple[int, int]) -> None:
    (where / "text.png").write_bytes(_text_png())


def _other_file(where: Path, random: Random, side: tuple[int, int]) -> None:
    name = random.choice(["Thumbs.db", "notes.txt", ".hidden", "empty.png", "val_annotations.txt", "x" * 180 + ".png"])
    (where / name).write_bytes(random.choice([b"", b"\0", b"hello", b"a\tb\n\xff"]))


def _odd_name(where: Path, random: Random, side: tuple[int, int]) -> None:
    name = random.choice([b"caf\xe9", b"\x1b[2J\x07", b"a\nb", b"| x |", "\u202e".encode(), b" ", b"=1+1"])
    place = os.fsencode(where) + b"/" + name
    os.makedirs(place, exist_ok=True)
    with open(place + b"/0.png", "wb") as file:
        file.write(picture(random, side, "PNG", "L"))


def _link(where: Path, random: Random, side: tuple[int, int]) -> None:
    name, target = random.choice(
        [("loop.png", "loop.png"), ("gone.png", "nowhere"), ("up", ".."), ("zero.png", "/dev/zero")]
    )
    if not (where / name).is_symlink():
        (where / name).symlink_to(target)


def _pipe(where: Path, random: Random, side: tuple[int, int]) -> None:
    if not (where / "pipe.png").exists():
        os.mkfifo(where / "pipe.png")


def _folder(where: Path, random: Random, side: tuple[int, int]) -> None:
    (where / random.choice(["empty", "folder.png", "train", "test"])).mkdir(exist_ok=True)


_ODDITIES: tuple[Callable[[Path, Random, tuple[int, int]], None], ...] = (
    *(_another, _another, _damaged, _damaged, _damaged, _large, _text, _other_file, _odd_name, _link, _pipe, _folder),
)


def make_idx(random: Random, folder: Path, secret: Path) -> Path:
    """A data root with files called as MNIST's, Fashion-MNIST's or CIFAR's are; returns a path named after the set."""
    name, inside = random.choice(
        [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw"), ("cifar10", "cifar-10-batches-py")]
    )
    raw = folder / inside
    raw.mkdir(parents=True)
    if name == "cifar10":
        _write_batches(raw, random, secret)
        return folder / name
    count = random.choice([0, 1, 20])
    for prefix in ("train", "t10k"):
        pixels = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (count, 28, 28)).astype("u1")
        for kind, values in (("images-idx3", pixels), ("labels-idx1", (np.arange(count) % 10).astype("u1"))):
            path, data = raw / f"{prefix}-{kind}-ubyte", _idx(values, random)
            if random.random() < 0.03:
                continue
            path.write_bytes(mutated_bytes(data, random) if random.random() < 0.2 else data)
            if random.random() < 0.1:
                packed = zlib.compressobj(wbits=31)
                path.with_name(path.name + ".gz").write_bytes(mutated_bytes(packed.compress(data) + packed.flush(), random))
                path.unlink()
    return folder / name


def _idx(values: np.ndarray, random: Random) -> bytes:
    shape = list(values.shape)
    kind = 8
    if random.random() < 0.15:
        shape[random.randrange(len(shape))] = random.choice([0, 1, 2**32 - 1, 2**31, 10**6])
    if random.random() < 0.05:
        kind = random.choice([9, 13, 0, 255])
    return bytes((0, 0, kind, values.ndim)) + struct.pack(f">{values.ndim}I", *shape) + values.tobytes()


class _Opens:
    """What opens a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path,)


def _write_batches(raw: Path, random: Random, secret: Path) -> None:
    names = [f"data_batch_{index}" for index in range(1, 6)] + ["test_batch", "batches.meta"]
    for name in names:
        pixels = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (10, 3072)).astype("u1")
        content: dict[str, Any] = {"data": pixels, "labels": list(range(10)), "filenames": []}
        if name == "batches.meta":
            content = {"label_names": list("abcdefghij")}
        if random.random() < 0.3:
            content[random.choice([*content, "data"])] = random.choice(
                [_Opens(secret / "secret.bin"), None, "text", [[1]], {}]
            )
        data = pickle.dumps(content, protocol=2)
        (raw / name).write_bytes(mutated_bytes(data, random) if random.random() < 0.1 else data)
