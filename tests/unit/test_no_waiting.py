"""A GPU is asked, and not waited for: nothing in a step needs a number on the host. Seen without one, by the operations."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from condense import machine
from condense.augmentation import published
from condense.augmentation.laws import Law
from condense.augmentation.operations import apply
from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "lift_fresh")
"""Operations whose answer the host waits for; the last takes numbers of Python's to the device."""


class Watched(TorchDispatchMode):
    """Notes operations that a host would wait for, and indexing by masks, which looks for what is true first."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        name = function.overloadpacket.__name__
        masks = [a for part in arguments if isinstance(part, list | tuple) for a in part if isinstance(a, Tensor)]
        if name in WAITING or (name.startswith("index") and any(mask.dtype == torch.bool for mask in masks)):
            self.waited.append(name)
        if name == "repeat_interleave" and not (named or {}).get("output_size"):
            self.waited.append(name)
        return function(*arguments, **(named or {}))


def test_what_would_be_waited_for_is_seen() -> None:
    x = torch.arange(4.0)
    with Watched() as watched:
        float(x.sum())
        x[x > 1]
        x.repeat_interleave(torch.tensor([1, 2, 0, 1]))
        x.new_tensor([1.0])
    assert {"_local_scalar_dense", "index", "repeat_interleave", "lift_fresh"} <= set(watched.waited)


@pytest.mark.parametrize("network", ["MLP", "LeNet", "ConvNetW8", "ConvNetW8BN"])
def test_no_step_of_training_waits(network: str) -> None:
    recipe = Recipe((Stage(2, 0.05),), 4, 0.9, augmentation=("color", "crop", "rotate"), law="several", cutmix=0.5)
    # With soft labels, as PyTorch looks at hard ones before it makes them soft, though on a CPU alone.
    built, source = build(network, (1, 28, 28), 3), TensorSource(torch.randn(10, 1, 28, 28), torch.rand(10, 3))
    members, draws = fresh_members(built, [0, 1], "test"), [MemberDraws.of(seed, "test") for seed in (0, 1)]
    with Watched() as watched:
        train(built, members, source, recipe, draws)
        train(built, members[:1], source, recipe, draws[:1])
    assert watched.waited == []


def test_drawing_real_images_and_augmenting_them_does_not_wait(small_images: Any) -> None:
    data: LabelledImages = small_images(counts=(9, 4, 6))
    law, random = Law("single", ("crop", "scale", "flip")), torch.Generator().manual_seed(0)
    for count in (3, 5, 20):
        data.inputs(data.draw_class_batches(count, random).indices)  # what is made once
        with Watched() as watched:
            drawn = data.draw_class_batches(count, random)
            times = torch.tensor(drawn.counts)
            x = data.inputs(drawn.indices)
        assert watched.waited == ["lift_fresh"] and len(x) == times.sum()  # that of `times`
        siamese = law.draw(3, (28, 28), random)
        with Watched() as watched:
            apply(x, siamese.repeated(drawn.counts))
        assert watched.waited == ["lift_fresh"]  # of the counts, which go to a GPU through pinned memory


def test_class_batches_are_the_largest_keys_of_each_class(small_images: Any) -> None:
    data: LabelledImages = small_images(counts=(9, 4, 6))
    for size in (1, 4, 5, 9, 30):
        drawn = data.draw_class_batches(size, torch.Generator().manual_seed(size))
        keys, first, wanted = torch.rand(3, 9, generator=torch.Generator().manual_seed(size)), 0, []
        for row, count in zip(keys, data.counts, strict=True):
            wanted.append(first + row[:count].argsort(descending=True)[:size])
            first += count
        assert torch.equal(drawn.indices, torch.cat(wanted))
        assert drawn.counts == tuple(min(size, count) for count in data.counts)


def test_every_operation_on_every_image_is_the_chosen_one_on_each() -> None:
    x, random, operations = (
        torch.randn(40, 3, 28, 28),
        torch.Generator().manual_seed(1),
        ("crop", "scale", "rotate", "noise"),
    )
    drawn, means = published.draw(x.shape, operations, random), torch.randn(40, 3)
    published.apply(x, operations, drawn, means)  # tables are made once
    with Watched() as watched:
        every = published._apply_to_all(x, operations, drawn, means)
    assert watched.waited == []
    torch.testing.assert_close(every, published.apply(x, operations, drawn, means), rtol=1e-6, atol=1e-6)
    none = published._apply_to_all(x, (), drawn, means)
    assert torch.equal(none, x)


def test_orders_are_the_same_for_every_device() -> None:
    draws = MemberDraws.of(3, "test")
    assert draws.order.device.type == "cpu"
    assert torch.equal(machine.moved(torch.arange(3), "cpu"), torch.arange(3))


def test_the_command_line_asks_cublas_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from condense.cli import main

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    seen: list[str | None] = []
    monkeypatch.setattr(main, "parse", lambda arguments: seen.append(os.environ.get("CUBLAS_WORKSPACE_CONFIG")) or "x")
    monkeypatch.setattr(main, "command_of", lambda chosen: lambda chosen: None)
    main.main(["any"])
    assert seen == [":4096:8"]


def test_a_gpu_that_is_named_is_the_current_one_for_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    current = [0]
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: current.append(getattr(device, "index", device)))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    fills: Any = torch.utils.deterministic
    torch.backends.cudnn.benchmark = True
    try:
        with machine.reproducible(torch.device("cuda:1")):
            assert current[-1] == 1 and not torch.backends.cudnn.benchmark
            assert not fills.fill_uninitialized_memory
        assert current[-1] == 0 and torch.backends.cudnn.benchmark
        assert fills.fill_uninitialized_memory
    finally:
        torch.backends.cudnn.benchmark = False
