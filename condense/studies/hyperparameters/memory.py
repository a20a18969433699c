"""Memory that is in use now, and at most since a moment: of this process on a CPU, of the allocator on a GPU."""

import ctypes
import gc
import platform
import sys
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


def start_peak(device: torch.device) -> bool:
    """Starts a new count of peak memory; False where the system cannot, so that a peak is of the whole process so far."""
    in_use(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        _RESET.write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return False
    return True


def peak(device: torch.device) -> int:
    """Peak bytes since `start_peak`."""
    on_linux = device.type == "cpu" and _STATUS.exists()
    return _resident("VmHWM") if on_linux else peak_memory_bytes(device)


def _resident(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _give_back() -> None:
    """Returns freed memory, which `machine.keep_freed_memory` keeps, to the system (glibc only)."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
