"""Properties of the gradient distances (hypothesis)."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from condense.stage_c.distance import DISTANCES, gradient_distance

SEEDS = st.integers(0, 10_000)
SHAPES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=4)


def gradients(shapes: list[tuple[int, int]], seed: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {str(i): torch.randn(shape, generator=random, dtype=torch.float64) for i, shape in enumerate(shapes)}


@given(SHAPES, SEEDS)
def test_zero_for_equal_gradients(shapes, seed: int) -> None:
    a = {name: value + value.sign() for name, value in gradients(shapes, seed).items()}
    rows = sum(len(value) for value in a.values())
    for distance in DISTANCES:
        assert abs(float(gradient_distance(distance, a, a))) <= 1e-5 * rows


@given(SHAPES, SEEDS)
def test_symmetric_and_bounded(shapes, seed: int) -> None:
    a, b = gradients(shapes, seed), gradients(shapes, seed + 1)
    rows = sum(len(value) for value in a.values())
    for distance, limit in (("ours", 2 * rows), ("cos", 2), ("mse", float("inf"))):
        forward, backward = (float(gradient_distance(distance, *pair)) for pair in ((a, b), (b, a)))
        assert abs(forward - backward) <= 1e-9 * max(1, abs(forward))
        assert -1e-9 <= forward <= limit


@given(SHAPES, SEEDS, st.floats(0.5, 1e6))
def test_cosine_distances_ignore_the_scale_of_large_gradients(shapes, seed: int, scale: float) -> None:
    a, b = ({name: 1e4 * value for name, value in gradients(shapes, s).items()} for s in (seed, seed + 1))
    scaled = {name: scale * value for name, value in a.items()}
    for distance in ("ours", "cos"):
        difference = gradient_distance(distance, a, b) - gradient_distance(distance, scaled, b)
        assert abs(float(difference)) < 1e-6


@given(SHAPES, SEEDS)
def test_ours_ignores_the_order_of_rows(shapes, seed: int) -> None:
    a, b = gradients(shapes, seed), gradients(shapes, seed + 1)
    flipped = [{name: value.flip(0) for name, value in g.items()} for g in (a, b)]
    assert abs(float(gradient_distance("ours", a, b) - gradient_distance("ours", *flipped))) < 1e-9
