"""Shared fixtures: small real-looking data, the real data sets where they are, and quiet threads."""

import gc
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from condense.data.images import LabelledImages

torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: garbage, which is looked for before memory is measured, is not there."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def small_images() -> Callable[..., LabelledImages]:
    """Makes uint8 images of random pixels: small_images(shape=(C, H, W), counts=(images of each class, ...), seed)."""

    def make(shape: tuple[int, int, int] = (1, 28, 28), counts: tuple[int, ...] = (6, 6), seed: int = 0) -> LabelledImages:
        random = torch.Generator().manual_seed(seed)
        pixels = torch.randint(0, 256, (sum(counts), *shape), dtype=torch.uint8, generator=random)
        labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        return LabelledImages.from_arrays(pixels, labels, name="noise")

    return make


@pytest.fixture(autouse=True)
def decisions_of_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Answers of calibrations, and networks trained beforehand, are kept for a test session alone; where there is no GPU,
    one has 80 GiB.
    """
    monkeypatch.setenv("CONDENSE_EXPERTS", str(tmp_path_factory.getbasetemp() / "experts"))
    kept = tmp_path_factory.getbasetemp() / "calibration.json"
    monkeypatch.setattr("condense.calibration.cache_file", lambda: kept)
    if not torch.cuda.is_available():
        monkeypatch.setattr("condense.execution.gpu_memory_bytes", lambda device: 80 * 2**30)


@pytest.fixture
def fresh_seed() -> int:
    """Another seed at every run; pytest shows it where the test fails."""
    seed = secrets.randbits(31)
    print("fresh seed", seed)
    return seed


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data sets; skips, saying so, where CONDENSE_DATA does not name one."""
    root = os.environ.get("CONDENSE_DATA")
    if not root:
        pytest.skip("CONDENSE_DATA is not set: tests on the real data sets are skipped")
    return Path(root)


@pytest.fixture
def no_data_and_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test starts with no data, an empty cache and no network."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network in tests")

    monkeypatch.delenv("CONDENSE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
