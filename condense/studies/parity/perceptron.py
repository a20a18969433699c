"""The Keras question's networks in ordinary PyTorch: `nn.Linear`, `CrossEntropyLoss`, `torch.optim.Adam`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from condense.randomness import generator
from condense.studies.parity.trajectory import Recorder

BETA1, BETA2 = 0.9, 0.999
SINE_ROWS = 7000
"""Rows of the regression to learn from."""


def glorot_weights(sizes: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
    """Keras' default: W ~ U(+-sqrt(6 / (inputs + outputs))) (Glorot and Bengio, 2010), b = 0; '1.weight' is (out, in)."""
    found: dict[str, np.ndarray] = {}
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        random = generator(seed, "parity weights", index)
        uniform = torch.rand(outputs, inputs, generator=random, dtype=torch.float64).numpy() * 2 - 1
        found[f"{index + 1}.weight"] = uniform * math.sqrt(6 / (inputs + outputs))
        found[f"{index + 1}.bias"] = np.zeros(outputs)
    return found


def with_batch_norm(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of linear layers with gamma = 1 and beta = 0 after each but the last, all layers counted in the names."""
    layers = len(weights) // 2
    found: dict[str, np.ndarray] = {}
    for number in range(1, layers + 1):
        found |= {f"{2 * number - 1}.{kind}": weights[f"{number}.{kind}"] for kind in ("weight", "bias")}
        if number < layers:
            width = len(weights[f"{number}.bias"])
            found |= {f"{2 * number}.weight": np.ones(width), f"{2 * number}.bias": np.zeros(width)}
    return found


def partition_batches(images: int, batch: int, epochs: int, seed: int) -> np.ndarray:
    """int64 (epochs * ceil(images / batch), batch): each epoch a permutation; a short last batch is filled with -1."""
    steps = -(-images // batch)
    rows = []
    for epoch in range(epochs):
        order = torch.full((steps * batch,), -1)
        order[:images] = torch.randperm(images, generator=generator(seed, "parity order", epoch))
        rows.append(order.view(steps, batch))
    return torch.cat(rows).numpy() if rows else np.zeros((0, batch), dtype=np.int64)


def sine_sum(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The regression of the original question: y = sum of sin(x_i) over 10 inputs, scaled to [0, 1]; 7,000 rows and 700.

    Returns x, y, test x, test y in float64. The question states neither the inputs' range nor their law: here N(0, 1).
    """
    rows = SINE_ROWS
    x = torch.randn(rows + rows // 10, 10, generator=generator(seed, "parity regression"), dtype=torch.float64).numpy()
    y = np.sin(x).sum(1)
    y = (y - y[:rows].min()) / (y[:rows].max() - y[:rows].min())
    return x[:rows], y[:rows], x[rows:], y[rows:]


@dataclass(frozen=True)
class Alignment:
    """How PyTorch is set against Keras.

    epsilon: 'keras' places it as Keras does, eps / sqrt(1 - beta2^t) for torch at step t ("epsilon hat" of Kingma and Ba,
    2015, section 2); a number is given to torch as it is. float32_powers: powers of the betas rounded as Keras rounds them
    in float32. clip: probabilities are kept within [clip, 1 - clip], as Keras' loss on probabilities does (1e-7).
    regression: squared errors in place of cross-entropy; flat: (N, 1) predictions are flattened before they meet (N,)
    targets; norm_epsilon: BatchNorm with that epsilon before each ReLU, none for 0; float32_means: squared errors pass
    through float32, as in the mean of Keras on JAX, whatever the precision.
    """

    epsilon: float | str = "keras"
    keras_epsilon: float = 1e-7
    rate: float = float(np.float32(0.001))
    weight_decay: float = 0.0
    decoupled: bool = True
    float32_powers: bool = False
    clip: float = 0.0
    regression: bool = False
    flat: bool = True
    float32_means: bool = False
    norm_epsilon: float = 0.0


def module(sizes: tuple[int, ...], norm_epsilon: float = 0.0) -> nn.Sequential:
    """Linear layers with ReLU between them, BatchNorm before it unless its epsilon is 0; the last gives logits or values."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        layers += [nn.BatchNorm1d(inputs, eps=norm_epsilon)] if index and norm_epsilon else []
        layers += [nn.ReLU()] if index else []
        layers.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*layers)


def train(
    initial: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    order: np.ndarray,
    alignment: Alignment,
    recorder: Recorder,
    *,
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> nn.Module:
    """Trains and records every step; x (N, D), y (N,) of labels or values, order as of `partition_batches`."""
    weights = [value for value in initial.values() if value.ndim == 2]
    model = module((x.shape[1], *(len(value) for value in weights)), alignment.norm_epsilon).to(dtype)
    parameters = dict(zip(initial, model.parameters(), strict=True))
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(torch.from_numpy(initial[name]))
    inputs = torch.from_numpy(x).to(dtype)
    targets = torch.from_numpy(y).to(dtype) if alignment.regression else torch.from_numpy(y)
    optimiser = _optimiser(model, alignment)
    for step, row in enumerate(order, 1):
        batch = torch.from_numpy(row[row >= 0])
        _align(optimiser, alignment, step)
        optimiser.zero_grad()
        loss = _loss(model(inputs[batch]), targets[batch], alignment)
        loss.backward()
        keep = recorder.wants
        gradients = {f"gradient/{name}": _copied(value.grad) for name, value in parameters.items() if keep}
        optimiser.step()
        recorder.record(loss.item(), gradients | {f"weight/{n}": _copied(v) for n, v in parameters.items() if keep})
        progress(step, len(order))
    return model


def _optimiser(model: nn.Module, alignment: Alignment) -> torch.optim.Adam:
    kind = torch.optim.AdamW if alignment.decoupled else torch.optim.Adam
    betas = BETA1, BETA2
    return kind(model.parameters(), lr=alignment.rate, betas=betas, eps=1e-8, weight_decay=alignment.weight_decay)


def _align(optimiser: torch.optim.Adam, alignment: Alignment, step: int) -> None:
    """Sets epsilon (and, for float32 powers, the rate) for this step, so that torch's formula gives Keras' update.

    torch: lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps); Keras: lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).
    """
    group, exact = optimiser.param_groups[0], math.sqrt(1 - BETA2**step)
    if alignment.epsilon != "keras":
        group["eps"] = float(alignment.epsilon)
        return
    group["eps"] = alignment.keras_epsilon / exact
    if alignment.float32_powers:
        one, power1, power2 = np.float32(1), *(np.power(np.float32(b), np.float32(step)) for b in (BETA1, BETA2))
        as_keras = np.sqrt(one - power2) / (one - power1)
        group["lr"] = alignment.rate * float(as_keras) / (exact / (1 - BETA1**step))


def _loss(outputs: Tensor, targets: Tensor, alignment: Alignment) -> Tensor:
    if alignment.clip:
        probabilities = outputs.softmax(1)
        kept = (probabilities / probabilities.sum(1, keepdim=True)).clamp(alignment.clip, 1 - alignment.clip)
        return nn.functional.nll_loss(kept.log(), targets)
    if not alignment.regression:
        return nn.functional.cross_entropy(outputs, targets)
    if alignment.flat:
        squares = (outputs.squeeze(1) - targets).square()
        return (squares.float().to(squares.dtype) if alignment.float32_means else squares).mean()
    return (outputs - targets).square().mean()  # (N, 1) - (N,) is (N, N): the mistake, without mse_loss' warning


def _copied(value: Tensor | None) -> np.ndarray:
    assert value is not None, "Every parameter takes part in the loss."
    return value.detach().numpy().copy()
