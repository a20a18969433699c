"""Whether stage C may convolve real images in bfloat16: by a test of what it does to the image gradient."""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.data.images import LabelledImages
from condense.execution import Execution, Precision, Work, effective, for_learning, reduced_precisions
from condense.networks.network import Network
from condense.randomness import generator
from condense.stage_c.matching import GradientMatcher
from condense.training.layout import Layout

PRECISIONS = {
    "auto": "mixed, else tf32, where it is quicker and the image gradient passes a test; else fp32",
    "fp32": "float32 throughout",
    "tf32": "on a GPU, TF32 products on the real images; float32 on the synthetic ones",
    "mixed": "bfloat16 convolutions on the real images, float32 on the synthetic ones",
}
LEAST_COSINE = 0.9999
"""Between the image gradients with and without bfloat16, for `auto` to take it."""

PROBE_CLASSES, PROBE_IMAGES = 3, 256


def choose_precision(
    asked: str, network: Network, execution: Execution, work: Work, agreement: Callable[[Precision], float]
) -> Precision:
    """'fp32', 'tf32' or 'mixed' for what was asked for (one of `PRECISIONS`): what will be computed, whatever was asked for.

    `auto` is float32 for short runs, and for uncompiled ones on a CPU: the conversions would cost more than bfloat16 gains,
    or Winograd convolution gains as much. agreement: the cosine of a reduced precision's image gradients with float32's.
    """
    device = torch.device(execution.device)
    if asked != "auto":
        return effective(asked, network, device)
    for precision in reduced_precisions(network, execution, work):
        if agreement(precision) >= LEAST_COSINE:
            return effective(precision, network, device)
    return "fp32"


def image_gradient_cosine(precision: Precision, network: Network, distance: str, data: LabelledImages) -> float:
    """Cosine between the image gradients in a precision and in float32.

    One new network and one noise image per class, on three classes of 256 real images (the published real batch); always
    the same draws.
    """
    both: tuple[Precision, Precision] = ("fp32", precision)
    short = Work(multiply_adds=1.0, batch=PROBE_IMAGES)
    executions = [replace(for_learning(network, data.device, short, precision=each), path="eager") for each in both]
    gradients = [_probe(GradientMatcher(network, distance, data.device, execution), data) for execution in executions]
    return float(F.cosine_similarity(*gradients, dim=0))


def _probe(matcher: GradientMatcher, data: LabelledImages) -> Tensor:
    """The image gradients of the probe's classes as one float64 vector."""
    random = generator(0, "precision probe")
    layout = Layout.of(matcher.network)
    parameters = layout.views(layout.flatten(matcher.network.initial(random)).to(data.device))
    statistics = matcher.network.initial_statistics(data.device)
    drawn = data.draw_class_batches(PROBE_IMAGES, generator(0, "precision probe images", device=data.device))
    parts = []
    for label, indices in enumerate(drawn.indices.split(drawn.counts)[:PROBE_CLASSES]):
        real = matcher.real_gradient(parameters, statistics, data.inputs(indices, torch.float32), label)
        image = torch.randn((1, *data.shape), generator=random).to(data.device)
        parts.append(matcher.match(parameters, statistics, image, label, real)[1].flatten().double())
    return torch.cat(parts)
