"""The empirical characteristic function of features, as NCFM compares it (Wang et al., CVPR 2025, equation 8)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 300.0
"""What the authors' code multiplies the distance by."""


@dataclass(frozen=True)
class CharacteristicFunction:
    """phi(t) = mean over images of exp(i t . f), f being features of length 1, at frequencies t that are given (F, d).

    amplitude: the weight of amplitudes in the distance, from 0 to 1; phases have the rest.
    """

    amplitude: float = 0.5

    def of(self, features: Tensor, given: Tensor | None) -> Tensor:
        """Real and imaginary parts (..., 2, F) of phi of features (..., n, d)."""
        assert given is not None, "The frequencies are drawn for each step."
        angles = F.normalize(features, dim=-1) @ given.T
        return torch.stack([angles.cos().mean(-2), angles.sin().mean(-2)], dim=-2)

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The sum over classes of (classes, 2, F) of SCALE times the mean over frequencies of the root of
        a (|phi| - |psi|)^2 + (1 - a) 2 (|phi| |psi| - Re phi Re psi - Im phi Im psi).

        What (1 - a) weighs is |phi - psi|^2 - (|phi| - |psi|)^2, and is computed so: where both are close, the terms of the
        formula cancel. The root's slope at 0 is taken to be 0; the authors hold the second part above 1e-12 instead.
        """
        amplitudes = (found.norm(dim=-2) - wanted.norm(dim=-2)).square()
        phases = ((found - wanted).square().sum(-2) - amplitudes).clamp(min=0)
        return SCALE * _root(self.amplitude * amplitudes + (1 - self.amplitude) * phases).mean(-1).sum()


def _root(squares: Tensor) -> Tensor:
    """Square roots of numbers from 0 on, with gradient 0 at 0."""
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)
