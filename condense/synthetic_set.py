"""The artifact: a synthetic set with its full provenance in one HDF5 file. Format: docs/artifact-format.md."""

import hashlib
import io
import json
import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from condense import hdf5
from condense.errors import CondenseError
from condense.files import refuse_overwrite, write_atomically

FORMAT_VERSION = 1
SOFT_TOLERANCE = 1e-3
"""How far the sum of an image's soft labels may be from 1."""


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

    images: float32 (N, C, H, W) in normalised space; labels: int64 (N,) hard, `images_per_class` of each class; or float32
    (N, classes) soft: probabilities, each row with a sum of 1 (within `SOFT_TOLERANCE`).
    Raises `CondenseError` for anything else.
    """

    images: Tensor
    labels: Tensor
    provenance: Provenance

    def __post_init__(self) -> None:
        _check(self, "The synthetic set")

    @property
    def sha256(self) -> str:
        """SHA-256 of the image bytes (float32, C order, little endian), and of the labels (type, shape, bytes) where they
        are not the usual ones: the classes in their order, `images_per_class` of each.
        """
        digest = hashlib.sha256(_bytes_of(self.images))
        if self.soft or not torch.equal(self.labels, _usual_labels(self.provenance)):
            digest.update(f"{self.labels.dtype} {tuple(self.labels.shape)}".encode())
            digest.update(_bytes_of(self.labels))
        return digest.hexdigest()

    @property
    def soft(self) -> bool:
        """Whether the labels are probabilities of the classes instead of one class each."""
        return self.labels.is_floating_point()

    def with_soft_labels(self, labels: Tensor, *, logits: bool = False) -> "SyntheticSet":
        """The same images with soft labels, floats (N, classes): probabilities, or with `logits` what softmax makes them of.

        Raises `CondenseError` for labels of another shape or whole numbers, and for probabilities that are none.
        """
        wanted = len(self.images), len(self.provenance.class_names)
        if not labels.is_floating_point() or labels.shape != wanted:
            raise CondenseError(f"Soft labels must be floats {wanted}, not {labels.dtype} {tuple(labels.shape)}.")
        probabilities = labels.double().softmax(dim=1) if logits else labels
        return replace(self, labels=probabilities.to("cpu", torch.float32).contiguous())

    def pixels(self) -> Tensor:
        """The images as they look: uint8 (N, C, H, W), denormalised, clipped to [0, 255] and rounded."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.provenance.mean, self.provenance.std))
        return ((self.images * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Writes the file atomically; equal sets give equal bytes. Refuses to replace an existing file without `force`."""
        path = Path(path)
        refuse_overwrite(path, force)
        write_atomically(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of its file; equal sets give equal bytes."""
        buffer = io.BytesIO()
        # From version 1.10 on HDF5 keeps a checksum of every part of the file but text of variable length, so all text has
        # a fixed length: a flipped byte anywhere is then found, or lies where nothing is stored.
        with h5py.File(buffer, "w", libver=("v110", "v110"), track_order=True) as file:
            for name, tensor in (("images", self.images), ("labels", self.labels)):
                file.create_dataset(name, data=tensor.numpy(), fletcher32=True, track_times=False)
            attributes = {"format_version": FORMAT_VERSION, "sha256": self.sha256, **asdict(self.provenance)}
            for name, value in attributes.items():
                plain = json.dumps(value, sort_keys=True) if name in _JSON_ATTRIBUTES else value
                file.attrs[name] = _fixed_length(plain) if isinstance(plain, str) else plain
        return buffer.getvalue()

    @staticmethod
    def load(path: Path | str) -> "SyntheticSet":
        """Reads and checks everything.

        Raises `CondenseError` for a file that is missing, truncated, damaged, not ours, or of a newer format.
        """
        path = Path(path)
        if not os.path.isfile(path):
            raise CondenseError(f"There is no synthetic set at {path}.")
        if not h5py.is_hdf5(path):
            raise CondenseError(f"{path} is not an HDF5 file, so it is no synthetic set of condense.")
        try:
            with hdf5.opened(path) as file:
                attributes = _attributes(file, path)
                images, labels = (_array(file, name, path) for name in ("images", "labels"))
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CondenseError(f"{path} is damaged or not a synthetic set of condense: {_first_line(error)}.") from error
        return _assemble(images, labels, attributes, path)


def _fixed_length(text: str) -> np.ndarray:
    data = text.encode()
    return np.array(data, h5py.string_dtype("utf-8", max(len(data), 1)))


def _array(file: h5py.File, name: str, path: Path) -> Tensor:
    found = np.asarray(hdf5.read(file, name))
    if found.nbytes > path.stat().st_size:  # sets are not compressed
        raise ValueError(f"{name} is stated to be larger than the file")
    return torch.from_numpy(found)


def _attributes(file: h5py.File, path: Path) -> dict[str, Any]:
    """Every attribute of the format, as plain Python values."""
    if "format_version" not in file.attrs:
        raise CondenseError(f"{path} is not a synthetic set of condense: it has no format_version.")
    version = _plain(hdf5.attribute(file, "format_version"))
    if version != FORMAT_VERSION:
        raise CondenseError(f"{path} has format version {version}; this condense reads version {FORMAT_VERSION}.")
    names = ["sha256", *(f.name for f in fields(Provenance))]
    missing = [name for name in names if name not in file.attrs]
    if missing:
        raise CondenseError(f"{path} is damaged: it has no {', '.join(missing)}.")
    values = {name: _plain(hdf5.attribute(file, name)) for name in names}
    return {name: json.loads(value) if name in _JSON_ATTRIBUTES else value for name, value in values.items()}


def _plain(value: Any) -> Any:
    """An attribute as Python has it; text, of fixed or variable length, as `str`."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return plain.decode() if isinstance(plain, bytes) else plain


def _assemble(images: Tensor, labels: Tensor, attributes: dict[str, Any], path: Path) -> SyntheticSet:
    digest = attributes.pop("sha256")
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
        raise CondenseError(f"{path} is damaged: its images or labels do not match the stored SHA-256.")
    return loaded


def _check(candidate: SyntheticSet, name: str) -> None:
    _check_facts(candidate.provenance, name)
    _check_images(candidate.images, candidate.provenance, name)
    _check_labels(candidate.images, candidate.labels, candidate.provenance, name)
    _check_agreement(candidate.provenance, name)


def _check_facts(facts: Provenance, name: str) -> None:
    for key, value in asdict(facts).items():
        if isinstance(value, str) and not _storable(value):
            raise CondenseError(f"{name} cannot hold the {key} {value!r:.80}: texts are UTF-8 without zero bytes.")
    for key, least, most in (("seed", 0, 2**63 - 1), ("iterations", 0, 2**63 - 1), ("images_per_class", 1, 10**9)):
        value = getattr(facts, key)
        if not least <= value <= most:
            raise CondenseError(f"{name} states {key} {value!r:.80}, which must be from {least} to {most}.")


def _check_agreement(facts: Provenance, name: str) -> None:
    """What the configuration says too."""
    for key, stated in (("seed", "seed"), ("images_per_class", "ipc"), ("network", "network"), ("method", "method")):
        value = getattr(facts, key)
        if facts.config.get(stated, value) != value:
            found = f"{value!r:.80} and in its configuration {facts.config[stated]!r:.80}"
            raise CondenseError(f"{name} contradicts itself: {key} is {found}.")


def _check_images(images: Tensor, facts: Provenance, name: str) -> None:
    classes, channels = len(facts.class_names), len(facts.mean)
    right_shape = images.dim() == 4 and images.shape[1] == channels == len(facts.std) and images.numel() > 0
    if images.dtype != torch.float32 or not right_shape:
        raise CondenseError(
            f"{name} must hold float32 images (N, {channels}, H, W), not {images.dtype} {tuple(images.shape)}."
        )
    if len(images) != classes * facts.images_per_class:
        raise CondenseError(
            f"{name} holds {len(images)} images, but {classes} classes x {facts.images_per_class} were stated."
        )
    if not torch.isfinite(images).all():
        raise CondenseError(f"{name} holds pixels that are not finite.")
    if not (all(map(math.isfinite, facts.mean)) and all(0 < value < math.inf for value in facts.std)):
        raise CondenseError(f"{name} states a normalisation that cannot be: mean {facts.mean}, std {facts.std}.")


def _check_labels(images: Tensor, labels: Tensor, facts: Provenance, name: str) -> None:
    classes = len(facts.class_names)
    hard = labels.dtype == torch.int64 and labels.shape == images.shape[:1]
    soft = labels.dtype == torch.float32 and labels.shape == (len(images), classes)
    if not (hard or soft):
        raise CondenseError(
            f"{name} must hold labels int64 (N,) or float32 (N, {classes}), not {labels.dtype} {tuple(labels.shape)}."
        )
    if soft:
        _check_probabilities(labels, name)
        if not bool((labels == 1).any(dim=1).all()):
            return  # how many images a class has is not said by labels that are really soft
        labels = labels.argmax(dim=1)
    if not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise CondenseError(f"{name} holds labels outside 0 to {classes - 1}.")
    if not torch.equal(labels.sort().values, _usual_labels(facts)):
        counts = torch.bincount(labels, minlength=classes)
        wrong = int((counts != facts.images_per_class).nonzero()[0])
        raise CondenseError(
            f"{name} states {facts.images_per_class} images per class, but its labels name class {wrong} "
            f"{int(counts[wrong])} times."
        )


def _check_probabilities(labels: Tensor, name: str) -> None:
    if not torch.isfinite(labels).all():
        raise CondenseError(f"{name} holds soft labels that are not finite.")
    sums = labels.double().sum(dim=1)
    if int((labels < 0).sum()) or float((sums - 1).abs().max()) > SOFT_TOLERANCE:
        raise CondenseError(
            f"{name} holds soft labels that are no probabilities (least {float(labels.min()):.4g}, sums "
            f"{float(sums.min()):.4g} to {float(sums.max()):.4g}; each row must be 0 or more and have the sum 1 within "
            f"{SOFT_TOLERANCE}): with_soft_labels(..., logits=True) converts logits."
        )


def _usual_labels(facts: Provenance) -> Tensor:
    """The classes in their order, as many of each as are stated."""
    return torch.arange(len(facts.class_names)).repeat_interleave(facts.images_per_class)


def _storable(text: str) -> bool:
    return "\0" not in text and text == text.encode(errors="ignore").decode()


def _bytes_of(values: Tensor) -> bytes:
    return np.ascontiguousarray(values.numpy(), dtype="<f4" if values.is_floating_point() else "<i8").tobytes()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
