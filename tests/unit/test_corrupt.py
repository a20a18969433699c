"""Corruptions of labels and pixels: what they change, what they leave, and that a seed says all."""

from collections import Counter

import pytest
import torch

from condense.data.corrupt import (
    CORRUPTIONS,
    corrupted_labels,
    gaussian_pixels,
    random_labels,
    random_pixels,
    shuffled_pixels,
)
from condense.data.images import LabelledImages
from condense.errors import CondenseError


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2000, 3, 8, 6), generator=random, dtype=torch.uint8)
    return LabelledImages.from_arrays(pixels, torch.arange(2000) % 10)


def by_image(images: LabelledImages) -> dict[bytes, int]:
    """The label of every image, found by its pixels."""
    return {pixels.numpy().tobytes(): int(label) for pixels, label in zip(images.pixels, images.labels, strict=True)}


def test_no_corruption_changes_nothing(images: LabelledImages) -> None:
    assert corrupted_labels(images, 0.0, 3).fingerprint == images.fingerprint


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_labels_are_replaced_with_probability_p(images: LabelledImages, p: float) -> None:
    before, after = by_image(images), by_image(corrupted_labels(images, p, 1))
    assert before.keys() == after.keys()
    changed = sum(before[key] != after[key] for key in before) / len(before)
    assert changed == pytest.approx(0.9 * p, abs=4 * (0.9 * p * (1 - 0.9 * p) / 2000) ** 0.5)
    assert min(Counter(after.values()).values()) > 130  # all classes are drawn


def test_more_corruption_keeps_what_less_has_done(images: LabelledImages) -> None:
    true, some, more = (by_image(corrupted_labels(images, p, 1)) for p in (0.0, 0.4, 0.7))
    assert all(more[key] == label for key, label in some.items() if label != true[key])


def test_random_labels_are_those_of_p_one(images: LabelledImages) -> None:
    assert random_labels(images, 5).fingerprint == corrupted_labels(images, 1.0, 5).fingerprint


def test_shuffled_pixels_move_alike_in_all_images_and_channels(images: LabelledImages) -> None:
    places = torch.arange(48, dtype=torch.uint8).view(1, 1, 8, 6).expand(2, 3, 8, 6)
    shuffled = shuffled_pixels(LabelledImages.from_arrays(places.clone(), torch.tensor([0, 1])), 4).pixels
    assert (shuffled == shuffled[0, 0]).all() and sorted(shuffled[0, 0].flatten().tolist()) == list(range(48))
    moved = shuffled_pixels(images, 4).pixels
    assert torch.equal(moved, images.pixels.flatten(2)[..., shuffled[0, 0].flatten().long()].view_as(moved))


def test_random_pixels_move_alike_in_the_channels_of_one_image_only() -> None:
    places = torch.arange(48, dtype=torch.uint8).view(1, 1, 8, 6).expand(2, 3, 8, 6)
    moved = random_pixels(LabelledImages.from_arrays(places.clone(), torch.tensor([0, 1])), 4).pixels
    assert (moved == moved[:, :1]).all() and not torch.equal(moved[0], moved[1])
    assert sorted(moved[1, 0].flatten().tolist()) == list(range(48))


def test_gaussian_pixels_keep_mean_and_deviation_of_each_channel() -> None:
    grey = torch.full((2, 3, 32, 32), 128.0)
    grey[0, 1] += 20 * torch.randn(32, 32, generator=torch.Generator().manual_seed(2))
    images = LabelledImages.from_arrays(grey.round().to(torch.uint8), torch.tensor([0, 1]))
    drawn = gaussian_pixels(images, 7).pixels.float()
    assert float(drawn[0, 1].mean()) == pytest.approx(128, abs=3) and float(drawn[0, 1].std()) == pytest.approx(20, rel=0.1)
    assert (drawn[0, 0] == 128).all() and not torch.equal(drawn[0, 1], images.pixels[0, 1].float())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_seed_says_all(images: LabelledImages, name: str) -> None:
    first, again, other = (CORRUPTIONS[name](images, seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert torch.equal(first.labels, images.labels) and first.pixels.dtype == torch.uint8


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_impossible_shares(images: LabelledImages, p: float) -> None:
    with pytest.raises(CondenseError, match="must lie between 0 and 1"):
        corrupted_labels(images, p, 0)
