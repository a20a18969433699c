"""On a CUDA device through the command line, at the published width: the doctor, whole runs, a memory limit in stage C."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import condense

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.execution import Work, for_learning
from condense.networks.registry import build
from condense.stage_c.learn import learn
from condense.synthetic_set import SyntheticSet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: tests on a GPU are skipped"),
]
GPU = torch.device("cuda")


@pytest.mark.slow
def test_the_doctor_finds_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert condense("doctor", "--device", "cuda") == 0
    text = capsys.readouterr().out
    assert ", 0 failed, " in text and "FAIL" not in text and "driver" in text
    assert "classes together" in text and "ResNet18" in text


@pytest.mark.parametrize("method", ["dc", "dm", "herding"])
def test_a_run_at_full_width_gives_the_same_set_twice(method: str, tmp_path: Path) -> None:
    short = {"dc": ["--iterations", 2, "--outer-loop", 2, "--inner-loop", 2], "herding": ["--epochs", 2]}
    # Without siamese augmentation, whose sampling has no deterministic derivative.
    (tmp_path / "dm.toml").write_text("[method]\nname = 'dm'\niterations = 3\naugmentation = []\n")
    own = short.get(method, ["--config", tmp_path / "dm.toml"])
    wanted = ("--method", method, "--dataset", "digits", "--network", "ConvNet", "--ipc", 2, *own)
    tested = ("--protocol", "report", "--seeds", 2, "--device", "cuda", "--quiet")
    for folder in ("one", "two"):
        assert condense("run", *wanted, *tested, "--out", tmp_path / folder) == 0
    sets = [SyntheticSet.load(tmp_path / folder / "set.h5") for folder in ("one", "two")]
    assert sets[0].sha256 == sets[1].sha256 and sets[0].provenance.device == "cuda"
    lines = [(tmp_path / folder / "records.jsonl").read_text().splitlines() for folder in ("one", "two")]
    accuracies = [json.loads(records[-1])["accuracies"] for records in lines]
    assert accuracies[0] == accuracies[1] and len(accuracies[0]) == 2


@pytest.fixture
def one_gib() -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**30 / torch.cuda.get_device_properties(GPU).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_memory_limit_makes_the_parts_of_stage_c_smaller(one_gib: None) -> None:
    data = load("digits").to(GPU).train
    settings: dict[str, Any] = {"iterations": 2, "outer_loop": 1, "precision": "fp32"}
    config = LearnConfig(dataset="digits", network="ConvNet", ipc=1, **settings)
    with pytest.warns(UserWarning, match="The GPU's memory ran out; it goes on with part"):
        learned = learn(config, data)
    network = build("ConvNet", data.shape, data.classes)
    decided = for_learning(network, GPU, Work(multiply_adds=1.0, batch=256))
    assert learned.record.config["execution"]["part"] < decided.part
    assert torch.isfinite(learned.set.images).all() and len(learned.record.losses) == 2
