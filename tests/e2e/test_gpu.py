"""On a CUDA device: the same bytes twice and after resuming, and accuracies that do not depend on stacking."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.errors import Interrupted
from condense.execution import Work, for_learning
from condense.networks.registry import build
from condense.stage_c.learn import learn
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.problem import Problem
from condense.training.layout import Layout

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: tests on a GPU are skipped"),
]
QUICK = LearnConfig(network="ConvNetW16", ipc=2, iterations=3, outer_loop=2, inner_loop=3, real_batch=32)


def interrupt(done: int, total: int, loss: float) -> None:
    if done == 3:
        raise KeyboardInterrupt


def test_a_subset_is_the_same_on_any_device() -> None:
    data = load("digits").train
    assert data.to("cuda").subset(100, seed=0).fingerprint == data.subset(100, seed=0).fingerprint


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("network", ["ConvNetW16", "LeNet", "VGG11", "ConvNetW16BN"])
def test_same_bytes_twice_and_resumed(network: str, compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condense.execution.LONG_FROM", 0 if compiled else 1e30)
    data, config = load("digits").to("cuda").train, LearnConfig(**{**vars(QUICK), "network": network})
    first, second = learn(config, data), learn(config, data)
    with pytest.raises(Interrupted):
        learn(config, data, checkpoint=tmp_path / "c", progress=interrupt)
    resumed = learn(config, data, checkpoint=tmp_path / "c", resume=True)
    assert first.set.sha256 == second.set.sha256 == resumed.set.sha256


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_one_class_and_all_classes_equal_the_cpus_in_float64(compiled: bool) -> None:
    moved, together = [], []
    for device in ("cpu", "cuda"):
        data = load("digits").to(device).train
        network = build("ConvNetW16", data.shape, data.classes)
        execution = replace(
            for_learning(network, data.device, Work(1.0, batch=40)),
            path="compiled" if compiled and device == "cuda" else "eager",
            together=True,
            part=40,
        )
        problem = Problem(data, network, 2, dtype=torch.float64, given=execution)
        matcher = GradientMatcher(network, "ours", data.device, execution)
        vector, statistics = problem.new_network(0)
        x = data.inputs(torch.arange(40, device=device), torch.float64)
        parameters, images = Layout.of(network).views(vector), QUICK.plan().begin(problem).images
        real = matcher.real_gradient(parameters, statistics, x, 1)
        moved.append(matcher.match(parameters, statistics, images[:2], 1, real)[1].cpu())
        grouped = images.view(data.classes, 2, *data.shape)
        four = x.view(10, 4, *data.shape)
        together.append(matcher.match_all(parameters, statistics, four, grouped)[1].cpu())
    for on_cpu, on_gpu in (moved, together):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-9, atol=1e-13)


def test_tf32_is_in_the_real_pass_only() -> None:
    data = load("digits").to("cuda").train
    learned = learn(LearnConfig(**{**vars(QUICK), "precision": "tf32"}), data)
    assert learned.record.config["precision"] == "tf32"
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
