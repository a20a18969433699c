"""What is done to real images before a network sees them, where it is more than a normalisation of each channel."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.randomness import Device

EPSILON = 0.1
"""What MTT and the methods after it add to the variances (their code calls kornia's `ZCAWhitening(eps=0.1)`)."""


@dataclass(frozen=True, eq=False)
class ZCA:
    """ZCA whitening of images x (C, H, W) with pixels in [0, 1], as a vector: (x - mean) matrix.

    mean: floating (C, H, W); matrix: (D, D) of the same type, D = C H W. Fitted, it is U (S + epsilon)^-1/2 U' of the
    covariance U S U' of training images; a whitening of normalised images is one of these too, with the scale in its matrix.
    Raises `CondenseError` for tensors of other shapes, and for numbers that are not finite.
    """

    mean: Tensor
    matrix: Tensor

    def __post_init__(self) -> None:
        size = self.mean.numel()
        of_images = self.mean.dim() == 3 and size > 0 and self.mean.is_floating_point()
        if not of_images or self.matrix.dtype != self.mean.dtype or self.matrix.shape != (size, size):
            found = f"{self.mean.dtype} {tuple(self.mean.shape)}, {self.matrix.dtype} {tuple(self.matrix.shape)}"
            raise CondenseError(f"A whitening is a mean (C, H, W) and a square matrix of its size, floating, not {found}.")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in (self.mean, self.matrix)):
            raise CondenseError("A whitening must have a mean and a matrix that are finite.")

    @classmethod
    def fit(cls, images: Tensor, epsilon: float = EPSILON) -> Self:
        """The whitening of training images, floating (N, C, H, W) with pixels in [0, 1]; N at least 2."""
        from kornia import enhance  # takes a second to import, and few runs need it

        if len(images) < 2:
            raise CondenseError("A whitening is fitted to two images or more.")
        fitted = enhance.ZCAWhitening(eps=epsilon).fit(images)
        return cls(fitted.mean_vector.reshape(images.shape[1:]).contiguous(), fitted.transform_matrix.contiguous())

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of the images it is for."""
        return tuple(self.mean.shape)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All it consists of, by name."""
        return {"mean": self.mean, "matrix": self.matrix}

    def to(self, device: Device, dtype: torch.dtype) -> "ZCA":
        """The same on another device, in another type."""
        return ZCA(self.mean.to(device, dtype), self.matrix.to(device, dtype))

    def apply(self, images: Tensor) -> Tensor:
        """Whitened images of `images` (..., C, H, W), pixels in [0, 1], of its own device and type."""
        from kornia import enhance

        flat = images.reshape(-1, *self.shape)
        return enhance.linear_transform(flat, self.matrix, self.mean.reshape(1, -1)).reshape(images.shape)

    def invert(self, images: Tensor) -> Tensor:
        """Of whitened images (N, C, H, W) the pixels, where 0 is black and 1 white, beyond which they may go: float64.

        Raises `CondenseError` for a matrix that has no inverse.
        """
        exact = self.to("cpu", torch.float64)
        flat, failed = torch.linalg.solve_ex(exact.matrix, images.cpu().double().flatten(1), left=False)
        if int(failed) or not torch.isfinite(flat).all():
            raise CondenseError("The whitening of the set has no inverse, so its images cannot be shown.")
        return flat.reshape(images.shape) + exact.mean

    def __str__(self) -> str:
        return "ZCA"


Preprocessing = ZCA | None
"""None: each channel is normalised by a mean and a standard deviation."""
