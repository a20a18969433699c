"""Stage C's losses on the embedded digits, in float64: what was true once stays true."""

import pytest
import torch
from condense.stage_c.gradient_matching import GradientMatching

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.networks.registry import build

GOLDEN = {
    "ConvNetW8": [22.852449793, 23.113670689, 21.133207371],
    "MLP": [227.174247043, 231.28981263, 225.12675061],
    "ConvNetW8BN": [15.10497775, 17.436193119, 16.00242959],
}


@pytest.mark.parametrize("network", GOLDEN)
def test_losses_of_the_first_iterations(network: str) -> None:
    data = load("digits").train
    config = LearnConfig(network=network, ipc=2, iterations=3, outer_loop=2, inner_loop=3, real_batch=16)
    matching = GradientMatching(config, data, build(network, data.shape, data.classes), dtype=torch.float64)
    state = matching.start()
    while state.iteration < config.plan().iterations:
        state = matching.advance(state)
    assert state.losses == pytest.approx(GOLDEN[network], rel=1e-6)
