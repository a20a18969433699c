"""What training reads: labelled inputs on one device, fetched by index."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


class Source(Protocol):
    """Anything with labels (N,) or soft labels (N, classes) and normalised inputs by index."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,) or floating (N, classes)."""
        ...

    def inputs(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Normalised images of `indices`, any shape S: (S, C, H, W)."""
        ...


@runtime_checkable
class AugmentingSource(Source, Protocol):
    """A source whose training images vary from step to step; `inputs` gives those to test on."""

    def augmented(self, indices: Tensor, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
        """Normalised images of `indices` (B,) as training sees them this time: (B, C, H, W)."""
        ...


@dataclass(frozen=True, eq=False)
class TensorSource:
    """Images already normalised, floating (N, C, H, W), with their labels: a synthetic set, for example."""

    images: Tensor
    labels: Tensor

    def inputs(self, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The images of `indices`, (S, C, H, W)."""
        return self.images[indices].to(dtype)
