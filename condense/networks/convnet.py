"""ConvNet of Zhao et al. (ICLR 2021): blocks of [3x3 convolution, norm, activation, pooling] and one linear layer.

The name carries what differs from the default (width 128, depth 3, instance norm, ReLU, average pooling), with the
suffixes of the published code in any order: W<width>, D<depth>, A{S,R,L,Swish} (sigmoid, relu, leaky, swish),
{N,B,L,I,G}N (no, batch, layer, instance, group norm), {N,M,A}P (no, max, average pooling): ConvNetW32, ConvNetD4BN.
"""

import re
from dataclasses import dataclass

from condense.networks.layers import Activation, BatchNorm, Conv, GroupNorm, Layer, LayerNorm, Linear, Pool, Shape
from condense.networks.network import Network

ACTIVATIONS = {"AS": "sigmoid", "AR": "relu", "AL": "leaky", "ASwish": "swish"}
NORMS = {"NN": "none", "BN": "batch", "LN": "layer", "IN": "instance", "GN": "group"}
POOLINGS = {"NP": "none", "MP": "max", "AP": "avg"}
_TOKEN = r"W[1-9]\d{0,4}|D[1-9]\d?|ASwish|AS|AR|AL|[NBLIG]N|[NMA]P"
_NAME = re.compile(rf"ConvNet((?:-?(?:{_TOKEN}))*)")


@dataclass(frozen=True)
class ConvNetOptions:
    """What a ConvNet's name may change."""

    width: int = 128
    depth: int = 3
    norm: str = "instance"
    activation: str = "relu"
    pooling: str = "avg"


def parse_name(name: str) -> ConvNetOptions | None:
    """The options a name such as 'ConvNetW32BN' stands for; None when it is no ConvNet's name or says a thing twice."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    options: dict[str, str | int] = {}
    for token in re.findall(_TOKEN, match[1]):
        key, value = _option(token)
        if key in options:
            return None
        options[key] = value
    return ConvNetOptions(**options)  # type: ignore[arg-type]


def proper_name(name: str) -> str:
    """A ConvNet's name in the case it has, given in any; other names as they are."""
    if re.fullmatch(_NAME.pattern, name[:200], re.IGNORECASE) is None:
        return name
    return "ConvNet" + name[len("ConvNet") :].upper().replace("ASWISH", "ASwish")


def _option(token: str) -> tuple[str, str | int]:
    if token in ACTIVATIONS:
        return "activation", ACTIVATIONS[token]
    if token in NORMS:
        return "norm", NORMS[token]
    if token in POOLINGS:
        return "pooling", POOLINGS[token]
    return ("width" if token[0] == "W" else "depth"), int(token[1:])


def convnet(name: str, shape: Shape, classes: int, options: ConvNetOptions) -> Network:
    """The network; with one channel the first convolution pads by 3 (28x28 becomes 32x32), as published."""
    layers: list[Layer] = []
    for block in range(1, options.depth + 1):
        padding = 3 if block == 1 and shape[0] == 1 else 1
        layers.append(Conv(f"conv{block}", options.width, 3, padding=padding))
        layers.extend(norm(options.norm, f"norm{block}", options.width))
        layers.append(Activation(options.activation))
        if options.pooling != "none":
            layers.append(Pool(options.pooling))
    return Network(name, shape, classes, (*layers, Linear("classifier", classes)))


def norm(kind: str, name: str, channels: int) -> tuple[Layer, ...]:
    """The normalisation layer of a kind: none, batch, layer, instance or group (4 groups)."""
    kinds: dict[str, tuple[Layer, ...]] = {
        "none": (),
        "batch": (BatchNorm(name, channels),),
        "layer": (LayerNorm(name),),
        "instance": (GroupNorm(name, channels),),
        "group": (GroupNorm(name, 4),),
    }
    return kinds[kind]
