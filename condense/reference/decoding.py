"""IDC's multi-formation, one pixel at a time."""

from collections.abc import Sequence

from torch import Tensor


def tiles(images: Tensor, labels: Tensor, factor: int, grey: Sequence[float]) -> tuple[list[Tensor], list[Tensor]]:
    """Tile by tile, row-major, and in each of them image by image: (decoded images (C, H, W), their labels)."""
    decoded, repeated = [], []
    for row in range(factor):
        for column in range(factor):
            for image, label in zip(images, labels, strict=True):
                decoded.append(_tile(image, row, column, factor, grey))
                repeated.append(label)
    return decoded, repeated


def _tile(image: Tensor, row: int, column: int, factor: int, grey: Sequence[float]) -> Tensor:
    """The tile at (row, column) of an image (C, H, W), enlarged to H x W."""
    channels, height, width = image.shape
    tall, wide = -(-height // factor), -(-width // factor)
    result = image.new_empty(image.shape)

    def pixel(channel: int, y: int, x: int) -> float:
        inside = y < height and x < width
        return float(image[channel, y, x]) if inside else grey[channel % len(grey)]

    for channel in range(channels):
        for i in range(height):
            for j in range(width):
                (top, bottom, down), (left, right, along) = _between(i, tall, height), _between(j, wide, width)
                above, below = (
                    (1 - along) * pixel(channel, row * tall + y, column * wide + left)
                    + along * pixel(channel, row * tall + y, column * wide + right)
                    for y in (top, bottom)
                )
                result[channel, i, j] = (1 - down) * above + down * below
    return result


def _between(place: int, short: int, long: int) -> tuple[int, int, float]:
    """Of one of `long` pixels its two neighbours among `short` ones on the same line, and the share of the second."""
    where = max((place + 0.5) * short / long - 0.5, 0.0)
    before = int(where)
    return before, min(before + 1, short - 1), where - before


def packing(images: Tensor, images_per_class: int, factor: int, how: str) -> Tensor:
    """IDC's beginning, pixel by pixel: image k * ipc + i of a class, made small, becomes tile k of its stored image i."""
    of_class = images_per_class * factor**2
    classes, (channels, height, width) = len(images) // of_class, images.shape[1:]
    tall, wide = -(-height // factor), -(-width // factor)
    stored = images.new_zeros((classes * images_per_class, channels, height, width))
    for number, image in enumerate(images):
        label, (tile, i) = number // of_class, divmod(number % of_class, images_per_class)
        for y in range(tall):
            for x in range(wide):
                row, column = tile // factor * tall + y, tile % factor * wide + x
                if row < height and column < width:
                    stored[label * images_per_class + i, :, row, column] = _small(image, y, x, tall, wide, how)
    return stored


def _small(image: Tensor, y: int, x: int, tall: int, wide: int, how: str) -> Tensor:
    """A pixel (C,) of an image (C, H, W) made as small as tall x wide."""
    height, width = image.shape[1:]
    top, left = y * height // tall, x * width // wide
    if how == "nearest":
        return image[:, top, left]
    bottom, right = -(-(y + 1) * height // tall), -(-(x + 1) * width // wide)
    return image[:, top:bottom, left:right].mean((1, 2))
