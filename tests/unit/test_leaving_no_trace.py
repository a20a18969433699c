"""A library call leaves the caller's process as it was: PyTorch's settings, compiled functions, memory."""

import os
from collections.abc import Callable

import pytest
import torch

from condense import machine
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.machine import compiled_function, reproducible
from condense.networks.registry import build
from condense.stage_c.learn import learn
from condense.stage_t import evaluate as stage_t
from condense.stage_t.evaluate import evaluate
from condense.studies.matrix import probe
from condense.training.recipe import Recipe, Stage

CPU = torch.device("cpu")


def settings() -> tuple:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.initial_seed(),
        torch.get_rng_state().sum().item(),
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.fixture
def unusual():
    """Settings that are not the defaults."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(True)
    yield
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told to the C library."""
    told: list[str] = []
    monkeypatch.setattr(machine, "keep_freed_memory", lambda: told.append("mallopt"))
    return told


def test_settings_are_as_they_were(unusual: None, freed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    data, before = load("digits"), settings()
    seen = []
    learned = learn(
        LearnConfig(network="LeNet", iterations=1), data.train, progress=lambda done: seen.append(settings()[:2])
    )
    assert seen == [(False, False)] and settings() == before
    monkeypatch.setattr(stage_t, "recipe", lambda *case: Recipe((Stage(1, 0.05),)))
    assert len(list(evaluate(EvaluateConfig(network=("MLP", "LeNet"), seeds=1), learned.set, data))) == 2
    assert settings() == before and freed == []


def test_settings_are_as_they_were_after_a_failure_and_on_a_gpu(unusual: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    before = settings()
    with pytest.raises(KeyboardInterrupt), reproducible(torch.device("cuda")):
        assert settings()[:4] == (False, False, True, True) and os.environ["CUBLAS_WORKSPACE_CONFIG"]
        raise KeyboardInterrupt
    assert settings() == before


def test_the_command_line_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from condense.cli import main

    told: list[str] = []
    monkeypatch.setattr(main, "keep_freed_memory", lambda: told.append("mallopt"))
    with pytest.raises(SystemExit):
        main.main(["--version"])
    assert told == ["mallopt"]


def test_the_probe_of_a_matrix_times_the_arithmetic_of_its_cells(unusual: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen, plain = settings(), [], probe.train
    monkeypatch.setattr(probe, "train", lambda *case: seen.append(settings()[:2]) or plain(*case))
    test = load("digits").test
    probe.probe(build("LeNet", test.shape, test.classes), test)
    assert seen == [(False, False)] * 2 and settings() == before


def test_what_the_caller_compiled_stays_compiled(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> Callable:
        compiled.append(graph)
        return graph.forward

    function = torch.compile(lambda x: x * 2 + 1, backend=backend)
    function(torch.ones(3))
    monkeypatch.setattr("condense.execution.LONG_FROM", 0)
    result = learn(LearnConfig(network="MLP", iterations=1, real_batch=5), small_images())
    assert result.record.config["path"] == "compiled"
    function(torch.ones(3))
    assert len(compiled) == 1


def test_many_functions_are_compiled_in_one_process() -> None:
    """PyTorch gives up after eight versions of the code of one function."""
    found = [compiled_function(lambda x, by=by: x * by, CPU)(torch.ones(2)) for by in range(12)]
    assert [int(value[0]) for value in found] == list(range(12))
