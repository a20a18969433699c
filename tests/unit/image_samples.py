"""What the tests of folders share: image files as they are, and folders of classes."""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WHITE_TO_BLACK = np.arange(0, 240, 8, dtype=np.uint8).reshape(5, 6)


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def classes(root: Path, names: Iterable[str] = "ab", count: int = 3, pixels: np.ndarray = WHITE_TO_BLACK) -> Path:
    for name in names:
        for number in range(count):
            save(root / name / f"{number}.png", pixels)
    return root


def sixteen_bit_png(pixels: np.ndarray, colour_type: int, extra: bytes = b"") -> bytes:
    """(H, W, C) uint16 as PNG: colour types 0 grey, 2 RGB, 4 grey with alpha, 6 RGBA."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    content = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content
