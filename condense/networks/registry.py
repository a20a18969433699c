"""Networks by name: those built in, and those of one's own (`own`)."""

from collections.abc import Callable
from functools import partial

from condense.errors import CondenseError, in_any_case, quoted, unknown_name
from condense.networks import alexnet, inception, own, resnet, small, vgg
from condense.networks.convnet import convnet, parse_name, proper_name
from condense.networks.layers import Shape
from condense.networks.module import Factory
from condense.networks.network import Network

_FIXED: dict[str, tuple[Callable[[Shape, int], Network], str]] = {
    "MLP": (small.mlp, "two hidden layers of 128 units"),
    "LeNet": (small.lenet, "LeNet with ReLU and max pooling, as published"),
    "AlexNet": (alexnet.alexnet, "AlexNet for small images, as published"),
    "AlexNetBN": (partial(alexnet.alexnet, batch_norm=True), "the same with BatchNorm"),
    "VGG11": (vgg.vgg11, "VGG11 with instance norm"),
    "VGG11BN": (partial(vgg.vgg11, norm_kind="batch"), "VGG11 with BatchNorm"),
    "ResNet18": (resnet.resnet18, "ResNet18 with instance norm"),
    "ResNet18BN": (partial(resnet.resnet18, norm_kind="batch"), "ResNet18 with BatchNorm"),
    "ResNet18_AP": (partial(resnet.resnet18, average_pooling=True), "ResNet18 with average pooling for strides"),
    "ResNet18BN_AP": (
        partial(resnet.resnet18, norm_kind="batch", average_pooling=True),
        "the same with BatchNorm, the ResNet of the published cross-architecture table",
    ),
    "lenet-classic": (small.lenet_classic, "LeNet-5 with sigmoid and average pooling (reproduction report)"),
    "small-alexnet": (alexnet.small_alexnet, "small AlexNet with local response norm (Zhang et al., 2017)"),
    **{
        f"small-inception{suffix}": (
            partial(inception.small_inception, suffix=suffix),
            f"small Inception, {what} (Zhang et al., 2017)",
        )
        for suffix, what in inception.VARIANTS.items()
    },
    "alexnet-classic": (alexnet.alexnet_classic, "the ImageNet AlexNet at 227 pixels (reproduction report)"),
}
_SIZED_MLP = "1 hidden layer of 512 units; mlp-DEPTHxWIDTH for any other"
_CONVNET = "3 blocks of 128 channels, instance norm, ReLU, average pooling; suffixes W, D, A*, *N, *P change them"


def names() -> dict[str, str]:
    """Every network's name and a line on it; ConvNet takes suffixes (see `condense.networks.convnet`)."""
    return {"ConvNet": _CONVNET, "mlp-1x512": _SIZED_MLP} | {name: text for name, (_, text) in _FIXED.items()}


def register_network(name: str, factory: Factory) -> None:
    """Makes a network of one's own known by this name, in this process.

    factory: called with the shape (C, H, W) of the images and the number of classes, gives a `torch.nn.Module` whose
    parameters are newly drawn by PyTorch's own generator. A network that is registered under this name is replaced. Raises
    `CondenseError` for a name that is no name or that of a built-in network, and for what cannot be called.
    """
    if isinstance(name, str) and _built_in(name) is not None:
        raise CondenseError(f"{quoted(name)} is the name of a built-in network; give your own another.")
    own.NETWORKS.register(name, factory)


def registered() -> list[str]:
    """The names of networks that are registered in this process or come with installed packages."""
    return own.NETWORKS.registered()


def check_name(name: str) -> str:
    """The name of the network that is called so, in any case ('convnetw16' is 'ConvNetW16'); one's own is called by its name
    and the digest of its code ('mine@0123456789').

    Raises `CondenseError` with the nearest match when there is none.
    """
    found = _built_in(name) or own.NETWORKS.proper_name(name)
    if found is None:
        raise unknown_name("network", name, [*names(), *registered()])
    return found


def _built_in(name: str) -> str | None:
    """The name of the built-in network that is called so in any case, None where there is none."""
    if (proper := in_any_case(name, _FIXED)) is not None:
        return proper
    if small.is_sized_mlp(name.lower()):
        return name.lower()
    proper = proper_name(name)
    options = parse_name(proper)
    if options is not None and _divisible(proper, options.norm, options.width):
        return proper
    return None


def _divisible(name: str, norm: str, width: int) -> bool:
    if norm == "group" and width % 4:
        raise CondenseError(f"{name}: group norm uses 4 groups, so the width must be a multiple of 4, not {width}.")
    return True


def build(name: str, shape: Shape, classes: int) -> Network:
    """The network of that name for images (C, H, W) and a number of classes.

    Raises `CondenseError` for an unknown name or images the network cannot take.
    """
    name = check_name(name)
    if _built_in(name) is None:
        return own.build(name, shape, classes)
    if shape[0] not in (1, 3):
        raise CondenseError(f"{name} takes images with 1 or 3 channels, not {shape[0]}.")
    if small.is_sized_mlp(name):
        return small.sized_mlp(name, shape, classes)
    options = parse_name(name)
    if options is not None:
        return convnet(name, shape, classes, options)
    return _FIXED[name][0](shape, classes)
