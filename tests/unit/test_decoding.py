"""Decoders: exact values, the plain twin, gradients, what cannot be decoded."""

import json
from typing import Any

import pytest
import torch

from condense.decoding import Identity, Tiles, decoder_of
from condense.errors import CondenseError
from condense.reference.decoding import tiles

RANDOM = torch.Generator().manual_seed(0)


def test_identity_changes_nothing() -> None:
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([1, 0])
    decoded = Identity().decode(images, labels)
    assert decoded[0] is images and decoded[1] is labels


def test_exact_values_of_four_tiles() -> None:
    """A row 0 1 of two pixels becomes 0, 1/4, 3/4, 1: between centres of pixels, with the edge repeated."""
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    decoded, labels = Tiles(2).decode(images, torch.tensor([7]))
    assert decoded.shape == (4, 1, 4, 4) and labels.tolist() == [7] * 4
    first = [[0, 0.25, 0.75, 1], [1, 1.25, 1.75, 2], [3, 3.25, 3.75, 4], [4, 4.25, 4.75, 5]]
    assert decoded[0, 0].tolist() == first
    assert [float(one[0, 0, 0]) for one in decoded] == [0, 2, 8, 10]  # upper left, upper right, lower left, lower right


def test_first_the_first_tile_of_all_images() -> None:
    """Labels, hard or soft, go along."""
    images = torch.arange(3.0)[:, None, None, None].expand(3, 1, 4, 4)
    hard, soft = torch.tensor([0, 1, 2]), torch.rand(3, 2)
    assert Tiles(2).decode(images, hard)[0][:, 0, 0, 0].tolist() == [0, 1, 2] * 4
    assert Tiles(2).decode(images, hard)[1].tolist() == [0, 1, 2] * 4
    assert torch.equal(Tiles(2).decode(images, soft)[1], torch.cat([soft] * 4))


def test_a_side_that_the_factor_does_not_divide() -> None:
    """5 pixels are continued by one to 2 x 3, and the grey of each channel is what the last column shades into."""
    images = torch.ones(1, 3, 5, 5)
    decoded, _ = Tiles(2, (0.5, -1.0, 3.0)).decode(images, torch.tensor([0]))
    assert decoded.shape == (4, 3, 5, 5)
    assert torch.equal(decoded[0], torch.ones(3, 5, 5))
    assert decoded[1, :, 0, 4].tolist() == pytest.approx([0.5, -1.0, 3.0])
    assert decoded[3, 0, 4, :].tolist() == pytest.approx([0.5] * 5)
    assert float(Tiles(2).decode(images, torch.tensor([0]))[0][1, 2, 0, 4]) == 0.5  # as in IDC's code, of pixels in [0, 1]


@pytest.mark.parametrize(
    ("shape", "factor", "grey"),
    [
        ((2, 1, 8, 8), 2, (0.5,)),
        ((2, 3, 7, 7), 2, (0.5,)),
        ((1, 3, 7, 5), 3, (0.1, 0.2, 0.3)),
        ((2, 1, 4, 6), 4, (0.5,)),
        ((1, 1, 3, 3), 3, (0.5,)),
    ],
)
def test_the_plain_twin_says_the_same(shape: tuple[int, ...], factor: int, grey: tuple[float, ...]) -> None:
    images, labels = torch.randn(shape, dtype=torch.float64, generator=RANDOM), torch.arange(shape[0])
    decoded, repeated = Tiles(factor, grey).decode(images, labels)
    expected, along = tiles(images, labels, factor, grey)
    assert decoded.shape == (shape[0] * factor**2, *shape[1:])
    assert torch.allclose(decoded, torch.stack(expected), rtol=0, atol=1e-12)
    assert torch.equal(repeated, torch.stack(along))


def test_gradients_flow_twice() -> None:
    images = torch.randn(1, 1, 5, 5, dtype=torch.float64, generator=RANDOM, requires_grad=True)

    def decoded(images: torch.Tensor) -> torch.Tensor:
        return Tiles(2).decode(images, torch.tensor([0]))[0] ** 2

    assert torch.autograd.gradcheck(decoded, images) and torch.autograd.gradgradcheck(decoded, images)


def test_every_stored_pixel_is_trained_on() -> None:
    images = torch.zeros(1, 1, 5, 5, requires_grad=True)
    Tiles(2).decode(images, torch.tensor([0]))[0].sum().backward()
    assert images.grad is not None and float(images.grad.min()) > 0


@pytest.mark.parametrize("factor", [1, 0, -2, 9, 10**9, True, 2.0])
def test_factors_that_cannot_be(factor: Any) -> None:
    with pytest.raises(CondenseError, match=f"A factor of tiles must be from 2 to 8, not {factor}"):
        Tiles(factor)


@pytest.mark.parametrize("grey", [(), (float("nan"),), (float("inf"), 0.0), (1e39,), (10**400,)])
def test_a_grey_that_cannot_be(grey: tuple[float, ...]) -> None:
    with pytest.raises(CondenseError, match="The grey around tiles must be finite numbers"):
        Tiles(2, grey)


def test_images_that_cannot_be_cut() -> None:
    with pytest.raises(CondenseError, match="Images of 3 x 8 cannot be cut into 4 x 4 tiles"):
        Tiles(4).decode(torch.zeros(1, 1, 3, 8), torch.tensor([0]))
    with pytest.raises(CondenseError, match="Tiles with 2 values of grey do not fit images of 3 channels"):
        Tiles(2, (0.5, 0.5)).check((3, 8, 8))


@pytest.mark.parametrize("decoder", [Identity(), Tiles(2), Tiles(3, (0.25, -1.5, 0.0))])
def test_facts_say_all_of_a_decoder(decoder: Identity | Tiles) -> None:
    assert decoder_of(json.loads(json.dumps(decoder.facts()))) == decoder


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "wavelets"}, "There is no decoder 'wavelets'; known are 'identity' and 'tiles'"),
        ({}, "There is no decoder None"),
        ({"name": ["tiles"]}, "There is no decoder"),
        ({"name": "identity", "factor": 2}, "This describes no decoder"),
        ({"name": "tiles"}, "This describes no decoder"),
        ({"name": "tiles", "factor": "2", "grey": [0.5]}, "This describes no decoder"),
        ({"name": "tiles", "factor": 2, "grey": 0.5}, "This describes no decoder"),
        ({"name": "tiles", "factor": 2, "grey": ["0.5"]}, "This describes no decoder"),
        ({"name": "tiles", "factor": 2, "grey": [float("nan")]}, "must be finite"),
        ({"name": "tiles", "factor": 2, "grey": [10**400]}, "This describes no decoder"),
        ({"name": "tiles", "factor": 10**9, "grey": [0.5]}, "must be from 2 to 8"),
        ([], "This describes no decoder"),
        (None, "This describes no decoder"),
    ],
)
def test_facts_of_no_decoder(facts: Any, message: str) -> None:
    with pytest.raises(CondenseError, match=message):
        decoder_of(facts)
