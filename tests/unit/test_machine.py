"""Devices by name, threads, memory."""

import re
from pathlib import Path

import pytest
import torch

from condense import machine
from condense.errors import CondenseError, RunFailed
from condense.machine import Surroundings, choose_device, is_out_of_memory, now, peak_memory_bytes, set_threads
from condense.versions import Code, code_version, library_versions

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_devices_without_a_gpu(no_gpu: None) -> None:
    assert choose_device("auto") == choose_device("cpu") == CPU
    for name in ("cuda", "cuda:0"):
        with pytest.raises(CondenseError, match=f"Device '{name}' is not there: PyTorch sees no CUDA devices"):
            choose_device(name)


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def test_a_gpu_that_takes_no_work(a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*shape: int, device: torch.device) -> None:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel errors might ...")

    monkeypatch.setattr(torch, "zeros", busy)
    for name in ("auto", "cuda"):
        with pytest.raises(RunFailed, match=r"^Device 'cuda' is there, but takes no work: .* are busy or unavailable\.$"):
            choose_device(name)


def test_devices_with_a_gpu(a_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "zeros", lambda *shape, device: None)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(CondenseError, match=r"Device 'cuda:1' is not there: PyTorch sees 1 CUDA device\."):
        choose_device("cuda:1")


@pytest.mark.parametrize(
    "name", ["", "foo", "CPU", "cpu:0", "cpu:", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "cuda:0:1", "mps"]
)
def test_unknown_devices(name: str) -> None:
    with pytest.raises(CondenseError, match=r"Unknown device '.*'\. Known: auto, cpu, cuda, cuda:0"):
        choose_device(name)


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        assert set_threads(2) == torch.get_num_threads() == 2
        assert set_threads(None) == 2
    finally:
        torch.set_num_threads(before)


def test_running_out_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_what_is_recorded_about_the_machine() -> None:
    assert peak_memory_bytes(CPU) > 10_000_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())
    found = Surroundings.of(CPU)
    assert (found.device, found.threads) == ("cpu", torch.get_num_threads())


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 2023\nGCC version: 12.2",
            "535.104.05",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs)", "570.86.15"),
        ("something else", None),
        (None, None),
    ],
)
def test_the_driver_of_a_gpu(text: str | None, driver: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_DRIVER", tmp_path / "version")
    if text is not None:
        (tmp_path / "version").write_text(text)
    assert machine.driver_of(torch.device("cuda")) == driver
    assert machine.driver_of(CPU) is None
    assert Surroundings("cuda (X)", 1, "", driver).code == Code.of(code_version(), library_versions(), driver)


@pytest.mark.parametrize("quicker", [False, True])
def test_bfloat16_counts_where_its_convolutions_are_quicker(quicker: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: 1.0, torch.bfloat16: 0.5 if quicker else 1.5}
    monkeypatch.setattr(machine, "_convolution_seconds", seconds.__getitem__)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert machine.convolves_bfloat16_faster(CPU) is quicker
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert not machine.convolves_bfloat16_faster(CPU)


def test_a_convolution_is_timed_in_both_precisions() -> None:
    assert all(0 < machine._convolution_seconds(dtype) < 10 for dtype in (torch.float32, torch.bfloat16))
