"""Dumps and their comparison, floors, and `check` for own runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from condense import parity
from condense.errors import CondenseError
from condense.studies.parity.comparison import differences, first_divergence
from condense.studies.parity.nudging import nudged
from condense.studies.parity.trajectory import Trajectory, load_trajectory, spread_steps

# Comparisons


def short(loss: tuple[float, ...] = (3.0, 2.0, 1.0), **changes: object) -> Trajectory:
    arrays = {f"{kind}/{layer}": np.ones((3, 2)) for kind in ("output", "gradient", "weight") for layer in ("1", "2")}
    values = {"program": "p", "loss": np.array(loss), "steps": np.array([1, 2, 3]), "arrays": arrays}
    return Trajectory(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"gradient/1": 2, "gradient/2": 2}, (2, "gradient", "2")),  # backpropagation comes to the last layer first
        ({"output/2": 2, "output/1": 2, "weight/1": 2}, (2, "output", "1")),
        ({"weight/1": 1, "gradient/1": 2}, (1, "weight", "1")),
    ],
)
def test_the_first_divergence_is_found_by_step_kind_and_layer(
    places: dict[str, int], expected: tuple[int, str, str]
) -> None:
    run = short()
    for name, step in places.items():
        run.arrays[name] = run.arrays[name].copy()
        run.arrays[name][step - 1 :] += 1e-6
    found = first_divergence(differences(run, short()))
    assert found is not None and (found.step, found.kind, found.layer) == expected
    assert found.difference == pytest.approx(1e-6, rel=1e-6)


def test_what_is_not_finite_differs() -> None:
    for loss in ((3.0, np.nan, 1.0), (3.0, np.inf, 1.0)):
        found = first_divergence(differences(short(loss), short()), 1e300)
        assert found is not None and (found.step, found.kind) == (2, "loss")
    assert first_divergence(differences(short((3.0, 0.0, 1.0)), short((3.0, 0.0, 1.0)))) is None


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (short((3.0, 2.0)), "3 steps against 2"),
        (short(steps=np.array([1, 2])), "kept at other steps"),
        (short(arrays={"weight/1": np.ones((3, 2))}), "only one of them has"),
        (short(arrays={**short().arrays, "weight/2": np.ones((3, 5))}), "(2,) against (5,)"),
        (short(hashes={"data": "b" * 64}), "their data differ (hashes aaaaaaaaaaaa, bbbbbbbbbbbb)"),
    ],
)
def test_runs_that_cannot_be_compared(other: Trajectory, sentence: str) -> None:
    with pytest.raises(CondenseError) as caught:
        differences(short(hashes={"data": "a" * 64}), other)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_dump_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = short(hashes={"data": "d", "batches": "b"})
    run.save(tmp_path / "run.npz")
    again = load_trajectory(tmp_path / "run.npz")
    assert again.hashes == run.hashes and again.program == "p" and again.arrays.keys() == run.arrays.keys()
    assert first_divergence(differences(again, run), 0.0) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"loss": np.ones(3)}, "lacks steps"),
        ({"loss": np.ones((3, 1)), "steps": np.array([1])}, "one floating-point number a step"),
        ({"loss": np.ones(3), "steps": np.array([2, 1])}, "ascending"),
        ({"loss": np.ones(3), "steps": np.array([4])}, "from 1 to 3"),
        ({"loss": np.ones(3), "steps": np.array([1]), "fc1": np.ones((1, 2))}, "unknown array 'fc1'"),
        ({"loss": np.ones(3), "steps": np.array([1]), "weight/1": np.ones((2, 2))}, "one entry for each of 1 steps"),
    ],
)
def test_a_dump_of_another_layout(tmp_path: Path, content: dict[str, np.ndarray], sentence: str) -> None:
    np.savez(tmp_path / "run.npz", **content)  # type: ignore[arg-type]
    with pytest.raises(CondenseError, match=sentence.replace("(", r"\(")):
        load_trajectory(tmp_path / "run.npz")


def test_damaged_and_missing_dumps(tmp_path: Path) -> None:
    short().save(tmp_path / "run.npz")
    whole = (tmp_path / "run.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bits.npz").write_bytes(whole.replace(np.ones(2).tobytes(), b"\0" * 16, 1))
    for name in ("half.npz", "bits.npz", "none.npz"):
        with pytest.raises(CondenseError, match=name):
            load_trajectory(tmp_path / name)


def test_nudged_weights_are_256_units_away_in_pairs() -> None:
    initial = {"1.weight": np.array([[1.25, 0.0, -0.1, 2.5e-3]])}
    for dtype in (np.float32, np.float64):
        before = initial["1.weight"].astype(dtype)
        pair = [nudged(initial, torch.float32 if dtype is np.float32 else torch.float64, n)["1.weight"] for n in (0, 1)]
        for moved in pair:
            np.testing.assert_array_equal(np.abs(moved - before), 256 * np.spacing(np.abs(before)) * (before != 0))
        np.testing.assert_array_equal(pair[0] + pair[1], 2 * before.astype(np.float64))


def test_steps_are_spread_from_first_to_last() -> None:
    assert spread_steps(5) == [1, 2, 3, 4, 5] and spread_steps(1) == [1]
    found = spread_steps(1260, 24)
    assert found[0] == 1 and found[-1] == 1260 and len(found) <= 24


# check


def recorded(model: nn.Module, steps: int, rate: float = 0.1, seed: int = 0) -> Trajectory:
    random = torch.Generator().manual_seed(seed)
    recorder = parity.Recorder("mine", range(1, steps + 1), {"data": "x"})
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps):
        x = torch.randn(8, 3, generator=random, dtype=torch.float64)
        optimiser.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        gradients = {f"gradient/{name}": value.grad.numpy() for name, value in model.named_parameters()}  # type: ignore[union-attr]
        gradients = {name: value.copy() for name, value in gradients.items()}
        optimiser.step()
        weights = {f"weight/{name}": value.detach().numpy() for name, value in model.named_parameters()}
        recorder.record(loss.item(), gradients | weights)
    return recorder.trajectory()


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1).double()


def test_check_of_own_runs(tmp_path: Path) -> None:
    recorded(linear(), 5).save(tmp_path / "mine.npz")
    recorded(linear(), 5, rate=0.1001).save(tmp_path / "other.npz")
    assert parity.check(mine=tmp_path / "mine.npz", other=tmp_path / "mine.npz").verdict == "PASS"
    found = parity.check(mine=tmp_path / "mine.npz", other=tmp_path / "other.npz")
    assert found.verdict == "FAIL" and found.divergence is not None
    assert (found.divergence.step, found.divergence.kind) == (1, "weight") and "step 1, weight of layer" in str(found)
    with pytest.raises(CondenseError, match="only one was given"):
        parity.check(mine=tmp_path / "mine.npz")


def test_check_against_the_floor() -> None:
    moved = linear()
    parity.nudge(moved)
    mine, nudged_run = recorded(linear(), 5), recorded(moved, 5)
    assert 0 < parity.differences(nudged_run, mine).loss.max() < 1e-11
    assert parity.check(mine=mine, other=nudged_run, tolerance=0.0).verdict == "FAIL"
    bare = [replace(run, steps=run.steps[:0], arrays={}) for run in (mine, nudged_run)]
    assert parity.check(mine=bare[0], other=bare[1], tolerance=0.0).verdict == "FAIL"
    assert parity.check(mine=bare[0], other=bare[1], tolerance=0.0, nudged=[bare[1]]).verdict == "PASS"


def test_the_broadcast_mistake_is_warned_of() -> None:
    x, y = torch.randn(8, 3, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    (warning,) = parity.check(linear(), inputs=x, targets=y).warnings
    assert "(8, 1) against targets (8,) broadcast to (8, 8)" in warning
    assert parity.check(linear(), inputs=x, targets=y[:, None]).warnings == ()
    with pytest.raises(CondenseError, match="one batch are needed"):
        parity.check(linear())


def test_the_double_softmax_is_warned_of_and_nothing_else() -> None:
    x, y = torch.randn(8, 3), torch.arange(8) % 4
    logits, probabilities = nn.Linear(3, 4), nn.Sequential(nn.Linear(3, 4), nn.Softmax(1))
    cross_entropy = nn.CrossEntropyLoss()
    (warning,) = parity.check(probabilities, inputs=x, targets=y, loss=cross_entropy).warnings
    assert "applied twice" in warning
    assert parity.check(logits, inputs=x, targets=y, loss=cross_entropy).warnings == ()
    right = parity.check(probabilities, inputs=x, targets=y, loss=lambda p, t: nn.functional.nll_loss(p.log(), t))
    assert right.warnings == ()
