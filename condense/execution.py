"""How to compute: decided once, from the network, the device and the work, and held by all that computes.

What is decided never depends on how many networks are asked for, so that a seed's network is the same in any company.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

import torch

from condense.calibration import has_bfloat16, takes_classes_in_turn
from condense.machine import can_compile, compiles, gpu_memory_bytes, has_tf32, is_out_of_memory, release_memory
from condense.networks.layers import IMAGE_CHANNELS, Conv
from condense.networks.network import Network

LONG_FROM = 4e12
"""Multiply-adds of stage C on real images from which compiling (about half a minute) is repaid."""

Result = TypeVar("Result")

Precision = Literal["fp32", "tf32", "mixed"]
PATHS = ("eager", "compiled")
PRECISIONS = ("fp32", "tf32", "mixed")


@dataclass(frozen=True)
class Work:
    """How much a run of stage C computes.

    multiply_adds: on real images, those of backward passes too, as what repays a compiler was measured by them; batch: real
    images of one class that go through together.
    """

    multiply_adds: float
    batch: int

    @property
    def is_long(self) -> bool:
        """Whether it takes long enough to repay compiling, and a test of precision."""
        return self.multiply_adds >= LONG_FROM


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a network is computed on a device.

    device: the kind ('cpu' or 'cuda'); path: through torch.compile or as written; precision: of products on real images
    (`effective`); part: images through the network at once; stack: networks trained at once; channels_last: order of images
    and convolution weights in memory; winograd: wide convolutions by Winograd's algorithm where that is quicker; together:
    all classes of stage C in one pass.
    """

    device: str
    path: Literal["eager", "compiled"] = "eager"
    precision: Precision = "fp32"
    part: int
    stack: int = 1
    channels_last: bool = False
    winograd: bool = False
    together: bool = False

    def __post_init__(self) -> None:
        numbers = all(type(number) is int and number > 0 for number in (self.part, self.stack))
        flags = all(type(flag) is bool for flag in (self.channels_last, self.winograd, self.together))
        if not (numbers and flags and self.device in ("cpu", "cuda")) or (
            self.path not in PATHS or self.precision not in PRECISIONS
        ):
            raise ValueError(f"{self} cannot be.")

    @property
    def compiled(self) -> bool:
        """Whether gradients go through torch.compile."""
        return self.path == "compiled"

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory of images (B, C, H, W)."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def images_per_class(self, classes: int) -> int:
        """Images of each class that go through in one pass of all classes."""
        return max(1, self.part // classes)

    def classes_at_once(self, images_per_class: int) -> int:
        """Classes whose synthetic images go through in one pass, of so many each."""
        return max(1, self.part // images_per_class)

    def smaller(self, *, divisible: bool = True) -> "Execution | None":
        """The same with half the networks of a stack, else half the images of a part, else without what a compiler keeps;
        None where nothing is left to be made smaller, and on a CPU, whose parts are small.

        divisible: whether images may go through in smaller parts.
        """
        if self.device == "cpu":
            return None
        if self.stack > 1:
            return replace(self, stack=self.stack // 2)
        if divisible and self.part > 1:
            return replace(self, part=self.part // 2)
        return replace(self, path="eager") if self.compiled else None

    def facts(self) -> dict[str, Any]:
        """What it is as plain JSON values."""
        return asdict(self)

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "Execution":
        """The one with these facts. Raises `ValueError` where none can have them."""
        if not isinstance(facts, Mapping) or set(facts) != {field.name for field in fields(Execution)}:
            raise ValueError("These are not the facts of an execution.")
        return Execution(**facts)


def for_learning(network: Network, device: torch.device, work: Work, *, precision: Precision = "fp32") -> Execution:
    """How stage C computes, in the precision that comes of asking for one ('auto' is settled before: `reduced_precisions`).

    On a GPU all classes go through in one pass, as many images of each as its memory holds, but where replays of one class
    after another are quicker (`takes_classes_in_turn`). Compiled where the work repays
    it and the compiler works; what then fails to compile ends eager (`warmed_up`).
    """
    compiled = work.is_long and gains_by_compiling(network, device) and can_compile(device)
    together = classes_together(network, device) and not (compiled and takes_classes_in_turn(device))
    part = even_parts(network, work.batch, device)
    if together:
        part = network.classes * real_images_together(network, network.classes, work.batch, device)
    found: Any = effective(precision, network, device) if work.multiply_adds else "fp32"
    return Execution(
        device=device.type,
        path="compiled" if compiled else "eager",
        precision=found,
        part=part,
        channels_last=prefers_channels_last(network),
        winograd=found != "mixed" and takes_winograd(network, part, device),
        together=together,
    )


def for_training(network: Network, device: torch.device, *, batch: int, steps: int = 0) -> Execution:
    """How networks are trained, each for `steps` steps on batches of `batch` images (of no steps: too few to compile).

    What repays a compiler are the networks of a protocol, `NOMINAL_NETWORKS`, however many are trained.
    """
    stack = members_at_once(network, batch, device)
    all_steps = steps * -(-NOMINAL_NETWORKS // stack)
    compiled = pays_to_compile(network, all_steps, stack * batch, device) and can_compile(device)
    # BatchNorm takes its statistics over the whole batch, so there a batch cannot be taken in parts.
    part = batch if network.has_batch_norm else even_parts(network, batch, device)
    return Execution(
        device=device.type,
        path="compiled" if compiled else "eager",
        part=part,
        stack=stack,
        channels_last=prefers_channels_last(network),
        winograd=takes_winograd(network, part, device),
    )


def for_few(network: Network, device: torch.device, *, batch: int) -> Execution:
    """The same for experiments, which train few networks of a kind: on a CPU in turn.

    A stack there would have to be of a fixed size, filled up with networks that nobody asked for, or a network would depend,
    by rounding, on how many are: five of mlp-1x256 in a stack of five took up to 1.8 times as long as in turn already.
    """
    found = for_training(network, device, batch=batch)
    return replace(found, stack=1) if device.type == "cpu" else found


def for_testing(network: Network, device: torch.device) -> Execution:
    """How trained networks are tested: without gradients and as written."""
    part = images_at_once(network, device)
    return Execution(
        device=device.type,
        part=part,
        channels_last=prefers_channels_last(network),
        winograd=takes_winograd(network, part, device),
    )


def within_learning(execution: Execution, network: Network, device: torch.device, *, batch: int) -> Execution:
    """How the network of stage C is trained on its synthetic images, on the path that stage C itself takes."""
    return replace(for_training(network, device, batch=batch), path=execution.path, stack=1)


def warmed_up(execution: Execution, attempt: Callable[[Execution], object], *, divisible: bool = True) -> Execution:
    """The execution with which an attempt (a first step) works; what is compiled is ready then.

    Where compiling fails it is eager, where memory runs out smaller (`shrinking`), either of which is said in a warning.
    On a CPU nothing is attempted that is not compiled.
    """
    worked: list[Execution] = []
    if execution.compiled:
        if compiles(lambda: worked.append(shrinking(execution, attempt, divisible=divisible)[0])):
            return worked[0]
        execution = replace(execution, path="eager")
    return execution if execution.device == "cpu" else shrinking(execution, attempt, divisible=divisible)[0]


def shrinking(
    execution: Execution, work: Callable[[Execution], Result], *, divisible: bool = True
) -> tuple[Execution, Result]:
    """What work gives, and the execution that memory sufficed for: where a GPU's runs out, work is done anew under a smaller
    one, which is said in a warning.

    work must leave what it was given as it was when it fails. divisible: whether images may go through in smaller parts.
    """
    while True:
        try:
            return execution, work(execution)
        except (RuntimeError, MemoryError) as error:
            left = execution.smaller(divisible=divisible) if is_out_of_memory(error) else None
            if left is None:
                raise
        # Beyond the handler, as the error's traceback holds what the work had in memory.
        release_memory(compiled=execution.compiled)
        _say_smaller(execution, left)
        execution = left


def _say_smaller(before: Execution, after: Execution) -> None:
    changed = [f"{name} {value}" for name, value in after.facts().items() if value != before.facts()[name]]
    warnings.warn(f"The GPU's memory ran out; it goes on with {', '.join(changed)}.", stacklevel=4)


def reduced_precisions(network: Network, execution: Execution, work: Work) -> tuple[Precision, ...]:
    """The reduced precisions that 'auto' may take, best first; none for short runs, nor for uncompiled ones on a CPU.

    There the conversions would cost more than bfloat16 gains, or Winograd convolution gains as much.
    """
    on_gpu = execution.device == "cuda"
    if not (work.is_long and (execution.compiled or on_gpu)) or network.has_dropout:
        return ()
    if not has_bfloat16(torch.device(execution.device)):
        return ()
    return ("mixed", "tf32") if on_gpu else ("mixed",)


def effective(asked: str, network: Network, device: torch.device) -> Precision:
    """The precision that comes of asking for 'fp32', 'tf32' or 'mixed' with a network on a device.

    mixed is bfloat16 in convolutions whose input is not the images (`layers.Conv`), so a network without such computes in
    the precision of its other products: TF32 on a GPU that has it, else float32.
    """
    wide = any(len(spec.shape) == 4 and spec.shape[1] > IMAGE_CHANNELS for spec in network.specs)
    if asked == "mixed" and wide and not network.as_written:
        return "mixed"
    return "tf32" if asked != "fp32" and has_tf32(device) else "fp32"


ACTIVATION_BUDGET = 2**22
"""Elements of the widest activation of one chunk: 16 MiB in float32, about what a CPU's caches hold."""

STEP_SECONDS, TRAINING_RATE = 1e-3, 1e11
"""What a training step takes on two CPU cores, roughly: a constant, and multiply-adds of the forward pass a second."""

GPU_STEP_SECONDS, GPU_TRAINING_RATE = 3e-3, 3e12
"""The same on a GPU, an estimate: launching some hundred kernels, and a third of what float32 cores do at most."""

GRADIENT_WRITE = 200
"""Multiply-adds that take as long as what a part of a batch costs for each parameter: its gradient written and added up."""

CONVOLUTION_BOUND = 250
"""Multiply-adds for each activation: on MNIST ConvNet has 86, VGG11 311, AlexNet 485, ResNet18 1,326."""

REPAYING_SECONDS = 20.0
"""Training without the compiler from which compiling, some ten seconds, is repaid."""

GPU_REPAYING_SECONDS = 60.0
"""The same on a GPU, whose compiler takes about half a minute."""

FLOAT = 4
"""Bytes of a float32 number."""

NOMINAL_NETWORKS = 20
"""Networks of a protocol. What is stacked or compiled follows from this number and never from how many are asked for, or a
seed's network would be another one, by rounding, in other company."""

STACKED_IMAGES = 128
"""Images in a batch from which members are trained in turn on a CPU: stacked MLPs were no quicker with 100 images
uncompiled, nor with 256 compiled."""

MEMORY_SHARE = 64
"""The widest activation of all that goes through a GPU at once may take this part of its memory: dozens are kept."""


def members_at_once(network: Network, batch: int, device: torch.device) -> int:
    """How many to stack, however many there are: fully connected networks, and any network without dropout on a GPU.

    On a CPU stacked convolutions become grouped ones, up to 3.5 times as slow as training in turn (measured by
    scripts/benchmark_stacking.py). On a GPU the number is bounded by the memory that a batch of every member takes.
    """
    if network.as_written:
        return 1
    only_linear = not any(len(spec.shape) > 2 for spec in network.specs)
    if device.type == "cuda" and not network.has_dropout:
        return max(1, min(NOMINAL_NETWORKS, gpu_budget(device) // (batch * widest_activation(network))))
    return NOMINAL_NETWORKS if only_linear and batch < STACKED_IMAGES else 1


def stacks(seeds: Sequence[int], size: int) -> list[tuple[range, list[int]]]:
    """The stacks of `size` members that train these seeds, each with those asked for of it: 0 to size - 1, and so on.

    A stack is always trained whole, so that a seed has the same company and place whatever else is asked for.
    """
    asked: dict[int, list[int]] = {}
    for seed in seeds:
        asked.setdefault(seed // size, []).append(seed)
    return [(range(number * size, (number + 1) * size), own) for number, own in asked.items()]


def images_at_once(network: Network, device: torch.device) -> int:
    """Images in one part: a power of two, up to 1,024, that keeps activations in a CPU's cache or a GPU's memory."""
    budget = gpu_budget(device) if device.type == "cuda" else ACTIVATION_BUDGET
    chunk = max(1, budget // widest_activation(network))
    return min(1024, 1 << (chunk.bit_length() - 1))


def gains_by_compiling(network: Network, device: torch.device) -> bool:
    """Whether compiled gradients are quicker: on a GPU, and on a CPU where other things than convolutions cost.

    AlexNet, VGG11 and ResNet18 are nearly all convolution, and compiling them takes minutes. Dropout draws from a generator,
    which cannot be compiled.
    """
    if network.as_written or network.has_dropout:
        return False
    return device.type == "cuda" or not convolution_bound(network)


def convolution_bound(network: Network) -> bool:
    """Whether a network multiplies so much for each activation that convolutions are nearly all of its cost."""
    return network.multiply_adds > CONVOLUTION_BOUND * sum(outputs_of(network))


def prefers_channels_last(network: Network) -> bool:
    """Whether images and convolution weights lie channels last: all networks but VGG11 and ResNet18 with instance norm.

    Convolutions are quicker so, but PyTorch's group norm is several times slower, and those two are not compiled, which
    would replace it. Plain order saves a tenth of ResNet18's training step and a quarter of its test (one thread).
    """
    return not (network.as_written or (network.has_group_norm and convolution_bound(network)))


def takes_winograd(network: Network, images: int, device: torch.device) -> bool:
    """Whether there are convolutions that are quicker by Winograd's algorithm, with so many images at once."""
    quicker = (isinstance(layer, Conv) and layer.gains_by_winograd(shape, images) for layer, shape in network.leaves)
    return device.type == "cpu" and prefers_channels_last(network) and any(quicker)


def pays_to_compile(network: Network, steps: int, images: int, device: torch.device) -> bool:
    """Whether so many training steps on so many images each take long enough to repay compiling the step."""
    constant, rate, repaying = STEP_SECONDS, TRAINING_RATE, REPAYING_SECONDS
    if device.type == "cuda":
        constant, rate, repaying = GPU_STEP_SECONDS, GPU_TRAINING_RATE, GPU_REPAYING_SECONDS
    seconds = steps * (constant + images * network.multiply_adds / rate)
    return gains_by_compiling(network, device) and seconds > repaying


def classes_together(network: Network, device: torch.device) -> bool:
    """Whether stage C takes all classes in one pass: on a GPU, where launching kernels is the cost."""
    return device.type == "cuda" and not (network.as_written or network.has_dropout)


def real_images_together(network: Network, classes: int, real_batch: int, device: torch.device) -> int:
    """Real images of each class in one pass of all classes, such that a GPU's memory holds their activations."""
    parts = -(-real_batch * classes * widest_activation(network) // gpu_budget(device))
    return -(-real_batch // parts)


def gpu_budget(device: torch.device) -> int:
    """Elements of the widest activation of all that goes through a GPU at once: a power of two, 2^28 with 80 GiB."""
    elements = gpu_memory_bytes(device) // (FLOAT * MEMORY_SHARE)
    return 1 << (elements.bit_length() - 1)


def even_parts(network: Network, batch: int, device: torch.device) -> int:
    """The size of the fewest equal parts (the last may be smaller) of a batch that go through the network at once.

    A part is as large as the caches allow, or as large as it must be for its gradient not to cost more than its images.
    """
    least = GRADIENT_WRITE * network.parameter_count // network.multiply_adds
    parts = -(-batch // max(images_at_once(network, device), least))
    return -(-batch // parts)


def widest_activation(network: Network) -> int:
    """Elements of the image or of the largest layer output, for one image."""
    return max(outputs_of(network))


def outputs_of(network: Network) -> list[int]:
    """Elements of the image and of each layer's output, for one image."""
    shape = network.input_shape
    sizes = [math.prod(shape)]
    for layer in network.layers:
        sizes += layer.activations(shape)
        shape = layer.output(shape)
    return sizes
