"""The siamese augmentation: operations against their twin and kornia, laws by their distributions."""

from dataclasses import replace

import kornia
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.func import vmap

from condense.augmentation.laws import OPERATIONS, Law
from condense.augmentation.mixing import cutmix
from condense.augmentation.operations import Draw, apply
from condense.errors import CondenseError
from condense.reference import siamese as plain

ALL = ("color", "crop", "cutout", "flip", "scale", "rotate")
MANY = 20_000


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(shape: tuple[int, ...] = (6, 3, 12, 12)) -> Tensor:
    return torch.randn(shape, generator=random(), dtype=torch.float64)


def of(operation: str, count: int = MANY, size: tuple[int, int] = (32, 32)) -> Draw:
    return Law("single", (operation,)).draw(count, size, random(3))


def ks(values: Tensor, low: float, high: float) -> float:
    return float(stats.kstest(values.numpy(), stats.uniform(low, high - low).cdf).pvalue)


def even(values: Tensor, low: int, high: int) -> float:
    counts = torch.bincount(values - low, minlength=high - low + 1)
    assert len(counts) == high - low + 1
    return float(stats.chisquare(counts.numpy()).pvalue)


@pytest.mark.parametrize("shape", [(6, 3, 12, 12), (6, 1, 10, 13)])
@pytest.mark.parametrize("law", [Law("single", (name,)) for name in OPERATIONS] + [Law("several", ALL)], ids=str)
def test_every_operation_equals_its_twin(law: Law, shape: tuple[int, ...]) -> None:
    x = images(shape)
    draw = law.draw(len(x), (shape[2], shape[3]), random(1))
    torch.testing.assert_close(apply(x, draw), plain.one_after_another(x, draw), rtol=0, atol=1e-10)
    assert not torch.equal(apply(x, draw), x)


def test_what_was_not_drawn_changes_nothing() -> None:
    torch.testing.assert_close(apply(images(), Draw.nothing(1)), images(), rtol=0, atol=1e-14)
    one = of("cutout", 6, (12, 12))
    assert torch.equal(one.matrix, Draw.nothing(6).matrix)


