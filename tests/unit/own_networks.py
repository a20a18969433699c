"""Networks of one's own, as tests register and import them."""

import torch
from torch import Tensor, nn

Shape = tuple[int, int, int]


def tiny(shape: Shape, classes: int) -> nn.Module:
    """A convolution with BatchNorm and dropout, small enough for any test."""
    side = shape[1] // 4
    return nn.Sequential(
        *(nn.Conv2d(shape[0], 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(4)),
        *(nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * side**2, classes)),
    )


class Averaging(nn.Module):
    """No linear layer at its end: a convolution gives the logits, and they are averaged over the image."""

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(shape[0], classes, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x).mean((2, 3))


def mobilenet(shape: Shape, classes: int) -> nn.Module:
    """MobileNetV3-small with a 3x3 stem of stride 1."""
    from torchvision.models import mobilenet_v3_small

    network = mobilenet_v3_small(weights=None, num_classes=classes)
    network.features[0][0] = nn.Conv2d(shape[0], 16, 3, padding=1, bias=False)  # type: ignore[index,assignment]
    return network


class Changed(nn.Module):
    """A linear network in which one thing is otherwise than it must be."""

    def __init__(self, shape: Shape, classes: int, what: str) -> None:
        super().__init__()
        self.what = what
        self.norm = nn.BatchNorm2d(shape[0], track_running_stats=what != "batch", momentum=None if what == "count" else 0.1)
        self.linear = nn.Linear(shape[0] * shape[1] * shape[2], classes)
        self.register_buffer("calls", torch.zeros(()))
        if what == "frozen":
            self.requires_grad_(False)

    def forward(self, x: Tensor) -> object:
        if self.what == "images":
            x += 1
        if self.what == "random":
            x = x + torch.randn_like(x)
        if self.what == "state":
            self.calls += 1
        if self.what == "fails":
            raise ValueError("no such images")
        logits = self.linear(self.norm(x).flatten(1))
        return {"transposed": logits.T, "several": (logits,)}.get(self.what, logits)
