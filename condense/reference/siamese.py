"""The siamese augmentation's operations one image at a time, as their descriptions say (the twin of `augmentation`)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.augmentation.operations import Draw


def one_after_another(x: Tensor, draw: Draw) -> Tensor:
    """Images (N, C, H, W), each by itself: brightness, saturation, contrast, sampling, hole."""
    parameters = [draw[index : index + 1] for index in range(len(draw.hole))] * (1 if len(draw.hole) > 1 else len(x))
    return torch.stack([_one(image, own) for image, own in zip(x, parameters, strict=True)])


def _one(image: Tensor, own: Draw) -> Tensor:
    image = brighter(image, float(own.brightness))
    image = saturated(image, float(own.saturation))
    image = contrasted(image, float(own.contrast))
    image = moved(image, own.matrix[0], own.shift[0])
    top, bottom, left, right = own.hole[0].tolist()
    return cut_out(image, top, bottom, left, right)


def brighter(image: Tensor, by: float) -> Tensor:
    """Every value of an image (C, H, W) moved by the same."""
    return image + by


def saturated(image: Tensor, factor: float) -> Tensor:
    """Each pixel's channels spread about their mean."""
    mean = image.mean(0, keepdim=True)
    return mean + factor * (image - mean)


def contrasted(image: Tensor, factor: float) -> Tensor:
    """All values spread about the image's mean."""
    mean = image.mean()
    return mean + factor * (image - mean)


def mirrored(image: Tensor) -> Tensor:
    """Left becomes right."""
    return image.flip(2)


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """out[i, j] = image[i + down, j + right], 0 outside."""
    _, height, width = image.shape
    padded = F.pad(image, (width, width, height, height))
    return padded[:, height + down : 2 * height + down, width + right : 2 * width + right]


def moved(image: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Sampled pixel by pixel: bilinear between the four pixels around each source, pixels outside being 0."""
    _, height, width = image.shape
    result = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            x, y = column - (width - 1) / 2, row - (height - 1) / 2
            source_x = float(matrix[0, 0]) * x + float(matrix[0, 1]) * y + float(shift[0]) + (width - 1) / 2
            source_y = float(matrix[1, 0]) * x + float(matrix[1, 1]) * y + float(shift[1]) + (height - 1) / 2
            result[:, row, column] = _between(image, source_y, source_x)
    return result


def _between(image: Tensor, y: float, x: float) -> Tensor:
    _, height, width = image.shape
    value = image.new_zeros(len(image))
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * image[:, row, column]
    return value


def cut_out(image: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """0 in these rows and columns, as far as the image has them."""
    result = image.clone()
    result[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
    return result
