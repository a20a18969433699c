"""What no twin looks at: settings of the machine, and the constants behind choices of speed and estimates of time."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from condense import calibration, execution, machine
from condense.config import MatrixConfig
from condense.data.images import DataSet
from condense.networks import winograd
from condense.networks.registry import build
from condense.stage_c.learn import problem_of
from condense.stage_c.methods import dc
from condense.studies.hyperparameters import estimate
from condense.studies.hyperparameters.estimate import Speed, Work, training_seconds
from condense.studies.matrix import cells, probe
from condense.studies.matrix.cells import SetCell
from condense.studies.matrix.images import Images
from condense.studies.matrix.study import asked_for
from condense.studies.parity import comparison
from condense.study.estimates import estimated_seconds
from condense.study.folder import StudyFolder
from condense.study.machine import Machine

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GREY = (1, 28, 28)


@pytest.fixture
def settings_as_before() -> Any:
    backends: Any = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    yield
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


@pytest.mark.usefixtures("settings_as_before")
@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
def test_preparing_a_device_turns_tf32_off(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda mode, warn_only: asked.append((mode, warn_only)))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda of: asked.append(of))
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    machine.prepare(device)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert asked == ([(True, True), GPU] if device == GPU else [])
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if device == GPU else None)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.usefixtures("settings_as_before")
@pytest.mark.parametrize("before", [False, True])
def test_tf32_is_allowed_within_a_with_statement_only(before: bool) -> None:
    backends: Any = torch.backends.cuda.matmul, torch.backends.cudnn
    for backend in backends:
        backend.allow_tf32 = before
    for allowed in (True, False):
        with pytest.raises(ZeroDivisionError), machine.tf32(allowed):
            assert [backend.allow_tf32 for backend in backends] == [allowed] * 2
            raise ZeroDivisionError
        assert [backend.allow_tf32 for backend in backends] == [before] * 2


@pytest.mark.parametrize(
    ("capability", "has"),
    [((7, 0), False), ((7, 5), False), ((8, 0), True), ((8, 6), True), ((9, 0), True), ((10, 0), True)],
)
def test_gpus_have_bfloat16_from_ampere_on(capability: tuple[int, int], has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert machine.convolves_bfloat16_faster(GPU) is has


MEASURED = {
    execution: {
        "LONG_FROM": 4e12,
        "ACTIVATION_BUDGET": 4_194_304,
        "STEP_SECONDS": 0.001,
        "TRAINING_RATE": 100_000_000_000,
        "GRADIENT_WRITE": 200,
        "CONVOLUTION_BOUND": 250,
        "REPAYING_SECONDS": 20,
        "GPU_STEP_SECONDS": 0.003,
        "GPU_TRAINING_RATE": 3_000_000_000_000,
        "GPU_REPAYING_SECONDS": 60,
        "MEMORY_SHARE": 64,
        "NOMINAL_NETWORKS": 20,
        "STACKED_IMAGES": 128,
    },
    probe: {"PROBED": 10},
    cells: {"TRAINING_PASSES": 3},
    dc: {"SYNTHETIC_COST": 2.5},
    estimate: {"FLOAT": 4, "INDEX": 8, "COPIES": 5, "TRAINING_PASSES": 3},
    machine: {"MARGIN": 0.9, "READINGS": 5},
    calibration: {"MARGIN": 0.9, "READINGS": 5},
    winograd: {"PIXELS": 4, "TILE_COST": 100, "KERNEL_COST": 60, "LEAST_GAIN": 1.15},
    comparison: {"TOLERANCE": 1e-11},
}
"""Constants that come from a measurement (docs/performance.md), or bound memory: whoever changes one measures anew."""


def test_measured_constants() -> None:
    found = {module: {name: getattr(module, name) for name in values} for module, values in MEASURED.items()}
    assert found == MEASURED


def test_what_follows_from_the_constants_of_speed() -> None:
    mlp, convnet = build("MLP", GREY, 10), build("ConvNet", GREY, 10)
    # ConvNet's widest activation is 128 x 32 x 32 = 131,072 values, of which 32 go into 2^22; 2^28 hold 2,048.
    assert execution.images_at_once(convnet, CPU) == 32
    assert execution.images_at_once(mlp, CPU) == execution.images_at_once(convnet, GPU) == 1024
    assert [execution.members_at_once(convnet, batch, GPU) for batch in (64, 128, 256)] == [20, 16, 8]
    assert [execution.members_at_once(mlp, batch, CPU) for batch in (64, 127, 128)] == [20, 20, 1]
    assert execution.members_at_once(convnet, 64, CPU) == 1
    assert execution.real_images_together(convnet, 10, 256, GPU) == 128  # 2,560 images in two parts
    # Multiply-adds of ConvNet: three convolutions of 9 x 1, 128, 128 inputs and the linear layer. A step on 10 images takes
    # 1 ms and those at 1e11 a second, 5.8386 ms in all; 20 s are 3,425.5 steps.
    assert convnet.multiply_adds == 128 * 9 * (1024 + 256 * 128 + 64 * 128) + 20_480 == 48_386_048
    assert execution.pays_to_compile(convnet, 3426, 10, CPU) and not execution.pays_to_compile(convnet, 3425, 10, CPU)
    bound = {name: execution.convolution_bound(build(name, GREY, 10)) for name in ("ConvNet", "LeNet", "VGG11", "AlexNet")}
    assert bound == {"ConvNet": False, "LeNet": False, "VGG11": True, "AlexNet": True}


def test_the_work_and_the_seconds_of_a_set_and_of_networks(
    small_images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataSet("noise", small_images(counts=(20, 5)), small_images(counts=(30, 10)))
    settings: dict[str, Any] = {"ipc": 2, "iterations": 3, "outer_loop": 4, "inner_loop": 5, "real_batch": 10}
    config = MatrixConfig(learn=("MLP",), train=("MLP",), protocol=("report",), seeds=7, dataset="noise", **settings)
    machine = Machine(CPU)
    machine._loaded["noise"] = data
    study = asked_for(config, machine)
    learning, networks = study.cells()
    assert isinstance(learning, SetCell)
    # 12 outer steps of 10 + 5 real images and 4 synthetic ones at 2.5 each; 9 trainings of 5 passes over the 4.
    trained = 12 * (15 + 2.5 * 4) + 9 * 5 * 4
    # 300 epochs of 4 images, and a test of 40, for each of 7 networks.
    assert (learning.passes, networks.passes) == ((trained, 0), (7 * 300 * 4, 7 * 40))
    # What is counted without the images is what the method counts with them.
    assert trained == learning.config.plan().cost(problem_of(learning.config, data.train))
    each = build("MLP", data.test.shape, 2).multiply_adds
    assert (learning.work, networks.work) == (3 * trained * each, 7 * (3 * 300 * 4 + 40) * each)
    monkeypatch.setattr(probe, "probe", lambda network, test: (0.5, 0.25))
    seconds = estimated_seconds(
        study.cells(), StudyFolder(tmp_path), study.paces(study.cells(), Images(machine, study.images))
    )
    assert seconds == {
        learning.key: pytest.approx(0.5 * trained),
        networks.key: pytest.approx(7 * (300 * 4 * 0.5 + 40 * 0.25)),
    }


def test_a_probe_divides_by_the_images_of_a_step(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(probe, "_quicker", lambda work, device: 3.0)
    monkeypatch.setattr(probe, "TensorSource", lambda x, y: seen.append(len(x)))
    assert probe.probe(build("MLP", GREY, 2), small_images(counts=(3, 3))) == pytest.approx((0.3, 0.3))
    assert seen == [10]


def test_the_seconds_of_a_rows_training() -> None:
    network = build("mlp-1x4", (1, 2, 2), 2)
    assert network.multiply_adds == 24
    recipe = stacking_recipe(epochs=3, batch=8)
    work = Work.of(network, recipe, networks=5, images=20, together=2)
    assert work == Work(groups=3, members=2, steps=9, images=60, multiply_adds=24)
    # 3 groups, each of 9 steps and 3 passes over 2 x 60 images.
    assert training_seconds(work, Speed(constant=0.5, rate=1000.0)) == pytest.approx(3 * (4.5 + 3 * 2 * 60 * 24 / 1000))


def stacking_recipe(epochs: int, batch: int) -> Any:
    from condense.training.recipe import Recipe, Stage

    return Recipe((Stage(epochs, 0.1),), batch_size=batch)
