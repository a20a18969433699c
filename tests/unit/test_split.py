"""The split of training images that serves every choice of settings."""

import pytest
import torch

from condense.data.images import LabelledImages
from condense.data.split import Part, held_out, join
from condense.errors import CondenseError


def images(counts: tuple[int, ...]) -> LabelledImages:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    pixels = torch.randint(0, 256, (len(labels), 1, 3, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return LabelledImages.from_arrays(pixels, labels)


def rows(part: LabelledImages) -> set[bytes]:
    return {image.numpy().tobytes() + bytes([int(label)]) for image, label in zip(part.pixels, part.labels, strict=True)}


def test_a_fifth_of_each_class_is_held_out() -> None:
    whole = images((10, 2, 5, 14))
    train, out = held_out(whole)
    assert out.counts == (2, 1, 1, 2) and train.counts == (8, 1, 4, 12)
    assert rows(train) | rows(out) == rows(whole) and not rows(train) & rows(out)
    assert (train.mean, train.std, out.class_names) == (whole.mean, whole.std, whole.class_names)


def test_the_same_images_are_held_out_in_any_order() -> None:
    whole = images((10, 6))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    other = LabelledImages.from_arrays(whole.pixels[order], whole.labels[order])
    assert rows(held_out(whole)[1]) == rows(held_out(other)[1])


def test_a_class_of_one_image_cannot_be_split() -> None:
    with pytest.raises(CondenseError, match="class 1 has a single training image; holding some out needs two of each"):
        held_out(images((4, 1)))


def test_classes_that_are_not_tested_are_said_and_stored():
    def part(labels: list[int]) -> Part:
        return Part(torch.arange(len(labels) * 16, dtype=torch.uint8).reshape(-1, 1, 4, 4), torch.tensor(labels))

    train = part([*range(8)])
    assert join("all", train, part([*range(8)]), where="all").remarks == ()
    data = join("some", train, part([0, 0, 1, 2, 4, 5, 6, 7]), list("abcdefgh"), where="some", reading={"remarks": ["so."]})
    said = "no test image is of class d (1 of 8 classes), so accuracies say nothing of it."
    assert data.remarks == ("so.", said)
    assert data.train.reading == data.test.reading == {"remarks": ["so.", said]}
    one = join("one", train, part([1]), list("abcdefgh"), where="one")
    assert one.remarks == (
        "no test image is of the classes a, c, d, e, f and 2 more (7 of 8 classes), so accuracies say nothing of them.",
    )
    assert one.test.reading == {"remarks": list(one.remarks)}
