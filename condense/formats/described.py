"""Synthetic sets as arrays and one JSON text, which any container of arrays holds whole: NumPy's `.npz`, safetensors.

Format: docs/formats.md. Nothing is lost on the way out, and the set that comes back is the same, digest included.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.provenance import FIELDS
from condense.set_file import EXTENSIONS, Stored
from condense.synthetic_set import SyntheticSet

KEY = "condense"
"""Under which a container holds the JSON text: an array of one text, or an entry of the metadata."""
ARRAYS = ("images", "labels", "whitening_mean", "whitening_matrix")
"""The arrays of a set; the last two only where it is whitened."""


def described(synthetic: SyntheticSet) -> tuple[dict[str, Tensor], str]:
    """(Arrays by name, JSON text) of a set: arrays as its file has them, and in the text every attribute of that file."""
    stored = synthetic.stored()
    head = {"format_version": stored.version, "sha256": stored.sha256}
    return stored.arrays, json.dumps(head | stored.extensions | stored.provenance, sort_keys=True, allow_nan=False)


def set_of(arrays: Mapping[str, Tensor], text: str, where: str) -> SyntheticSet:
    """The set that `described` took apart; arrays that a set does not have are passed over.

    Raises `CondenseError`, naming `where` they stood, for anything that is no set, or was changed since.
    """
    values = _object(text, where)
    extensions = {name: values.pop(name) for name in EXTENSIONS if name in values}
    missing = [name for name in ("format_version", "sha256", *FIELDS) if name not in values]
    missing += [name for name in EXTENSIONS if values.get("format_version") != 1 and name not in extensions]
    missing += [name for name in _expected(extensions) if name not in arrays]
    if missing:
        raise CondenseError(f"{where} is damaged: it has no {', '.join(missing)}.")
    version, sha256 = values.pop("format_version"), values.pop("sha256")
    if version not in (1, 2):
        raise CondenseError(f"{where} has format version {version!r:.80}; this condense reads versions 1 and 2.")
    own = {name: torch.as_tensor(arrays[name]) for name in _expected(extensions)}
    return SyntheticSet.of_stored(Stored(version, own, values, extensions, sha256), where)


def _expected(extensions: Mapping[str, Any]) -> tuple[str, ...]:
    return ARRAYS if extensions.get("preprocessing") == "zca" else ARRAYS[:2]


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CondenseError(f"{where} is damaged: what it says of the set is no JSON ({error}).") from error
    if not isinstance(values, dict):
        raise CondenseError(f"{where} is damaged: what it says of the set is no JSON object.")
    return values
