"""On a CUDA device: the same bytes twice and after resuming, and gradients that are the CPU's."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.errors import Interrupted
from condense.events import Step
from condense.execution import Work, for_learning
from condense.networks.registry import build
from condense.randomness import generator
from condense.stage_c.learn import learn
from condense.stage_c.matching import GradientMatcher
from condense.training.layout import Layout

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: tests on a GPU are skipped"),
]
QUICK = LearnConfig(network="ConvNetW16", ipc=2, iterations=3, outer_loop=2, inner_loop=3, real_batch=32)


def interrupt(event: Step) -> None:
    if event.step == 3:
        raise KeyboardInterrupt


def test_a_subset_is_the_same_on_any_device() -> None:
    data = load("digits").train
    assert data.to("cuda").subset(100, seed=0).fingerprint == data.subset(100, seed=0).fingerprint


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("network", ["ConvNetW16", "LeNet", "VGG11", "ConvNetW16BN"])
def test_same_bytes_twice_and_resumed(network: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condense.execution.LONG_FROM", 0 if compiled else 1e30)
    data, config = load("digits").to("cuda").train, replace(QUICK, network=network)
    first, second = learn(config, data), learn(config, data)
    with pytest.raises(Interrupted):
        learn(config, data, checkpoint=tmp_path / "c", progress=interrupt)
    resumed = learn(config, data, checkpoint=tmp_path / "c", resume=True)
    assert first.set.sha256 == second.set.sha256 == resumed.set.sha256


@pytest.mark.parametrize("path", ["eager", "compiled"])
@pytest.mark.parametrize("name", ["ConvNetW16", "ConvNet"])
def test_one_class_and_all_classes_equal_the_cpus_in_float64(name: str, path: Literal["eager", "compiled"]) -> None:
    images, real = torch.randn(20, 1, 8, 8, dtype=torch.float64), torch.randn(40, 1, 8, 8, dtype=torch.float64)
    network = build(name, (1, 8, 8), 10)
    vector = Layout.of(network).flatten(network.initial(generator(0, "gpu"), torch.float64))
    moved, together = [], []
    for device in ("cpu", "cuda"):
        execution = for_learning(network, torch.device(device), Work(multiply_adds=1.0, batch=40))
        execution = replace(execution, path=path if device == "cuda" else "eager")
        matcher = GradientMatcher(network, "ours", torch.device(device), execution)
        parameters, x, synthetic = Layout.of(network).views(vector.to(device)), real.to(device), images.to(device)
        gradient = matcher.real_gradient(parameters, {}, x, 1)
        moved.append(matcher.match(parameters, {}, synthetic[:2], 1, gradient)[1].cpu())
        four, grouped = x.view(10, 4, 1, 8, 8), synthetic.view(10, 2, 1, 8, 8)
        together.append(matcher.match_all(parameters, {}, four, grouped)[1].cpu())
    for on_cpu, on_gpu in (moved, together):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-9, atol=1e-13)


def test_tf32_is_in_the_real_pass_only() -> None:
    data = load("digits").to("cuda").train
    learned = learn(replace(QUICK, precision="tf32"), data)
    assert learned.record.config["precision"] == "tf32"
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
