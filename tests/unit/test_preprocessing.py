"""ZCA whitening: the formula, its inverse, real images that pass through it, what is no whitening."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from kornia import enhance

from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError
from condense.preprocessing import ZCA

RANDOM = torch.Generator().manual_seed(0)
IMAGES = torch.rand(40, 3, 2, 2, generator=RANDOM, dtype=torch.float64)


def labelled(count: int = 40) -> LabelledImages:
    pixels = torch.randint(0, 256, (count, 3, 2, 2), generator=RANDOM, dtype=torch.uint8)
    return LabelledImages.from_arrays(pixels, torch.arange(count) % 2)


def test_it_is_the_published_formula() -> None:
    """U (S + 0.1)^-1/2 U' of the covariance with N - 1, as MTT's code has it of images in [0, 1]."""
    rows = IMAGES.reshape(40, 12).numpy()
    variances, axes = np.linalg.eigh(np.cov(rows, rowvar=False))
    matrix = axes @ np.diag((variances + 0.1) ** -0.5) @ axes.T
    fitted = ZCA.fit(IMAGES)
    assert np.allclose(fitted.matrix, matrix, rtol=0, atol=1e-12)
    assert np.allclose(fitted.mean.flatten(), rows.mean(0), rtol=0, atol=1e-12)
    whitened = fitted.apply(IMAGES).reshape(40, 12).numpy()
    assert np.allclose(whitened, (rows - rows.mean(0)) @ matrix, rtol=0, atol=1e-12)


def test_without_epsilon_the_covariance_is_one() -> None:
    whitened = ZCA.fit(IMAGES, epsilon=0.0).apply(IMAGES).reshape(40, 12).numpy()
    assert np.allclose(np.cov(whitened, rowvar=False), np.eye(12), atol=1e-9)
    assert np.allclose(whitened.mean(0), 0, atol=1e-12)


def test_the_inverse_gives_the_pixels_back() -> None:
    """As kornia's own does, which needs a second matrix for it."""
    fitted, kornia = ZCA.fit(IMAGES), enhance.ZCAWhitening(eps=0.1, compute_inv=True).fit(IMAGES)
    assert torch.allclose(fitted.invert(fitted.apply(IMAGES)), IMAGES, rtol=0, atol=1e-12)
    other = torch.randn(5, 3, 2, 2, generator=RANDOM, dtype=torch.float64)
    assert torch.allclose(fitted.invert(other), kornia.inverse_transform(other), rtol=0, atol=1e-10)


def test_any_leading_shape() -> None:
    fitted = ZCA.fit(IMAGES)
    whole = fitted.apply(IMAGES)
    assert torch.equal(fitted.apply(IMAGES.reshape(4, 10, 3, 2, 2)), whole.reshape(4, 10, 3, 2, 2))
    assert torch.allclose(fitted.apply(IMAGES[7]), whole[7])


def test_a_matrix_without_inverse_shows_nothing() -> None:
    with pytest.raises(CondenseError, match="has no inverse, so its images cannot be shown"):
        ZCA(torch.zeros(3, 2, 2), torch.zeros(12, 12)).invert(torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("mean", "matrix", "message"),
    [
        (torch.zeros(12), torch.eye(12), r"a square matrix of its size, floating, not torch.float32 \(12,\)"),
        (torch.zeros(3, 2, 2), torch.eye(11), r"not torch.float32 \(3, 2, 2\), torch.float32 \(11, 11\)"),
        (torch.zeros(3, 2, 2), torch.ones(12, 11), r"\(12, 11\)"),
        (torch.zeros(3, 2, 2), torch.eye(12).double(), "torch.float64"),
        (torch.zeros(3, 2, 2).long(), torch.eye(12).long(), "torch.int64"),
        (torch.zeros(3, 0, 2), torch.ones(0, 0), r"\(0, 0\)"),
        (torch.full((3, 2, 2), torch.nan), torch.eye(12), "must have a mean and a matrix that are finite"),
        (torch.zeros(3, 2, 2), torch.eye(12) * torch.inf, "must have a mean and a matrix that are finite"),
    ],
)
def test_what_is_no_whitening(mean: torch.Tensor, matrix: torch.Tensor, message: str) -> None:
    with pytest.raises(CondenseError, match=message):
        ZCA(mean, matrix)


def test_it_is_fitted_to_several_images() -> None:
    with pytest.raises(CondenseError, match="two images or more"):
        ZCA.fit(IMAGES[:1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_real_images_pass_through_it(dtype: torch.dtype) -> None:
    images = labelled()
    whitening = ZCA.fit(images.pixels.double() / 255)
    whitened = images.whitened_by(whitening)
    indices = torch.tensor([[3, 0], [5, 39]])
    expected = whitening.apply(images.pixels[indices].double() / 255)
    found = whitened.inputs(indices, dtype)
    assert found.dtype == dtype and torch.allclose(found.double(), expected, rtol=0, atol=1e-5)
    assert torch.equal(whitened.whitened_by(None).inputs(indices), images.inputs(indices))
    assert whitened.fingerprint == images.fingerprint


def test_half_precision_only_rounds_the_result() -> None:
    images = labelled()
    whitened = images.whitened_by(ZCA.fit(images.pixels.float() / 255))
    exact = whitened.inputs(torch.arange(40))
    assert torch.equal(whitened.inputs(torch.arange(40), torch.bfloat16), exact.bfloat16())


def test_it_stays_with_images_that_are_described_otherwise() -> None:
    images = labelled()
    whitening = ZCA.fit(images.pixels.float() / 255)
    data = DataSet("small", images, images).whitened_by(whitening)
    other = data.train.described_as("other", ["a", "b"], (0.1,) * 3, (2.0,) * 3)
    read = replace(other, classes_as_read=(("x", 1), ("y", 0))).as_read()
    for one in (other, read, data.to("cpu").test, data.train.subset(4, 0), data.with_remark("so").train):
        assert one.whitening is whitening
