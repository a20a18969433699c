"""Packing real images into tiles: the plain twin, what `Tiles` makes of it, and images that are too few."""

from collections.abc import Callable

import pytest
import torch
from stage_c_samples import problem_of

from condense.data.images import LabelledImages
from condense.decoding import IDENTITY, Tiles
from condense.errors import CondenseError
from condense.preprocessing import ZCA
from condense.reference.decoding import packing
from condense.stage_c.packing import PACKINGS, check_packing, decoder_for, packed


def images(count: int, shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("how", PACKINGS)
@pytest.mark.parametrize(
    ("shape", "factor", "ipc"), [((1, 8, 8), 2, 1), ((3, 6, 4), 2, 3), ((2, 7, 7), 2, 2), ((1, 8, 7), 3, 2)]
)
def test_the_plain_twin_says_the_same(shape: tuple[int, int, int], factor: int, ipc: int, how: str) -> None:
    real = images(2 * ipc * factor**2, shape)
    found = packed(real, ipc, factor, how)
    assert found.shape == (2 * ipc, *shape)
    torch.testing.assert_close(found, packing(real, ipc, factor, how), rtol=0, atol=1e-12)


@pytest.mark.parametrize("how", PACKINGS)
@pytest.mark.parametrize(("factor", "ipc"), [(2, 1), (2, 3), (4, 2)])
def test_decoded_are_constant_images_as_they_were(factor: int, ipc: int, how: str) -> None:
    levels = torch.randn(3 * ipc * factor**2, 2, 1, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    real = levels.expand(-1, -1, 8, 8)
    stored, labels = packed(real, ipc, factor, how), torch.arange(3).repeat_interleave(ipc)
    decoded, along = Tiles(factor).decode(stored, labels)
    order = along.argsort(stable=True)  # class by class, as they were
    torch.testing.assert_close(decoded[order], real, rtol=0, atol=1e-12)
    assert along[order].tolist() == torch.arange(3).repeat_interleave(ipc * factor**2).tolist()


def test_nearest_takes_even_rows_and_columns_and_mean_the_squares() -> None:
    real = torch.arange(16.0).view(1, 1, 4, 4).repeat(4, 1, 1, 1)
    assert packed(real, 1, 2, "nearest")[0, 0, :2, :2].tolist() == [[0, 2], [8, 10]]
    assert packed(real, 1, 2, "mean")[0, 0, 2:, 2:].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_a_factor_of_one_changes_nothing(small_images: Callable[..., LabelledImages]) -> None:
    real = images(4, (1, 8, 8))
    assert packed(real, 2, 1) is real
    assert decoder_for(small_images(), 1) == IDENTITY


def test_grey_is_the_middle_of_the_pixels_or_the_mean_of_whitened_ones(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(3, 8, 8))
    decoder = decoder_for(data, 3)
    assert isinstance(decoder, Tiles)
    for grey, mean, std in zip(decoder.grey, data.mean, data.std, strict=True):
        assert grey * std + mean == pytest.approx(0.5)
    whitened = data.whitened_by(ZCA(torch.zeros(3, 8, 8), torch.eye(192)))
    assert decoder_for(whitened, 3) == Tiles(3, (0.0,))


def test_random_ones_are_drawn_once(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=(1, 8, 8), counts=(9, 8)), "MLP", 2)
    drawn = problem.data.draw_class_batches(8, problem.random("initial images"))
    assert len(set(drawn.indices.tolist())) == 16
    expected = packing(problem.data.inputs(drawn.indices, torch.float64), 2, 2, "mean")
    torch.testing.assert_close(packed(problem.real_images(4), 2, 2, "mean"), expected, rtol=0, atol=1e-12)


def test_what_cannot_be_packed(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(1, 8, 8), counts=(8, 7))
    check_packing(problem_of(data, "MLP", 7), 1)
    check_packing(problem_of(data, "MLP", 1), 2)
    with pytest.raises(CondenseError, match=r"Class 1 of noise has 7 images, fewer than the 8 that the 2 images per class "):
        check_packing(problem_of(data, "MLP", 2), 2)
    with pytest.raises(CondenseError, match="A factor of tiles must be from 2 to 8, not 9"):
        check_packing(problem_of(data, "MLP", 1), 9)
