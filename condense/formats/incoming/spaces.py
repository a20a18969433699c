"""What the numbers in images are: normalised, from 0 to 1, bytes, whitened. What values leave open is asked."""

from collections.abc import Sequence

import torch
from torch import Tensor

from condense.errors import CondenseError
from condense.formats.incoming.foreign import Normalisation

MOSTLY = 0.95
"""Share of the pixels that lie from black to white, in images that are learned as pixels and not clipped."""
_BEYOND = 1.0
"""How far beyond, in shares of the range, the others lie at most."""
_LEAST_BYTES = 20.0
"""The largest value of images in bytes is above it, that of normalised ones is not."""
_MEAN, _LEAST_STD, _MOST_STD = 0.3, 0.6, 1.6
"""Of normalised images: the largest mean of channels, and the bounds of their standard deviations."""


def could_be_unit(images: Tensor) -> bool:
    """Whether images could be pixels from 0 to 1."""
    return _within(images, 1.0)


def could_be_bytes(images: Tensor) -> bool:
    """Whether images could be pixels from 0 to 255."""
    return _within(images, 255.0) and float(images.max()) > _LEAST_BYTES


def _within(images: Tensor, white: float) -> bool:
    inside = ((images >= 0) & (images <= white)).double().mean()
    return float(inside) >= MOSTLY and -_BEYOND * white <= float(images.min()) and float(images.max()) <= 2 * _BEYOND * white


def space_of(
    images: Tensor, stated: str | None, format_says: str | None, *, may_be_whitened: bool, where: str
) -> tuple[str, str | None]:
    """(One of `flags.PIXELS`, what was assumed in a sentence or None) for images float32.

    stated: by the user; format_says: what files of this format hold; may_be_whitened: whether they may hold whitened images
    without saying so; where: begins the messages. Raises `CondenseError` with a question where it is not clear, and where
    the values cannot be what is stated.
    """
    found = f"values from {float(images.min()):.4g} to {float(images.max()):.4g}"
    fitting = [name for name, fits in (("unit", could_be_unit), ("bytes", could_be_bytes)) if fits(images)]
    if stated in ("unit", "bytes") and stated not in fitting:
        raise CondenseError(f"{where}: {found} are no pixels from 0 to {1 if stated == 'unit' else 255}, as --pixels says.")
    if stated is not None:
        return stated, None
    if format_says in fitting or format_says == "whitened":
        return str(format_says), None
    if format_says in ("unit", "bytes"):
        raise CondenseError(
            f"{where}: files of this format hold pixels from 0 to {1 if format_says == 'unit' else 255}, and it has "
            f"{found}: are they normalised? --pixels {_alternatives(['normalised', *fitting])} says what they are."
        )
    if fitting:
        what = f"could be pixels from 0 to {1 if fitting[0] == 'unit' else 255}, or normalised"
        raise CondenseError(f"{where}: its {found} {what}: --pixels {_alternatives([fitting[0], 'normalised'])} says which.")
    if may_be_whitened:
        raise CondenseError(
            f"{where}: images of this format are normalised or whitened by ZCA, and the file does not say which: --pixels "
            "normalised, or --pixels whitened with --zca, says it."
        )
    return "normalised", None if format_says else f"the images are normalised, as their {found} are no pixels"


def _alternatives(names: Sequence[str]) -> str:
    return "|".join(names)


def check_normalised_once(images: Tensor, by: Normalisation, where: str) -> None:
    """Raises `CondenseError` for images (N, C, H, W) that, taken out of a normalisation, look normalised still."""
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in by)
    own_mean, own_std = images.double().mean(dim=(0, 2, 3)), images.double().std(dim=(0, 2, 3), correction=0)
    left_mean, left_std = own_mean * std + mean, own_std * std
    if float(left_mean.abs().mean()) < _MEAN and bool(((left_std > _LEAST_STD) & (left_std < _MOST_STD)).all()):
        raise CondenseError(
            f"{where}: the images look normalised twice: taken out of the normalisation once, their channels still have "
            f"means of {_numbers(left_mean)} and standard deviations of {_numbers(left_std)}. Undo one of them, or state "
            "with --mean and --std the normalisation that they have."
        )


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.2f}" for value in values.tolist())
