"""LabelledImages and the fixed split, for any class sizes."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condense.data.images import LabelledImages
from condense.data.split import Part, every_fifth
from condense.randomness import generator

COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=60, deadline=None)


def source(counts, seed):
    """Shuffled labels, and pixels that number the images in the order of the source."""
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator(seed, "order"))]
    return torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1), labels


@QUICK
@given(COUNTS, SEEDS, st.integers(1, 15))
def test_draws_are_distinct_in_class_and_of_the_right_number(counts, seed, size):
    images = LabelledImages.from_arrays(*source(counts, seed))
    drawn = images.draw_class_batches(size, generator(seed, "draw"))
    assert drawn.counts == tuple(min(size, count) for count in counts)
    assert len(set(drawn.indices.tolist())) == len(drawn.indices) == sum(drawn.counts)
    expected = [label for label, count in enumerate(drawn.counts) for _ in range(count)]
    assert images.labels[drawn.indices].tolist() == expected


@QUICK
@given(COUNTS, SEEDS)
def test_sorting_is_stable_and_loses_nothing(counts, seed):
    pixels, labels = source(counts, seed)
    images = LabelledImages.from_arrays(pixels, labels)
    assert images.counts == tuple(counts)
    assert images.labels.tolist() == sorted(labels.tolist())
    for label in range(len(counts)):
        of_class = images.pixels[images.labels == label].flatten().tolist()
        assert of_class == [place for place, other in enumerate(labels.tolist()) if other == label]


@QUICK
@given(COUNTS, SEEDS, SEEDS, st.data())
def test_the_fingerprint_ignores_how_classes_are_interleaved_but_no_pixel(counts, seed, other_seed, data):
    pixels, labels = source(counts, seed)
    images = LabelledImages.from_arrays(pixels, labels)
    new_labels = source(counts, other_seed)[1]
    new_pixels = torch.empty_like(pixels)
    for label in range(len(counts)):  # the same images of each class in the same order, at other places of the source
        new_pixels[new_labels == label] = pixels[labels == label]
    assert LabelledImages.from_arrays(new_pixels, new_labels).fingerprint == images.fingerprint
    place = data.draw(st.integers(0, len(pixels) - 1))
    new_pixels[place] ^= data.draw(st.integers(1, 255))
    assert LabelledImages.from_arrays(new_pixels, new_labels).fingerprint != images.fingerprint


@QUICK
@given(st.lists(st.integers(2, 17), min_size=1, max_size=5), SEEDS)
def test_the_split_tests_every_class_and_parts_are_disjoint(counts, seed):
    pixels, labels = source(counts, seed)
    train, test = every_fifth(Part(pixels, labels), "here")
    assert sorted(train.pixels.flatten().tolist() + test.pixels.flatten().tolist()) == list(range(len(pixels)))
    for label, count in enumerate(counts):
        order = [place for place, other in enumerate(labels.tolist()) if other == label]
        tested = order[4::5] if count >= 5 else order[-1:]
        assert test.pixels[test.labels == label].flatten().tolist() == tested
