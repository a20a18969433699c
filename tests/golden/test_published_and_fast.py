"""Stage C's first steps under its named schedules, on real images, in float64: the same draws and arithmetic as ever.

A digest is of images rounded to three decimals: another processor rounds some ten places further down, so that no value is
likely to fall on the other side. But LeNet's largest values of windows are several in the flat parts of digits, and which of
them it takes is a matter of rounding: its distances differ by some 2e-4 from processor to processor, and its images too.
"""

import hashlib
from collections.abc import Callable

import pytest
import torch

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.data.images import LabelledImages
from condense.networks.registry import build
from condense.stage_c.driver import losses_of
from condense.stage_c.problem import Problem

STEPS = 3

# (schedule, network, images per class): (summed distance of the last iteration that was begun or finished, digest).
GOLDEN: dict[tuple[str, str, int], tuple[float, str]] = {
    ("published", "ConvNetW8", 1): (22.30412070971284, "4ac0c3c66b5e0b85"),
    ("published", "ConvNetW8", 10): (639.4309265832405, "445223b937a4e8a9"),
    ("published", "MLP", 1): (235.72284738828066, "0515d96255099a87"),
    ("published", "MLP", 10): (6015.529680524879, "c1f364f5c8890edf"),
    ("published", "LeNet", 1): (156.14552831809345, "1cbc0bdc2c8399a8"),
    ("published", "LeNet", 10): (4008.7479676752355, "97fac54dcf753360"),
    ("fast", "ConvNetW8", 1): (21.495669460981794, "9da5f28260339b47"),
    ("fast", "ConvNetW8", 10): (63.96217994170906, "6dca49e9ae27c1ef"),
    ("fast", "MLP", 1): (238.4273529363771, "fda0da68ce3a9250"),
    ("fast", "MLP", 10): (2341.0493408037255, "26ffe531d97b0673"),
    ("fast", "LeNet", 1): (157.36157189869323, "fb10c730f72e588f"),
    ("fast", "LeNet", 10): (2357.750946805091, "0cea269d6c1ab92f"),
}

# Summed distances of LeNet on random pixels, where nothing ties, by (schedule, images per class).
ON_NOISE: dict[tuple[str, int], float] = {
    ("published", 1): 138.8121928492404,
    ("published", 10): 833.392092075896,
    ("fast", 1): 138.8121928861634,
    ("fast", 10): 653.3429131886746,
}


def digest(images: torch.Tensor) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of images in thousandths, int64."""
    return hashlib.sha256((images * 1e3).round().long().numpy().tobytes()).hexdigest()[:16]


def first_steps(schedule: str, network: str, ipc: int, data: LabelledImages | None = None) -> tuple[float, str]:
    data = load("digits").train if data is None else data
    config = LearnConfig(network=network, ipc=ipc, schedule=schedule)
    problem = Problem(data, build(network, data.shape, data.classes), ipc, config.seed, torch.float64)
    method, distances = config.plan(), list[float]()
    state = method.begin(problem)
    for number in range(STEPS):
        state, losses = method.step(problem, state, number)
        distances.append(float(losses["distance"]))
    begun = len(distances) % method.round(problem)
    loss = sum(distances[-begun:]) if begun else losses_of(method, problem, {"distance": distances})[-1]
    return loss, digest(state.images)


@pytest.mark.parametrize(("schedule", "network", "ipc"), GOLDEN, ids=lambda part: str(part))
def test_first_steps(schedule: str, network: str, ipc: int) -> None:
    loss, images = GOLDEN[schedule, network, ipc]
    found = first_steps(schedule, network, ipc)
    assert found[0] == pytest.approx(loss, rel=1e-3 if network == "LeNet" else 1e-9)
    assert found[1] == images or network == "LeNet"


@pytest.mark.parametrize(("schedule", "ipc"), ON_NOISE, ids=str)
def test_lenets_first_steps_where_nothing_ties(schedule: str, ipc: int, small_images: Callable[..., LabelledImages]) -> None:
    found, _ = first_steps(schedule, "LeNet", ipc, small_images(counts=(20, 20, 20)))
    assert found == pytest.approx(ON_NOISE[schedule, ipc], rel=1e-6)
