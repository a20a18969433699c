"""Checks of gradient matching: image gradients of every network, in each way of computing them, against the twin's.

The twin computes in float64 on the CPU, so that what a GPU's libraries do wrong shows. In float64 nothing but a fault lies
between the two. In float32 a ReLU that is all but tied may go either way, so there the bound is wide; that products are
float32 and no less shows in the logits (`training.py`), which no such step moves.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial

import torch
from torch import Tensor

from condense.doctor.agreement import Agreement, Check, NotHereError, Verdict, agreement
from condense.doctor.scope import Scope
from condense.execution import Execution, Precision, Work, effective, for_learning, takes_winograd
from condense.machine import can_compile, has_tf32
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.reference.gradient_matching import class_distance
from condense.reference.networks import load, module
from condense.stage_c.matching import GradientMatcher

EXACT = 1e-8
"""Relative error in float64, of millionths of which rounding makes up to 1e-10."""

ROUNDED = 0.1
"""The same in float32: a ReLU that goes the other way moves an image gradient by up to some hundredths."""

REDUCED: dict[Precision, float] = {"tf32": 0.1, "mixed": 0.2}
"""The same where real images go through in less than float32."""

WINOGRAD_IMAGES = 8
CALLS_TO_A_REPLAY = 3
"""Of a compiled function on a GPU, which is compiled in the first call, recorded in the second, replayed in the third."""

DISTANCE = "ours"


class ImageGradients:
    """The image gradients of one network with given parameters, by the twin and in each way of computing.

    classes: how many of the network's are looked at, of `real` real images each and a synthetic one.
    """

    def __init__(self, network: Network, device: torch.device, *, classes: int, real: int) -> None:
        self.network, self.device, self.classes = network, device, classes
        random = torch.Generator().manual_seed(1)
        self.parameters = network.initial(random, torch.float64)
        shapes = ((classes, count, *network.input_shape) for count in (real, 1))
        self.real, self.synthetic = (torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes)

    @cached_property
    def exact(self) -> Tensor:
        """By the twin (classes, 1, C, H, W), in float64 on the CPU."""
        net = load(module(self.network.name, self.network.input_shape, self.network.classes), self.parameters).eval()
        gradients = []
        for label, (real, synthetic) in enumerate(zip(self.real, self.synthetic, strict=True)):
            images = synthetic.clone().requires_grad_()
            gradients.extend(torch.autograd.grad(class_distance(net, DISTANCE, real, images, label), images))
        return torch.stack(gradients)

    def plainly(self, part: int | None = None) -> Execution:
        """The execution of a short run, class by class; part: images at once."""
        execution = for_learning(self.network, self.device, Work(multiply_adds=1.0, batch=self.real.shape[1]))
        return replace(execution, together=False, winograd=False, part=part or self.real.shape[1])

    def found(self, execution: Execution, dtype: torch.dtype) -> Tensor:
        """By the fast path (classes, 1, C, H, W)."""
        matcher = GradientMatcher(self.network, DISTANCE, self.device, execution)
        parameters = {name: value.to(self.device, dtype) for name, value in self.parameters.items()}
        statistics = self.network.initial_statistics(self.device, dtype)
        real, synthetic = (images.to(self.device, dtype) for images in (self.real, self.synthetic))
        way = self._together if execution.together else self._in_turn
        for _ in range(CALLS_TO_A_REPLAY if execution.compiled else 1):
            gradients = way(matcher, parameters, statistics, real, synthetic)
        return gradients

    @staticmethod
    def _together(
        matcher: GradientMatcher, parameters: Tensors, statistics: Tensors, real: Tensor, synthetic: Tensor
    ) -> Tensor:
        return matcher.match_all(parameters, statistics, real, synthetic)[1]

    @staticmethod
    def _in_turn(
        matcher: GradientMatcher, parameters: Tensors, statistics: Tensors, real: Tensor, synthetic: Tensor
    ) -> Tensor:
        gradients = []
        for label, (x, images) in enumerate(zip(real, synthetic, strict=True)):
            wanted = matcher.real_gradient(parameters, statistics, x, label)
            gradients.append(matcher.match(parameters, statistics, images, label, wanted)[1])
        return torch.stack(gradients)

    def seen(self, execution: Execution, dtype: torch.dtype) -> Agreement:
        """The agreement of fast path and twin."""
        return agreement(self.found(execution, dtype), self.exact)


def checks(scope: Scope, device: torch.device) -> Iterator[Check]:
    """Of the first network, in every way there is but the compiler's."""
    gradients = ImageGradients(scope.network(), device, classes=scope.classes, real=scope.real)
    name, whole = gradients.network.name, gradients.plainly()
    yield from _in_full_precision(gradients, together=True)
    yield Check(f"{name}, image gradients, Winograd", partial(_winograd, gradients))
    yield Check(f"{name}, image gradients, TF32", partial(_tf32, gradients, whole))
    yield Check(f"{name}, image gradients, mixed", partial(_mixed, gradients, whole))


