"""Sets of other programs, recognised and made sets of ours: VICO, MTT, DATM, IDC, arrays, folders of images.

What a file leaves open is a question, never guessed: an error that names the flag that answers it.
"""

from pathlib import Path

import h5py
import torch

from condense.data.images import DataSet
from condense.data.reading import Reading
from condense.formats.incoming.adopting import Adoption, Imported
from condense.formats.incoming.arrays import ARRAYS, NPZ, SAFETENSORS
from condense.formats.incoming.flags import FORMATS, Stated
from condense.formats.incoming.folders import FOLDER, HUGGINGFACE
from condense.formats.incoming.foreign import Foreign, Format, Given, digest_of
from condense.formats.incoming.lists import IDC, PAIR, VICO
from condense.formats.incoming.mtt import DATM, MTT
from condense.formats.incoming.spaces import could_be_unit

__all__ = ["KNOWN", "Foreign", "Format", "Imported", "Stated", "is_foreign", "read", "sets_of"]

KNOWN: tuple[Format, ...] = (VICO, PAIR, MTT, DATM, IDC, ARRAYS, NPZ, SAFETENSORS, FOLDER, HUGGINGFACE)
_OURS = (".h5", ".hdf5")


def is_foreign(path: Path) -> bool:
    """Whether there is a file or folder that is no HDF5 file, and so no set of ours."""
    if path.suffix.lower() in _OURS or not path.exists():
        return False
    return path.is_dir() or not h5py.is_hdf5(path)


def read(path: Path, stated: Stated) -> list[Foreign]:
    """The sets of a file or folder, as they are stored there; one where `stated.only` says which.

    Raises `CondenseError` for what is not recognised, could be two things, or is not what `stated.format` says.
    """
    given = Given(path)
    sets = _format_of(given, stated).read(given, stated)
    if stated.only is None:
        return sets
    if stated.only > len(sets):
        raise given.refusal(f"--only asks for set {stated.only}, and it holds {len(sets)}.")
    return [sets[stated.only - 1]]


def sets_of(
    path: Path, data: DataSet, stated: Stated, *, dataset: str | None = None, reading: Reading | None = None
) -> list[Imported]:
    """The sets of a file or folder of another program as ours, made from the training images of `data`.

    dataset: name or path that `data` was loaded by; reading: how. Raises `CondenseError` where the file leaves something
    open that `stated` does not say, and where it does not fit the data set.
    """
    digests: dict[tuple[Path, ...], dict[str, str]] = {}
    found = []
    for foreign in read(path, stated):
        if foreign.files not in digests:
            digests[foreign.files] = digest_of(foreign.files)
        found.append(Adoption(foreign, data, stated).imported(dataset or data.name, reading, digests[foreign.files]))
    return found


def _format_of(given: Given, stated: Stated) -> Format:
    fitting = [one for one in KNOWN if one.recognises(given)]
    names = [one.name for one in fitting]
    if stated.format is not None:
        chosen = next(one for one in KNOWN if one.name == stated.format)
        if chosen not in fitting:
            others = f"; it could be {' or '.join(names)}" if names else ""
            raise given.refusal(f"is not of the format {stated.format} ({FORMATS[stated.format]}){others}.")
        return chosen
    if not fitting:
        raise given.refusal(
            f"is neither a set of condense nor one of another program that is recognised: {', '.join(FORMATS)} "
            "(docs/foreign-sets.md)."
        )
    if fitting == [PAIR, IDC]:
        return _pair_or_idc(given, stated)
    if len(fitting) > 1:
        raise given.refusal(f"could be of the format {' or '.join(names)}: --format says which.")
    return fitting[0]


def _pair_or_idc(given: Given, stated: Stated) -> Format:
    """Both are a list of two tensors; only pixels that are not from 0 to 1, and are not said to be, tell them apart."""
    images = given.torch[0]
    unit = images.numel() > 0 and could_be_unit(images.float()) and images.dtype != torch.uint8
    if unit and stated.factor is None and stated.pixels != "normalised":
        raise given.refusal(
            "is a list [images, labels] whose pixels could be from 0 to 1: --format idc with --factor N if it is IDC's or "
            "DREAM's, each image of N x N tiles; else --format pair with --pixels unit or --pixels normalised."
        )
    return IDC if unit and stated.factor is not None and stated.pixels in (None, "unit") else PAIR
