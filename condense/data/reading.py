"""How real images are to be read where the source does not say it: what a user states, and which sources take it."""

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from condense.errors import CondenseError, quoted, shortened

LARGEST_SIDE = 4096
"""Of an image, in pixels."""
_STEPS = 65536
"""The finest that a range is ever divided into."""


def parse_range(text: str) -> tuple[float, float]:
    """(low, high) of 'LOW,HIGH'. Raises ValueError for anything else."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    wide = math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)
    if not (wide and math.isfinite(_STEPS / (high - low))):  # the latter is what a value is multiplied by
        raise ValueError(f"a pixel range is LOW,HIGH, two numbers, the lower one first, such as 0,4095; not '{text[:80]}'")
    return low, high


def parse_shape(text: str) -> tuple[int, ...]:
    """The numbers of 'HxW', 'CxHxW' or 'HxWxC', C = 1 or 3. Raises ValueError for anything else."""
    match = re.fullmatch(r"[0-9]{1,4}x[0-9]{1,4}(x[0-9]{1,4})?", text, re.ASCII)
    shape = tuple(map(int, text.split("x"))) if match else ()
    channels = len(shape) < 3 or shape[0] in (1, 3) or shape[2] in (1, 3)
    if not shape or not channels or not all(1 <= side <= LARGEST_SIDE for side in shape):
        raise ValueError(
            f"an image shape is HxW, CxHxW or HxWxC, with 1 or 3 channels and up to {LARGEST_SIDE} pixels a side, such as "
            f"16x12 or 3x32x32; not '{text[:80]}'"
        )
    return shape


def _is_range(text: str) -> str:
    parse_range(text)
    return text


def _is_shape(text: str) -> str:
    parse_shape(text)
    return text


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How real images are read, where a user states it; part of the options of every command that reads some."""

    pixel_range: Annotated[str, AfterValidator(_is_range)] | None = None
    """Values that are black and white in your own images, as LOW,HIGH; values outside are clipped."""
    image_shape: Annotated[str, AfterValidator(_is_shape)] | None = None
    """Shape of one image in a file of arrays: HxW, CxHxW or HxWxC, such as 16x12 or 3x32x32."""
    image_size: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] | None = None
    """Make all images of a folder squares of so many pixels: resized, then cut at the centre."""
    skip_bad: bool = False
    """Leave out files of a folder that cannot be read, and list them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def stated(self) -> dict[str, Any]:
        """What is not left to the source, by name."""
        defaults = asdict(Reading())
        return {name: value for name in defaults if (value := getattr(self, name)) != defaults[name]}

    def refuse_other_than(self, allowed: tuple[str, ...], what: str) -> None:
        """Raises `CondenseError` where something is stated that a source, named `what`, does not take."""
        wrong = [f"--{name.replace('_', '-')}" for name in self.stated if name not in allowed]
        if wrong:
            raise CondenseError(f"{' and '.join(wrong)} cannot be used with {what}.")


READING_NAMES = tuple(field.name for field in fields(Reading))


def checked_reading(reading: object) -> Reading:
    """What a caller from Python states, its values as they must be. Raises `CondenseError` for others."""
    if not isinstance(reading, Reading):
        raise CondenseError(f"reading must be a condense.Reading, not {shortened(reading)}.")
    try:
        return TypeAdapter(Reading).validate_python({name: getattr(reading, name) for name in READING_NAMES})
    except ValidationError as error:
        mistake = error.errors()[0]
        name, said = mistake["loc"][0], mistake["msg"]
        value = "" if mistake["type"] == "value_error" else f" = {quoted(mistake['input'])}"
        raise CondenseError(f"{name}{value}: {said.removeprefix('Value error, ')}.") from error
