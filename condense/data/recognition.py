"""Published sets in the user's own containers: known by their content, and then taken as what they are."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from condense.data.images import DataSet, LabelledImages
from condense.data.known import PUBLISHED, Published


def recognised(data: DataSet) -> DataSet:
    """The data set under the published name, with its names of classes and normalisation, where it is a published set's
    whole content; as it is otherwise.

    Where classes have the published names, in another order (a folder has the order of the names as text), they are
    numbered as published if that makes the content the published one.
    """
    name = data.published
    if name is None:
        data = next((same for known in PUBLISHED.values() if (same := _renumbered(data, known)) and same.published), data)
        name = data.published
    if name is None or name == data.name:
        return data
    known = PUBLISHED[name]
    mean, std = known.mean or data.train.mean, known.std or data.train.std
    described = replace(
        data,
        name=name,
        train=data.train.described_as(name, known.class_names, mean, std),
        test=data.test.described_as(f"{name} (test)", known.class_names, mean, std),
    )
    return described.with_remark(
        f"{data.name} holds the published {name}, whole and unchanged, and is taken as that: under its name, with its names "
        "of classes and its normalisation."
    )


def _renumbered(data: DataSet, known: Published) -> DataSet | None:
    """The set with its classes in the published order, where their names are the published ones, one of them perhaps
    written in another way; None where they are not, or in that order already.
    """
    own, published = ([_plain(name) for name in names] for names in (data.train.class_names, known.class_names))
    left, others = [name for name in own if name not in published], [name for name in published if name not in own]
    if len(own) != len(published) or len(set(own)) < len(own) or len(left) > 1:
        return None
    order = [published.index(others[0] if name in left else name) for name in own]
    if order == sorted(order):
        return None
    numbers = torch.tensor(order)
    return replace(data, train=renumbered(data.train, numbers), test=renumbered(data.test, numbers))


def renumbered(images: LabelledImages, numbers: torch.Tensor) -> LabelledImages:
    """The same images with class i as class numbers[i], int64 (classes,), each once; they stay known as they were read."""
    names: Sequence[str] = [images.class_names[index] for index in numbers.argsort().tolist()]
    made = LabelledImages.from_arrays(
        images.pixels,
        numbers[images.labels],
        names,
        name=images.name,
        mean=images.mean,
        std=images.std,
        need_every_class=False,
    )
    read = tuple(zip(images.class_names, numbers.tolist(), strict=True))
    return replace(made, reading=images.reading, classes_as_read=read)


def _plain(name: str) -> str:
    """Letters and digits alone, as folders cannot be called 'T-shirt/top'."""
    return "".join(character for character in name.casefold() if character.isalnum())
