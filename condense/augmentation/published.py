"""Stage T's augmentation of the published code, for many networks' batches at once, on the device.

Each image gets one operation, drawn uniformly from a list of 'crop', 'scale', 'rotate' and 'noise'. The twin in
`condense.reference.published_augmentation` works image by image with scipy, as published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy  # its parts are imported where they are used
import torch
from torch import Tensor

CROP_PADDING = 4
SCALE_RANGE = (0.8, 1.2)
ANGLES = range(-45, 45)
NOISE_STD = 0.001


@dataclass(frozen=True)
class Draw:
    """What was drawn for each of B images, in the order of the images.

    operation: index into the operations' list; row, column: crop offsets 0 .. 7 into the padded image; height, width:
    the scaled size in pixels; angle: whole degrees, -45 .. 44; noise: (B, C, H, W) or empty. All int64 (B,) but the noise.
    """

    operation: Tensor
    row: Tensor
    column: Tensor
    height: Tensor
    width: Tensor
    angle: Tensor
    noise: Tensor


def draw(shape: torch.Size, operations: Sequence[str], random: torch.Generator) -> Draw:
    """Draws the operation of every image of a batch (B, C, H, W), and parameters for each operation."""
    batch, _, height, width = shape

    def whole(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (batch,), generator=random, device=random.device)

    def size(side: int) -> Tensor:
        low, high = SCALE_RANGE
        factor = low + (high - low) * torch.rand(batch, generator=random, device=random.device, dtype=torch.float64)
        return (factor * side).long()

    noise = torch.randn(shape if "noise" in operations else (0,), generator=random, device=random.device)
    offsets = 0, 2 * CROP_PADDING
    operation, row, column = whole(0, len(operations)), whole(*offsets), whole(*offsets)
    return Draw(operation, row, column, size(height), size(width), whole(ANGLES.start, ANGLES.stop), noise)


def augment(x: Tensor, operations: Sequence[str], random: Sequence[torch.Generator]) -> Tensor:
    """Augments batches x (E, B, C, H, W) of E networks, each with its own generator; without operations x itself."""
    if not operations:
        return x
    drawn = [draw(x.shape[1:], operations, generator) for generator in random]
    names = Draw.__dataclass_fields__
    joined = Draw(**{name: torch.cat([getattr(d, name) for d in drawn]).to(x.device) for name in names})
    # The published code takes means over the batch, so each network's batch has its own.
    means = x.mean((1, 3, 4)).repeat_interleave(x.shape[1], dim=0)
    return apply(x.flatten(0, 1), operations, joined, means).view_as(x)


def apply(x: Tensor, operations: Sequence[str], drawn: Draw, means: Tensor) -> Tensor:
    """Images (N, C, H, W), each after its drawn operation; means (N, C) fill what crop and rotation bring in."""
    if x.is_cuda:
        return _apply_to_all(x, operations, drawn, means)
    result = x.clone()
    for index, name in enumerate(operations):
        chosen = (drawn.operation == index).nonzero().squeeze(1)
        result[chosen] = _APPLY[name](x[chosen], drawn, chosen, means[chosen])
    return result


def _apply_to_all(x: Tensor, operations: Sequence[str], drawn: Draw, means: Tensor) -> Tensor:
    """The same by every operation on every image: which images an operation is for, the host would have to wait for."""
    result, everything = x, torch.arange(len(x), device=x.device)
    for index, name in enumerate(operations):
        changed = _APPLY[name](x, drawn, everything, means)
        result = torch.where((drawn.operation == index)[:, None, None, None], changed, result)
    return result


def _crop(x: Tensor, drawn: Draw, chosen: Tensor, means: Tensor) -> Tensor:
    """Pads by 4 with the means and crops back at the drawn offset."""
    rows = torch.arange(x.shape[2], device=x.device) + drawn.row[chosen, None] - CROP_PADDING
    columns = torch.arange(x.shape[3], device=x.device) + drawn.column[chosen, None] - CROP_PADDING
    return _take(x, rows, columns, means)


def _scale(x: Tensor, drawn: Draw, chosen: Tensor, means: Tensor) -> Tensor:
    """Nearest-neighbour scaling of both sides, centred; what is missing is zero."""
    height, width = drawn.height[chosen, None], drawn.width[chosen, None]
    canvas = torch.maximum(height, width).clamp(min=max(x.shape[2:]))
    rows = _scaled_positions(x.shape[2], height, canvas)
    columns = _scaled_positions(x.shape[3], width, canvas)
    return _take(x, rows, columns, torch.zeros_like(means))


def _scaled_positions(side: int, scaled: Tensor, canvas: Tensor) -> Tensor:
    """Source position (n, side) of each output pixel, -1 where it lies outside the scaled image.

    The scaled image and the crop window are both centred on a canvas as large as the larger of them, rounded down.
    """
    position = torch.arange(side, device=scaled.device) + (canvas - side) // 2 - (canvas - scaled) // 2
    source = (position.float() * (side / scaled.double()).float()).floor().long().clamp(max=side - 1)
    return torch.where((position >= 0) & (position < scaled), source, -1)


def _take(x: Tensor, rows: Tensor, columns: Tensor, fill: Tensor) -> Tensor:
    """x[n, :, rows[n, i], columns[n, j]], and fill[n] where a position lies outside the image."""
    height, width = x.shape[2:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    flat = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    flat = flat[:, None].expand(-1, x.shape[1], -1, -1).flatten(2)
    return torch.where(inside[:, None], x.flatten(2).gather(2, flat).view_as(x), fill[:, :, None, None])


def _rotate(x: Tensor, drawn: Draw, chosen: Tensor, means: Tensor) -> Tensor:
    """Cubic-spline rotation about the centre; outside lies the mean of the channel means."""
    tables = _rotation_tables(x.shape[2], x.shape[3], str(x.device), x.dtype)
    angle = drawn.angle[chosen] - ANGLES.start
    coefficients = (tables.rows_filter @ x @ tables.columns_filter.T).flatten(2)
    index = tables.index[angle].flatten(1)[:, None].expand(-1, x.shape[1], -1)
    taps = coefficients.gather(2, index).view(*x.shape[:2], x.shape[2] * x.shape[3], 16)
    rotated = (taps * tables.weight[angle][:, None]).sum(-1) + tables.outside[angle][:, None] * means.mean(1)[:, None, None]
    return rotated.view_as(x)


def _noise(x: Tensor, drawn: Draw, chosen: Tensor, means: Tensor) -> Tensor:
    return x + NOISE_STD * drawn.noise[chosen].to(x.dtype)


_APPLY = {"crop": _crop, "scale": _scale, "rotate": _rotate, "noise": _noise}


@dataclass(frozen=True)
class RotationTables:
    """Cubic-spline rotation of (H, W) images by each whole angle, as sixteen weighted spline coefficients a pixel.

    rows_filter (H, H), columns_filter (W, W): images to spline coefficients; index int64, weight (angles, H*W, 16);
    outside (angles, H*W): 1 where the pixel comes from outside the image, its weights then being 0.
    """

    rows_filter: Tensor
    columns_filter: Tensor
    index: Tensor
    weight: Tensor
    outside: Tensor


@cache
def _rotation_tables(height: int, width: int, device: str, dtype: torch.dtype) -> RotationTables:
    filters = [scipy.ndimage.spline_filter1d(np.eye(side), order=3, axis=0, mode="mirror") for side in (height, width)]
    taps = [_taps(*_rotated_coordinates(height, width, angle), height, width) for angle in ANGLES]
    index, weight, outside = (np.stack(part) for part in zip(*taps, strict=True))
    floats = (torch.from_numpy(array).to(device, dtype) for array in (*filters, weight, outside))
    rows_filter, columns_filter, weight_tensor, outside_tensor = floats
    return RotationTables(rows_filter, columns_filter, torch.from_numpy(index).to(device), weight_tensor, outside_tensor)


def _rotated_coordinates(height: int, width: int, angle: int) -> tuple[np.ndarray, np.ndarray]:
    """Input coordinates (H*W,) of each pixel of the rotated image, cropped at its centre as the published code does.

    The geometry is that of `scipy.ndimage.rotate` with reshape: the output grows to hold the whole rotated image.
    """
    cosine, sine = scipy.special.cosdg(angle), scipy.special.sindg(angle)
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    corners = matrix @ [[0, 0, height, height], [0, width, 0, width]]
    grown = (np.ptp(corners, axis=1) + 0.5).astype(int)
    offset = (np.array([height, width]) - 1) / 2 - matrix @ ((grown - 1) / 2)
    top, left = (grown - [height, width]) // 2
    pixels = np.stack(np.meshgrid(np.arange(height) + top, np.arange(width) + left, indexing="ij")).reshape(2, -1)
    rows, columns = matrix @ pixels + offset[:, None]
    return rows, columns


def _taps(rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat index and weight (pixels, 16) of the cubic B-spline at each coordinate, and which lie outside."""
    row_index, row_weight = _taps_along(rows, height)
    column_index, column_weight = _taps_along(columns, width)
    outside = (rows < 0) | (rows > height - 1) | (columns < 0) | (columns > width - 1)
    index = (row_index[:, :, None] * width + column_index[:, None, :]).reshape(len(rows), 16)
    weight = (row_weight[:, :, None] * column_weight[:, None, :]).reshape(len(rows), 16)
    return index, weight * ~outside[:, None], outside.astype(float)


def _taps_along(position: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Index, mirrored at the borders, and cubic B-spline weight (pixels, 4) along one axis."""
    first = np.floor(position).astype(np.int64)
    t = position - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    index = np.abs(first[:, None] + np.arange(-1, 3))
    mirrored = np.where(index >= side, 2 * (side - 1) - index, index)
    return mirrored.clip(0, side - 1), weights
