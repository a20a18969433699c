"""The artifact: a synthetic set with its full provenance in one HDF5 file. Format: docs/artifact-format.md."""

import hashlib
import io
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from condense.errors import CondenseError
from condense.files import refuse_overwrite, write_atomically

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """Where a synthetic set comes from; every field is an attribute of the file.

    mean, std: the normalisation of the images (per channel, of pixels in [0, 1]); seed: of the whole stage C;
    iterations: image-update rounds done; config: the resolved configuration of stage C.
    """

    dataset: str
    dataset_fingerprint: str
    class_names: list[str]
    mean: list[float]
    std: list[float]
    images_per_class: int
    method: str
    network: str
    seed: int
    iterations: int
    config: dict[str, Any]
    code_version: str
    library_versions: dict[str, str]
    device: str
    precision: str

    __pydantic_config__ = ConfigDict(extra="forbid")


_PROVENANCE = TypeAdapter(Provenance)
_JSON_ATTRIBUTES = ("class_names", "config", "library_versions")


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """Learned (or selected) images with labels.

    images: float32 (N, C, H, W) in normalised space; labels: int64 (N,) hard, or float32 (N, classes) soft.
    """

    images: Tensor
    labels: Tensor
    provenance: Provenance

    def __post_init__(self) -> None:
        _check(self, "The synthetic set")

    @property
    def sha256(self) -> str:
        """SHA-256 of the image bytes (float32, C order, little endian)."""
        return hashlib.sha256(_bytes_of(self.images)).hexdigest()

    def pixels(self) -> Tensor:
        """The images as they look: uint8 (N, C, H, W), denormalised, clipped to [0, 255] and rounded."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.provenance.mean, self.provenance.std))
        return ((self.images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Writes the file atomically; equal sets give equal bytes. Refuses to replace an existing file without `force`."""
        path = Path(path)
        refuse_overwrite(path, force)
        write_atomically(path, self._to_bytes())

    def _to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", track_order=True) as file:
            for name, tensor in (("images", self.images), ("labels", self.labels)):
                file.create_dataset(name, data=tensor.numpy(), fletcher32=True, track_times=False)
            attributes = {"format_version": FORMAT_VERSION, "sha256": self.sha256, **asdict(self.provenance)}
            for name, value in attributes.items():
                file.attrs[name] = json.dumps(value, sort_keys=True) if name in _JSON_ATTRIBUTES else value
        return buffer.getvalue()

    @staticmethod
    def load(path: Path | str) -> "SyntheticSet":
        """Reads and checks everything.

        Raises `CondenseError` for a file that is missing, truncated, damaged, not ours, or of a newer format.
        """
        path = Path(path)
        if not path.is_file():
            raise CondenseError(f"There is no synthetic set at {path}.")
        if not h5py.is_hdf5(path):
            raise CondenseError(f"{path} is not an HDF5 file, so it is no synthetic set of condense.")
        try:
            with h5py.File(path, "r") as file:
                attributes = _attributes(file, path)
                images, labels = (torch.from_numpy(np.asarray(file[name])) for name in ("images", "labels"))
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CondenseError(f"{path} is damaged or not a synthetic set of condense: {_first_line(error)}.") from error
        return _assemble(images, labels, attributes, path)


def _attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    """Every attribute of the format, as plain Python values."""
    names = ["format_version", "sha256", *(f.name for f in fields(Provenance))]
    missing = [name for name in names if name not in file.attrs]
    if missing:
        raise CondenseError(f"{path} is not a synthetic set of condense: it has no {', '.join(missing)}.")
    values = {name: file.attrs[name] for name in names}
    plain = {name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in values.items()}
    return {name: json.loads(str(value)) if name in _JSON_ATTRIBUTES else value for name, value in plain.items()}


def _assemble(images: Tensor, labels: Tensor, attributes: dict[str, Any], path: Path) -> SyntheticSet:
    version, digest = attributes.pop("format_version"), attributes.pop("sha256")
    if version != FORMAT_VERSION:
        raise CondenseError(f"{path} has format version {version}; this condense reads version {FORMAT_VERSION}.")
    try:
        provenance = _PROVENANCE.validate_python(attributes)
    except ValidationError as error:
        first = error.errors()[0]
        raise CondenseError(f"{path} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    try:
        loaded = SyntheticSet(images, labels, provenance)
    except CondenseError as error:
        raise CondenseError(f"{path}: {error}") from error
    if loaded.sha256 != digest:
        raise CondenseError(f"{path} is damaged: its images do not match the stored SHA-256.")
    return loaded


def _check(candidate: SyntheticSet, name: str) -> None:
    images, labels, facts = candidate.images, candidate.labels, candidate.provenance
    classes, channels = len(facts.class_names), len(facts.mean)
    if images.dtype != torch.float32 or images.dim() != 4 or images.shape[1] != channels or len(facts.std) != channels:
        raise CondenseError(
            f"{name} must hold float32 images (N, {channels}, H, W), not {images.dtype} {tuple(images.shape)}."
        )
    if not torch.isfinite(images).all():
        raise CondenseError(f"{name} holds pixels that are not finite.")
    hard = labels.dtype == torch.int64 and labels.shape == images.shape[:1]
    soft = labels.dtype == torch.float32 and labels.shape == (len(images), classes)
    if not (hard or soft):
        raise CondenseError(
            f"{name} must hold labels int64 (N,) or float32 (N, {classes}), not {labels.dtype} {tuple(labels.shape)}."
        )
    if len(images) == 0 or len(images) != classes * facts.images_per_class:
        raise CondenseError(
            f"{name} holds {len(images)} images, but {classes} classes x {facts.images_per_class} were stated."
        )
    if hard and not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise CondenseError(f"{name} holds labels outside 0 to {classes - 1}.")
    if soft and not torch.isfinite(labels).all():
        raise CondenseError(f"{name} holds soft labels that are not finite.")


def _bytes_of(images: Tensor) -> bytes:
    return np.ascontiguousarray(images.numpy(), dtype="<f4").tobytes()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
