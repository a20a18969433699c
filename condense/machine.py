"""The machine: devices, threads, memory, the compiler."""

import ctypes
import gc
import os
import platform
import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from statistics import median
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_map

from condense.errors import CondenseError, RunFailed, quoted
from condense.versions import CODE_VERSION, Code, code_version, library_versions


def choose_device(name: str) -> torch.device:
    """'auto' (a CUDA device when there is one, else the CPU), 'cpu', 'cuda' or 'cuda:<index>'.

    Raises `CondenseError` for anything else, or a device that is not there; `RunFailed` for one that takes no work, as
    another process has it for itself, or its driver is of another version.
    """
    if name == "auto":
        return _answering(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise CondenseError(f"Unknown device {quoted(name)}. Known: auto, cpu, cuda, cuda:0, cuda:1, ...")
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        seen = f"{found or 'no'} CUDA device{'s' * (found != 1)}"
        raise CondenseError(f"Device {quoted(name)} is not there: PyTorch sees {seen}.")
    return _answering(torch.device(name))


def _answering(device: torch.device) -> torch.device:
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RunFailed(f"Device '{device}' is there, but takes no work: {reason}.") from error
    return device


def set_threads(threads: int | None) -> int:
    """Sets (when given) and returns the number of CPU threads computing runs on."""
    if threads is not None:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def describe(device: torch.device) -> str:
    """The device's kind, and a GPU's model."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"


def driver_of(device: torch.device) -> str | None:
    """The version of a GPU's driver, as its kernel module states it; None on a CPU, and where there is no such statement."""
    if device.type != "cuda" or not _DRIVER.exists():
        return None
    found = re.search(r"Module\s.*?(\d+(\.\d+)+)", _DRIVER.read_text())
    return found[1] if found else None


_DRIVER = Path("/proc/driver/nvidia/version")


def gpu_memory_bytes(device: torch.device) -> int:
    """All memory of a GPU."""
    return torch.cuda.get_device_properties(device).total_memory


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory so far: of the GPU's allocator, or resident in this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, the GPU's, or the CPU's through PyTorch."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


_NO_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
"""What PyTorch says on a CPU; the driver, within a graph or through the compiler; cuBLAS and cuDNN."""


@cache
def can_compile(device: torch.device) -> bool:
    """Whether torch.compile works for this device, found out by trying; where it does not, that is said once."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(8, device=device))
    except Exception as error:  # whatever a compiler, its headers or its driver may raise
        _say_uncompiled("does not work here", error)
        return False
    return True


MARGIN = 0.9
"""How much of float32's time bfloat16 may take at most to count as quicker: readings of the same work differ by less."""

READINGS = 5


def convolves_bfloat16_faster(device: torch.device) -> bool:
    """Whether the device convolves bfloat16 numbers faster than float32 ones (`calibration.has_bfloat16` keeps the answer).

    On a CPU with bfloat16 instructions that is measured, in about a second: on some the convolutions of oneDNN are twice as
    fast in it, on others slower than in float32. Both are timed in turn, `READINGS` times, and the median of the ratios must
    be `MARGIN` or less.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        return False
    ratios = [_convolution_seconds(torch.bfloat16) / _convolution_seconds(torch.float32) for _ in range(READINGS)]
    return median(ratios) <= MARGIN


def has_tf32(device: torch.device) -> bool:
    """Whether the device can multiply float32 numbers rounded to TF32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def _convolution_seconds(dtype: torch.dtype) -> float:
    """Least time of three for 8 images through a 3x3 convolution of 128 channels and back, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randn(shape, generator=generator).to(dtype, memory_format=torch.channels_last).requires_grad_()
        for shape in ((8, 128, 14, 14), (128, 128, 3, 3))
    )
    times = []
    for _ in range(4):  # the first one prepares
        began = time.perf_counter()
        torch.autograd.grad(F.conv2d(x, weight, padding=1).sum(), (x, weight))
        times.append(time.perf_counter() - began)
    return min(times[1:])


def compiled_function(function: Callable[..., Any], device: torch.device | str) -> Callable[..., Any]:
    """A function through torch.compile, whole, for fixed shapes; on a GPU replayed as a CUDA graph, its results then copied.

    PyTorch counts compiled versions, at most eight, by the code of a function, so this one gets code of its own: many may be
    compiled in one process without touching what the caller has compiled.
    """
    function = _with_code_of_its_own(function)
    if torch.device(device).type != "cuda":
        return torch.compile(function, fullgraph=True, dynamic=False)
    replayed = torch.compile(function, fullgraph=True, dynamic=False, mode="reduce-overhead")

    def call(*arguments: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        # The next replay writes to the same memory.
        return tree_map(lambda value: value.clone() if isinstance(value, torch.Tensor) else value, replayed(*arguments))

    return call


_numbers = count()


def _with_code_of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return function(*arguments)

    code = call.__code__.replace(co_name=f"compiled_{next(_numbers)}")
    return FunctionType(code, call.__globals__, code.co_name, None, call.__closure__)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether a GPU multiplies float32 numbers rounded to TF32's ten bits, within a `with` statement; not so outside it."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def compiles(work: Callable[[], object]) -> bool:
    """Does work that compiles functions; False, which is said in a warning, where that fails in whatever way.

    Memory that runs out is no failure of the compiler's, nor is what ends with one of our sentences: both are raised.
    """
    try:
        work()
    except Exception as error:  # the compiler's own, and whatever a driver or a code generator may raise beneath it
        if isinstance(error, CondenseError) or is_out_of_memory(error):
            raise
        _say_uncompiled("fails on this network", error)
        return False
    return True


def _say_uncompiled(what: str, error: Exception) -> None:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    warnings.warn(f"torch.compile {what} ({reason}); the slower eager path is taken.", stacklevel=3)


def forget_compiled() -> None:
    """Drops all compiled functions of this process, the caller's too: for the command line and benchmarks alone."""
    torch.compiler.reset()


def moved(values: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Values drawn on the CPU, on the device; a GPU is not waited for."""
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def release_memory(*, compiled: bool) -> None:
    """Gives back what a GPU's allocator keeps, after memory ran out.

    compiled: what the compiler keeps too, which holds memory for its replays; all functions of the process are compiled anew
    when they are called next.
    """
    if compiled:
        forget_compiled()
    gc.collect()
    torch.cuda.empty_cache()


def prepare(device: torch.device) -> None:
    """Makes arithmetic on the device what records say it is: full float32, the same at every run.

    A GPU becomes the current one, as some libraries launch there whatever tensors say; cuDNN takes algorithms by rule and
    not by a race, which another one may win tomorrow; and a new count of peak memory starts. PyTorch's settings stay so: for
    processes of one's own, as scripts have; a library call is `reproducible` for its time alone.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if device.type == "cuda":
        fix_cublas_workspace()
        if device.index is not None:
            torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        _fills.fill_uninitialized_memory = False  # a kernel for every new tensor, which nothing reads
        torch.cuda.reset_peak_memory_stats(device)


def fix_cublas_workspace() -> None:
    """Asks cuBLAS for workspaces of fixed size, without which its sums may come in another order from one run to the next.

    It looks once, when it starts: so the command line asks first of all, and a library call as early as it can.
    """
    os.environ.setdefault(_WORKSPACE, ":4096:8")


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """What `prepare` does, within a `with` statement; after it PyTorch's settings are those of the caller again."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace, fill = os.environ.get(_WORKSPACE), _fills.fill_uninitialized_memory
    elsewhere = device.type == "cuda" and device.index is not None
    benchmark, current = torch.backends.cudnn.benchmark, torch.cuda.current_device() if elsewhere else None
    with tf32(False):
        try:
            prepare(device)
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            _fills.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark = benchmark
            if current is not None:
                torch.cuda.set_device(current)
            if workspace is None:
                os.environ.pop(_WORKSPACE, None)


_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_fills: Any = torch.utils.deterministic


def now() -> str:
    """The time in UTC, to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Surroundings:
    """What a result's cost depends on, recorded with it."""

    device: str
    threads: int
    started_at: str
    driver: str | None = None

    @staticmethod
    def of(device: torch.device) -> "Surroundings":
        """As they are now."""
        return Surroundings(describe(device), torch.get_num_threads(), now(), driver_of(device))

    @property
    def code(self) -> Code:
        """The code that runs in them."""
        return Code.of(code_version(), library_versions(), self.driver)

    @property
    def arithmetic(self) -> dict[str, Any]:
        """What the last bits of a result depend on, so that a run is resumed under the same or not at all."""
        return {
            "device": self.device,
            "threads": self.threads,
            "code_version": CODE_VERSION,
            "library_versions": library_versions(),
        }


def keep_freed_memory() -> None:
    """Keeps freed activations in the process (glibc only): without it every large tensor is mapped and zeroed anew.

    It holds until the process ends, so the command line and benchmarks alone ask for it.
    """
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold, largest = -1, -3, 2**31 - 1
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 2**25 - 1)
        libc.mallopt(trim_threshold, largest)
