"""simpleNN's mathematics in NumPy against PyTorch, step by step, and its preparations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parity_samples import images

from condense.studies.parity import simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.comparison import TOLERANCE, differences, first_divergence
from condense.studies.parity.preparation import minmax_centred, simplenn_centred
from condense.studies.parity.simplenn_twin import Convolution, Network, Sgd
from condense.studies.parity.trajectory import Recorder, Trajectory

STEPS = 96


def twin_run(network: Network, sgd: Sgd, steps: int, seed: int = 0) -> Trajectory:
    x, y = images(60, network.shape, network.full[-1])
    batches = twin.draw_batches(60, sgd.batch, -(-steps * sgd.batch // 60), seed)[:steps]
    recorder = Recorder("twin", range(1, steps + 1))
    for step in twin.train(network, twin.initial_weights(network, seed), x, y, batches, sgd):
        kinds = {"gradient": step.gradients, "weight": step.weights}
        named = {kind: twin.as_torch(network, values) for kind, values in kinds.items()}
        recorder.record(step.loss, {f"{kind}/{name}": v for kind, found in named.items() for name, v in found.items()})
    return recorder.trajectory()


def torch_run(network: Network, sgd: Sgd, steps: int, seed: int = 0, trained_with: Sgd | None = None) -> Trajectory:
    x, y = images(60, network.shape, network.full[-1])
    batches = twin.draw_batches(60, sgd.batch, -(-steps * sgd.batch // 60), seed)[:steps]
    recorder = Recorder("torch", range(1, steps + 1))
    initial = twin.as_torch(network, twin.initial_weights(network, seed))
    simplenn_torch.train(network, initial, x, y, batches, trained_with or sgd, recorder)
    return recorder.trajectory()


# simpleNN's mathematics

SMALL = Network((1, 12, 12), (Convolution(5, 5, 2), Convolution(6, 3, 1), Convolution(6, 3, 1)), (4,))
UNUSUAL = Network((3, 11, 13), (Convolution(4, 3, 1, stride=2, pool=1), Convolution(5, 2, 0, pool=3)), (7, 4))


@pytest.mark.parametrize("c", [0.01, float("inf")])
@pytest.mark.parametrize("network", [SMALL, UNUSUAL], ids=["as-published", "unusual"])
def test_twin_equals_pytorch_for_96_steps(network: Network, c: float) -> None:
    sgd = Sgd(lr=0.01, C=c, batch=16, decay=0.01)
    found = differences(torch_run(network, sgd, STEPS), twin_run(network, sgd, STEPS))
    assert len(found.loss) == STEPS and len(found.steps) == STEPS
    assert max(found.largest(kind) for kind in ("loss", "gradient", "weight")) <= TOLERANCE
    assert first_divergence(found) is None


@pytest.mark.slow
@pytest.mark.parametrize("c", [0.01, pytest.param(float("inf"), marks=pytest.mark.long)])
def test_twin_equals_pytorch_on_the_published_network(real_data: Path, c: float) -> None:
    from condense.data import catalog
    from condense.studies.parity.preparation import prepared

    problem = prepared(catalog.load("mnist", data_root=real_data, train_size=500), "minmax")
    network, sgd = twin.layer4((1, 28, 28), 10), Sgd(C=c, batch=32)
    batches = twin.draw_batches(500, 32, 6, 0)
    start = twin.initial_weights(network, 0)
    expected = [step.loss for step in twin.train(network, start, problem.x, problem.y, batches, sgd)]
    recorder = Recorder("torch", [])
    simplenn_torch.train(network, twin.as_torch(network, start), problem.x, problem.y, batches, sgd, recorder)
    np.testing.assert_allclose(recorder.trajectory().loss, expected, rtol=TOLERANCE)
    assert len(expected) == STEPS


@pytest.mark.parametrize(
    "wrong", [{"C": float("inf")}, {"momentum": 0.8}, {"decay": 0.0}, {"lr": 0.0101}], ids=lambda wrong: next(iter(wrong))
)
def test_a_wrong_solver_is_seen(wrong: dict[str, float]) -> None:
    sgd = Sgd(lr=0.01, batch=16, decay=0.01)
    found = differences(torch_run(SMALL, sgd, 8, trained_with=replace(sgd, **wrong)), twin_run(SMALL, sgd, 8))
    divergence = first_divergence(found)
    assert divergence is not None and divergence.step <= 3 and divergence.kind == "weight"


def test_the_gradient_is_that_of_the_loss() -> None:
    x, y = images(3, UNUSUAL.shape)
    weights = twin.initial_weights(UNUSUAL, 1)
    pictures, targets = x.transpose(0, 3, 2, 1), np.eye(4)[y]
    _, gradients = twin.loss_and_gradients(UNUSUAL, weights, pictures, targets)
    for layer, (w, _) in enumerate(weights):
        place, step = (1, 2), 1e-6
        values = []
        for sign in (1, -1):
            w[place] += sign * step
            values.append(twin.loss_and_gradients(UNUSUAL, weights, pictures, targets)[0])
            w[place] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(gradients[layer][0][place], rel=1e-6)


def test_batches_are_full_and_without_repetition() -> None:
    batches = twin.draw_batches(50, 16, 3, 0)
    assert batches.shape == (12, 16) and all(len(set(row)) == 16 for row in batches.tolist())
    assert len(set(batches[:4].ravel().tolist())) < 50  # an epoch leaves some out
    np.testing.assert_array_equal(batches, twin.draw_batches(50, 16, 3, 0))


def test_initial_weights_have_the_published_law() -> None:
    (w, b), *_ = twin.initial_weights(Network((3, 32, 32), (Convolution(400, 5, 2),), (10,)), 3)
    assert w.std() == pytest.approx(np.sqrt(2 / 75), rel=0.02) and not b.any()
    assert np.abs(w).max() > np.sqrt(6 / 75)  # beyond the bound of kaiming_uniform_


def test_preparations() -> None:
    bytes_ = np.array([[[[0.0, 51], [102, 255]]], [[[7.0, 7], [7, 7]]]])
    train, test = minmax_centred(bytes_, bytes_[:1])
    mean = (0.2 + 0.4 + 1) / 8
    np.testing.assert_allclose(train[0, 0].ravel(), np.array([0, 0.2, 0.4, 1]) - mean, atol=1e-15)
    np.testing.assert_allclose(train[1], -mean)  # 0/0 is 0
    np.testing.assert_allclose(test[0], train[0])
    train, _ = simplenn_centred(bytes_, bytes_)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-16)
