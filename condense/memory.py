"""Memory that is in use now, and at most since a moment: of this process on a CPU, of the allocator on a GPU."""

import ctypes
import gc
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from condense.machine import peak_memory_bytes

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def in_use(device: torch.device) -> int:
    """Bytes in use now, after what was freed has gone back: resident in this process, or allocated on the GPU."""
    gc.collect()
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    _give_back()
    return _resident("VmRSS") if _STATUS.exists() else peak_memory_bytes(device)


@dataclass(frozen=True)
class Peak:
    """Peak memory from a moment on, when the peak of the process until then was `before`; fresh: counted anew from it."""

    device: torch.device
    fresh: bool
    before: int

    def bytes(self) -> int | None:
        """Peak bytes since then; None where they are not known: no new count began, and there was a higher peak before."""
        now = _peak(self.device)
        return now if self.fresh or now > self.before else None


def start_peak(device: torch.device) -> Peak:
    """Starts a new count of peak memory, where the system can."""
    in_use(device)
    return Peak(device, _start_count(device), _peak(device))


def _start_count(device: torch.device) -> bool:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        _RESET.write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return False
    return True


def _peak(device: torch.device) -> int:
    on_linux = device.type == "cpu" and _STATUS.exists()
    return _resident("VmHWM") if on_linux else peak_memory_bytes(device)


def _resident(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _give_back() -> None:
    """Returns freed memory, which `machine.keep_freed_memory` keeps, to the system (glibc only)."""
    if sys.platform == "linux" and _libc() == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@cache
def _libc() -> str:
    """The C library's name, for which the interpreter's file is read."""
    return platform.libc_ver()[0]
