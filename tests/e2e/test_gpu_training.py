"""On a CUDA device at real widths: stacked or in turn, without waiting, within a memory limit, through the command line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condense.cli.main import main
from condense.config import LearnConfig
from condense.data.catalog import load
from condense.execution import Execution, for_training
from condense.networks.registry import build
from condense.records import read_records
from condense.stage_c.learn import learn
from condense.stage_t.evaluate import evaluate_network
from condense.training.accuracy import predictions
from condense.training.engine import MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: tests on a GPU are skipped"),
]
GPU = torch.device("cuda")
RECIPE = Recipe((Stage(5, 0.01),), momentum=0.9, augmentation=("crop", "scale", "rotate"))


def ten_images(dtype: torch.dtype = torch.float64) -> TensorSource:
    return TensorSource(torch.randn(10, 1, 28, 28, device=GPU, dtype=dtype), torch.arange(10, device=GPU))


def trained(network: str, seeds: list[int], source: TensorSource, path: str) -> Members:
    built, dtype = build(network, (1, 28, 28), 10), source.images.dtype
    execution: Execution = Execution.of({**for_training(built, GPU, batch=10).facts(), "path": path})
    draws = [MemberDraws.of(seed, "gpu", device=GPU) for seed in seeds]
    return train(built, fresh_members(built, seeds, "gpu", GPU, dtype), source, RECIPE, draws, execution=execution)


@pytest.mark.parametrize("path", ["eager", "compiled"])
@pytest.mark.parametrize("name", ["ConvNet", "LeNet", "VGG11", "ResNet18"])
def test_stacked_members_equal_members_in_turn(name: str, path: str) -> None:
    network, source = build(name, (1, 28, 28), 10), ten_images()
    together, alone = trained(name, [0, 1, 2], source, path), [trained(name, [seed], source, path) for seed in (0, 1, 2)]
    torch.testing.assert_close(together.vector, torch.cat([one.vector for one in alone]), rtol=1e-9, atol=1e-12)
    each = torch.cat([predictions(network, one, source) for one in alone])
    assert torch.equal(predictions(network, together, source), each)


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]], ids=["alone", "stacked"])
def test_no_step_waits_for_the_gpu(seeds: list[int]) -> None:
    source = ten_images(torch.float32)
    trained("ConvNet", seeds, source, "eager")  # tables are made once
    torch.cuda.set_sync_debug_mode("error")
    try:
        trained("ConvNet", seeds, source, "eager")
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.fixture
def two_gib() -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2 * 2**30 / torch.cuda.get_device_properties(GPU).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_memory_limit_makes_stacks_smaller(two_gib: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("digits")
    chosen = learn(LearnConfig(method="random", network="ConvNet", ipc=20), data.train).set
    monkeypatch.setattr("condense.stage_t.evaluate.recipe", lambda *case: replace(RECIPE, augmentation=()))
    with pytest.warns(UserWarning, match="The GPU's memory ran out; it goes on with stack"):
        record = evaluate_network("ConvNet", "report", chosen, data.to(GPU), range(3))
    network = build("ConvNet", data.test.shape, data.test.classes)
    assert record.config["execution"]["stack"] < for_training(network, GPU, batch=200).stack
    assert len(record.accuracies) == 3


@pytest.mark.parametrize("precision", ["fp32", "mixed", "tf32"])
def test_the_command_line_at_full_width(precision: str, tmp_path: Path) -> None:
    out = tmp_path / "set.h5"
    short = ["--iterations", "2", "--outer-loop", "2", "--inner-loop", "2", "--seed", "3", "--quiet"]
    main(
        [
            "learn",
            "--dataset",
            "digits",
            "--ipc",
            "2",
            "--device",
            "cuda",
            "--precision",
            precision,
            *short,
            "--out",
            str(out),
        ]
    )
    records = tmp_path / "records.jsonl"
    tested = ["--device", "cuda", "--protocol", "report", "--seeds", "2", "--quiet", "--out", str(records)]
    main(["evaluate", str(out), *tested])
    assert read_records(out.with_suffix(".jsonl"))[0].config["precision"] == precision
    assert read_records(records)[0].config["execution"]["stack"] == 20
