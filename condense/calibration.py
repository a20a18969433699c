"""What is measured of the machine at hand before it is decided how to compute: once, then kept in the user's cache.

An answer is a yes or no with a margin around it, and it is kept: else a decision, and with it the last bits of a result,
would change with the load of the machine from one run to the next.
"""

import contextlib
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from condense.errors import CondenseError, shortened
from condense.files import write_atomically
from condense.machine import compiled_function, compiles, convolves_bfloat16_faster, describe

FORMAT = "condense calibration 1"
MARGIN = 0.9
"""How much of the usual way's time another may take at most to count as quicker: readings differ by less."""

READINGS = 5
CLASSES, IMAGES, CHANNELS, SIDE = 10, 10, 128, 16
"""Of the gradients that classes are timed with: those of the middle block of ConvNet."""


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device convolves bfloat16 numbers faster than float32 ones; on a CPU measured in about a second."""
    if device.type == "cuda" or not torch.cpu.get_capabilities().get("avx512_bf16"):
        return convolves_bfloat16_faster(device)  # known without measuring
    return _kept("bfloat16", device, torch.get_num_threads(), convolves_bfloat16_faster)


def takes_classes_in_turn(device: torch.device) -> bool:
    """Whether a GPU is quicker through the compiled image gradients of one class after another than of all at once.

    In one pass every class has weight gradients of its own, whose derivatives are grouped convolutions with whole feature
    maps as kernels, which few libraries are quick in; class by class they are plain convolutions, launched ten times as
    often, which costs little where graphs are replayed. Some half a minute, most of it the compiler's. No where that fails.
    """
    return _kept("classes in turn", device, torch.get_num_threads(), _in_turn_is_faster)


def calibration(device: torch.device) -> dict[str, Any]:
    """What is kept of this device, by name; nothing is measured."""
    return _found(_stored(), _machine(device, torch.get_num_threads()))


def forget() -> None:
    """Measures anew what is asked next, in this process too."""
    _kept.cache_clear()
    path = cache_file()
    if path is not None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def cache_file() -> Path | None:
    """Where answers are kept: in the user's cache; None for a user without a home."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return folder.expanduser() / "condense" / "calibration.json"
    except RuntimeError:
        return None


@cache
def _kept(name: str, device: torch.device, threads: int, measure: Callable[[torch.device], bool]) -> bool:
    """The answer in the cache, else a new one, which goes there where it may be written.

    Where another process has answered while this one measured, its answer holds for both.
    """
    machine = _machine(device, threads)
    found = _found(_stored(), machine)
    if name in found:
        return found[name]
    answer, entries = measure(device), _stored()
    found = {name: answer, **_found(entries, machine)}
    others = [entry for entry in entries if entry["machine"] != machine]
    _store([*others, {"machine": machine, "found": found}])
    return found[name]


def _found(entries: list[dict[str, Any]], machine: dict[str, Any]) -> dict[str, bool]:
    """The answers of a machine among all that are kept."""
    return next((entry["found"] for entry in entries if entry["machine"] == machine), {})


def _machine(device: torch.device, threads: int) -> dict[str, Any]:
    """What an answer depends on: the device with its driver, the libraries, the threads."""
    of_gpu = {"driver": _driver(), "cudnn": torch.backends.cudnn.version()} if device.type == "cuda" else {}
    processor = _processor()
    return {"device": describe(device), "processor": processor, "threads": threads, "torch": torch.__version__, **of_gpu}


def _processor() -> str:
    return _first_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _driver() -> str:
    return _first_line("/proc/driver/nvidia/version", "") or "unknown"


def _first_line(path: str, beginning: str) -> str:
    """The first line of a file that begins so, or '' where there is none."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, ValueError):
        return ""
    return next((line for line in lines if line.startswith(beginning)), "")


def _stored() -> list[dict[str, Any]]:
    """What the cache holds; nothing where none can be read (no file, or a home that is another user's), and, with a word,
    where it is damaged.
    """
    path = cache_file()
    if path is None:
        return []
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT or not all(map(_is_entry, content["machines"])):
            raise ValueError(content["format"])
    except OSError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError):
        warnings.warn(f"The calibration in {shortened(path)} is damaged; this machine is measured anew.", stacklevel=4)
        return []
    return content["machines"]


def _is_entry(entry: Any) -> bool:
    machine, found = entry["machine"], entry["found"]
    return isinstance(machine, dict) and isinstance(found, dict) and all(type(answer) is bool for answer in found.values())


def _store(machines: list[dict[str, Any]]) -> None:
    path = cache_file()
    if path is None:
        return
    try:
        write_atomically(path, json.dumps({"format": FORMAT, "machines": machines}, indent=1) + "\n")
    except CondenseError:
        return  # a cache that cannot be written costs another measurement, and nothing else


def _in_turn_is_faster(device: torch.device) -> bool:
    random = torch.Generator().manual_seed(0)
    images = torch.randn((CLASSES, IMAGES, CHANNELS, SIDE, SIDE), generator=random).to(device)
    weight = (torch.randn((CHANNELS, CHANNELS, 3, 3), generator=random) / 34).to(device)
    one, shared = grad_and_value(_of_a_gradient), None
    in_turn, together = compiled_function(one, device), compiled_function(vmap(one, (0, shared)), device)

    def turns() -> None:
        for own in images:
            in_turn(own, weight)

    if not compiles(lambda: (turns(), together(images, weight))):
        return False
    ratios = [_seconds(turns, device) / _seconds(lambda: together(images, weight), device) for _ in range(READINGS)]
    return median(ratios) <= MARGIN


def _of_a_gradient(images: Tensor, weight: Tensor) -> Tensor:
    """A number that depends on images (n, C, H, W) through the gradient of a loss by the weight of its convolutions."""

    def loss(weight: Tensor) -> Tensor:
        hidden = F.conv2d(images, weight, padding=1).relu()
        return F.conv2d(hidden, weight, padding=1).square().mean()

    return grad(loss)(weight).square().sum()


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Least time of three; the first one prepares."""
    times = []
    for _ in range(4):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
