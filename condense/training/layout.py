"""A network's parameters as one vector, and back: what an optimiser step, a checkpoint and stacking over seeds work on."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from condense.networks.layers import Tensors
from condense.networks.network import Network


@dataclass(frozen=True)
class Layout:
    """The order of a network's parameters in a vector of P scalars.

    Convolution weights (O, I, H, W) lie as (O, H, W, I), so that their views are channels_last without a copy.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(network: Network) -> "Layout":
        """The layout of a network's parameters."""
        names, shapes = zip(*network.shapes(), strict=True)
        return Layout(names, shapes)

    @property
    def sizes(self) -> list[int]:
        """Scalars in each parameter."""
        return [math.prod(shape) for shape in self.shapes]

    def flatten(self, tensors: Tensors) -> Tensor:
        """The vector (P,) of parameters given by name."""
        return torch.cat([_stored(tensors[name]).reshape(-1) for name in self.names])

    def views(self, vector: Tensor) -> Tensors:
        """Parameters by name, views of `vector` (..., P); leading dimensions are kept."""
        parts = vector.split(self.sizes, dim=-1)
        return {
            name: _seen(part, shape, vector.shape[:-1])
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }


def _stored(tensor: Tensor) -> Tensor:
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


def _seen(part: Tensor, shape: tuple[int, ...], leading: torch.Size) -> Tensor:
    if len(shape) != 4:
        return part.unflatten(-1, shape)
    outputs, inputs, height, width = shape
    return part.unflatten(-1, (outputs, height, width, inputs)).movedim(-1, len(leading) + 1)
