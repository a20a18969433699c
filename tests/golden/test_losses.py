"""Stage C's losses on the embedded digits, in float64: what was true once stays true."""

import pytest
import torch

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.networks.registry import build
from condense.stage_c.driver import losses_of
from condense.stage_c.problem import Problem

GOLDEN = {
    "ConvNetW8": [22.852449793, 23.113670689, 21.133207371],
    "MLP": [227.174247043, 231.28981263, 225.12675061],
    "ConvNetW8BN": [15.10497775, 17.436193119, 16.00242959],
}


@pytest.mark.parametrize("network", GOLDEN)
def test_losses_of_the_first_iterations(network: str) -> None:
    data = load("digits").train
    config = LearnConfig(network=network, ipc=2, iterations=3, outer_loop=2, inner_loop=3, real_batch=16)
    problem = Problem(data, build(network, data.shape, data.classes), config.ipc, config.seed, torch.float64)
    method, distances = config.plan(), list[float]()
    state = method.begin(problem)
    for number in range(method.steps(problem)):
        state, losses = method.step(problem, state, number)
        distances.append(float(losses["distance"]))
    assert losses_of(method, problem, {"distance": distances}) == pytest.approx(GOLDEN[network], rel=1e-6)
