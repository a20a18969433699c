"""Distances between two gradients of the same network (Zhao et al., ICLR 2021, Section 3.2 and Eq. 9)."""

import torch
from torch import Tensor

from condense.networks.layers import Tensors
from condense.networks.network import Network

DISTANCES = {
    "ours": "sum over layers of the row-wise cosine distance (Eq. 9), one row an output unit; 1-D parameters do not count",
    "mse": "squared Euclidean distance of all gradients as one vector",
    "cos": "cosine distance of all gradients as one vector",
}
CONVOLUTION_DISTANCES = {
    "squared": "sum of the squared differences of the gradients of convolution weights",
    "absolute": "sum of the absolute differences of the gradients of convolution weights",
}
"""Those of IDC (Kim et al., ICML 2022): they look at parameters of three or more dimensions alone."""
EPSILON = 1e-6
"""Added to the product of norms in every cosine, as in the published code."""


def matched_names(network: Network, distance: str) -> tuple[str, ...]:
    """The parameters whose gradients the distance looks at: those of two or more dimensions for 'ours', of three or more for
    those of convolutions, else all.
    """
    least = 3 if distance in CONVOLUTION_DISTANCES else 2 if distance == "ours" else 0
    return tuple(name for name, shape in network.shapes() if len(shape) >= least)


def gradient_distance(distance: str, synthetic: Tensors, real: Tensors) -> Tensor:
    """The distance (a scalar) between gradients given by parameter name, over the names in `synthetic`.

    'ours': sum over parameters and rows of 1 - <a, b> / (|a| |b| + 1e-6), rows being the first dimension
    (output channels or units); a sum, not a mean. 'mse' and 'squared': |a - b|^2. 'absolute': the sum of |a_i - b_i|.
    'cos': 1 - <a, b> / (|a| |b| + 1e-6).
    """
    if distance == "ours":
        # The row sums stay separate until the end: one sum for all layers is the published order up to rounding.
        return torch.cat([_cosine_distance(synthetic[n].flatten(1), real[n].flatten(1)) for n in synthetic]).sum()
    a, b = (torch.cat([gradients[name].reshape(-1) for name in synthetic]) for gradients in (synthetic, real))
    if distance == "absolute":
        return (a - b).abs().sum()
    return _cosine_distance(a, b) if distance == "cos" else (a - b).square().sum()


def _cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine along the last dimension."""
    return 1 - (a * b).sum(-1) / (torch.linalg.vector_norm(a, dim=-1) * torch.linalg.vector_norm(b, dim=-1) + EPSILON)
