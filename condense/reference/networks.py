"""Plain `torch.nn` twins of the networks, parameters in the same order."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from condense.networks.convnet import parse_name


class SeededDropout(nn.Module):
    """Dropout whose mask comes from `generator`."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """X (N, features), a share of it zeroed and the rest enlarged when in training mode."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape, generator=self.generator, dtype=x.dtype) < 1 - self.rate
        return x * kept / (1 - self.rate)


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions; `pooled` replaces the stride by average pooling."""

    def __init__(self, inputs: int, planes: int, stride: int, norm: str, pooled: bool) -> None:
        super().__init__()
        step = 1 if pooled else stride
        self.pool = nn.AvgPool2d(2) if pooled and stride != 1 else nn.Identity()
        self.conv1 = nn.Conv2d(inputs, planes, 3, step, 1, bias=False)
        self.bn1 = _norm(norm, planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = _norm(norm, planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != planes:
            pool = nn.AvgPool2d(2) if pooled else nn.Identity()
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, planes, 1, step, bias=False), pool, _norm(norm, planes))

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W)."""
        inner = self.pool(torch.relu(self.bn1(self.conv1(x))))
        return torch.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ShiftNorm(nn.BatchNorm2d):
    """BatchNorm with a trainable shift and no scale."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, input: Tensor) -> Tensor:
        """Normalised `input` (N, C, H, W) plus the shift."""
        return super().forward(input) + self.shift[:, None, None]


class Concatenated(nn.Module):
    """Branches side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def module(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network of that name for images (C, H, W) with 28 (1 channel) or 32 pixels a side."""
    options = parse_name(name)
    if options is not None:
        return _convnet(shape, classes, options.width, options.depth, options.norm, options.activation, options.pooling)
    grey = shape[0] == 1
    if name == "MLP" or name.startswith("mlp-"):
        depth, width = (2, 128) if name == "MLP" else map(int, name.removeprefix("mlp-").split("x"))
        return _mlp(shape[0] * shape[1] * shape[2], depth, width, classes)
    if name in ("LeNet", "lenet-classic"):
        return (
            _lenet(shape[0], classes, nn.ReLU, nn.MaxPool2d)
            if name == "LeNet"
            else _lenet(shape[0], classes, nn.Sigmoid, nn.AvgPool2d)
        )
    if name == "small-alexnet":
        return _small_alexnet(shape, classes)
    if name.startswith("small-inception"):
        return _small_inception(
            shape,
            classes,
            everywhere=name.endswith(("inception", "dropout5")),
            down=not name.endswith("nobn"),
            dropout=0.05 * name.endswith("dropout5"),
        )
    if name.startswith("AlexNet"):
        return _alexnet(shape[0], classes, grey, name.endswith("BN"))
    if name == "alexnet-classic":
        return _alexnet_classic(shape[0], classes)
    norm = "batch" if "BN" in name else "instance"
    if name.startswith("VGG11"):
        return _vgg(shape[0], classes, grey, norm)
    return _resnet(shape[0], classes, grey, norm, name.endswith("_AP"))


def load(target: nn.Module, parameters: dict[str, Tensor]) -> nn.Module:
    """Copies parameters into a module, in order, taking over their dtype."""
    own = list(target.parameters())
    if [p.shape for p in own] != [v.shape for v in parameters.values()]:
        raise ValueError("the twin's parameters do not have the same shapes in the same order")
    target.to(next(iter(parameters.values())).dtype)
    with torch.no_grad():
        for mine, value in zip(own, parameters.values(), strict=True):
            mine.copy_(value)
    return target


def _norm(kind: str, channels: int, side: int = 0) -> nn.Module:
    kinds = {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm2d(channels),
        "layer": lambda: nn.LayerNorm([channels, side, side]),
        "instance": lambda: nn.GroupNorm(channels, channels),
        "group": lambda: nn.GroupNorm(4, channels),
    }
    return kinds[kind]()


def _mlp(features: int, depth: int, width: int, classes: int) -> nn.Module:
    sizes = [features, *[width] * depth]
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], classes))


def _small_alexnet(shape: tuple[int, int, int], classes: int) -> nn.Module:
    def part(inputs: int) -> list[nn.Module]:
        norm = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
        return [nn.Conv2d(inputs, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1), norm]

    side = (shape[1] + 3) // 4
    head = [nn.Linear(64 * side**2, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, classes)]
    return nn.Sequential(*part(shape[0]), *part(64), nn.Flatten(), *head)


def _small_inception(
    shape: tuple[int, int, int], classes: int, *, everywhere: bool, down: bool, dropout: float
) -> nn.Module:
    def conv(inputs: int, outputs: int, kernel: int, norm: bool, stride: int = 1) -> nn.Module:
        inner = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
        return nn.Sequential(inner, *([ShiftNorm(outputs)] if norm else []), nn.ReLU())

    def inception(inputs: int, one: int, three: int) -> nn.Module:
        return Concatenated(conv(inputs, one, 1, everywhere), conv(inputs, three, 3, everywhere))

    def downsample(inputs: int, filters: int) -> nn.Module:
        return Concatenated(conv(inputs, filters, 3, down, stride=2), nn.MaxPool2d(3, 2, padding=1))

    return nn.Sequential(
        *(conv(shape[0], 96, 3, everywhere), inception(96, 32, 32), inception(64, 32, 48), downsample(80, 80)),
        *(inception(160, 112, 48), inception(160, 96, 64), inception(160, 80, 80), inception(160, 48, 96)),
        *(downsample(144, 96), inception(240, 176, 160), inception(336, 176, 160)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), SeededDropout(dropout), nn.Linear(336, classes)),
    )


def _convnet(shape, classes: int, width: int, depth: int, norm: str, activation: str, pooling: str) -> nn.Module:
    activations = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "leaky": lambda: nn.LeakyReLU(0.01), "swish": nn.SiLU}
    pools = {"none": nn.Identity, "max": lambda: nn.MaxPool2d(2), "avg": lambda: nn.AvgPool2d(2)}
    channels, side, layers = shape[0], shape[1] + (4 if shape[0] == 1 else 0), []
    for block in range(depth):
        padding = 3 if block == 0 and shape[0] == 1 else 1
        layers += [
            nn.Conv2d(channels, width, 3, padding=padding),
            _norm(norm, width, side),
            activations[activation](),
            pools[pooling](),
        ]
        channels, side = width, side if pooling == "none" else side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * side * side, classes))


def _lenet(channels: int, classes: int, activation: type[nn.Module], pool) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5, padding=2 if channels == 1 else 0), activation(), pool(2)),
        *(nn.Conv2d(6, 16, 5), activation(), pool(2), nn.Flatten()),
        *(nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, classes)),
    )


def _alexnet(channels: int, classes: int, grey: bool, batch_norm: bool) -> nn.Module:
    def block(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
        return [nn.Conv2d(inputs, outputs, kernel, padding=padding), *norm, nn.ReLU()]

    return nn.Sequential(
        *(*block(channels, 128, 5, 4 if grey else 2), nn.MaxPool2d(2), *block(128, 192, 5, 2), nn.MaxPool2d(2)),
        *(*block(192, 256, 3, 1), *block(256, 192, 3, 1), *block(192, 192, 3, 1), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(192 * 4 * 4, classes)),
    )


def _alexnet_classic(channels: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample((227, 227), mode="bilinear", align_corners=False),
        *(nn.Conv2d(channels, 96, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(SeededDropout(), nn.Linear(9216, 4096), nn.ReLU(), SeededDropout(), nn.Linear(4096, 4096), nn.ReLU()),
        nn.Linear(4096, classes),
    )


def _vgg(channels: int, classes: int, grey: bool, norm: str) -> nn.Module:
    layers: list[nn.Module] = []
    for group in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for width in group:
            layers += [nn.Conv2d(channels, width, 3, padding=1 if layers or not grey else 3), _norm(norm, width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, classes))


def _resnet(channels: int, classes: int, grey: bool, norm: str, pooled: bool) -> nn.Module:
    blocks, inputs = [], 64
    for planes, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        blocks.append(BasicBlock(inputs, planes, stride, norm, pooled))
        inputs = planes
    head = [nn.Flatten(), nn.Linear(512 * (9 if grey else 16), classes)]
    if not pooled:
        head = [nn.AvgPool2d(4), nn.Flatten(), nn.Linear(512, classes)]
    return nn.Sequential(nn.Conv2d(channels, 64, 3, 1, 1, bias=False), _norm(norm, 64), nn.ReLU(), *blocks, *head)
