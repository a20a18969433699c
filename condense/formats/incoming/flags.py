"""What a user states of a set in a file of another program, where the file does not say it."""

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from condense.checking import Several, one_of
from condense.data.known import PUBLISHED
from condense.decoding import MOST_TILES
from condense.errors import CondenseError, quoted
from condense.networks import registry

FORMATS = {
    "vico": "res_*.pt of VICO's DatasetCondensation (DC, DSA, DM): a dictionary with all sets of a run under 'data'",
    "pair": "a PyTorch file with a list [images, labels]",
    "mtt": "images_best.pt of MTT (FTD, TESLA, DC-BENCH, DD-Ranking), with labels_best.pt, and perhaps lr_best.pt",
    "datm": "the same with soft labels, which are logits, as DATM and PAD have it",
    "idc": "data.pt of IDC and DREAM: a list [images, labels] with pixels in [0, 1], each image of factor x factor tiles",
    "arrays": "a PyTorch file with a dictionary of images and labels",
    "npz": "NumPy's .npz with images and labels",
    "safetensors": ".safetensors with images and labels",
    "folder": "a folder of image files, a sub-folder for each class",
    "huggingface": "a folder of image files with metadata.csv or metadata.jsonl, as Hugging Face's imagefolder has it",
}
"""What is recognised, in words."""
PIXELS = {
    "normalised": "each channel by a mean and a standard deviation",
    "unit": "from 0 to 1",
    "bytes": "from 0 to 255",
    "whitened": "by ZCA",
}
"""What numbers of images may be."""
LABELS = {
    "hard": "one class each: of rows of numbers that of the largest",
    "logits": "what softmax makes probabilities of",
    "probabilities": "of the classes, each row with a sum of 1",
}
"""What labels may be."""
FIT = "fit"
"""In place of a file with a whitening: it is fitted to the training images."""
MOST_CHANNELS = 3
_METHOD = re.compile("[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*")
_LONGEST = 40


def _is_method(name: str) -> str:
    if len(name) > _LONGEST or not _METHOD.fullmatch(name):
        raise ValueError(
            f"{quoted(name)} is no name of a method, which has letters, digits, '-', '_' and '.', and at most {_LONGEST}."
        )
    return name


def _is_network(name: str) -> str:
    try:
        return registry.check_name(name)
    except CondenseError as error:
        raise ValueError(str(error)) from error


def _are_positive(values: tuple[float, ...]) -> tuple[float, ...]:
    if not all(value > 0 for value in values):
        raise ValueError(f"{quoted(values)}: standard deviations are above 0.")
    return values


Channels = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Several, Field(max_length=MOST_CHANNELS)]


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What is said of a set of another program; part of the options of every command that reads some."""

    format: Annotated[str, one_of("format", FORMATS)] | None = None
    """Format of a set of another program: vico, pair, mtt, datm, idc, arrays, npz, safetensors, folder or huggingface; by
    default it is recognised."""
    pixels: Annotated[str, one_of("kind of pixels", PIXELS)] | None = None
    """What the numbers in its images are: normalised, unit (0 to 1), bytes (0 to 255) or whitened (by ZCA)."""
    labels: Annotated[str, one_of("kind of labels", LABELS)] | None = None
    """What its labels are: hard, logits or probabilities."""
    factor: Annotated[int, Field(ge=1, le=MOST_TILES)] | None = None
    """Each of its images is of factor x factor tiles that become an image each (IDC; 1: it is one image)."""
    channels_last: bool = False
    """Its images are (N, H, W, C)."""
    mean: Channels = ()
    """Mean of each channel that its images are normalised by, of pixels from 0 to 1; by default that of the data set."""
    std: Annotated[Channels, AfterValidator(_are_positive)] = ()
    """The same of the standard deviation."""
    zca: str | None = None
    """Whitening of its images: a file with mean and matrix, or fit: fitted to the training images as MTT does."""
    only: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Of a file with several sets the one with this number, from 1 on; by default all."""
    method: Annotated[str, AfterValidator(_is_method)] | None = None
    """Name of the method that it was made by, as tables call it; by default after its format."""
    learned_with: Annotated[str, AfterValidator(_is_network)] | None = None
    """Network that it was learned with, where that is known."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def stated(self) -> dict[str, Any]:
        """What is said, by name, as plain JSON values: of a file with a whitening its name."""
        defaults = asdict(Stated())
        given = {name: value for name in defaults if (value := getattr(self, name)) != defaults[name]}
        if self.zca not in (None, FIT):
            given["zca"] = Path(str(self.zca)).name
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def normalisation(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """(mean, std) where they are stated. Raises `CondenseError` for one of the two, or another number of channels."""
        if not (self.mean or self.std):
            return None
        if not len(self.mean) == len(self.std) == channels:
            raise CondenseError(
                f"--mean and --std state a normalisation together, each with {channels} "
                f"number{'s' if channels > 1 else ''}, one for each channel, not {len(self.mean)} and {len(self.std)}."
            )
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)) or min(self.std) <= 0:
            raise CondenseError("--mean and --std must be finite, and the latter above 0.")
        return tuple(self.mean), tuple(self.std)


MTT_NORMALISATION = {"cifar100": "cifar10"}
"""Data sets that the code of MTT, and what followed it, normalises by mean and deviation of another."""


def published_normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """(mean, std) of a published data set that the field has agreed on."""
    found = PUBLISHED.get(name)
    return None if found is None or found.mean is None or found.std is None else (found.mean, found.std)
