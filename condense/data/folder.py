"""A folder of image files, a sub-folder for each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from condense.data.images import DataSet
from condense.data.reading import Reading
from condense.data.split import Part, every_fifth, join
from condense.errors import CondenseError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_IGNORED = ("Thumbs.db", "desktop.ini")
_GREY_MODES = ("1", "L", "LA")


def load_folder(root: Path, reading: Reading) -> DataSet:
    """The data set of `root/train/CLASS/*` and `root/test/CLASS/*`, or of `root/CLASS/*`.

    In the second case every fifth image of each class, by file name, is for testing. Classes are numbered in the order of
    their names as text. PNG, JPEG, BMP or WebP, all of one size; one channel when all are grey, else three. Hidden files
    are ignored, other folders beside train and test too.
    Raises `CondenseError`, naming the file, for a broken image, another size, transparency, a file that is no image, a
    class without images, and a test class that training lacks.
    """
    name = f"{root.resolve().name}/"
    if not _is_split(root):
        classes = _folders(root)
        train, test = every_fifth(_read_parts([_listed(root, classes)])[0], root, classes)
        return join(name, train, test, classes, where=root)
    classes = _folders(root / "train")
    unknown = [label for label in _folders(root / "test") if label not in classes]
    if unknown:
        raise CondenseError(
            f"{root / 'test' / unknown[0]}: training has no class of this name; it has {', '.join(classes)}."
        )
    train, test = _read_parts([_listed(root / part, classes) for part in ("train", "test")])
    return join(name, train, test, classes, where=root)


def _is_split(root: Path) -> bool:
    """Whether `root` has train and test folders; one of the two alone is a class, unless it holds folders itself."""
    there = [part for part in ("train", "test") if (root / part).is_dir()]
    if len(there) == 1 and _folders(root / there[0]):
        missing = "test" if there == ["train"] else "train"
        raise CondenseError(f"{root}: has a {there[0]} folder, but no {missing} folder.")
    return len(there) == 2


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.name not in _IGNORED]


def _folders(root: Path) -> list[str]:
    return [path.name for path in _visible(root) if path.is_dir()]


def _listed(root: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """(file, label) of every image, class by class, by name within a class."""
    stray = [path for path in _visible(root) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if stray:
        raise CondenseError(f"{stray[0]}: lies outside the class folders; every image belongs in the folder of its class.")
    listed = [(path, label) for label, name in enumerate(classes) for path in _image_files(root / name)]
    if not listed:
        raise CondenseError(f"{root}: there are no images; one sub-folder of images for each class is needed.")
    return listed


def _image_files(folder: Path) -> list[Path]:
    """The images of one class; none when the test part lacks the class."""
    if not folder.exists():
        return []
    files = _visible(folder)
    wrong = [path for path in files if path.suffix.lower() not in SUFFIXES or not path.is_file()]
    if wrong:
        raise CondenseError(f"{wrong[0]}: is no image file; a class folder holds only {', '.join(SUFFIXES)} files.")
    if not files:
        raise CondenseError(f"{folder}: there are no images in this class folder.")
    return files


def _read_parts(listings: Sequence[Sequence[tuple[Path, int]]]) -> list[Part]:
    images = [[_read_image(path) for path, _ in listing] for listing in listings]
    first = images[0][0]
    for listing, part in zip(listings, images, strict=True):
        for (path, _), image in zip(listing, part, strict=True):
            if image.shape[:2] != first.shape[:2]:
                raise CondenseError(
                    f"{path}: is {image.shape[1]}x{image.shape[0]}, but {listings[0][0][0]} is "
                    f"{first.shape[1]}x{first.shape[0]}; all images must have one size."
                )
    channels = max(image.shape[2] for part in images for image in part)
    return [
        Part(_stacked(part, channels), torch.tensor([label for _, label in listing]))
        for listing, part in zip(listings, images, strict=True)
    ]


def _stacked(images: Sequence[np.ndarray], channels: int) -> torch.Tensor:
    """uint8 (N, C, H, W); grey images among coloured ones get three equal channels."""
    whole = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
    return torch.from_numpy(whole).permute(0, 3, 1, 2)


def _read_image(path: Path) -> np.ndarray:
    """uint8 (H, W, 1) for a grey image, (H, W, 3) for any other."""
    try:
        with Image.open(path) as image:
            image.load()
            transparent = image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255
            if image.mode.startswith("I;16"):  # 16-bit grey, which Pillow would cut off at 255
                return np.rint(np.asarray(image)[..., None] / 257).astype(np.uint8)
            mode = "L" if image.mode in _GREY_MODES else "RGB"
            supported = image.mode not in ("I", "F")
            pixels = np.atleast_3d(np.asarray(image.convert(mode)))
    except Exception as error:  # Pillow's decoders raise many kinds for damaged bytes
        raise CondenseError(f"{path}: cannot be read as an image; damaged or of another kind ({error}).") from error
    if transparent or not supported:
        problem = "has transparent pixels" if transparent else "has 32-bit pixels"
        raise CondenseError(f"{path}: {problem}; save it without them, as 8-bit grey or RGB.")
    return pixels
