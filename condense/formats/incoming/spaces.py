"""What the numbers in images are: normalised, from 0 to 1, bytes, whitened. What values leave open is asked.

Learned images leave the range of pixels: of those under `artifacts/`, taken out of their normalisation, 8 to 100 % of the
pixels lie between black and white. What they keep are the moments of their channels, so these are looked at.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.formats.incoming.foreign import Normalisation

MOSTLY = 0.95
"""Share of the pixels that lie from black to white, in images that are surely pixels."""
_BEYOND = 1.0
"""How far beyond, in shares of the range, the others lie at most."""
_LEAST_BYTES = 20.0
"""The largest value of images in bytes is above it, that of normalised ones is not."""
_OFF, _USUAL_STD, _SPREAD = 0.3, 1.5, 0.45
"""Normalised sets have channels with a mean of 0 give or take the first, and a deviation of the second, whose logarithm
scatters by the third: as the released sets, learned and selected, with means of -0.3 to 0.15, deviations of 0.98 to 2.7."""
_CLEARLY = 1.0
"""How much odder, in squared deviations, one reading of the numbers must be than another to be dismissed."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation of each channel of images, float64 (C,)."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, images: Tensor) -> Self:
        """Of images (N, C, H, W)."""
        exact = images.double()
        return cls(exact.mean(dim=(0, 2, 3)), exact.std(dim=(0, 2, 3), correction=0))

    def normalised(self, by: Normalisation) -> "Moments":
        """Those of the images once they are normalised."""
        mean, std = _tensors(by)
        return Moments((self.mean - mean) / std, self.std / std)

    def taken_out(self, by: Normalisation) -> "Moments":
        """Those of the images once they are taken out of a normalisation."""
        mean, std = _tensors(by)
        return Moments(self.mean * std + mean, self.std * std)

    @property
    def oddness(self) -> float:
        """How unlike those of normalised images they are: squared deviations from what is usual, a mean over channels."""
        contrast = (self.std.clamp(min=1e-6) / _USUAL_STD).log() / _SPREAD
        return float(((self.mean / _OFF) ** 2 + contrast**2).mean())


def _tensors(by: Normalisation) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in by)
    return mean, std


def could_be_unit(images: Tensor, by: Normalisation) -> bool:
    """Whether images could be pixels from 0 to 1, clipped or not, that `by` is to normalise."""
    moments = Moments.of(images)
    return _within(images, 1.0) or moments.normalised(by).oddness < moments.oddness + _CLEARLY


def could_be_bytes(images: Tensor) -> bool:
    """Whether images could be pixels from 0 to 255."""
    return _within(images, 255.0) and float(images.max()) > _LEAST_BYTES


def _within(images: Tensor, white: float) -> bool:
    inside = ((images >= 0) & (images <= white)).double().mean()
    least, most = float(images.min()), float(images.max())
    return float(inside) >= MOSTLY and -_BEYOND * white <= least and most <= 2 * _BEYOND * white


@dataclass(frozen=True)
class Numbers:
    """What is known of the numbers in the images of a set of a format, by name.

    stated: one of `flags.PIXELS` as the user says, format_says: as files of its format have it, both None where unsaid;
    may_be_whitened: whether files of the format may hold whitened images without saying so; may_be_idc: whether it could be
    IDC's; where: begins messages; by: what
    normalises images of the data set; by_stated: whether the user said that, which ends all doubts.
    """

    format: str
    stated: str | None
    format_says: str | None
    may_be_whitened: bool
    may_be_idc: bool
    where: str
    by: Normalisation
    by_stated: bool

    def space(self, images: Tensor) -> tuple[str, list[str]]:
        """(One of `flags.PIXELS`, what was assumed) for images float32 (N, C, H, W).

        Raises `CondenseError` with a question where it is not clear, where the values cannot be what is said, and for images
        that look normalised twice.
        """
        found = f"values from {float(images.min()):.4g} to {float(images.max()):.4g}"
        fits = {"bytes": could_be_bytes(images), "unit": could_be_unit(images, self.by)}
        wrong = self.stated in fits and not fits[self.stated] and not (self.stated == "unit" and self.by_stated)
        if wrong:
            white = 1 if self.stated == "unit" else 255
            raise CondenseError(f"{self.where}: its {found} are no pixels from 0 to {white}, as --pixels says.")
        space = self.stated or self._unstated([name for name, fit in fits.items() if fit], found)
        if space == "normalised" and not self.by_stated:
            self._check_once(images)
        said = self.stated or self.format_says
        return space, [] if said else [f"the images are {space}, as their {found} are no pixels"]

    def _unstated(self, fitting: list[str], found: str) -> str:
        if self.format_says == "whitened" or self.format_says in fitting:
            return str(self.format_says)
        if self.format_says in ("unit", "bytes"):
            white = 1 if self.format_says == "unit" else 255
            raise CondenseError(
                f"{self.where}: files of the format {self.format} hold pixels from 0 to {white}, and it has {found}: "
                "--pixels normalised, unit or bytes says what they are."
            )
        if fitting:
            white = 1 if fitting[0] == "unit" else 255
            more = (
                " If it is IDC's or DREAM's, --format idc with --factor N says it." if self.may_be_idc and white == 1 else ""
            )
            raise CondenseError(
                f"{self.where}: its {found} could be pixels from 0 to {white}, or normalised: --pixels {fitting[0]} or "
                f"--pixels normalised says which.{more}"
            )
        if self.may_be_whitened:
            raise CondenseError(
                f"{self.where}: images of the format {self.format} are normalised or whitened by ZCA, and the file does not "
                "say which: --pixels normalised, or --pixels whitened with --zca, says it."
            )
        return "normalised"

    def _check_once(self, images: Tensor) -> None:
        """Raises `CondenseError` for images that, taken out of the normalisation once, look more like normalised ones."""
        once = Moments.of(images)
        twice = once.taken_out(self.by)
        if twice.oddness + _CLEARLY < once.oddness:
            means, stds = (", ".join(f"{value:.2f}" for value in one.tolist()) for one in (twice.mean, twice.std))
            raise CondenseError(
                f"{self.where}: the images look normalised twice: taken out of the normalisation once, their channels still "
                f"have means of {means} and standard deviations of {stds}. Undo one of them, or state with --mean and --std "
                "the normalisation that they have."
            )
