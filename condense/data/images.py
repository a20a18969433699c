"""Labelled real images: the whole set as one uint8 tensor on one device, sorted by class."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from condense.data.identity import content_digest, ordered_digest
from condense.data.known import known_as, published_as
from condense.errors import CondenseError
from condense.preprocessing import Preprocessing
from condense.randomness import Device, generator

_CONTENT = ("fingerprint", "_content", "former_fingerprint", "_former_as_read")
"""What is computed once of images and stays while they do."""


@dataclass(frozen=True)
class ClassBatches:
    """Real images drawn class by class: `indices` int64 (sum of counts,), class-major; `counts` images for each class."""

    indices: Tensor
    counts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with labels, sorted by class (stable, so the order within a class is the order of the source).

    pixels: uint8 (N, C, H, W); labels: int64 (N,) ascending, each class 0 .. len(class_names)-1 at least once;
    mean, std: per channel, of pixels scaled to [0, 1] (published values where the field has agreed on some).
    reading: what was stated or assumed in reading them, as plain JSON values; no part of the fingerprint.
    classes_as_read: (name, present label) of the classes in the order they were read in, where that was another, or the
    names were others.
    whitening: what `inputs` does instead of normalising by mean and std; None for that.
    Build it with `LabelledImages.from_arrays`, which sorts and checks.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    name: str = "images"
    reading: dict[str, Any] = field(default_factory=dict)
    classes_as_read: tuple[tuple[str, int], ...] = ()
    whitening: Preprocessing = None
    _cache: dict = field(default_factory=dict, repr=False)

    @staticmethod
    def from_arrays(
        pixels: Tensor,
        labels: Tensor,
        class_names: Sequence[str] | None = None,
        *,
        name: str = "images",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        need_every_class: bool = True,
    ) -> "LabelledImages":
        """Checks, sorts by class and completes (class names '0', '1', ...; mean and std measured when not given).

        Raises `CondenseError` for a wrong dtype or shape, labels out of range, or a class without any image.
        """
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1] not in (1, 3):
            raise CondenseError(
                f"{name}: images must be uint8 (N, C, H, W) with 1 or 3 channels, not {pixels.dtype} {tuple(pixels.shape)}."
            )
        if len(pixels) == 0:
            raise CondenseError(f"{name}: there are no images.")
        labels = _checked_labels(labels, len(pixels), class_names, name)
        names = tuple(class_names) if class_names is not None else tuple(map(str, range(int(labels.max()) + 1)))
        counts = torch.bincount(labels, minlength=len(names))
        if need_every_class and (counts == 0).any():
            missing = [names[index] for index in (counts == 0).nonzero().flatten().tolist()]
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise CondenseError(f"{name}: no image of class {', '.join(missing[:5])}{more}; every class needs at least one.")
        order = labels.argsort(stable=True)
        pixels = pixels[order].contiguous()
        measured_mean, measured_std = _channel_statistics(pixels) if mean is None or std is None else (mean, std)
        return LabelledImages(pixels, labels[order], names, tuple(mean or measured_mean), tuple(std or measured_std), name)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        """Where pixels and labels lie."""
        return self.pixels.device

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """The number of images of each class."""
        return tuple(torch.bincount(self.labels, minlength=self.classes).tolist())

    @cached_property
    def fingerprint(self) -> str:
        """Digest over the (image, label) pairs and the image shape: the same in any order, container and on any device."""
        return self._content

    @cached_property
    def _content(self) -> str:
        return content_digest(self.pixels.cpu().numpy(), self.labels.tolist())

    @cached_property
    def former_fingerprint(self) -> str:
        """SHA-256 over shape, pixels, labels and class names, in their order.

        Sets and records of earlier versions hold it; and as what is drawn depends on the order, it is by this one that a
        checkpoint knows its images.
        """
        return ordered_digest(self.pixels.cpu().numpy(), self.labels.cpu().numpy(), self.class_names)

    def is_known_as(self, fingerprint: str) -> bool:
        """Whether a stored fingerprint, of this or of an earlier version, is that of these images.

        Of a published set's images the former fingerprint in the published order is known too, so that a set that was
        learned from them is recognised whatever order they come in; and the one that they had as they were read.
        """
        return self._has_fingerprint(fingerprint) or fingerprint == self._former_as_read

    def as_known_by(self, fingerprint: str) -> "LabelledImages":
        """These images with their classes named and numbered as where they had that fingerprint, which they are known as."""
        return self if self._has_fingerprint(fingerprint) else self.as_read()

    def _has_fingerprint(self, fingerprint: str) -> bool:
        published = known_as(fingerprint)
        if fingerprint == self._content or (published is not None and published == known_as(self._content)):
            return True
        return fingerprint == self.former_fingerprint

    @cached_property
    def _former_as_read(self) -> str:
        return self.as_read().former_fingerprint

    def as_read(self) -> "LabelledImages":
        """The same images, under the fingerprint they have here, with their classes named and numbered as they were read."""
        if not self.classes_as_read:
            return self
        numbers = torch.tensor([label for _, label in self.classes_as_read], device=self.device).argsort()
        read = LabelledImages.from_arrays(
            self.pixels,
            numbers[self.labels],
            [name for name, _ in self.classes_as_read],
            name=self.name,
            mean=self.mean,
            std=self.std,
            need_every_class=False,
        )
        read = replace(read, reading=self.reading, whitening=self.whitening)
        read.__dict__["fingerprint"] = self.fingerprint
        return read

    def as_recorded(self, fingerprints: Iterable[str]) -> "LabelledImages":
        """The same images under the first of these fingerprints that they are known as; unchanged where there is none.

        So that what joins the records of an earlier version stands under the fingerprint that is there.
        """
        stored = next((found for found in fingerprints if self.is_known_as(found)), self.fingerprint)
        same = self._hand_over(replace(self, _cache={}), *_CONTENT)
        same.__dict__["fingerprint"] = stored
        return same

    def to(self, device: Device) -> "LabelledImages":
        """The same images on another device."""
        moved = replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device), _cache={})
        return self._hand_over(moved, *_CONTENT)

    def described_as(
        self, name: str, class_names: Sequence[str], mean: Sequence[float], std: Sequence[float]
    ) -> "LabelledImages":
        """The same images under another name, with other names of classes and another normalisation; they stay known by the
        fingerprint that they had as they were read.
        """
        here = tuple(zip(class_names, range(self.classes), strict=True))
        read = self.classes_as_read or tuple(zip(self.class_names, range(self.classes), strict=True))
        described = replace(
            self,
            name=name,
            class_names=tuple(class_names),
            mean=tuple(mean),
            std=tuple(std),
            classes_as_read=() if read == here else read,
            _cache={},
        )
        return self._hand_over(described, "fingerprint", "_content")

    def whitened_by(self, whitening: Preprocessing) -> "LabelledImages":
        """The same images, whose `inputs` are whitened so (None: normalised by mean and std)."""
        return self._hand_over(replace(self, whitening=whitening, _cache={}), *_CONTENT)

    def _hand_over(self, to: "LabelledImages", *names: str) -> "LabelledImages":
        """Gives `to`, which has the same content, those of these properties that are computed already."""
        to.__dict__.update({name: self.__dict__[name] for name in names if name in self.__dict__})
        return to

    def inputs(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Normalised images, (value/255 - mean) / std, of `indices` (any shape S): (S, C, H, W) in `dtype`.

        Where there is a whitening, what it makes of value/255 instead, computed in float32 at least.
        """
        if self.whitening is not None:
            exact = torch.promote_types(dtype, torch.float32)
            if exact not in self._cache:
                self._cache[exact] = self.whitening.to(self.device, exact)
            return self._cache[exact].apply(self.pixels[indices].to(exact) / 255).to(dtype)
        scale, shift = self._affine(dtype)
        return torch.addcmul(shift, self.pixels[indices].to(dtype), scale)

    def _affine(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Scale and shift (C, 1, 1) that take a byte to its normalised value."""
        if dtype not in self._cache:
            mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (self.mean, self.std))
            self._cache[dtype] = tuple(v.to(self.device, dtype) for v in (1 / (255 * std), -mean / std))
        return self._cache[dtype]

    def draw_class_batches(self, size: int, random: torch.Generator) -> ClassBatches:
        """Up to `size` images of every class, uniformly without replacement, in one operation for all classes.

        Every image gets a random key; the `size` largest keys of a class are its draw. A class with fewer images is used
        whole, as in the published code. `random` is on the images' device, or on the CPU for equal draws on any device.
        """
        widest = max(self.counts)
        first, missing = self._once("places of classes", self._places_of_classes)
        keys = torch.rand(self.classes, widest, generator=random, device=random.device).to(self.device)
        offsets = keys.masked_fill_(missing, -1.0).topk(min(size, widest), dim=1).indices
        drawn, counts = first + offsets, tuple(min(size, count) for count in self.counts)
        return ClassBatches(drawn.flatten()[self._once(("filled", size), partial(self._filled, counts))], counts)

    def _places_of_classes(self) -> tuple[Tensor, Tensor]:
        """Where each class begins (K, 1), and which of the places of a class are beyond its images (K, widest)."""
        counts = torch.tensor(self.counts, device=self.device)[:, None]
        return counts.cumsum(0) - counts, torch.arange(max(self.counts), device=self.device) >= counts

    def _filled(self, counts: tuple[int, ...]) -> Tensor:
        """Where the first counts[k] of row k lie in a flattened (K, max(counts))."""
        rows = [row * max(counts) + torch.arange(count) for row, count in enumerate(counts)]
        return torch.cat(rows).to(self.device)

    def _once(self, name: object, made: Callable[[], Any]) -> Any:
        """What is made once: on a GPU the host would have to wait for it each time."""
        if name not in self._cache:
            self._cache[name] = made()
        return self._cache[name]

    def subset(self, size: int, seed: int) -> "LabelledImages":
        """A class-balanced subset of `size` images, drawn without replacement with `seed`; the same on any device.

        Raises `CondenseError` when `size` is not a multiple of the number of classes or a class is too small.
        """
        each, left = divmod(size, self.classes)
        if each < 1 or left:
            raise CondenseError(
                f"--train-size {size} cannot be balanced over the {self.classes} classes of {self.name}; "
                f"a multiple of {self.classes} can."
            )
        if each > min(self.counts):
            smallest = self.class_names[self.counts.index(min(self.counts))]
            raise CondenseError(
                f"--train-size {size} needs {each} images per class, but class {smallest} of {self.name} has "
                f"{min(self.counts)}; at most {min(self.counts) * self.classes} are possible."
            )
        random = generator(seed, "train subset")
        chosen = self.draw_class_batches(each, random).indices.sort().values
        return replace(self, pixels=self.pixels[chosen], labels=self.labels[chosen], _cache={})


def _checked_labels(labels: Tensor, images: int, class_names: Sequence[str] | None, name: str) -> Tensor:
    if labels.shape != (images,) or labels.is_floating_point():
        raise CondenseError(
            f"{name}: labels must be whole numbers, one for each of the {images} images, "
            f"not {labels.dtype} {tuple(labels.shape)}."
        )
    labels = labels.long()
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (class_names is not None and high >= len(class_names)):
        allowed = f"0 to {len(class_names) - 1}" if class_names is not None else "0 or more"
        raise CondenseError(f"{name}: labels run from {low} to {high}, but must be {allowed}.")
    if class_names is None and high >= images:  # found here, as counting so many classes could exhaust the memory
        raise CondenseError(
            f"{name}: labels run to {high}, but {images} images cannot fill so many classes; every class needs at least one."
        )
    return labels


def _channel_statistics(pixels: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, scaled to [0, 1], exact (from the histogram of the 256 values).

    A channel of one value alone has no scale; its deviation is given as 1, so that normalising it divides by no zero and
    test images that do differ are not blown up.
    """
    means, stds = [], []
    levels = torch.arange(256, dtype=torch.float64) / 255
    for channel in pixels.transpose(0, 1):
        weights = torch.bincount(channel.flatten().int().cpu(), minlength=256).double() / channel.numel()
        mean = (weights * levels).sum()
        means.append(float(mean))
        constant = int((weights > 0).sum()) == 1  # asked here, as rounding may leave some deviation of a constant
        stds.append(1.0 if constant else float((weights * (levels - mean) ** 2).sum().sqrt()))
    return means, stds


@dataclass(frozen=True, eq=False)
class DataSet:
    """A named pair of training and test images with the same classes, shape and normalisation.

    vouched: (catalog name, fingerprints of training and test images) where a published set is known by the MD5s of its
    files rather than by the table of `known`. remarks: sentences about what was assumed in reading them.
    """

    name: str
    train: LabelledImages
    test: LabelledImages
    remarks: tuple[str, ...] = ()
    vouched: tuple[str, str, str] | None = None

    @property
    def published(self) -> str | None:
        """The catalog name of the published set that this is, whole and unchanged; None for any other, subsets too."""
        prints = self.train._content, self.test._content
        if self.vouched is not None and self.vouched[1:] == prints:
            return self.vouched[0]
        return published_as(*prints)

    def with_remark(self, remark: str) -> "DataSet":
        """The same set with one more sentence on how it was read, which sets made from it store."""
        remarks = (*self.remarks, remark)
        train, test = (
            one._hand_over(replace(one, reading={**one.reading, "remarks": list(remarks)}), *_CONTENT)
            for one in (self.train, self.test)
        )
        return replace(self, train=train, test=test, remarks=remarks)

    def whitened_by(self, whitening: Preprocessing) -> "DataSet":
        """The same set with both parts whitened so (None: normalised by mean and std)."""
        return replace(self, train=self.train.whitened_by(whitening), test=self.test.whitened_by(whitening))

    def as_recorded(self, train: Iterable[str], test: Iterable[str]) -> "DataSet":
        """The same set, each part under the first of its stored fingerprints that it is known as."""
        return replace(self, train=self.train.as_recorded(train), test=self.test.as_recorded(test))

    def to(self, device: Device) -> "DataSet":
        """The same set on another device."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))
