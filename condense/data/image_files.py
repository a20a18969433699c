"""Image files: what their headers say, and their pixels, upright, as they are stored. Nothing is decoded unasked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFile, UnidentifiedImageError

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
LARGEST = 2**26
"""Pixels of the largest image that is decoded: 8192 x 8192."""
_TOO_MANY = f"more than the {LARGEST:,} pixels that are read"
_ORIENTATION = 0x0112
_OPAQUE = {8: 255, 16: 65535}
GREY_MODES = ("1", "L", "LA", "La")


class Unsuitable(Exception):
    """An image file that cannot be used; the text goes on after 'FILE: '."""


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded: its size as it is looked at, bits a channel, and what is told of it.

    orientation: EXIF's, 1 (upright) to 8; frames: 1 but for animations and the like; mode: Pillow's.
    """

    width: int
    height: int
    bits: int
    orientation: int
    frames: int
    mode: str

    @property
    def pixels(self) -> int:
        """How many it has."""
        return self.width * self.height

    @property
    def is_grey(self) -> bool:
        """Whether it is stored as grey; of a palette only its pixels tell."""
        return self.mode in GREY_MODES or self.mode.startswith("I;16")

    @property
    def size(self) -> str:
        """Width and height, for people."""
        return f"{self.width}x{self.height}"


def read_header(path: Path) -> Header:
    """Raises `Unsuitable` for a file that is no image of a known format, is too large, or has 32-bit pixels."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > LARGEST:
                raise Unsuitable(f"has {width}x{height} pixels, {_TOO_MANY}")
            if image.mode in ("I", "F"):
                raise Unsuitable("has 32-bit pixels; save it as 8-bit or 16-bit grey or RGB")
            orientation = _orientation(image)
            size = (height, width) if orientation >= 5 else (width, height)
            return Header(*size, _bits(image), orientation, int(getattr(image, "n_frames", 1)), image.mode)
    except Unsuitable:
        raise
    except Image.DecompressionBombError as error:
        raise Unsuitable(f"has {_TOO_MANY}") from error
    except Exception as error:  # Pillow's parsers raise many kinds for damaged bytes
        raise _damaged(path, error) from error


def read_pixels(path: Path, header: Header, side: int | None = None) -> np.ndarray:
    """uint8 or uint16 (H, W, 1) of a grey image, (H, W, 3) of any other, upright; of several frames the first.

    side: make it a square of so many pixels (see `squared`). Raises `Unsuitable` for damaged files and transparent pixels.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            image.load()
            orientation = _orientation(image)  # of some PNG files only known by now
            pixels = _sixteen_bit(path, image) if header.bits == 16 else _eight_bit(image)
    except Unsuitable:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds for damaged bytes, and torchvision's RuntimeError
        raise _damaged(path, error) from error
    pixels = np.ascontiguousarray(upright(pixels, orientation))
    if pixels.shape[:2] != (header.height, header.width):
        raise Unsuitable("has an orientation stored after its pixels, which gives it another size; save it anew")
    return pixels if side is None else squared(pixels, side)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) turned and mirrored as EXIF's orientation says (1: as it is)."""
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return np.rot90(pixels, -1)
        case 7:
            return pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(pixels)
        case _:
            return pixels


def squared(pixels: np.ndarray, side: int) -> np.ndarray:
    """The image resized so that its shorter side has `side` pixels, then cut at the centre: (side, side, C), same type.

    Pillow's bilinear filter, which averages when it makes an image smaller; rounded. As one step, so that no long image
    grows; a square image that has this size is left as it is.
    """
    height, width = pixels.shape[:2]
    if (height, width) == (side, side):
        return pixels
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    exact = np.float32 if pixels.dtype == np.uint16 else np.uint8  # Pillow has no filters for the former
    made = np.empty((side, side, pixels.shape[2]), pixels.dtype)
    for channel in range(pixels.shape[2]):
        image = Image.fromarray(pixels[:, :, channel].astype(exact))
        resized = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
        made[:, :, channel] = resized if exact is np.uint8 else np.rint(resized)
    return made


def _orientation(image: Image.Image) -> int:
    # Not image.getexif(), as that of a PNG decodes it; what is stored after the pixels is found once it is decoded.
    found: Any = Image.Image.getexif(image).get(_ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def _bits(image: Image.Image) -> int:
    """16 for PNG files with as many bits a channel, of which Pillow would keep 8 in all but plain grey ones."""
    stored = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.format == "PNG" and image.tile else ""
    return 16 if isinstance(stored, str) and stored.endswith(";16B") else 8


def _eight_bit(image: Image.Image) -> np.ndarray:
    if image.has_transparency_data:
        alpha = image if "A" in image.getbands() else image.convert("RGBA")
        _check_opaque(np.asarray(alpha.getchannel("A")), 8)
    pixels = np.atleast_3d(np.asarray(image.convert("L" if image.mode in GREY_MODES else "RGB")))
    if image.mode in ("P", "PA") and (pixels == pixels[:, :, :1]).all():
        return pixels[:, :, :1]
    return pixels


def _sixteen_bit(path: Path, image: Image.Image) -> np.ndarray:
    data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    from torchvision.io import ImageReadMode, decode_image  # takes long to import

    pixels = decode_image(data, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    if pixels.dtype != np.uint16 or pixels.shape[:2] != (image.height, image.width):
        raise Unsuitable("cannot be read as an image of 16 bits a channel")
    channels = pixels.shape[2]
    if channels in (2, 4):
        _check_opaque(pixels[:, :, -1], 16)
    elif "transparency" in image.info:  # the one value or colour that is see-through
        see_through = (pixels == np.array(image.info["transparency"])).all(axis=2)
        _check_opaque(np.where(see_through, 0, _OPAQUE[16]), 16)
    return pixels[:, :, : 1 if channels <= 2 else 3]


def _check_opaque(alpha: np.ndarray, bits: int) -> None:
    if int(alpha.min()) != _OPAQUE[bits]:
        raise Unsuitable(
            "has transparent pixels, of which nothing says what is behind them; save it without, as grey or RGB"
        )


def _damaged(path: Path, error: Exception) -> Unsuitable:
    """What is told of an error, without the path, which sets would store."""
    if isinstance(error, OSError) and error.errno:
        return Unsuitable(f"cannot be read ({error.strerror})")
    if isinstance(error, UnidentifiedImageError):
        return Unsuitable("cannot be read as an image; damaged or of another kind")
    reason = " ".join(str(error).replace(str(path), path.name).split())[:80] or type(error).__name__
    return Unsuitable(f"cannot be read as an image; damaged ({reason})")