def other_checks(scope: Scope, device: torch.device) -> Iterator[Check]:
    """Of the other networks in float64 and float32; a CPU, for which they are much work, looks at one class."""
    on_gpu = device.type == "cuda"
    for name in scope.networks[1:]:
        classes = scope.classes if on_gpu else 1
        gradients = ImageGradients(scope.network(name), device, classes=classes, real=scope.real if on_gpu else 2)
        yield from _in_full_precision(gradients, together=on_gpu)


def _in_full_precision(gradients: ImageGradients, *, together: bool) -> Iterator[Check]:
    """Class by class, in parts that do not come out even, and all classes together."""
    in_turn = gradients.plainly(part=2)
    ways = {"class by class": in_turn}
    if together:
        ways["classes together"] = replace(in_turn, together=True, part=2 * gradients.classes)
    for way, execution in ways.items():
        for dtype, name in ((torch.float64, "float64"), (torch.float32, "float32")):
            work = partial(_compared, gradients, execution, dtype)
            yield Check(f"{gradients.network.name}, image gradients, {name}, {way}", work)


def compiled_checks(scope: Scope, device: torch.device) -> Iterator[Check]:
    """Of the first network through a GPU's compiler, both ways; a CPU has one, which is in the step that is timed."""
    if device.type != "cuda":
        return
    gradients = ImageGradients(scope.network(), device, classes=scope.classes, real=scope.real)
    in_turn = replace(gradients.plainly(), path="compiled")
    ways = {"class by class": in_turn, "classes together": replace(in_turn, together=True, part=scope.real * scope.classes)}
    for way, execution in ways.items():
        yield Check(f"{gradients.network.name}, image gradients, compiled, {way}", partial(_compiled, gradients, execution))


def _compared(gradients: ImageGradients, execution: Execution, dtype: torch.dtype) -> Verdict:
    return Verdict(gradients.seen(execution, dtype), EXACT if dtype == torch.float64 else ROUNDED)


def _compiled(gradients: ImageGradients, execution: Execution) -> Verdict:
    if not can_compile(gradients.device):
        raise NotHereError("no compiler works here")
    return _compared(gradients, execution, torch.float32)


def _winograd(gradients: ImageGradients) -> Verdict:
    network, device = gradients.network, gradients.device
    if not takes_winograd(network, WINOGRAD_IMAGES, device):
        raise NotHereError("a GPU convolves directly" if device.type == "cuda" else "none of its convolutions gains by it")
    many = ImageGradients(network, device, classes=1, real=WINOGRAD_IMAGES)
    return _compared(many, replace(many.plainly(), winograd=True), torch.float64)


def _tf32(gradients: ImageGradients, execution: Execution) -> Verdict:
    if not has_tf32(gradients.device):
        raise NotHereError("this device has no TF32")
    return _reduced(gradients, execution, "tf32")


def _mixed(gradients: ImageGradients, execution: Execution) -> Verdict:
    if effective("mixed", gradients.network, gradients.device) != "mixed":
        raise NotHereError("it has no convolutions that could be in bfloat16")
    return _reduced(gradients, execution, "mixed")


def _reduced(gradients: ImageGradients, execution: Execution, precision: Precision) -> Verdict:
    return Verdict(gradients.seen(replace(execution, precision=precision), torch.float32), REDUCED[precision])
