"""ResNet18 (He et al., 2016) with a stem for small images, instance or batch norm, and the average-pooling variant."""

from condense.networks.convnet import norm
from condense.networks.layers import Activation, Conv, Layer, Linear, Pool, Residual, Shape
from condense.networks.network import Network

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
RELU = Activation("relu")


def resnet18(shape: Shape, classes: int, *, norm_kind: str = "instance", average_pooling: bool = False) -> Network:
    """Four stages of two basic blocks.

    average_pooling ('_AP', published): strided convolutions become unit-stride ones followed by 2x2 average pooling, and
    the final 4x4 pooling is left out.
    """
    layers: list[Layer] = [Conv("stem", 64, 3, padding=1, bias=False), *norm(norm_kind, "stem_norm", 64), RELU]
    inputs = 64
    for stage, (channels, first_stride) in enumerate(STAGES, 1):
        for block, stride in enumerate((first_stride, 1), 1):
            layers.append(_block(f"stage{stage}.block{block}", inputs, channels, stride, norm_kind, average_pooling))
            inputs = channels
    if not average_pooling:
        layers.append(Pool("avg", 4, 4))
    name = "ResNet18" + ("BN" if norm_kind == "batch" else "") + ("_AP" if average_pooling else "")
    return Network(name, shape, classes, (*layers, Linear("classifier", classes)))


def _block(name: str, inputs: int, channels: int, stride: int, norm_kind: str, average_pooling: bool) -> Residual:
    pool: tuple[Layer, ...] = (Pool("avg"),) if average_pooling and stride == 2 else ()
    conv_stride = 1 if average_pooling else stride
    main: tuple[Layer, ...] = (
        Conv(f"{name}.conv1", channels, 3, conv_stride, padding=1, bias=False),
        *norm(norm_kind, f"{name}.norm1", channels),
        *(RELU, *pool),
        Conv(f"{name}.conv2", channels, 3, padding=1, bias=False),
        *norm(norm_kind, f"{name}.norm2", channels),
    )
    if stride == 1 and inputs == channels:
        return Residual(main, ())
    projection = Conv(f"{name}.shortcut", channels, 1, conv_stride, bias=False)
    return Residual(main, (projection, *pool, *norm(norm_kind, f"{name}.shortcut_norm", channels)))
