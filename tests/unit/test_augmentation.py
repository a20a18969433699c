"""Stage T's augmentation: each operation against the published one image by image, and the law of the draws."""

from dataclasses import replace

import pytest
import torch
from scipy import stats

from condense.augmentation.published import Draw, apply, augment, draw
from condense.reference import training as plain

OPERATIONS = ("crop", "scale", "rotate")
COUNT = 90


def images(shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    return torch.randn(COUNT, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 20, 25)])
@pytest.mark.parametrize("operation", [*OPERATIONS, "noise"])
def test_every_operation_equals_the_published_one(operation: str, shape: tuple[int, int, int]) -> None:
    x, operations = images(shape), (*OPERATIONS, "noise")
    drawn = draw(x.shape, operations, torch.Generator().manual_seed(1))
    # Every angle occurs once, every scaled height several times.
    heights = torch.arange(COUNT) % 12 + int(0.8 * shape[1])
    drawn = replace(drawn, angle=torch.arange(-45, 45), height=heights)
    drawn = replace(drawn, operation=torch.full((COUNT,), operations.index(operation)))
    own = apply(x, operations, drawn, x.mean((0, 2, 3)).expand(COUNT, -1))
    torch.testing.assert_close(own, plain.augment(x, operations, drawn), rtol=0, atol=1e-12)
    assert not torch.equal(own, x)


def many_draws() -> Draw:
    return draw(torch.Size((12_000, 1, 28, 28)), OPERATIONS, torch.Generator().manual_seed(4))


@pytest.mark.parametrize(
    ("name", "values"),
    [("operation", range(3)), ("row", range(8)), ("column", range(8)), ("angle", range(-45, 45))],
)
def test_whole_numbers_are_drawn_uniformly(name: str, values: range) -> None:
    drawn = getattr(many_draws(), name)
    counts = torch.bincount(drawn - values.start, minlength=len(values))
    assert len(counts) == len(values)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("name", ["height", "width"])
def test_scaled_sizes_follow_the_truncated_uniform_law(name: str) -> None:
    drawn = getattr(many_draws(), name)
    # int(U(0.8, 1.2) * 28): 22 covers [22.4, 23), 33 covers [33, 33.6), every size between a whole pixel of 11.2.
    expected = torch.tensor([0.6, *[1.0] * 10, 0.6]) / 11.2 * len(drawn)
    assert stats.chisquare(torch.bincount(drawn - 22, minlength=12).numpy(), expected.numpy(), sum_check=False).pvalue > 1e-3


def test_draws_are_independent_of_each_other() -> None:
    drawn = many_draws()
    columns = torch.stack([drawn.operation, drawn.row, drawn.column, drawn.height, drawn.width, drawn.angle]).double()
    correlation = torch.corrcoef(columns) - torch.eye(6, dtype=torch.float64)
    assert correlation.abs().max() < 0.04


def test_each_network_has_its_own_draws_and_means() -> None:
    x = torch.stack([images((1, 28, 28), seed)[:7] for seed in (0, 1)])
    both = augment(x, OPERATIONS, [torch.Generator().manual_seed(s) for s in (5, 6)])
    for index, seed in enumerate((5, 6)):
        alone = augment(x[index : index + 1], OPERATIONS, [torch.Generator().manual_seed(seed)])
        torch.testing.assert_close(both[index], alone[0], rtol=1e-12, atol=1e-12)


def test_without_operations_nothing_changes() -> None:
    x = images((1, 28, 28))[None]
    assert augment(x, (), []) is x
