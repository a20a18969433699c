"""Scores of real images one image at a time, as their definitions say (the twin of `stage_c/methods/scores.py`)."""

from itertools import pairwise

import torch
from torch import Tensor

from condense.networks.layers import Tensors
from condense.networks.network import Network


def looked_at(
    network: Network, parameters: Tensors, statistics: Tensors, x: Tensor, label: int
) -> tuple[bool, float, float]:
    """Of one image (C, H, W): (whether its class is the likeliest, || p - y ||, norm of the last layer's gradient).

    The gradient is that of the cross-entropy by the classifier's weight and bias, by autograd.
    """
    last = [name for name, _ in network.shapes()][-2:]
    watched = {name: value.clone().requires_grad_(name in last) for name, value in parameters.items()}
    logits = network.logits(watched, x[None], statistics)[0]
    probabilities = logits.detach().exp() / logits.detach().exp().sum()
    wanted = torch.zeros_like(probabilities)
    wanted[label] = 1.0
    loss = logits.logsumexp(0) - logits[label]
    gradients = torch.autograd.grad(loss, [watched[name] for name in last])
    norm = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    return int(probabilities.argmax()) == label, float((probabilities - wanted).norm()), norm


def forgotten(history: list[list[bool]]) -> list[int]:
    """How often each image went from right to wrong; history: of each epoch, whether each image was right after it."""
    counts = []
    for course in zip(*history, strict=True):
        counts.append(sum(before and not after for before, after in pairwise(course)))
    return counts
