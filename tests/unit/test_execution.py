"""How to compute is decided once: the decisions, and the object that holds them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from condense import execution as module
from condense.errors import RunFailed
from condense.execution import (
    LONG_FROM,
    Execution,
    Work,
    for_learning,
    for_testing,
    for_training,
    reduced_precisions,
    shrinking,
    warmed_up,
    within_learning,
)
from condense.networks.registry import build

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")
GREY = (1, 28, 28)
CONVNET, VGG, CLASSIC, MLP = (build(name, GREY, 10) for name in ("ConvNet", "VGG11", "alexnet-classic", "MLP"))
LONG, SHORT = Work(LONG_FROM, batch=256), Work(LONG_FROM - 1, batch=256)


@pytest.fixture(autouse=True)
def a_compiler_and_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "can_compile", lambda device: True)
    monkeypatch.setattr(module, "has_tf32", lambda device: device.type == "cuda")
    monkeypatch.setattr(module, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(module, "takes_classes_in_turn", lambda device: False)


def test_stage_c_on_a_cpu_takes_one_class_at_a_time_in_parts_that_fit_its_caches() -> None:
    long = Execution(device="cpu", path="compiled", part=32, channels_last=True, winograd=True)
    assert for_learning(CONVNET, CPU, LONG) == for_learning(CONVNET, CPU, LONG, precision="tf32") == long
    assert for_learning(CONVNET, CPU, SHORT) == replace(long, path="eager")
    assert for_learning(CONVNET, CPU, replace(LONG, batch=8)) == replace(long, part=8)
    # bfloat16 has no Winograd; group norm of nearly nothing but convolution lies in plain order, and is not compiled.
    assert for_learning(CONVNET, CPU, LONG, precision="mixed") == replace(long, precision="mixed", winograd=False)
    assert for_learning(VGG, CPU, LONG) == Execution(device="cpu", part=64)
    mlp = Execution(device="cpu", path="compiled", part=256, channels_last=True)
    assert for_learning(MLP, CPU, LONG, precision="mixed") == mlp
    assert for_learning(CLASSIC, CPU, LONG).path == "eager"  # dropout


def test_stage_c_on_a_gpu_takes_all_classes_together_as_memory_goes() -> None:
    found = for_learning(CONVNET, GPU, LONG, precision="tf32")
    assert found == Execution(device="cuda", path="compiled", precision="tf32", part=1280, channels_last=True, together=True)
    assert found.images_per_class(10) == 128 and found.classes_at_once(50) == 25
    # 100 classes of 50 images: 2,048 of the widest activation fit, and so do 40 classes of synthetic images.
    many = for_learning(build("ConvNet", (3, 32, 32), 100), GPU, LONG)
    assert (many.images_per_class(100), many.classes_at_once(50)) == (20, 40)
    assert replace(found, part=7).images_per_class(10) == replace(found, part=7).classes_at_once(50) == 1
    alone = for_learning(CLASSIC, GPU, LONG)
    assert (alone.together, alone.part, alone.path) == (False, 256, "eager")


def test_classes_go_in_turn_where_their_replays_are_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "takes_classes_in_turn", lambda device: device.type == "cuda")
    found = for_learning(CONVNET, GPU, LONG)
    assert (found.path, found.together, found.part) == ("compiled", False, 256)
    # Launched one by one, ten times as many kernels would cost more than any of them takes.
    assert for_learning(CONVNET, GPU, SHORT).together
    assert not for_learning(CONVNET, CPU, LONG).together


@pytest.mark.parametrize(
    ("gib", "elements", "stack", "tested"),
    [(80, 2**28, 8, 1024), (141, 2**29, 16, 1024), (24, 2**26, 2, 512), (4, 2**24, 1, 128)],
)
def test_what_goes_through_a_gpu_at_once_follows_from_its_memory(
    gib: int, elements: int, stack: int, tested: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "gpu_memory_bytes", lambda device: gib * 2**30)
    assert module.gpu_budget(GPU) == elements
    assert for_training(CONVNET, GPU, batch=256).stack == stack
    assert for_testing(CONVNET, GPU).part == tested


def test_nothing_is_computed_in_full_precision() -> None:
    assert for_learning(CONVNET, GPU, Work(0, batch=1), precision="mixed").precision == "fp32"


def test_training_is_stacked_or_in_turn_whole_or_in_parts() -> None:
    assert for_training(CONVNET, CPU, batch=100, steps=302) == Execution(
        device="cpu", path="compiled", part=25, channels_last=True, winograd=True
    )
    assert for_training(CONVNET, CPU, batch=100).path == "eager"
    assert for_training(MLP, CPU, batch=10).stack == 20
    # Twenty in one stack take a twentieth of the steps: 300 x (1 ms + 200 x 1e5 multiply-adds) do not repay a compiler.
    assert for_training(MLP, CPU, batch=10, steps=300).path == "eager"
    batch_norm = build("ConvNetBN", GREY, 10)
    assert for_training(batch_norm, CPU, batch=100).part == 100
    gpu = Execution(device="cuda", path="compiled", part=256, stack=8, channels_last=True)
    assert for_training(CONVNET, GPU, batch=256, steps=10**5) == gpu


def test_tests_take_as_many_images_as_fit() -> None:
    assert for_testing(CONVNET, CPU) == Execution(device="cpu", part=32, channels_last=True, winograd=True)
    assert for_testing(CONVNET, GPU) == Execution(device="cuda", part=1024, channels_last=True)


def test_stage_c_trains_its_network_on_its_own_path() -> None:
    learning = for_learning(CONVNET, GPU, LONG, precision="mixed")
    within = within_learning(learning, CONVNET, GPU, batch=100)
    assert within == Execution(device="cuda", path="compiled", part=100, channels_last=True)
    assert within_learning(replace(learning, path="eager"), CONVNET, GPU, batch=100) == replace(within, path="eager")


@pytest.mark.parametrize("error", [RuntimeError("no kernel"), KeyError("driver"), TorchDynamoException("graph")], ids=str)
def test_where_compiling_fails_in_whatever_way_the_attempt_ends_eager(error: Exception) -> None:
    tried: list[Execution] = []

    def broken(execution: Execution) -> None:
        tried.append(execution)
        if execution.compiled:
            raise error

    for compiled in (for_learning(CONVNET, CPU, LONG), for_learning(CONVNET, GPU, LONG)):
        assert warmed_up(compiled, tried.append) == compiled
        eager = replace(compiled, path="eager")
        tried.clear()
        with pytest.warns(UserWarning, match="torch.compile fails on this network"):
            assert warmed_up(compiled, broken) == eager
        # Only on a GPU is something tried that is not compiled: whether memory suffices.
        assert tried == [compiled] + [eager] * (compiled.device == "cuda")
    assert warmed_up(replace(compiled, device="cpu", path="eager"), broken).path == "eager"


def test_a_loss_that_is_not_finite_is_no_failure_of_the_compiler() -> None:
    def failing(execution: Execution) -> None:
        raise RunFailed("no longer finite")

    with pytest.raises(RunFailed):
        warmed_up(for_learning(CONVNET, CPU, LONG), failing)


def test_without_a_compiler_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "can_compile", lambda device: False)
    assert for_learning(CONVNET, CPU, LONG).path == for_training(CONVNET, CPU, batch=100, steps=10**6).path == "eager"


def out_of_memory(most: int) -> Callable[[Execution], int]:
    """Work that has memory for so many images of all networks."""

    def work(execution: Execution) -> int:
        if execution.part * execution.stack > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return execution.part

    return work


def test_work_is_done_in_smaller_parts_where_memory_runs_out() -> None:
    learning = replace(for_learning(CONVNET, GPU, LONG), path="eager")
    with pytest.warns(UserWarning, match="memory ran out; it goes on with part ") as said:
        found, seen = shrinking(learning, out_of_memory(500))
    assert found == replace(learning, part=320) and seen == 320
    assert [str(warning.message).split()[-1] for warning in said] == ["640.", "320."]
    assert shrinking(learning, out_of_memory(1280)) == (learning, 1280)
    with pytest.warns(UserWarning, match="memory ran out"):
        assert warmed_up(learning, out_of_memory(640)) == replace(learning, part=640)


def test_a_stack_is_halved_before_its_parts() -> None:
    training = for_training(CONVNET, GPU, batch=256)
    with pytest.warns(UserWarning, match="memory ran out"):
        found, _ = shrinking(training, out_of_memory(100))
    assert (training.stack, found.stack, found.part) == (8, 1, 64)
    with pytest.raises(torch.OutOfMemoryError), pytest.warns(UserWarning, match="memory ran out"):
        shrinking(training, out_of_memory(100), divisible=False)


def test_at_last_the_compilers_memory_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    monkeypatch.setattr(module, "release_memory", lambda compiled: released.append(compiled))
    one = replace(for_training(CONVNET, GPU, batch=256), path="compiled", part=1, stack=1)
    assert one.smaller() == replace(one, path="eager") and replace(one, path="eager").smaller() is None
    with pytest.raises(MemoryError), pytest.warns(UserWarning, match="goes on with path eager"):
        shrinking(one, lambda execution: (_ for _ in ()).throw(MemoryError()))
    assert released == [True]


def test_other_errors_and_a_cpus_memory_change_nothing() -> None:
    learning = for_learning(CONVNET, CPU, SHORT)
    for execution, error in ((learning, MemoryError()), (replace(learning, device="cuda"), RuntimeError("shapes"))):
        with pytest.raises(type(error)):
            shrinking(execution, lambda execution, error=error: (_ for _ in ()).throw(error))


def test_reduced_precisions_need_long_runs_and_on_a_cpu_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, on_gpu = for_learning(CONVNET, CPU, LONG), for_learning(VGG, GPU, LONG)
    assert reduced_precisions(CONVNET, compiled, LONG) == ("mixed",)
    assert reduced_precisions(CONVNET, compiled, SHORT) == ()
    assert reduced_precisions(CONVNET, replace(compiled, path="eager"), LONG) == ()
    assert reduced_precisions(VGG, replace(on_gpu, path="eager"), LONG) == ("mixed", "tf32")
    assert reduced_precisions(CLASSIC, on_gpu, LONG) == ()  # dropout
    monkeypatch.setattr(module, "has_bfloat16", lambda device: False)
    assert reduced_precisions(CONVNET, compiled, LONG) == ()


def test_an_execution_is_what_its_facts_say() -> None:
    found = for_learning(CONVNET, GPU, LONG, precision="mixed")
    assert found.facts() == {
        "device": "cuda",
        "path": "compiled",
        "precision": "mixed",
        "part": 1280,
        "stack": 1,
        "channels_last": True,
        "winograd": False,
        "together": True,
    }
    assert Execution.of(found.facts()) == found
    assert (found.compiled, found.memory_format) == (True, torch.channels_last)


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "tpu"},
        {"path": ["eager"]},
        {"precision": "fp16"},
        {"part": 0},
        {"part": True},
        {"stack": 1.5},
        {"winograd": 1},
        {"colour": "red"},
    ],
    ids=str,
)
def test_facts_that_no_execution_can_have_are_refused(wrong: dict[str, Any]) -> None:
    facts = for_testing(CONVNET, CPU).facts()
    with pytest.raises(ValueError):
        Execution.of({**facts, **wrong})
    for name in facts:
        with pytest.raises(ValueError):
            Execution.of({key: value for key, value in facts.items() if key != name})
