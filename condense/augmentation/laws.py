"""Laws: what is drawn, from one generator, for images of one size.

The operations' parameter laws are those of the siamese augmentation's published code. A law says which of them meet.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator
from torch import Tensor

from condense.augmentation.operations import Draw
from condense.augmentation.own import AUGMENTATIONS, drawn
from condense.checking import Several, one_of
from condense.errors import CondenseError, in_any_case, unknown_name
from condense.own import is_own

COLOUR, GEOMETRIC = "color", ("crop", "scale", "rotate")
OPERATIONS = (COLOUR, *GEOMETRIC, "cutout", "flip")
"""Operations by their published names; 'color' is brightness, saturation and contrast together."""

Operations = Annotated[tuple[Annotated[str, one_of("augmentation", dict.fromkeys(OPERATIONS))], ...], Several]
"""The type of a setting that lists some of them."""


def operation(name: str, known: Sequence[str] = OPERATIONS) -> str:
    """The name proper of an operation, in any case, or of an augmentation of one's own (`augmentation.own`).

    Raises a ValueError, as pydantic takes it, for an unknown one.
    """
    try:
        proper = in_any_case(name, dict.fromkeys(known)) or AUGMENTATIONS.proper_name(name)
    except CondenseError as error:
        raise ValueError(str(error)) from error
    if proper is None:
        raise ValueError(str(unknown_name("augmentation", name, [*known, *AUGMENTATIONS.registered()])))
    return proper


OneOfSeveral = Annotated[tuple[Annotated[str, AfterValidator(operation)], ...], Several]
"""The type of a setting that lists operations of which one is drawn at a time: those of one's own may be among them."""

Siamese = Literal["color", "crop", "cutout", "flip", "scale", "rotate"]
SIAMESE: tuple[Siamese, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")
"""In the order of the authors' code."""

DIGITS = ("mnist", "svhn", "digits")
"""Data sets of digits, which are not mirrored."""


def siamese_operations(dataset: str) -> tuple[Siamese, ...]:
    """The operations of siamese augmentation as published for a data set (name in the catalogue)."""
    return tuple(name for name in SIAMESE if name != "flip" or dataset not in DIGITS)


BRIGHTNESS, SATURATION, CONTRAST = 1.0, 2.0, 0.5
CROP_SHARE, CUTOUT_SHARE = 0.125, 0.5
LARGEST_SCALE, LARGEST_ANGLE = 1.2, 15.0


@dataclass(frozen=True)
class Law:
    """A law by its name, and the operations it draws from, each once.

    'single' (DSA's): one operation for each draw, uniform over the list, of which some may be one's own. 'several' (IDC's):
    flip and colour if listed, then one of crop, scale and rotate, uniform over those listed, then cutout if listed.
    Raises `CondenseError` for another law or operation.
    """

    name: str
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.name not in _LAWS:
            raise unknown_name("augmentation law", self.name, _LAWS)
        for operation in self.operations:
            if operation not in OPERATIONS and not (self.name == "single" and is_own(operation)):
                raise unknown_name("augmentation", operation, OPERATIONS)

    def draw(self, count: int, size: tuple[int, int], random: torch.Generator, *, together: bool = False) -> Draw:
        """Parameters of `count` images of size (height, width), each with its own; on the generator's device.

        together: the images share what is drawn uniformly from the list (DSA's networks take one operation a batch), and
        differ in its parameters.
        """
        drawn = _Values(count, size, random)
        return _LAWS[self.name](drawn, self.operations, 1 if together else count)


class _Values:
    """Parameters of every operation, each drawn whether it is used or not, so that one draw never shifts another."""

    def __init__(self, count: int, size: tuple[int, int], random: torch.Generator) -> None:
        self.count, self.size, self.random = count, size, random

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        shares = torch.rand(self.count, generator=self.random, device=self.random.device, dtype=torch.float64)
        return low + (high - low) * shares

    def whole(self, low: int, high: int, count: int | None = None) -> Tensor:
        """Integers low .. high, both included."""
        size = (self.count if count is None else count,)
        return torch.randint(low, high + 1, size, generator=self.random, device=self.random.device)

    def choice(self, options: int, count: int) -> Tensor:
        """Indices below `options`, `count` of them drawn and spread over all images."""
        return self.whole(0, options - 1, count).expand(self.count)

    def of_all_operations(self) -> dict[str, Draw]:
        """Each operation's draw, as if it alone were taken."""
        nothing = Draw.nothing(self.count, self.random.device)
        colour = replace(
            nothing,
            brightness=(self.uniform() - 0.5) * BRIGHTNESS,
            saturation=self.uniform() * SATURATION,
            contrast=self.uniform() + CONTRAST,
        )
        return {
            COLOUR: colour,
            "crop": replace(nothing, shift=self._crop_offsets()),
            "scale": replace(nothing, matrix=torch.diag_embed(torch.stack([self._scale(), self._scale()], dim=1))),
            "rotate": replace(nothing, matrix=self._rotation()),
            "cutout": replace(nothing, hole=torch.cat([self._edges(side) for side in self.size], dim=1)),
            "flip": replace(nothing, matrix=self._mirror()),
        }

    def _crop_offsets(self) -> Tensor:
        down, right = (math.floor(side * CROP_SHARE + 0.5) for side in self.size)
        rows, columns = self.whole(-down, down), self.whole(-right, right)
        return torch.stack([columns, rows], dim=1).double()

    def _scale(self) -> Tensor:
        return self.uniform(1 / LARGEST_SCALE, LARGEST_SCALE)

    def _rotation(self) -> Tensor:
        angle = torch.deg2rad(self.uniform(-LARGEST_ANGLE, LARGEST_ANGLE))
        cosine, sine = angle.cos(), angle.sin()
        return torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)

    def _edges(self, side: int) -> Tensor:
        """Where a hole of half the side begins and ends, its centre anywhere in the image."""
        length = math.floor(side * CUTOUT_SHARE + 0.5)
        centre = self.whole(0, side if length % 2 == 0 else side - 1)
        first = centre - length // 2
        return torch.stack([first, first + length], dim=1)

    def _mirror(self) -> Tensor:
        sign = torch.where(self.uniform() < 0.5, -1.0, 1.0).double()
        return torch.diag_embed(torch.stack([sign, torch.ones_like(sign)], dim=1))


