"""Peak memory is that of a piece of work, not of what the process did before it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from condense import memory
from condense.config import EvaluateConfig, LearnConfig
from condense.data.images import DataSet, LabelledImages
from condense.memory import Peak, in_use, start_peak
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import evaluate

CPU = torch.device("cpu")
MIB = 2**20
anew = pytest.mark.skipif(not start_peak(CPU).fresh, reason="this system starts no new count of peak memory")


def take(size: int) -> None:
    """Has so many bytes in use for a moment."""
    torch.ones(size, dtype=torch.uint8)


def known(peak: Peak) -> int:
    """What it says, which it must."""
    found = peak.bytes()
    assert found is not None
    return found


@anew
def test_a_count_begins_anew_and_keeps_the_highest() -> None:
    take(400 * MIB)
    peak, before = start_peak(CPU), in_use(CPU)
    assert known(peak) - before < 100 * MIB
    take(200 * MIB)
    assert 150 * MIB < known(peak) - before < 300 * MIB
    take(10 * MIB)
    assert known(peak) - before > 150 * MIB


def test_without_a_new_count_only_a_peak_beyond_those_before_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([500, 500, 700])
    monkeypatch.setattr(memory, "_RESET", Path("/nowhere/clear_refs"))
    monkeypatch.setattr(memory, "_peak", lambda device: next(peaks))
    peak = start_peak(CPU)
    assert not peak.fresh and peak.bytes() is None and peak.bytes() == 700


def test_on_a_gpu_its_allocator_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, counts = torch.device("cuda"), {"peak": 900}
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: counts["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: counts.update(peak=100))
    peak = start_peak(gpu)
    counts["peak"] = 300
    assert peak.fresh and peak.bytes() == 300 and in_use(gpu) == 100


@anew
def test_records_state_the_peak_of_their_own_work(small_images: Callable[..., LabelledImages]) -> None:
    data = DataSet("noise", small_images(counts=(9, 9)), small_images(seed=1))
    before = in_use(CPU)
    take(1000 * MIB)
    learned = learn(LearnConfig(dataset="noise", network="MLP", iterations=1, inner_loop=1), data.train)
    take(1000 * MIB)
    (evaluated,) = evaluate(EvaluateConfig(network=("MLP",), protocol="report", seeds=1), learned.set, data)
    for record in (learned.record, evaluated):
        assert record.peak_memory_bytes and 0 < record.peak_memory_bytes - before < 700 * MIB, record.task
