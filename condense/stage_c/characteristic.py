"""The empirical characteristic function of features, as NCFM compares it (Wang et al., CVPR 2025, equation 8)."""

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 300.0
"""What the authors' code multiplies the distance by."""
LEAST = 1e-12
"""Of the phases' part, under the root, whose slope at 0 has no end."""


class CharacteristicFunction:
    """phi(t) = mean over images of exp(i t . f), f being features of length 1, at frequencies t that are given (F, d)."""

    def of(self, features: Tensor, given: Tensor | None) -> Tensor:
        """Real and imaginary parts (..., 2, F) of phi of features (..., n, d)."""
        assert given is not None, "The frequencies are drawn for each step."
        angles = F.normalize(features, dim=-1) @ given.T
        return torch.stack([angles.cos().mean(-2), angles.sin().mean(-2)], dim=-2)

    def distance(self, found: Tensor, wanted: Tensor) -> Tensor:
        """The sum over classes of (classes, 2, F) of SCALE times the mean over frequencies of
        sqrt(a (|phi| - |psi|)^2 + 2 b (|phi| |psi| - Re phi Re psi - Im phi Im psi)), a = b = 1/2.

        With these weights of amplitude and phase it is sqrt(1/2) |phi - psi|, but written so that other weights are possible
        and with the authors' least value of the second part.
        """
        lengths = found.norm(dim=-2), wanted.norm(dim=-2)
        amplitude = (lengths[0] - lengths[1]).square()
        phase = 2 * (lengths[0] * lengths[1] - (found * wanted).sum(-2))
        return SCALE * (0.5 * amplitude + 0.5 * phase.clamp(min=LEAST)).sqrt().mean(-1).sum()