def _single(values: _Values, operations: tuple[str, ...], groups: int) -> Draw:
    chosen = values.choice(len(operations), groups) if operations else None
    draws, result = values.of_all_operations(), Draw.nothing(values.count, values.random.device)
    # After all that is built in, whose draws are the same beside one's own.
    draws |= {name: drawn(name, values.count, values.size, values.random) for name in operations if is_own(name)}
    for index, name in enumerate(operations):
        result = _where(chosen == index, draws[name], result)
    return result


def _several(values: _Values, operations: tuple[str, ...], groups: int) -> Draw:
    moves = [name for name in operations if name in GEOMETRIC]
    chosen = values.choice(len(moves), groups) if moves else None
    draws, result = values.of_all_operations(), Draw.nothing(values.count, values.random.device)
    if COLOUR in operations:
        result = draws[COLOUR]
    for index, name in enumerate(moves):
        moved = replace(result, matrix=draws[name].matrix, shift=draws[name].shift)
        result = _where(chosen == index, moved, result)
    if "flip" in operations:  # first of all, so its matrix comes last on the way from the result to the image
        mirror = draws["flip"].matrix
        result = replace(result, matrix=mirror @ result.matrix, shift=(mirror @ result.shift[:, :, None])[:, :, 0])
    return replace(result, hole=draws["cutout"].hole) if "cutout" in operations else result


def _where(chosen: Tensor, one: Draw, other: Draw) -> Draw:
    """The parameters of `one` for the images chosen (B,), else those of `other`."""
    pairs = zip(one.parts, other.parts, strict=True)
    return Draw(*(torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs))


_LAWS: dict[str, Callable[[_Values, tuple[str, ...], int], Draw]] = {"single": _single, "several": _several}
