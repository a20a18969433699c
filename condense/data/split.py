"""From raw images to a `DataSet`: the one fixed split for sources that have none, and the joining of both parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError, shortened

FIFTH = 5
_NAMED = 5
"""Classes that a remark names."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images as read, in the order of the source: pixels uint8 (N, C, H, W); labels int64 (N,)."""

    pixels: Tensor
    labels: Tensor

    def __getitem__(self, chosen: Tensor) -> "Part":
        return Part(self.pixels[chosen], self.labels[chosen])


def every_fifth(whole: Part, where: str | Path, class_names: Sequence[str] | None = None) -> tuple[Part, Part]:
    """(train, test): within each class, in the order of the source, every fifth image is for testing.

    A class of two to four images gives its last one, so every class is tested. Nothing is drawn: the split is the same
    on every machine. Raises `CondenseError` when a class has a single image.
    """
    is_test = torch.zeros(len(whole.labels), dtype=torch.bool)
    for label in whole.labels.unique().tolist():
        members = (whole.labels == label).nonzero().flatten()
        if len(members) < 2:
            name = class_names[label] if class_names is not None and label < len(class_names) else label
            raise CondenseError(
                f"{where}: class {name} has a single image; splitting off test images needs at least two of each class."
            )
        is_test[members[FIFTH - 1 :: FIFTH] if len(members) >= FIFTH else members[-1:]] = True
    return whole[~is_test], whole[is_test]


def last_fifth(whole: Part) -> tuple[Part, Part]:
    """(train, test): the last fifth of the source is for testing, for sources whose neighbouring images belong together."""
    order = torch.arange(len(whole.labels))
    is_test = order >= len(order) - len(order) // FIFTH
    return whole[~is_test], whole[is_test]


def join(
    name: str,
    train: Part,
    test: Part,
    class_names: Sequence[str] | None = None,
    *,
    where: str | Path,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    reading: Mapping[str, Any] | None = None,
) -> DataSet:
    """The `DataSet` of two parts; the test images get the classes and the normalisation of the training images.

    where: what a message names as the source; reading: what was stated or assumed in reading it. Its `remarks`, and that
    some classes have no test images, become the data set's. Raises `CondenseError` for what `LabelledImages.from_arrays`
    refuses, for a single class, and for train and test images of different shape.
    """
    learnt = LabelledImages.from_arrays(train.pixels, train.labels, class_names, name=str(where), mean=mean, std=std)
    if learnt.classes < 2:
        raise CondenseError(f"{where}: there is one class only, {learnt.class_names[0]}; there is nothing to tell apart.")
    tested = LabelledImages.from_arrays(
        test.pixels,
        test.labels,
        learnt.class_names,
        name=f"{where} (test)",
        mean=learnt.mean,
        std=learnt.std,
        need_every_class=False,
    )
    if learnt.shape != tested.shape:
        raise CondenseError(
            f"{where}: training images are {learnt.shape} (channels, height, width), but test images {tested.shape}."
        )
    facts = dict(reading or {})
    if untested := _untested(tested):
        facts["remarks"] = [*facts.get("remarks", ()), untested]
    return DataSet(
        name,
        replace(learnt, name=name, reading=facts),
        replace(tested, name=f"{name} (test)", reading=facts),
        tuple(facts.get("remarks", ())),
    )


def _untested(test: LabelledImages) -> str | None:
    """That test images lack classes; None where they do not."""
    names = [name for name, count in zip(test.class_names, test.counts, strict=True) if count == 0]
    if not names:
        return None
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    told = f"{', '.join(map(shortened, names[:_NAMED]))}{more} ({len(names)} of {test.classes} classes)"
    which, them = ("class", "it") if len(names) == 1 else ("the classes", "them")
    return f"no test image is of {which} {told}, so accuracies say nothing of {them}."


def held_out(images: LabelledImages) -> tuple[LabelledImages, LabelledImages]:
    """(To train on, held out): what chooses settings trains on the first and looks at the second; test images are for the
    final number alone.

    A fifth of each class is held out, one image at least: those whose bytes have the smallest SHA-256. So nothing is drawn,
    and the same images are held out in whatever order and container they come. Raises `CondenseError` when a class has a
    single image.
    """
    single = [name for name, count in zip(images.class_names, images.counts, strict=True) if count == 1]
    if single:
        raise CondenseError(
            f"{images.name}: class {shortened(single[0])} has a single training image; holding some out needs two of each."
        )
    pixels = images.pixels.cpu().numpy()
    digests = [sha256(image.tobytes()).digest() for image in pixels]
    out = torch.zeros(len(images), dtype=torch.bool)
    for members in torch.arange(len(images)).split(images.counts):
        ranked = sorted(members.tolist(), key=digests.__getitem__)
        out[ranked[: max(1, len(ranked) // FIFTH)] if ranked else []] = True
    return _part_of(images, ~out), _part_of(images, out)


def _part_of(images: LabelledImages, chosen: Tensor) -> LabelledImages:
    places = chosen.nonzero().flatten().to(images.device)
    return replace(images, pixels=images.pixels[places], labels=images.labels[places], _cache={})
