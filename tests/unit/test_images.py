"""LabelledImages: what it accepts, how it sorts, draws, normalises and cuts down."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from condense.data.images import DataSet, LabelledImages
from condense.data.known import PUBLISHED, Fingerprints
from condense.errors import CondenseError
from condense.randomness import generator


def images_with(counts, *, channels=1, side=4, seed=0, **keywords) -> LabelledImages:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (len(labels), channels, side, side), dtype=torch.uint8, generator=random)
    return LabelledImages.from_arrays(pixels, labels, **keywords)


def test_sorts_by_class_and_keeps_the_order_within_a_class():
    pixels = torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1)
    images = LabelledImages.from_arrays(pixels, torch.tensor([1, 0, 1, 2, 0, 1]))
    assert images.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert images.pixels.flatten().tolist() == [1, 4, 0, 2, 5, 3]
    assert images.counts == (2, 3, 1)
    assert images.class_names == ("0", "1", "2")
    assert (images.classes, images.shape, len(images)) == (3, (1, 1, 1), 6)


def test_measures_mean_and_deviation_of_each_channel():
    images = images_with([7, 5], channels=3)
    scaled = images.pixels.double() / 255
    torch.testing.assert_close(torch.tensor(images.mean).double(), scaled.mean((0, 2, 3)), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.tensor(images.std).double(), scaled.std((0, 2, 3), correction=0), atol=1e-6, rtol=0)


def test_a_constant_channel_can_still_be_normalised():
    images = LabelledImages.from_arrays(torch.full((3, 1, 2, 2), 9, dtype=torch.uint8), torch.tensor([0, 0, 0]))
    assert torch.isfinite(images.inputs(torch.arange(3))).all()
    assert images.inputs(torch.arange(3)).abs().max() < 1e-6
    assert images.std == (1.0,)


@pytest.mark.parametrize("share", [2, 10, 100])
def test_images_of_the_values_0_and_1_have_full_contrast(share):
    """Whatever unit pixels are stored in, normalised images are the same."""
    ones = (torch.arange(400).reshape(4, 1, 10, 10) % share == 0).to(torch.uint8)
    dark, bright = (LabelledImages.from_arrays(ones * white, torch.zeros(4, dtype=torch.int64)) for white in (1, 255))
    torch.testing.assert_close(dark.inputs(torch.arange(4)), bright.inputs(torch.arange(4)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dark.inputs(torch.arange(4)).std(correction=0), torch.tensor(1.0))


BYTES = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("pixels", "labels", "class_names", "message"),
    [
        (
            BYTES.float(),
            [0, 0, 1, 1],
            None,
            "thing: images must be uint8 (N, C, H, W) with 1 or 3 channels, not torch.float32",
        ),
        (BYTES[:, 0], [0, 0, 1, 1], None, "not torch.uint8 (4, 2, 2)"),
        (BYTES.expand(4, 2, 2, 2), [0, 0, 1, 1], None, "not torch.uint8 (4, 2, 2, 2)"),
        (BYTES[:0], [], None, "thing: there are no images"),
        (BYTES, [0, 0, 1], None, "one for each of the 4 images"),
        (BYTES, [0.0, 0.0, 1.0, 1.0], None, "labels must be whole numbers"),
        (BYTES, [-1, 0, 0, 1], None, "labels run from -1 to 1, but must be 0 or more"),
        (BYTES, [0, 0, 1, 2], ["a", "b"], "labels run from 0 to 2, but must be 0 to 1"),
        (BYTES, [0, 0, 2, 2], None, "no image of class 1; every class needs at least one"),
        (BYTES, [0, 0, 1, 1], ["a", "b", "cat"], "no image of class cat"),
        (BYTES, [0, 0, 1, 1], [str(i) for i in range(20)], "no image of class 2, 3, 4, 5, 6 and 13 more"),
        (BYTES, [0, 1, 2, 2**40], None, f"labels run to {2**40}, but 4 images cannot fill so many classes"),
    ],
)
def test_says_what_is_wrong(pixels, labels, class_names, message):
    with pytest.raises(CondenseError) as caught:
        LabelledImages.from_arrays(pixels, torch.tensor(labels), class_names, name="thing")
    assert message in str(caught.value)


def test_a_class_may_be_missing_where_that_is_allowed():
    images = LabelledImages.from_arrays(BYTES, torch.tensor([0, 0, 2, 2]), ["a", "b", "c"], need_every_class=False)
    assert images.counts == (2, 0, 2)
    drawn = images.draw_class_batches(1, generator(0, "test"))
    assert drawn.counts == (1, 0, 1)
    assert images.labels[drawn.indices].tolist() == [0, 2]


def test_inputs_are_the_plain_formula():
    images = images_with([5, 6, 4], channels=3, mean=(0.1, 0.5, 0.3), std=(0.2, 0.25, 0.4))
    indices = torch.tensor([[3, 0], [14, 3]])
    got = images.inputs(indices, torch.float64)
    assert got.shape == (2, 2, 3, 4, 4)
    for row in range(2):
        for column in range(2):
            for channel in range(3):
                byte = images.pixels[indices[row, column], channel].double()
                plain = (byte / 255 - (0.1, 0.5, 0.3)[channel]) / (0.2, 0.25, 0.4)[channel]
                torch.testing.assert_close(got[row, column, channel], plain, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(images.inputs(indices).double(), got, rtol=1e-5, atol=1e-5)
    assert images.inputs(indices).dtype == torch.float32


def test_a_draw_is_distinct_within_its_class_and_in_class_order():
    images = images_with([9, 20, 13])
    drawn = images.draw_class_batches(8, generator(3, "test"))
    assert drawn.counts == (8, 8, 8)
    assert len(set(drawn.indices.tolist())) == 24
    assert images.labels[drawn.indices].tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_a_small_class_is_used_whole():
    images = images_with([2, 10, 5])
    drawn = images.draw_class_batches(5, generator(3, "test"))
    assert drawn.counts == (2, 5, 5)
    first, last = drawn.indices[:2], drawn.indices[7:]
    assert sorted(first.tolist()) == [0, 1]
    assert sorted(last.tolist()) == [12, 13, 14, 15, 16]


def test_draws_repeat_with_the_same_generator_and_differ_with_another():
    images = images_with([50, 50])
    draws = [images.draw_class_batches(10, generator(seed, "test")).indices.tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_draws_are_uniform_and_in_no_fixed_order():
    images = images_with([6, 9])
    random, rounds, size = generator(0, "uniformity"), 4000, 3
    drawn = torch.stack([images.draw_class_batches(size, random).indices for _ in range(rounds)])
    for first, count, columns in ((0, 6, slice(0, 3)), (6, 9, slice(3, 6))):
        # Without replacement the counts of a round are negatively correlated: the statistic is chi-square after division
        # by 1 - (size - 1) / (count - 1).
        hits = torch.bincount(drawn[:, columns].flatten() - first, minlength=count).numpy()
        expected = rounds * size / count
        statistic = ((hits - expected) ** 2 / expected).sum() / (1 - (size - 1) / (count - 1))
        assert 0.001 < scipy.stats.chi2.sf(statistic, count - 1) < 0.999
        slot = torch.bincount(drawn[:, columns][:, 0] - first, minlength=count).numpy()
        assert scipy.stats.chisquare(slot).pvalue > 0.001


def test_a_subset_is_balanced_sorted_and_repeatable():
    images = images_with([12, 30, 20], class_names=["a", "b", "c"], mean=[0.5], std=[0.5])
    subset = images.subset(15, seed=4)
    assert subset.counts == (5, 5, 5)
    assert (subset.class_names, subset.mean, subset.std) == (images.class_names, images.mean, images.std)
    places = {image.numpy().tobytes(): place for place, image in enumerate(images.pixels)}
    chosen = [places[image.numpy().tobytes()] for image in subset.pixels]
    assert images.labels[chosen].tolist() == subset.labels.tolist()
    assert chosen == sorted(set(chosen))
    assert images.subset(15, seed=4).fingerprint == subset.fingerprint != images.subset(15, seed=5).fingerprint


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (10, "--train-size 10 cannot be balanced over the 3 classes of toys; a multiple of 3 can"),
        (0, "cannot be balanced"),
        (-3, "cannot be balanced"),
        (18, "needs 6 images per class, but class b of toys has 5; at most 15 are possible"),
    ],
)
def test_a_subset_that_cannot_be(size, message):
    with pytest.raises(CondenseError) as caught:
        images_with([7, 5, 9], class_names=["a", "b", "c"], name="toys").subset(size, 0)
    assert message in str(caught.value)


def test_fingerprints_see_pixels_labels_and_shape_and_the_former_one_names_too():
    images = images_with([3, 4])
    changed = images.pixels.clone()
    changed[5, 0, 2, 3] ^= 1
    labels = images.labels.clone()
    labels[2] = 1
    others = [
        replace(images, pixels=changed),
        replace(images, labels=labels),
        replace(images, class_names=("0", "one")),
        replace(images, pixels=images.pixels.reshape(7, 1, 2, 8)),
    ]
    assert len({images.former_fingerprint, *(other.former_fingerprint for other in others)}) == 5
    assert len({images.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert images.fingerprint == others[2].fingerprint
    assert replace(images, name="another", mean=(0.0,)).fingerprint == images.fingerprint


def test_to_keeps_the_images():
    images = images_with([3, 4])
    moved = images.to("cpu")
    assert moved.fingerprint == images.fingerprint
    assert np.array_equal(moved.inputs(torch.arange(7)).numpy(), images.inputs(torch.arange(7)).numpy())


def test_the_fingerprint_is_of_the_pairs_whatever_their_order():
    images = images_with([3, 4])
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    mixed = LabelledImages.from_arrays(images.pixels[order], images.labels[order])
    assert mixed.fingerprint == images.fingerprint
    assert mixed.former_fingerprint != images.former_fingerprint
    # Two images that change places across classes are other pairs, though images and labels are the same.
    swapped = images.pixels.clone()
    swapped[[0, 6]] = swapped[[6, 0]]
    assert replace(images, pixels=swapped).fingerprint != images.fingerprint
    # Pairs count as often as they occur, and bytes do not run on from one image into the next.
    twice = LabelledImages.from_arrays(images.pixels.repeat(2, 1, 1, 1), images.labels.repeat(2))
    assert twice.fingerprint != images.fingerprint
    assert images.subset(6, 0).fingerprint != images.fingerprint


def test_fingerprints_of_this_and_of_earlier_versions_are_known(monkeypatch):
    images = images_with([3, 4])
    assert images.is_known_as(images.fingerprint)
    assert images.is_known_as(images.former_fingerprint)
    assert not images.is_known_as("0" * 64)
    reversed_order = LabelledImages.from_arrays(images.pixels.flip(0), images.labels.flip(0))
    assert not reversed_order.is_known_as(images.former_fingerprint)
    prints = Fingerprints(images.fingerprint, "1" * 64, images.former_fingerprint, "2" * 64)
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], fingerprints=prints))
    assert reversed_order.is_known_as(images.former_fingerprint)  # of a published set, in whatever order
    assert not reversed_order.is_known_as("2" * 64)
    assert not images.subset(6, 0).is_known_as(images.fingerprint)


def test_images_stand_under_the_fingerprint_that_is_recorded():
    images = images_with([3, 4])
    under = images.as_recorded(["0" * 64, images.former_fingerprint])
    assert under.fingerprint == images.former_fingerprint == under.to("cpu").fingerprint
    assert under.is_known_as(images.fingerprint)
    assert images.as_recorded(["0" * 64]).fingerprint == images.fingerprint
    assert under.subset(6, 0).fingerprint == images.subset(6, 0).fingerprint


def test_a_set_is_published_only_whole(monkeypatch):
    train, test = images_with([3, 4]), images_with([2, 2])
    data = DataSet("mine", train, test)
    assert data.published is None
    vouched = replace(data, vouched=("svhn", train.fingerprint, test.fingerprint))
    assert vouched.published == vouched.to("cpu").published == "svhn"
    assert replace(vouched, train=train.subset(6, 0)).published is None
    prints = Fingerprints(train.fingerprint, test.fingerprint)
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], fingerprints=prints))
    assert data.published == data.to("cpu").published == "mnist"
    assert replace(data, train=test, test=train).published is None
    assert replace(data, test=test.subset(2, 0)).published is None
    assert replace(data, train=train.as_recorded([train.former_fingerprint])).published == "mnist"
