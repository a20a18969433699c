"""Pixels as users store them, turned into bytes by one stated rule; where it does not fit, the user is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from condense.data.reading import Reading, parse_range
from condense.errors import CondenseError

Array = np.ndarray
LEVELS, _FINE = 256, 65536
USED = 0.5
"""Share of a range that the largest value must reach for the range to be taken as meant."""
_BLOCK = 1 << 22
"""Values converted at a time."""
_NOISE = 1e-6
"""Share of a range by which rounding may take floats beyond it."""
_FRACTIONS, _BYTES, _SIXTEEN_BITS = (0.0, 1.0), (0.0, 255.0), (0.0, 65535.0)


@dataclass(frozen=True, eq=False)
class Converted:
    """Arrays as uint8; the values that were black and white; sentences on what was assumed, or lost."""

    arrays: list[Array]
    pixel_range: tuple[float, float]
    remarks: tuple[str, ...]


def as_bytes(arrays: Sequence[Array], where: str, reading: Reading = Reading()) -> Converted:  # noqa: B008 - frozen
    """The pixels of all parts of a data set as uint8, of the same shapes, by one rule (docs/data.md) for all of them.

    arrays: those for training, and for testing if any, of any shape, with the type they are stored in. A range that is
    stated is taken, and values beyond it are clipped. Otherwise uint8 is 0 to 255 and bool 0 to 1; floats are 0 to 1 or 0 to
    255, other whole numbers of 8, 32 or 64 bits 0 to 255, and uint16 0 to 65535, each only where in every part no value lies
    outside and the largest is at least half of it. Bytes may be dark, but in all parts or none.
    Raises `CondenseError` where that is not so, and for other types, NaN, infinities, and no pixels at all.
    """
    _check(arrays, where)
    stated = parse_range(reading.pixel_range) if reading.pixel_range else None
    pixel_range, remark = (stated, _outside(arrays, stated)) if stated else _implied(arrays, where)
    converted = [_scaled(array, pixel_range) for array in arrays]
    names = ("",) if len(arrays) == 1 else (" of the training images", " of the test images")
    lost = [_levels_lost(*part) for part in zip(arrays, converted, names, strict=True)]
    return Converted(converted, pixel_range, tuple(said for said in (remark, *lost) if said))


def as_text(pixel_range: tuple[float, float]) -> str:
    """The range as `--pixel-range` takes it."""
    return ",".join(f"{value:.17g}" for value in pixel_range)


def _check(arrays: Sequence[Array], where: str) -> None:
    kinds = {array.dtype.kind for array in arrays}
    if not (kinds <= set("iu") or kinds in ({"f"}, {"b"})):
        types = " and ".join(sorted({str(array.dtype)[:80] for array in arrays}))
        raise CondenseError(f"{where}: images must all be whole numbers, all floats or all booleans, not {types}.")
    if any(array.size == 0 for array in arrays):
        raise CondenseError(f"{where}: there are no images in an array of shape {min(arrays, key=np.size).shape}.")
    if not all(np.isfinite(block).all() for array in arrays for block in _blocks(array)):
        raise CondenseError(f"{where}: some pixels are NaN or infinite.")


def _implied(arrays: Sequence[Array], where: str) -> tuple[tuple[float, float], str | None]:
    """The range that types and values leave no doubt of in any part, and what was assumed. Raises `CondenseError` else."""
    types = sorted({array.dtype.name for array in arrays})
    if types == ["bool"]:
        return _FRACTIONS, "pixels are booleans; false was read as black, true as white."
    spans = [(float(array.min()), float(array.max())) for array in arrays]
    bright = [high >= USED * 255 for _, high in spans]
    if types == ["uint8"] and (all(bright) or not any(bright)):
        return _BYTES, None if all(bright) else _dark([high for _, high in spans])
    candidates = {"f": (_FRACTIONS, _BYTES), "u": (_BYTES,), "i": (_BYTES,)}[arrays[0].dtype.kind]
    if set(types) & {"uint16", "int16"}:
        candidates = (_SIXTEEN_BITS,) if types == ["uint16"] else ()
    noise = max(_NOISE, *(float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0 for array in arrays), 0)
    for black, white in candidates:
        if all(-noise * white <= low and USED * white <= high <= white * (1 + noise) for low, high in spans):
            least, most = min(low for low, _ in spans), max(high for _, high in spans)
            said = (
                f"pixels are {' and '.join(types)} from {least:.9g} to {most:.9g}; 0 was read as black, {white:g} as white."
            )
            return (black, white), said
    raise _unclear(arrays, spans, where)


def _dark(largest: Sequence[float]) -> str | None:
    """That bytes are dark in all parts; nothing where all is black."""
    most, of_test = max(largest), largest[-1]
    tested = f" (those for testing reach only {of_test:g})" if of_test < most else ""
    said = (
        f"the largest pixel is {most:g} of 255, so pictures are dark; --pixel-range 0,{most:g} would make it white{tested}."
    )
    return said if most > 0 else None


def _unclear(arrays: Sequence[Array], spans: Sequence[tuple[float, float]], where: str) -> CondenseError:
    found = [f"{array.dtype.name} from {low:.9g} to {high:.9g}" for array, (low, high) in zip(arrays, spans, strict=True)]
    one_for_all = "" if len(found) == 1 else " One range holds for both parts; store them alike where they are not."
    pixels = f"pixels are {found[0]}" if len(found) == 1 else f"pixels for training are {found[0]}, for testing {found[1]}"
    return CondenseError(
        f"{where}: {pixels}, which does not say what is black and what is white. --pixel-range LOW,HIGH does, such as 0,1 "
        f"or 0,255 or 0,4095; values outside it are clipped.{one_for_all}"
    )


def _outside(arrays: Sequence[Array], pixel_range: tuple[float, float]) -> str | None:
    """How many values a stated range clips; None without any."""
    low, high = pixel_range
    beyond = sum(int(((block < low) | (block > high)).sum()) for array in arrays for block in _blocks(array))
    share = 100 * beyond / sum(array.size for array in arrays)
    return (
        f"{share:.2g} % of the pixels lie outside the range {low:g} to {high:g} and were clipped to it." if beyond else None
    )


def _scaled(array: Array, pixel_range: tuple[float, float]) -> Array:
    """uint8 of the same shape: `pixel_range` stretched over 0 to 255, rounded, clipped."""
    if array.dtype == np.uint8 and pixel_range == _BYTES:
        return array.copy()
    low, high = pixel_range
    scaled = np.empty(array.shape, np.uint8)
    for block, out in zip(_blocks(array), _blocks(scaled), strict=True):
        clipped = np.clip(block.astype(np.float64), low, high)
        out[...] = np.rint((clipped - low) * (255 / (high - low)))
    return scaled


def _levels_lost(before: Array, after: Array, of_part: str) -> str | None:
    """A sentence where the bytes of a part have fewer than half of the grey levels it had (256 at most); else None.

    Levels are told apart to a 65,536th of the part's extremes, so that those of rounding do not count.
    """
    if before.dtype == np.uint8 and np.array_equal(before, after):
        return None
    low, high = float(before.min()), float(before.max())
    kept = _levels(after, 0, LEVELS - 1, LEVELS)
    measurable = high > low and np.isfinite([high - low, _FINE / (high - low)]).all()
    there = _levels(before, low, high, _FINE) if measurable and 2 * kept < LEVELS else 0
    if 2 * kept >= min(there, LEVELS):
        return None
    return (
        f"of {there} grey levels{of_part}, {kept} {'are' if kept > 1 else 'is'} left; if that is not meant, --pixel-range "
        "LOW,HIGH states other values for black and white."
    )


def _levels(array: Array, low: float, high: float, steps: int) -> int:
    """How many of so many equal steps from `low` to `high` some value lies at."""
    seen = np.zeros(steps, bool)
    for block in _blocks(array):
        seen[np.rint((block.astype(np.float64) - low) * ((steps - 1) / (high - low))).astype(np.intp)] = True
    return int(seen.sum())


def _blocks(array: Array) -> Iterator[Array]:
    """Views of some images at a time, so that no second copy of a large array is needed."""
    if array.ndim == 0:
        yield array
        return
    step = max(1, _BLOCK * len(array) // max(array.size, 1)) if len(array) else 1
    for start in range(0, len(array), step):
        yield array[start : start + step]
