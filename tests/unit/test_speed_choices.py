"""What is chosen for speed: precision, compiler, parts, schedule."""

from dataclasses import replace

import pytest
import torch
from stage_c_samples import execution_of

from condense import execution
from condense.checking import as_dict
from condense.config import LearnConfig
from condense.data.catalog import load
from condense.execution import Work, classes_together, even_parts, images_at_once, pays_to_compile, real_images_together
from condense.networks.registry import build
from condense.stage_c.learn import learn
from condense.stage_c.method import Occasion
from condense.stage_c.precision import choose_precision, image_gradient_cosine
from condense.stage_c.schedules import SCHEDULES, schedule_name
from condense.stage_t.evaluate import describe_set

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GREY = (1, 28, 28)


def test_the_cosine_of_reduced_precision_is_one_without_convolutions_to_reduce(small_images) -> None:
    data = small_images(shape=(3, 32, 32), counts=(9, 9, 9, 9))
    assert image_gradient_cosine("mixed", build("MLP", data.shape, 4), "ours", data) == pytest.approx(1, abs=1e-9)
    cosine = image_gradient_cosine("mixed", build("ConvNetW16", data.shape, 4), "ours", data)
    assert 0.9 < cosine < 1 - 1e-9


@pytest.mark.parametrize(
    ("asked", "cosine", "long", "compiled", "network", "expected"),
    [
        ("auto", 0.99995, True, True, "ConvNet", "mixed"),
        ("auto", 0.9998, True, True, "ConvNet", "fp32"),
        ("auto", 0.99995, True, False, "ConvNet", "fp32"),
        ("auto", 0.99995, True, False, "AlexNet", "fp32"),
        ("auto", 0.99995, False, False, "AlexNet", "fp32"),
        ("auto", 0.99995, True, False, "alexnet-classic", "fp32"),
        ("auto", 0.99995, False, True, "ConvNet", "fp32"),
        ("auto", 0.99995, True, True, "alexnet-classic", "fp32"),
        ("mixed", 0.0, False, False, "ConvNet", "mixed"),
        ("fp32", 1.0, True, True, "ConvNet", "fp32"),
    ],
)
def test_precision_is_chosen_by_the_probe(
    asked: str,
    cosine: float,
    long: bool,
    compiled: bool,
    network: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "has_bfloat16", lambda device: True)
    built, work = build(network, GREY, 2), Work(1e13 if long else 1e9, batch=256)
    how = execution_of(built, batch=256, path="compiled" if compiled else "eager")
    assert choose_precision(asked, built, how, work, lambda precision: cosine) == expected


def test_set_and_record_name_the_precision_that_was_used(small_images) -> None:
    for asked, used in (("mixed", "mixed"), ("auto", "fp32"), ("fp32", "fp32")):
        learned = learn(LearnConfig(network="LeNet", iterations=1, precision=asked), small_images())
        assert learned.record.config["precision"] == learned.set.provenance.precision == used


def test_only_long_training_without_dropout_is_compiled() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert pays_to_compile(convnet, 20 * 301, 10, CPU) and not pays_to_compile(convnet, 300, 10, CPU)
    for name in ("alexnet-classic", "AlexNet", "VGG11", "ResNet18"):
        assert not pays_to_compile(build(name, GREY, 10), 10**6, 10, CPU)
    assert pays_to_compile(build("VGG11", GREY, 10), 10**6, 10, GPU)
    assert not pays_to_compile(build("alexnet-classic", GREY, 10), 10**6, 10, GPU)


def test_parts_are_even_and_no_larger_than_the_cache_allows() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert [even_parts(convnet, batch, CPU) for batch in (1, 10, 32, 33, 100, 256)] == [1, 10, 32, 17, 25, 32]


def test_a_part_is_large_enough_for_its_gradient_to_be_worth_writing() -> None:
    classic = build("alexnet-classic", GREY, 10)
    assert images_at_once(classic, CPU) == 8
    assert [even_parts(classic, batch, CPU) for batch in (9, 10, 11, 20)] == [9, 10, 6, 10]


def test_all_classes_go_together_on_a_gpu_as_far_as_its_memory_goes() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert classes_together(convnet, GPU) and not classes_together(convnet, CPU)
    assert not classes_together(build("alexnet-classic", GREY, 10), GPU)
    assert real_images_together(convnet, classes=10, real_batch=64, device=GPU) == 64
    assert real_images_together(convnet, classes=100, real_batch=256, device=GPU) * 100 * 128 * 32 * 32 <= 2**28


def test_a_schedule_gives_what_no_flag_gives() -> None:
    published, fast = LearnConfig(), LearnConfig(schedule="fast")
    assert (published.resolved().iterations, published.resolved().real_batch, published.resolved().image_learning_rate) == (
        1000,
        256,
        0.1,
    )
    assert (fast.resolved().iterations, fast.resolved().real_batch, fast.resolved().image_learning_rate) == (600, 8, 0.5)
    assert [LearnConfig(schedule="fast", ipc=ipc).resolved().network_learning_rate for ipc in (1, 10)] == [0.01, 0.05]
    assert [LearnConfig(schedule="fast", ipc=ipc).resolved().iterations for ipc in (1, 2, 10, 50)] == [600, 600, 120, 120]
    assert published.resolved().network_learning_rate == LearnConfig(ipc=10).resolved().network_learning_rate == 0.01
    assert LearnConfig(schedule="fast", network="MLP").resolved().image_learning_rate == pytest.approx(0.05)
    assert [LearnConfig(schedule="fast", network=name).resolved().image_clip for name in ("MLP", "ConvNet")] == [
        "median",
        "none",
    ]
    lenet = LearnConfig(schedule="fast", network="LeNet").resolved()
    assert (lenet.iterations, lenet.real_batch, lenet.image_learning_rate) == (1200, 32, 0.1)
    assert LearnConfig(schedule="fast", network="LeNet", ipc=10).resolved().real_batch == 32
    assert LearnConfig(schedule="fast", iterations=7, inner_loop=0, ipc=10).plan() == replace(
        LearnConfig(schedule="fast", ipc=10).plan(), iterations=7, inner_loop=0
    )


@pytest.mark.parametrize("ipc", [1, 10])
def test_a_schedule_is_named_by_its_values(ipc: int) -> None:
    occasion = Occasion("digits", ipc, "ConvNet")
    for name in SCHEDULES:
        settings = as_dict(LearnConfig(schedule=name, ipc=ipc).resolved())
        assert schedule_name(settings, occasion) == name
        assert schedule_name({**settings, "real_batch": 31}, occasion) == "own"


def test_records_of_evaluations_name_schedule_and_precision() -> None:
    data = load("digits")
    learned = learn(LearnConfig(network="MLP", schedule="fast", iterations=2), data.train).set
    described = describe_set(learned)
    assert (described["schedule"], described["precision"]) == ("own", "fp32")
    selected = learn(LearnConfig(method="random"), data.train).set
    assert "schedule" not in describe_set(selected)
