"""simpleNN's training in ordinary PyTorch: `torch.nn` modules, `torch.optim.SGD`, `MSELoss`."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from condense.studies.parity.simplenn_twin import Network, Sgd
from condense.studies.parity.trajectory import Recorder

LossForm = Callable[[Tensor, Tensor], Tensor]


def squared_over_batch(outputs: Tensor, targets: Tensor) -> Tensor:
    """SimpleNN's loss: summed over the outputs, divided by the batch."""
    return nn.functional.mse_loss(outputs, targets, reduction="sum") / len(outputs)


def module(network: Network) -> nn.Sequential:
    """The network as PyTorch writes it; its parameters are named '1.weight', '1.bias', ... by `named`."""
    layers: list[nn.Module] = []
    for layer, (channels, _, _) in zip(network.convolutions, network.sides(), strict=False):
        layers += [nn.Conv2d(channels, layer.channels, layer.h, layer.stride, layer.padding), nn.ReLU()]
        layers += [nn.MaxPool2d(layer.pool)] if layer.pool > 1 else []
    layers.append(nn.Flatten())
    inputs = int(np.prod(network.sides()[-1]))
    for number, outputs in enumerate(network.full):
        layers += [nn.ReLU()] if number else []
        layers.append(nn.Linear(inputs, outputs))
        inputs = outputs
    return nn.Sequential(*layers)


def named(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters by layer number from 1, without the layers that have none."""
    parameters = list(model.parameters())
    return {f"{index // 2 + 1}.{('weight', 'bias')[index % 2]}": value for index, value in enumerate(parameters)}


def train(
    network: Network,
    initial: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    batches: np.ndarray,
    sgd: Sgd,
    recorder: Recorder,
    *,
    dtype: torch.dtype = torch.float64,
    loss_form: LossForm = squared_over_batch,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Trains and records every step; arguments as of `simplenn_twin.train`, initial weights in PyTorch's layout.

    simpleNN's 1/(2C) (||W||^2 + ||b||^2) is SGD's weight_decay = 1 / (C N). Its velocity holds the rate, PyTorch's does
    not: when the rate changes, PyTorch's buffer is rescaled by the old rate over the new.
    """
    model = module(network).to(dtype)
    parameters = named(model)
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(torch.from_numpy(initial[name]))
    images, targets = torch.from_numpy(x).to(dtype), torch.eye(network.full[-1], dtype=dtype)[torch.from_numpy(y)]
    optimiser = torch.optim.SGD(model.parameters(), lr=sgd.lr, momentum=sgd.momentum, weight_decay=1 / (sgd.C * len(x)))
    for step, batch in enumerate(torch.from_numpy(batches), 1):
        optimiser.zero_grad()
        loss = loss_form(model(images[batch]), targets[batch])
        loss.backward()
        keep = recorder.wants
        arrays = {f"gradient/{name}": _copied(value.grad) for name, value in parameters.items() if keep}
        optimiser.step()
        arrays |= {f"weight/{name}": _copied(value) for name, value in parameters.items() if keep}
        recorder.record(loss.item(), arrays)
        _set_rate(optimiser, sgd.lr / (1 + sgd.decay * step))
        progress(step, len(batches))


def _copied(value: Tensor | None) -> np.ndarray:
    assert value is not None, "Every parameter takes part in the loss."
    return value.detach().numpy().copy()


def _set_rate(optimiser: torch.optim.SGD, rate: float) -> None:
    for group in optimiser.param_groups:
        if rate != group["lr"]:
            for value in group["params"]:
                buffer = optimiser.state[value].get("momentum_buffer")
                if buffer is not None:
                    buffer.mul_(group["lr"] / rate)
            group["lr"] = rate