def test_flip_and_crop_are_what_their_names_say() -> None:
    x = images()
    nothing = Draw.nothing(1)
    flipped = replace(nothing, matrix=torch.tensor([[[-1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64))
    torch.testing.assert_close(apply(x, flipped), torch.stack([plain.mirrored(image) for image in x]), rtol=0, atol=1e-12)
    moved = replace(nothing, shift=torch.tensor([[2.0, -3.0]], dtype=torch.float64))
    torch.testing.assert_close(
        apply(x, moved), torch.stack([plain.shifted(image, -3, 2) for image in x]), rtol=0, atol=1e-12
    )
    assert torch.equal(plain.shifted(x[0], -3, 2)[:, 3, 0], x[0][:, 0, 2])


def test_rotation_is_kornias() -> None:
    x, draw = images((8, 1, 15, 15)), of("rotate", 8)
    angle = torch.rad2deg(torch.atan2(draw.matrix[:, 1, 0], draw.matrix[:, 0, 0]))
    turned = kornia.geometry.transform.rotate(x, angle, padding_mode="zeros", align_corners=True)
    torch.testing.assert_close(apply(x, draw), turned, rtol=0, atol=1e-8)


def test_one_draw_serves_batches_of_any_size() -> None:
    x, draw = images(), Law("several", ALL).draw(1, (12, 12), random(7))
    both = apply(x, draw)
    torch.testing.assert_close(apply(x[2:3], draw), both[2:3], rtol=0, atol=1e-14)
    classes = Law("single", ALL).draw(2, (12, 12), random(7)).repeated((4, 2))
    torch.testing.assert_close(apply(x, classes)[:4], apply(x[:4], classes[0:1]), rtol=0, atol=1e-14)
    torch.testing.assert_close(apply(x, classes)[4:], apply(x[4:], classes[5:6]), rtol=0, atol=1e-14)


def test_it_is_differentiable_and_goes_through_vmap() -> None:
    x, draw = images(), Law("several", ALL).draw(6, (12, 12), random(5))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda image: apply(image, draw[:1]), (x[:1, :, :5, :5],))
    stacked = x.detach().view(2, 3, 3, 12, 12)
    halves = [part.view(2, 3, *part.shape[1:]) for part in draw.parts]
    mapped = vmap(lambda image, *parts: apply(image, Draw(*parts)))(stacked, *halves)
    torch.testing.assert_close(mapped.flatten(0, 1), apply(x.detach(), draw), rtol=0, atol=1e-12)


def test_colour_follows_its_laws() -> None:
    draw = of("color")
    assert ks(draw.brightness, -0.5, 0.5) > 1e-3
    assert ks(draw.saturation, 0, 2) > 1e-3
    assert ks(draw.contrast, 0.5, 1.5) > 1e-3


@pytest.mark.parametrize(("side", "reach"), [(28, 4), (32, 4), (64, 8)])
def test_crops_reach_an_eighth_of_the_side(side: int, reach: int) -> None:
    shift = of("crop", size=(side, side)).shift.long()
    assert min(even(shift[:, axis], -reach, reach) for axis in (0, 1)) > 1e-3
    assert abs(float(torch.corrcoef(shift.T.double())[0, 1])) < 0.03


@pytest.mark.parametrize(("side", "length", "last"), [(28, 14, 28), (32, 16, 32), (10, 5, 9)])
def test_holes_are_half_the_side_about_any_pixel(side: int, length: int, last: int) -> None:
    top, bottom, left, right = of("cutout", size=(side, side)).hole.unbind(1)
    assert torch.equal(bottom - top, torch.full_like(top, length))
    assert torch.equal(right - left, torch.full_like(top, length))
    assert min(even(edge + length // 2, 0, last) for edge in (top, left)) > 1e-3


def test_scales_and_angles_follow_their_laws() -> None:
    scale = of("scale").matrix
    assert ks(scale[:, 0, 0], 1 / 1.2, 1.2) > 1e-3
    assert ks(scale[:, 1, 1], 1 / 1.2, 1.2) > 1e-3
    assert abs(float(torch.corrcoef(scale[:, [0, 1], [0, 1]].T)[0, 1])) < 0.03
    turned = of("rotate").matrix
    assert ks(torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0])), -15, 15) > 1e-3
    flipped = (of("flip").matrix[:, 0, 0] < 0).long()
    assert even(flipped, 0, 1) > 1e-3


def operation_of(draw: Draw) -> Tensor:
    """Which one operation was drawn, by its index in `ALL`; -1 where none left a trace (half of all flips do not)."""
    nothing = Draw.nothing(len(draw.hole))
    traces = {
        "color": draw.brightness != 0,
        "crop": (draw.shift != 0).any(1),
        "cutout": (draw.hole != 0).any(1),
        "flip": draw.matrix[:, 0, 0] < 0,
        "scale": (draw.matrix[:, 0, 1] == 0) & (draw.matrix != nothing.matrix).any((1, 2)) & (draw.matrix[:, 0, 0] > 0),
        "rotate": draw.matrix[:, 0, 1] != 0,
    }
    seen = torch.stack([traces[name] for name in ALL], dim=1)
    assert int(seen.sum(1).max()) <= 1
    return torch.where(seen.any(1), seen.long().argmax(1), -1)


def test_the_single_law_takes_each_operation_as_often() -> None:
    counts = torch.bincount(operation_of(Law("single", ALL).draw(MANY, (32, 32), random(2))) + 1, minlength=7)
    sixth = MANY / 6
    # A crop by nothing in both directions leaves no trace, nor does every second flip.
    expected = torch.tensor([sixth / 2 + sixth / 81, sixth, sixth * 80 / 81, sixth, sixth / 2, sixth, sixth])
    assert stats.chisquare(counts.numpy(), expected.numpy(), sum_check=False).pvalue > 1e-3


def test_a_batch_together_takes_one_operation_with_parameters_of_its_own() -> None:
    for seed in range(20):
        draw = Law("single", ("color", "rotate")).draw(50, (32, 32), random(seed), together=True)
        bright, turned = (draw.brightness != 0).sum(), (draw.matrix[:, 0, 1] != 0).sum()
        assert {int(bright), int(turned)} == {0, 50}
        assert len((draw.brightness if bright else draw.matrix[:, 0, 1]).unique()) == 50


def test_the_law_of_several_takes_colour_and_hole_always_and_one_move() -> None:
    draw = Law("several", ("color", "crop", "cutout", "scale", "rotate")).draw(MANY, (32, 32), random(4))
    assert (draw.brightness != 0).all()
    assert (draw.hole[:, 1] - draw.hole[:, 0] == 16).all()
    cropped, turned = (draw.shift != 0).any(1), draw.matrix[:, 0, 1] != 0
    assert not (cropped & turned).any()
    scaled = ~turned & (draw.matrix[:, 0, 0] != 1)
    counts = torch.stack([cropped.sum(), scaled.sum(), turned.sum()])
    third = MANY / 3
    assert stats.chisquare(counts.numpy(), [third * 80 / 81, third, third], sum_check=False).pvalue > 1e-3


def test_a_draw_is_the_same_whatever_else_is_listed() -> None:
    alone, among = (Law("several", names).draw(9, (28, 28), random(6)) for names in (("color",), ("color", "cutout")))
    assert torch.equal(alone.brightness, among.brightness)
    with pytest.raises(CondenseError, match=r"Unknown augmentation 'crops'\. Did you mean 'crop'"):
        Law("single", ("crops",))
    with pytest.raises(CondenseError, match="Unknown augmentation law"):
        Law("both", ())


def test_cutmix_mixes_labels_by_the_area_that_came() -> None:
    x = torch.arange(8.0, dtype=torch.float64)[:, None, None, None].expand(8, 1, 16, 16)
    labels = torch.eye(8, dtype=torch.float64)
    mixed_batches, shares = 0, []
    for seed in range(400):
        mixed, soft = cutmix(x, labels, 0.5, random(seed))
        torch.testing.assert_close(soft.sum(1), torch.ones(8, dtype=torch.float64))
        own = (mixed == x).double().mean((1, 2, 3))
        changed = own < 1
        torch.testing.assert_close(soft.diagonal()[changed], own[changed])
        mixed_batches += bool(changed.any())
        shares += [1 - float(own[changed][0])] if changed.any() else []
    assert 0.3 < mixed_batches / 400 < 0.5  # a box of no area leaves no trace, nor one that came from the image itself
    assert 0.15 < sum(shares) / len(shares) < 0.45
    assert torch.equal(cutmix(x, labels, 0.0, random())[0], x)


def test_cutmix_boxes_are_those_of_plain_slicing() -> None:
    x = torch.randn((4, 3, 10, 14), generator=random(), dtype=torch.float64)
    for seed in range(50):
        mixed, _ = cutmix(x, torch.eye(4, dtype=torch.float64), 1.0, random(seed))
        draws = random(seed)
        _, share = torch.rand(2, generator=draws, dtype=torch.float64).tolist()
        row, column = (int(torch.randint(side, (), generator=draws)) for side in (10, 14))
        order = torch.randperm(4, generator=draws)
        height, width = (int(side * (1 - share) ** 0.5) // 2 for side in (10, 14))
        expected = x.clone()
        rows, columns = slice(max(row - height, 0), row + height), slice(max(column - width, 0), column + width)
        expected[:, :, rows, columns] = x[order][:, :, rows, columns]
        assert torch.equal(mixed, expected)
