"""A network's parameters as one vector, and back: what an optimiser step, a checkpoint and stacking over seeds work on."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from condense.execution import prefers_channels_last
from condense.networks.layers import Tensors
from condense.networks.network import Network


@dataclass(frozen=True)
class Layout:
    """The order of a network's parameters in a vector of P scalars.

    With channels_last, convolution weights (O, I, H, W) lie as (O, H, W, I), so that their views are channels_last without a
    copy; images go through a network in the same order.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    channels_last: bool

    @staticmethod
    def of(network: Network) -> "Layout":
        """The layout of a network's parameters."""
        names, shapes = zip(*network.shapes(), strict=True)
        return Layout(names, shapes, prefers_channels_last(network))

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory of images (B, C, H, W)."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def sizes(self) -> list[int]:
        """Scalars in each parameter."""
        return [math.prod(shape) for shape in self.shapes]

    def flatten(self, tensors: Tensors, out: Tensor | None = None) -> Tensor:
        """The vector (P,) of parameters given by name; `out` is written and returned if given."""
        return torch.cat([self._stored(tensors[name]).reshape(-1) for name in self.names], out=out)

    def views(self, vector: Tensor) -> Tensors:
        """Parameters by name, views of `vector` (..., P); leading dimensions are kept."""
        parts = vector.split(self.sizes, dim=-1)
        return {name: self._seen(part, shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def _stored(self, tensor: Tensor) -> Tensor:
        return tensor.permute(0, 2, 3, 1) if self.channels_last and tensor.dim() == 4 else tensor

    def _seen(self, part: Tensor, shape: tuple[int, ...]) -> Tensor:
        if not (self.channels_last and len(shape) == 4):
            return part.unflatten(-1, shape)
        outputs, inputs, height, width = shape
        return part.unflatten(-1, (outputs, height, width, inputs)).movedim(-1, part.dim())
