"""The artifact: a synthetic set with its full provenance in one HDF5 file. Format: docs/artifact-format.md."""

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from condense import given, picture
from condense.decoding import IDENTITY, Decoder, decoder_of
from condense.errors import CondenseError, quoted
from condense.files import refuse_overwrite, write_atomically
from condense.preprocessing import ZCA, Preprocessing
from condense.provenance import UNKNOWN, Provenance, check_agreement, check_provenance, provenance_of
from condense.set_file import PER_CHANNEL, WHITENED, Stored, identity_of, read_file

SOFT_TOLERANCE = 1e-3
"""How far the sum of an image's soft labels may be from 1."""


@dataclass(frozen=True, eq=False)
class SyntheticSet(Dataset[tuple[Tensor, int | Tensor]]):
    """Learned (or selected) images with labels, and what belongs to them.

    images: float32 (N, C, H, W) as stored, in the space that networks see; labels: int64 (N,) hard, at least one of each
    class and `images_per_class` of the largest; or float32 (N, classes) soft: probabilities, each row with a sum of 1
    (within `SOFT_TOLERANCE`), N at most classes x `images_per_class`.
    decoder: what makes of them what networks are trained on (`decoded`); preprocessing: what was done to the real images,
    and is done to those that networks are tested on: None for a normalisation by the provenance's mean and std;
    learning_rate: of networks trained on the set, where one was learned with it.
    Raises `CondenseError` for anything else.

    It is a map-style Dataset of PyTorch too: of what networks are trained on, decoded, each image (C, H, W) with its label,
    a number or, soft, a tensor (classes,). Sets are equal that are saved to the same bytes; their tensors are to be left as
    they are.
    """

    images: Tensor
    labels: Tensor
    provenance: Provenance
    decoder: Decoder = IDENTITY
    preprocessing: Preprocessing = None
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _check(self, "The synthetic set")

    @classmethod
    def of(
        cls,
        images: Any,
        labels: Any,
        data: Any,
        *,
        method: str,
        network: str = UNKNOWN,
        pixels: str | None = None,
        logits: bool = False,
        seed: int = 0,
        iterations: int = 0,
        decoder: Decoder = IDENTITY,
        learning_rate: float | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> "SyntheticSet":
        """The set of images and labels as one has them, made of the real images `data` (as `condense.load` gives them, or
        their part `train`) by a method called so.

        images: NumPy's or PyTorch's (N, C, H, W), of any type of numbers, on any device, with gradients or without; labels:
        whole numbers (N,), or floats (N, classes), probabilities, with `logits` what softmax makes them of.
        pixels: what the images hold: "normalised" (as networks see them; whitened where the real images are), "unit" (from 0
        to 1) or "bytes" (to 255); whole numbers are bytes, and floats that could be pixels have to say it.
        network: the one that it was learned with; config: settings of the method, plain values by name, stored with it.
        Raises `CondenseError`, with a question where something is open, for what is no such set.
        """
        train = given.real_images(data)
        stored, found = given.images_of(images, train, pixels), given.labels_of(labels, train, logits=logits)
        given.check_as_many(stored, found)
        each = given.images_per_class(found, train.classes)
        named = {"method": method, "network": network, "seed": seed, "iterations": iterations, "images_per_class": each}
        provenance = given.provenance_of(train, config or {}, **named)
        return cls(stored, found, provenance, decoder, train.whitening, learning_rate)

    def __len__(self) -> int:
        """The number of images that networks are trained on."""
        return len(self.images) * self.decoder.multiple

    def __getitem__(self, index: Any) -> tuple[Tensor, Any]:
        """(Image (C, H, W), label) at a place; (images, labels) of a slice, a list or a tensor of places."""
        images, labels = self._decoded
        if isinstance(index, SupportsIndex) and not isinstance(index, Tensor | np.ndarray):
            label = labels[index]
            return images[index], label if self.soft else int(label)
        return images[index], labels[index]

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SyntheticSet):
            return NotImplemented
        return self is other or (self.provenance == other.provenance and self.sha256 == other.sha256)

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"SyntheticSet({picture.summary(self)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the images as they look, a row for each class."""
        return picture.html_of(self)

    @property
    def format_version(self) -> int:
        """1 where the set has nothing that format 1 has no place for, else 2."""
        new = self.decoder != IDENTITY or self.preprocessing is not None or self.learning_rate is not None
        return 2 if new or self.unequal else 1

    @property
    def sha256(self) -> str:
        """The set's identity.

        Format 1: SHA-256 of the image bytes (float32, C order, little endian), and of the labels (type, shape, bytes) where
        they are not the usual ones: the classes in their order, `images_per_class` of each. Format 2: of a JSON text that
        states shapes, decoder, preprocessing (of a normalisation its mean and std) and learning rate, then of the bytes of
        images, labels and whitening.
        """
        arrays = {name: tensor.numpy() for name, tensor in self._arrays.items()}
        return identity_of(self.format_version, arrays, vars(self.provenance), self._extensions)

    @property
    def soft(self) -> bool:
        """Whether the labels are probabilities of the classes instead of one class each."""
        return self.labels.is_floating_point()

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of stored images of each class; a soft label counts for its likeliest class."""
        return _counts(self.labels, len(self.provenance.class_names))

    @property
    def unequal(self) -> bool:
        """Whether there are other than `images_per_class` images for each class."""
        return len(self.images) != len(self.provenance.class_names) * self.provenance.images_per_class

    @property
    def bytes_stored(self) -> int:
        """Bytes of all arrays: images, labels, and mean and matrix of a whitening."""
        return sum(tensor.nbytes for tensor in self._arrays.values())

    def decoded(self) -> tuple[Tensor, Tensor]:
        """What networks are trained on: images float32 (M, C, H, W), and labels int64 (M,) or float32 (M, classes)."""
        return self.decoder.decode(self.images, self.labels)

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
        """The stored images as they look: uint8 (N, C, H, W), clipped to [0, 255] and rounded.

        Raises `CondenseError` where the whitening of the images has no inverse.
        """
        return self._as_they_look(self.images)

    def decoded_pixels(self) -> tuple[Tensor, Tensor]:
        """The same of the decoded images, uint8 (M, C, H, W), with their labels."""
        images, labels = self.decoded()
        return self._as_they_look(images), labels

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Writes the file atomically; equal sets give equal bytes. Refuses to replace an existing file without `force`."""
        path = Path(path)
        refuse_overwrite(path, force)
        write_atomically(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of its file; equal sets give equal bytes."""
        return self.stored().to_bytes()

    def stored(self) -> Stored:
        """All that its file holds, as plain values."""
        extensions = self._extensions if self.format_version > 1 else {}
        return Stored(self.format_version, self._arrays, asdict(self.provenance), extensions, self.sha256)

    @staticmethod
    def of_stored(stored: Stored, where: Path | str) -> "SyntheticSet":
        """The set of such values, once everything in them is checked; raises `CondenseError`, naming `where` they stood."""
        return _assemble(stored, where)

    @staticmethod
    def load(path: Path | str) -> "SyntheticSet":
        """Reads and checks everything.

        Raises `CondenseError` for a file that is missing, truncated, damaged, not ours, or of a newer format.
        """
        path = Path(path)
        return _assemble(read_file(path), path)

    @cached_property
    def _decoded(self) -> tuple[Tensor, Tensor]:
        return self.decoded()

    @property
    def _arrays(self) -> dict[str, Tensor]:
        whitening = {} if self.preprocessing is None else self.preprocessing.tensors
        return {"images": self.images, "labels": self.labels, **{f"whitening_{name}": whitening[name] for name in whitening}}

    @property
    def _extensions(self) -> dict[str, Any]:
        """What a file of format 2 states besides."""
        preprocessing = PER_CHANNEL if self.preprocessing is None else WHITENED
        rate = None if self.learning_rate is None else float(self.learning_rate)
        return {"decoder": self.decoder.facts(), "preprocessing": preprocessing, "learning_rate": rate}

    def _as_they_look(self, images: Tensor) -> Tensor:
        if self.preprocessing is None:
            mean, std = (torch.tensor(v)[:, None, None] for v in (self.provenance.mean, self.provenance.std))
            shown = images * std + mean
        else:
            shown = self.preprocessing.invert(images)
        return (shown * 255).round().clamp(0, 255).to(torch.uint8)


def _assemble(stored: Stored, path: Path | str) -> SyntheticSet:
    """The set that a file holds, once everything in it is checked."""
    provenance = provenance_of(stored.provenance, path)
    stored = replace(stored, arrays={name: torch.as_tensor(array) for name, array in stored.arrays.items()})
    try:
        if stored.version == 1:
            _check_equal(stored.arrays["images"], provenance, "The synthetic set")
        loaded = SyntheticSet(stored.arrays["images"], stored.arrays["labels"], provenance, **_extended(stored))
    except CondenseError as error:
        raise CondenseError(f"{path}: {error}") from error
    if loaded.sha256 != stored.sha256:
        what = "images or labels" if stored.version == 1 else "images, labels or what belongs to them"
        raise CondenseError(f"{path} is damaged: its {what} do not match the stored SHA-256.")
    return loaded


def _extended(stored: Stored) -> dict[str, Any]:
    """What a file of format 2 has more, as `SyntheticSet` takes it."""
    if stored.version == 1:
        return {}
    preprocessing = stored.extensions["preprocessing"]
    if preprocessing not in (PER_CHANNEL, WHITENED):
        known = f"'{PER_CHANNEL}' and '{WHITENED}'"
        raise CondenseError(f"There is no preprocessing {quoted(preprocessing)}; known are {known}.")
    whitening = None
    if preprocessing == WHITENED:
        whitening = ZCA(stored.arrays["whitening_mean"], stored.arrays["whitening_matrix"])
    return {
        "decoder": decoder_of(stored.extensions["decoder"]),
        "preprocessing": whitening,
        "learning_rate": stored.extensions["learning_rate"],
    }


def _check(candidate: SyntheticSet, name: str) -> None:
    check_provenance(candidate.provenance, name)
    _check_images(candidate.images, candidate.provenance, name)
    _check_labels(candidate, name)
    check_agreement(candidate.provenance, name)
    candidate.decoder.check(tuple(candidate.images.shape[1:]))
    _check_preprocessing(candidate, name)
    rate = candidate.learning_rate
    number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if rate is not None and not (number and 0 < rate <= sys.float_info.max):
        raise CondenseError(f"{name} states the learning rate {quoted(rate)}, which must be above 0 and finite.")


def _check_images(images: Tensor, facts: Provenance, name: str) -> None:
    channels = len(facts.mean)
    right_shape = images.dim() == 4 and images.shape[1] == channels == len(facts.std) and images.numel() > 0
    if images.dtype != torch.float32 or not right_shape:
        raise CondenseError(
            f"{name} must hold float32 images (N, {channels}, H, W), not {images.dtype} {tuple(images.shape)}."
        )
    if len(images) > len(facts.class_names) * facts.images_per_class:
        raise _other_number(len(images), facts, name)
    if not torch.isfinite(images).all():
        raise CondenseError(f"{name} holds pixels that are not finite.")
    if not (all(map(math.isfinite, facts.mean)) and all(0 < value < math.inf for value in facts.std)):
        raise CondenseError(f"{name} states a normalisation that cannot be: mean {facts.mean}, std {facts.std}.")


def _check_equal(images: Tensor, facts: Provenance, name: str) -> None:
    """Raises `CondenseError` unless there are as many images as format 1 states; and for what is checked before that."""
    check_provenance(facts, name)
    _check_images(images, facts, name)
    if len(images) != len(facts.class_names) * facts.images_per_class:
        raise _other_number(len(images), facts, name)


def _other_number(images: int, facts: Provenance, name: str) -> CondenseError:
    stated = f"{len(facts.class_names)} classes x {facts.images_per_class} were stated"
    return CondenseError(f"{name} holds {images} images, but {stated}.")


def _check_labels(candidate: SyntheticSet, name: str) -> None:
    images, labels, classes = candidate.images, candidate.labels, len(candidate.provenance.class_names)
    hard = labels.dtype == torch.int64 and labels.shape == images.shape[:1]
    soft = labels.dtype == torch.float32 and labels.shape == (len(images), classes)
    if not (hard or soft):
        raise CondenseError(
            f"{name} must hold labels int64 (N,) or float32 (N, {classes}), not {labels.dtype} {tuple(labels.shape)}."
        )
    if soft:
        _check_probabilities(labels, name)
        if not bool(
            (labels == 1).any(dim=1).all()
        ):  # how many images a class has is not said by labels that are really soft
            return
        labels = labels.argmax(dim=1)
    if not (int(labels.min()) >= 0 and int(labels.max()) < classes):
        raise CondenseError(f"{name} holds labels outside 0 to {classes - 1}.")
    _check_counts(_counts(labels, classes), candidate.provenance.images_per_class, name)


def _check_counts(counts: tuple[int, ...], images_per_class: int, name: str) -> None:
    """Classes may be unequal: then none is without images, and the largest has as many as are stated."""
    if min(counts) and max(counts) == images_per_class:
        return
    wrong = next(index for index, count in enumerate(counts) if count != images_per_class)
    raise CondenseError(
        f"{name} states {images_per_class} images per class, but its labels name class {wrong} {counts[wrong]} times."
    )


def _check_preprocessing(candidate: SyntheticSet, name: str) -> None:
    whitening, shape = candidate.preprocessing, tuple(candidate.images.shape[1:])
    if whitening is not None and (whitening.shape != shape or whitening.mean.dtype != torch.float32):
        found = f"{whitening.mean.dtype} {whitening.shape}"
        raise CondenseError(f"{name} holds images {shape}, but a whitening of {found} instead of float32 {shape}.")


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


def _counts(labels: Tensor, classes: int) -> tuple[int, ...]:
    hard = labels if labels.dim() == 1 else labels.argmax(dim=1)
    return tuple(torch.bincount(hard, minlength=classes).tolist())
