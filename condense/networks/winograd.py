"""Winograd convolution: wide convolutions of stride 1 with a fraction of the multiplications (Lavin and Gray, 2016).

The image is cut into tiles that overlap by kernel - 1 pixels, each of which gives PIXELS x PIXELS pixels of the output.
Linear maps take tiles and kernels to points where convolution is multiplication, summed over channels: one matrix product
a point. With 5x5 kernels that is 64 multiplications for 16 pixels instead of 400, with 3x3 kernels 36 instead of 144. The
result is exact but for rounding, in float32 some ten times that of a direct convolution.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import custom_op

PIXELS = 4
"""Pixels of the output along a tile's side."""

POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Where polynomials are evaluated; infinity is the last point."""

TILE_COST, KERNEL_COST = 100, 60
"""Multiply-adds that take a CPU as long as mapping one value of a tile, or of a kernel, to its point and back."""

LEAST_GAIN = 1.15
"""How many times as fast it has to be, by these costs, to be taken."""


def gains_by_winograd(kernel: int, images: int, channels: int, output: tuple[int, int, int]) -> bool:
    """Whether a convolution of stride 1 of so many images and channels, to (O, H, W) each, is quicker so on a CPU."""
    return kernel in (3, 5) and winograd_gain(kernel, images, channels, output) > LEAST_GAIN


def winograd_gain(kernel: int, images: int, channels: int, output: tuple[int, int, int]) -> float:
    """How many times as fast it is by the costs above (`scripts/benchmark_winograd.py` measures it)."""
    outputs, height, width = output
    points, tiles = (PIXELS + kernel - 1) ** 2, images * -(-height // PIXELS) * -(-width // PIXELS)
    products = channels * outputs
    cost = points * (tiles * products + TILE_COST * tiles * (channels + outputs) + KERNEL_COST * products)
    return images * height * width * kernel**2 * products / cost


def _maps(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """The maps of tiles (P, P) and of kernels (P, k^2) to P points, and of points to pixels (PIXELS^2, P).

    They are those of polynomial multiplication by evaluation and interpolation, transposed, along rows and columns.
    """
    side = PIXELS + kernel - 1

    def evaluation(coefficients: int) -> np.ndarray:
        at_infinity = np.eye(coefficients)[-1]
        return np.vstack([np.vander(POINTS[: side - 1], coefficients, increasing=True), at_infinity])

    tiles, kernels, pixels = np.linalg.inv(evaluation(side)).T, evaluation(kernel), evaluation(PIXELS).T
    # Tiles and kernels that come out of like size lose the least to rounding.
    balance = np.sqrt(np.abs(tiles).max(1) / np.abs(kernels).max(1))[:, None]
    lines = tiles / balance, kernels * balance, pixels
    tiles, kernels, pixels = (torch.tensor(np.kron(line, line)) for line in lines)
    return tiles, kernels, pixels


_MAPS = {
    (kernel, dtype): tuple(each.to(dtype) for each in _maps(kernel))
    for kernel in (3, 5)
    for dtype in (torch.float32, torch.float64)
}


def winograd_conv2d(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """F.conv2d of x (N, C, H, W) and weight (O, C, k, k), k 3 or 5, in float32 or float64; the output lies channels last."""
    (outputs, channels, kernel, _), (height, width) = weight.shape, x.shape[2:]
    border = 2 * padding - kernel + 1
    tiling = kernel, padding, height + border, width + border
    of_tiles, of_kernels, of_pixels = _MAPS[kernel, x.dtype]
    tiles = (of_tiles @ _cut(x.permute(0, 2, 3, 1), *tiling)).view(len(of_tiles), -1, channels)
    kernels = of_kernels @ weight.permute(2, 3, 1, 0).reshape(kernel**2, -1)
    kernels = kernels.view(-1, channels, outputs)
    pixels = of_pixels @ torch.bmm(tiles, kernels).view(len(of_tiles), -1)
    return _join(pixels, *tiling, outputs).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Tiling:
    """How images (N, H, W, C) are cut: `down` x `across` tiles give an output of height x width pixels."""

    kernel: int
    padding: int
    height: int
    width: int

    @property
    def side(self) -> int:
        return PIXELS + self.kernel - 1

    @property
    def tiles(self) -> tuple[int, int]:
        return -(-self.height // PIXELS), -(-self.width // PIXELS)

    def cut(self, images: Tensor) -> Tensor:
        """Overlapping tiles (side^2, N * down * across * C) of the input images."""
        (count, *size, channels), (down, across) = images.shape, self.tiles
        below, right = (n * PIXELS + self.kernel - 1 - self.padding - s for n, s in zip(self.tiles, size, strict=True))
        whole = F.pad(images, (0, 0, self.padding, right, self.padding, below)).contiguous()
        image, row, pixel, _ = whole.stride()
        shape = self.side, self.side, count, down, across, channels
        return whole.as_strided(shape, (row, pixel, image, row * PIXELS, pixel * PIXELS, 1)).reshape(self.side**2, -1)

    def add_up(self, tiles: Tensor, shape: Sequence[int]) -> Tensor:
        """The transpose of `cut`: images of this shape (N, H, W, C), where tiles overlap in their sum."""
        (down, across), (count, height, width, channels) = self.tiles, shape
        tiles = tiles.view(self.side, self.side, count, down, across, channels)
        border = self.kernel - 1
        whole = tiles.new_zeros(count, down * PIXELS + border, across * PIXELS + border, channels)
        for row in range(self.side):
            for column in range(self.side):
                ends = row + (down - 1) * PIXELS + 1, column + (across - 1) * PIXELS + 1
                whole[:, row : ends[0] : PIXELS, column : ends[1] : PIXELS] += tiles[row, column]
        # Contiguous, or what follows would leave channels last.
        return whole[:, self.padding : self.padding + height, self.padding : self.padding + width].contiguous()

    def join(self, pixels: Tensor, channels: int) -> Tensor:
        """Output images (N, height, width, channels) of pixels (PIXELS^2, N * down * across * channels)."""
        down, across = self.tiles
        parts = pixels.view(PIXELS, PIXELS, -1, down, across, channels).permute(2, 3, 0, 4, 1, 5)
        # Always a copy: an operator's result may not share memory with what it is given, as a view of one tile would.
        whole = torch.clone(parts, memory_format=torch.contiguous_format).view(-1, down * PIXELS, across * PIXELS, channels)
        return whole[:, : self.height, : self.width].contiguous()

    def split(self, images: Tensor) -> Tensor:
        """The transpose of `join`."""
        (count, height, width, channels), (down, across) = images.shape, self.tiles
        whole = F.pad(images, (0, 0, 0, across * PIXELS - width, 0, down * PIXELS - height))
        parts = whole.reshape(count, down, PIXELS, across, PIXELS, channels).permute(2, 4, 0, 1, 3, 5)
        return parts.reshape(PIXELS**2, -1)


# As operators of their own, which torch.compile takes as they are: what it makes of their copies is slower. All are linear,
# so that the gradient of each is its transpose.


@custom_op("condense::winograd_cut", mutates_args=())
def _cut(images: Tensor, kernel: int, padding: int, height: int, width: int) -> Tensor:
    return _Tiling(kernel, padding, height, width).cut(images)


@custom_op("condense::winograd_add_up", mutates_args=())
def _add_up(tiles: Tensor, kernel: int, padding: int, height: int, width: int, shape: list[int]) -> Tensor:
    return _Tiling(kernel, padding, height, width).add_up(tiles, shape)


@custom_op("condense::winograd_join", mutates_args=())
def _join(pixels: Tensor, kernel: int, padding: int, height: int, width: int, channels: int) -> Tensor:
    return _Tiling(kernel, padding, height, width).join(pixels, channels)


@custom_op("condense::winograd_split", mutates_args=())
def _split(images: Tensor, kernel: int, padding: int, height: int, width: int) -> Tensor:
    return _Tiling(kernel, padding, height, width).split(images)


@_cut.register_fake
def _(images: Tensor, *tiling: int) -> Tensor:
    geometry = _Tiling(*tiling)
    return images.new_empty(geometry.side**2, len(images) * math.prod(geometry.tiles) * images.shape[3])


@_add_up.register_fake
def _(tiles: Tensor, kernel: int, padding: int, height: int, width: int, shape: list[int]) -> Tensor:
    return tiles.new_empty(shape)


@_join.register_fake
def _(pixels: Tensor, kernel: int, padding: int, height: int, width: int, channels: int) -> Tensor:
    tiles = math.prod(_Tiling(kernel, padding, height, width).tiles)
    return pixels.new_empty(pixels.shape[1] // (tiles * channels), height, width, channels)


@_split.register_fake
def _(images: Tensor, *tiling: int) -> Tensor:
    return images.new_empty(PIXELS**2, len(images) * math.prod(_Tiling(*tiling).tiles) * images.shape[3])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    images, *ctx.arguments = inputs
    ctx.shape = images.shape


_NONE = (None,) * 4
_cut.register_autograd(lambda ctx, g: (_add_up(g, *ctx.arguments, ctx.shape), *_NONE), setup_context=_keep)
_add_up.register_autograd(lambda ctx, g: (_cut(g, *ctx.arguments[:4]), *_NONE, None), setup_context=_keep)
_join.register_autograd(lambda ctx, g: (_split(g, *ctx.arguments[:4]), *_NONE, None), setup_context=_keep)
_split.register_autograd(lambda ctx, g: (_join(g, *ctx.arguments, ctx.shape[3]), *_NONE), setup_context=_keep)
