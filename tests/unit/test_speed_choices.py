"""What is chosen for speed: precision, compiler, parts, schedule."""

import pytest
import torch

from condense.config import LearnConfig
from condense.networks.registry import build
from condense.stage_c import precision
from condense.stage_c.learn import learn
from condense.stage_c.precision import choose_precision, image_gradient_cosine
from condense.training.stacking import classes_together, even_parts, pays_to_compile, real_images_together

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GREY = (1, 28, 28)


def test_the_cosine_of_reduced_precision_is_one_without_convolutions_to_reduce(small_images) -> None:
    data = small_images(shape=(3, 32, 32), counts=(9, 9, 9, 9))
    assert image_gradient_cosine("mixed", build("MLP", data.shape, 4), "ours", data) == pytest.approx(1, abs=1e-9)
    cosine = image_gradient_cosine("mixed", build("ConvNetW16", data.shape, 4), "ours", data)
    assert 0.9 < cosine < 1 - 1e-9


@pytest.mark.parametrize(
    ("asked", "cosine", "compiled", "network", "expected"),
    [
        ("auto", 0.99995, True, "ConvNet", "mixed"),
        ("auto", 0.9998, True, "ConvNet", "fp32"),
        ("auto", 0.99995, False, "ConvNet", "fp32"),
        ("auto", 0.99995, True, "alexnet-classic", "fp32"),
        ("mixed", 0.0, False, "ConvNet", "mixed"),
        ("fp32", 1.0, True, "ConvNet", "fp32"),
    ],
)
def test_precision_is_chosen_by_the_probe(
    asked: str, cosine: float, compiled: bool, network: str, expected: str, small_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "image_gradient_cosine", lambda *_: cosine)
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    data = small_images()
    assert choose_precision(asked, build(network, GREY, 2), "ours", data, compiled=compiled) == expected


def test_set_and_record_name_the_precision_that_was_used(small_images) -> None:
    for asked, used in (("mixed", "mixed"), ("auto", "fp32"), ("fp32", "fp32")):
        learned = learn(LearnConfig(network="LeNet", iterations=1, precision=asked), small_images())
        assert learned.record.config["precision"] == learned.set.provenance.precision == used


def test_only_long_training_without_dropout_is_compiled() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert pays_to_compile(convnet, steps=20 * 301, images=10) and not pays_to_compile(convnet, steps=300, images=10)
    assert not pays_to_compile(build("alexnet-classic", GREY, 10), steps=10**6, images=10)


def test_parts_are_even_and_no_larger_than_the_cache_allows() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert [even_parts(convnet, batch, CPU) for batch in (1, 10, 32, 33, 100, 256)] == [1, 10, 32, 17, 25, 32]


def test_all_classes_go_together_on_a_gpu_as_far_as_its_memory_goes() -> None:
    convnet = build("ConvNet", GREY, 10)
    assert classes_together(convnet, GPU) and not classes_together(convnet, CPU)
    assert not classes_together(build("alexnet-classic", GREY, 10), GPU)
    assert real_images_together(convnet, classes=10, real_batch=64) == 64
    assert real_images_together(convnet, classes=100, real_batch=256) * 100 * 128 * 32 * 32 <= 2**28
