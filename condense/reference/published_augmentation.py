"""The published augmentation of stage T: one image at a time, rotation by scipy on the CPU."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import rotate
from torch import Tensor


def crop(image: Tensor, row: int, column: int, means: Tensor) -> Tensor:
    """Image (C, H, W) padded by 4 pixels of the channel means, cropped at (row, column)."""
    channels, height, width = image.shape
    padded = means[:, None, None].expand(channels, height + 8, width + 8).clone()
    padded[:, 4 : 4 + height, 4 : 4 + width] = image
    return padded[:, row : row + height, column : column + width]


def scale(image: Tensor, height: int, width: int) -> Tensor:
    """Image (C, H, W) resized to (height, width), nearest, in the middle of zeros, cropped in the middle."""
    channels, rows, columns = image.shape
    resized = F.interpolate(image[None], [height, width])[0]
    largest = max(height, width, rows, columns)
    canvas = image.new_zeros(channels, largest, largest)
    top, left = int((largest - height) / 2), int((largest - width) / 2)
    canvas[:, top : top + height, left : left + width] = resized
    top, left = int((largest - rows) / 2), int((largest - columns) / 2)
    return canvas[:, top : top + rows, left : left + columns]


def rotated(image: Tensor, angle: int, means: Tensor) -> Tensor:
    """Image (C, H, W) rotated by scipy (spline of order 3), filled with the mean of means, cropped in the middle."""
    _, rows, columns = image.shape
    turned: np.ndarray = rotate(image.cpu().numpy(), angle=angle, axes=(-2, -1), cval=float(means.mean()))
    top, left = int((turned.shape[-2] - rows) / 2), int((turned.shape[-1] - columns) / 2)
    return torch.from_numpy(turned[:, top : top + rows, left : left + columns].copy()).to(image.device)
