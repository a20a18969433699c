"""What a draw does to images: colour, one geometric sampling, a hole; differentiable, of fixed shape, without branches.

Every operation of the siamese augmentation (Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation,
ICML 2021) is a case of these three, and one that was not drawn has parameters that change nothing. So the same code takes
any draw, on a real and on a synthetic batch alike, through autograd, `torch.compile` and `vmap`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.machine import moved


@dataclass(frozen=True)
class Draw:
    """Parameters of B images, or of one image for all of a batch (B = 1); floating but for `hole`, all on one device.

    brightness (B,): added to every value. saturation (B,): factor of the distance from each pixel's mean over channels;
    contrast (B,): of the distance from each image's mean. matrix (B, 2, 2) and shift (B, 2): a pixel at (x, y) from the
    centre, x to the right and y down, takes the value at matrix @ (x, y) + shift, in pixels. hole int64 (B, 4): rows from
    and to, columns from and to, which become 0; it may reach beyond the image or be empty.
    """

    brightness: Tensor
    saturation: Tensor
    contrast: Tensor
    matrix: Tensor
    shift: Tensor
    hole: Tensor

    @staticmethod
    def nothing(count: int, device: torch.device | str = "cpu") -> "Draw":
        """Parameters of `count` images that change nothing, float64."""
        ones = torch.ones(count, dtype=torch.float64, device=device)
        matrix = torch.eye(2, dtype=torch.float64, device=device).expand(count, 2, 2).clone()
        hole = torch.zeros(count, 4, dtype=torch.int64, device=device)
        return Draw(torch.zeros_like(ones), ones, ones.clone(), matrix, torch.zeros_like(matrix[:, 0]), hole)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The tensors, in the order in which `Draw` takes them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def __getitem__(self, chosen: Tensor | slice) -> "Draw":
        return Draw(*(part[chosen] for part in self.parts))

    def to(self, device: torch.device | str) -> "Draw":
        """The same on another device."""
        return Draw(*(part.to(device) for part in self.parts))

    def repeated(self, counts: Sequence[int]) -> "Draw":
        """Each image's parameters so many times: those of classes, for batches that hold so many images of each."""
        times = moved(torch.tensor(counts), self.hole.device)
        # With the size of what comes out a GPU is not waited for.
        return Draw(*(part.repeat_interleave(times, dim=0, output_size=sum(counts)) for part in self.parts))


def apply(x: Tensor, draw: Draw) -> Tensor:
    """Images (N, C, H, W) after colour, sampling and hole, in this order; what comes from outside the image is 0.

    `draw` holds N parameters or one for all. 0 is the data set's mean where images are normalised.
    """
    return without_hole(sampled(coloured(x, draw), draw.matrix, draw.shift), draw.hole)


def through(images: Tensor, draw: Draw | None, moved: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """(Gradient (N, C, H, W), value) of a function of the images as a draw changes them; None: as they are.

    moved: gives (gradient, value) of changed images. By the chain rule, so that what is compiled need not sample: the
    compiler makes the gradient of sampling many times slower than it is.
    """
    if draw is None:
        return moved(images)
    with torch.enable_grad():
        leaf = images.detach().requires_grad_()
        changed = apply(leaf, draw)
    gradient, value = moved(changed.detach())
    return torch.autograd.grad(changed, leaf, gradient)[0], value


def coloured(x: Tensor, draw: Draw) -> Tensor:
    """Images (N, C, H, W) after brightness, saturation and contrast, in this order."""
    brightness, saturation, contrast = (
        value.to(x.dtype)[:, None, None, None] for value in (draw.brightness, draw.saturation, draw.contrast)
    )
    x = x + brightness
    # Written so that a factor of 1 changes nothing, not even by rounding.
    x = x + (saturation - 1) * (x - x.mean(1, keepdim=True))
    return x + (contrast - 1) * (x - x.mean((1, 2, 3), keepdim=True))


def sampled(x: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Images (N, C, H, W) sampled bilinearly where `Draw` says."""
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    columns = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    centred = torch.stack([columns.expand(height, -1), rows[:, None].expand(-1, width)], dim=-1)
    at = centred @ matrix.to(x.dtype).mT[:, None] + shift.to(x.dtype)[:, None, None]
    # In units of grid_sample, which sees the centres of the outermost pixels at -1 and 1.
    spans = torch.stack([x.new_full((), max(side - 1, 1)) for side in (width, height)])
    grid = at / spans * 2
    return F.grid_sample(x, grid.expand(len(x), -1, -1, -1), padding_mode="zeros", align_corners=True)


def without_hole(x: Tensor, hole: Tensor) -> Tensor:
    """Images (N, C, H, W) with 0 in the rows and columns of `hole` (N or 1, 4)."""
    rows = torch.arange(x.shape[2], device=x.device)[None, :, None]
    columns = torch.arange(x.shape[3], device=x.device)[None, None, :]
    top, bottom, left, right = (edge[:, None, None] for edge in hole.unbind(1))
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return x.masked_fill(inside[:, None], 0)
