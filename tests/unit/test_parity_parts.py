"""The pieces of `condense parity`: the twin against PyTorch, comparisons, statistics, members trained at once, `check`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from condense import parity
from condense.errors import CondenseError
from condense.experiments.framework_parity import effects, members, perceptron, simplenn_torch
from condense.experiments.framework_parity import simplenn_twin as twin
from condense.experiments.framework_parity.causes import CAUSES, Cause, chosen_causes
from condense.experiments.framework_parity.comparison import TOLERANCE, differences, first_divergence
from condense.experiments.framework_parity.members import Task
from condense.experiments.framework_parity.nudging import nudged
from condense.experiments.framework_parity.preparation import minmax_centred, simplenn_centred
from condense.experiments.framework_parity.records import ParityRecord
from condense.experiments.framework_parity.setting import Setting, aligned
from condense.experiments.framework_parity.simplenn_twin import Convolution, Network, Sgd
from condense.experiments.framework_parity.tables import _difference, printed_table
from condense.experiments.framework_parity.trajectory import Recorder, Trajectory, load_trajectory, spread_steps
from condense.experiments.statistics import holm, paired

STEPS = 96


def images(count: int, shape: tuple[int, int, int], classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return random.normal(size=(count, *shape)) + y[:, None, None, None] / classes, y


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
@pytest.mark.parametrize("c", [0.01, float("inf")])
def test_twin_equals_pytorch_on_the_published_network(real_data: Path, c: float) -> None:
    from condense.data import catalog
    from condense.experiments.framework_parity.preparation import prepared

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


def test_nudged_weights_are_one_unit_away() -> None:
    initial = {"1.weight": np.array([[1.0, 0.0, -0.1, 2.5e-3]])}
    for dtype in (torch.float32, torch.float64):
        moved = torch.from_numpy(nudged(initial, dtype, 0)["1.weight"]).to(dtype)
        before = torch.from_numpy(initial["1.weight"]).to(dtype)
        either = [torch.nextafter(before, torch.full_like(before, end)) for end in (torch.inf, -torch.inf)]
        assert ((moved == either[0]) | (moved == either[1]) | (before == 0)).all() and moved[0, 1] == 0


def test_steps_are_spread_from_first_to_last() -> None:
    assert spread_steps(5) == [1, 2, 3, 4, 5] and spread_steps(1) == [1]
    found = spread_steps(1260, 24)
    assert found[0] == 1 and found[-1] == 1260 and len(found) <= 24


# Statistics


def test_holm_as_in_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]


def test_tiny_differences_are_not_printed_as_zero() -> None:
    assert _difference(paired([1.0 + 1e-7, 2.0 + 3e-7], [1.0, 2.0]), 1, 4) == "−2.0e−07 ± 1.0e−07"
    assert _difference(paired([1.0, 2.0], [1.0, 2.0]), 1, 4) == "+0.0000 ± 0.0000"
    assert _difference(paired([0.5, 1.25], [1.0, 2.0]), 100, 2) == "+62.50 ± 12.50"


def test_paired_differences() -> None:
    from scipy import stats

    a, b = [1.0, 2.5, 3.0, 4.75], [0.5, 2.0, 3.25, 4.0]
    found = paired(a, b)
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue) and found.n == 4
    assert found.error == pytest.approx(stats.sem(np.subtract(a, b)))
    assert paired([1.0, None, 2.0], [1.0, 5.0, 2.0]).p == 1.0
    assert paired([None], [1.0]).error is None


# Members trained at once


def task(seed: int = 0, side: int = 8) -> Task:
    x, y = images(80, (1, side, side), 10, seed)
    return Task(x[:64], y[:64], x[64:], y[64:], 10)


def aligned_setting(base: str) -> Setting:
    return aligned(base, rate=0.001, momentum=0.9, batch=16, weight_decay=0.01, preparation="unit")


@pytest.mark.parametrize(
    ("changes", "build"),
    [
        ({"epsilon_as_keras": False, "epsilon": 1e-8}, lambda p: torch.optim.Adam(p, lr=0.001)),
        (
            {"epsilon_as_keras": False, "epsilon": 1e-8, "weight_decay": 0.1},
            lambda p: torch.optim.Adam(p, lr=0.001, weight_decay=0.1),
        ),
        (
            {"epsilon_as_keras": False, "epsilon": 1e-8, "weight_decay": 0.1, "decoupled": True},
            lambda p: torch.optim.AdamW(p, lr=0.001, weight_decay=0.1),
        ),
        (
            {"optimiser": "sgd", "weight_decay": 0.1},
            lambda p: torch.optim.SGD(p, lr=0.001, momentum=0.9, weight_decay=0.1),
        ),
    ],
    ids=["adam", "coupled", "decoupled", "sgd"],
)
def test_members_train_as_torch_optim_does(changes: dict, build) -> None:
    setting, of = replace(aligned_setting("perceptron"), float64=True, **changes), task()
    both = members.fresh_members(setting, of, [3, 4])
    order = np.stack([members.orders(setting, 64, of.y, 4, seed) for seed in (3, 4)])
    single = members.fresh_members(setting, of, [4])
    model = perceptron.module((64, 128, 64, 10)).double()
    with torch.no_grad():
        for value, start in zip(model.parameters(), single.parameters, strict=True):
            value.copy_(start[0])
    members.train(setting, of, both, order)
    optimiser, losses = build(model.parameters()), []
    for row in torch.from_numpy(order[1]):
        optimiser.zero_grad()
        x = torch.from_numpy(of.x)[row].flatten(1)
        loss = nn.functional.cross_entropy(model(x), torch.from_numpy(of.y)[row])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.testing.assert_allclose(np.array(both.losses)[:, 1], losses, rtol=1e-12)


def test_batch_norm_is_that_of_torch_under_its_defaults() -> None:
    defaults = next(cause for cause in CAUSES["keras"] if cause.name == "norm-defaults")
    base = aligned_setting("batch-norm")
    setting = replace(defaults.changed(base), float64=True, weight_decay=0.0, epsilon_as_keras=False, epsilon=1e-8)
    of = task()
    ours = members.fresh_members(setting, of, [5])
    layers = [
        *(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU()),
        nn.Linear(64, 10),
    ]
    model = nn.Sequential(*layers).double()
    linear = [value for layer in layers if isinstance(layer, nn.Linear) for value in layer.parameters()]
    with torch.no_grad():
        for value, start in zip(linear, ours.parameters, strict=False):
            value.copy_(start[0])
    order = members.orders(setting, 64, of.y, 3, 5)[None]
    members.train(setting, of, ours, order)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.001)
    for row in torch.from_numpy(order[0]):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(of.x)[row].flatten(1)), torch.from_numpy(of.y)[row]).backward()
        optimiser.step()
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm1d)]
    for index, layer in enumerate(norms):
        assert layer.running_mean is not None and layer.running_var is not None
        np.testing.assert_allclose(ours.running[2 * index][0], layer.running_mean.numpy(), rtol=1e-9)
        np.testing.assert_allclose(ours.running[2 * index + 1][0], layer.running_var.numpy(), rtol=1e-9)
    with torch.no_grad():
        x = torch.from_numpy(of.test_x)
        z = members.outputs(setting, of, ours, x[None], training=False)[0]
        np.testing.assert_allclose(z, model.eval()(x.flatten(1)), rtol=1e-8, atol=1e-10)


def test_the_convolutional_base_is_simplenn() -> None:
    of = task(side=16)
    setting = replace(aligned_setting("convolution"), float64=True)
    ours = members.fresh_members(setting, of, [2])
    order = members.orders(setting, 64, of.y, 3, 2)
    network = twin.layer4((1, 16, 16), 10)
    initial = {
        f"{index // 2 + 1}.{('weight', 'bias')[index % 2]}": value[0].detach().numpy().copy()
        for index, value in enumerate(ours.parameters)
    }
    recorder = Recorder("torch", [])
    c = 1 / (setting.weight_decay * 64)
    simplenn_torch.train(network, initial, of.x, of.y, order, Sgd(setting.rate, 0.9, C=c, batch=16), recorder)
    members.train(setting, of, ours, order[None])
    np.testing.assert_allclose(np.array(ours.losses)[:, 0], recorder.trajectory().loss, rtol=1e-11)


@pytest.mark.parametrize("name", [cause.name for cause in CAUSES["keras"]])
def test_every_cause_of_keras_changes_the_trajectory_and_closes(name: str) -> None:
    (cause,) = chosen_causes("keras", [name])
    base = aligned_setting(cause.base)
    of = Task(*perceptron.sine_sum(0), outputs=1) if cause.base == "regression" else task()
    of = Task(of.x[:60], of.y[:60], of.test_x[:20], of.test_y[:20], of.outputs)
    runs = {"aligned": base, "changed": cause.changed(base), "closed": cause.closed(base, of.outputs)}
    losses = {}
    for kind, setting in runs.items():
        if setting is not None:
            setting = replace(setting, float64=kind != "changed" or name != "dtype")
            scaled = replace(of, x=of.x * 255) if setting.preparation == "raw" else of
            found = members.fresh_members(setting, scaled, [0])
            members.train(setting, scaled, found, members.orders(setting, len(of.x), of.y, 6, 0)[None])
            losses[kind] = np.array(found.losses)
    steps = min(map(len, losses.values()))
    if name not in ("norm-momentum", "norm-variance", "clip"):  # seen in evaluation, or only near certainty
        assert effects.relative(losses["changed"][:steps], losses["aligned"][:steps]).max() > 1e-9
    if "closed" in losses:
        assert effects.relative(losses["closed"], losses["aligned"]).max() < 1e-9


@pytest.mark.parametrize("cause", [cause for found in CAUSES.values() for cause in found], ids=lambda cause: cause.name)
def test_what_closes_a_cause_is_not_the_aligned_run_itself(cause: Cause) -> None:
    base = aligned_setting(cause.base)
    assert cause.closed(base, 10) != base
    assert (cause.closing is None) is (cause.closes == "the default set back")


@pytest.mark.parametrize("name", ["reduction-mean", "reduction-sum"])
def test_another_reduction_is_another_rate(name: str) -> None:
    (cause,) = chosen_causes("simplenn", [name])
    base, of = replace(aligned_setting("convolution"), float64=True), task()
    closed = cause.closed(base, 10)
    assert closed is not None
    order = members.orders(base, 64, of.y, 3, 0)[None]
    runs = [members.fresh_members(setting, of, [0]) for setting in (base, closed)]
    for setting, run in zip((base, closed), runs, strict=True):
        members.train(setting, of, run, order)
    losses = [np.array(run.losses) for run in runs]
    np.testing.assert_allclose(losses[1] * (losses[0][0] / losses[1][0]), losses[0], rtol=1e-9)


@pytest.mark.parametrize("changes", [{}, {"zero_grad": False}], ids=["aligned", "zero-grad"])
def test_an_interrupted_cause_ends_as_an_uninterrupted_one(
    changes: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, of, shared = replace(aligned_setting("perceptron"), **changes), task(), effects.Run((0, 1), 10)
    whole = effects.run(base, base, of, shared, tmp_path / "whole.npz", lambda done, total: None)
    monkeypatch.setattr(effects, "SAVED_EVERY", 0.0)

    def stop(done: int, total: int) -> None:
        if done == 27:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        effects.run(base, base, of, shared, tmp_path / "part.npz", stop)
    assert (tmp_path / "part.checkpoint").exists() and not (tmp_path / "part.npz").exists()
    steps = []
    again = effects.run(base, base, of, shared, tmp_path / "part.npz", lambda done, total: steps.append(done))
    assert steps[0] == 27 and not (tmp_path / "part.checkpoint").exists()
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(again, name), value)


@pytest.mark.parametrize("changes", [{}, {"zero_grad": False}], ids=["aligned", "zero-grad"])
def test_five_calls_train_as_one(changes: dict) -> None:
    setting, of = replace(aligned_setting("perceptron"), **changes), task()
    order = members.orders(setting, 64, of.y, 10, 0)[None]
    once, often = (members.fresh_members(setting, of, [0]) for _ in range(2))
    members.train(setting, of, once, order)
    for until in (8, 16, 24, 32, 40):
        members.train(setting, of, often, order, until=until)
    np.testing.assert_array_equal(np.array(often.losses), np.array(once.losses))


def test_a_run_that_exploded_is_not_trained_on(tmp_path: Path) -> None:
    base, of, steps = aligned_setting("convolution"), task(), []
    exploding = replace(base, loss="sum of squares", rate=1.0)
    outcome = effects.run(
        exploding, base, of, effects.Run((0, 1), 25), tmp_path / "run.npz", lambda done, total: steps.append(done)
    )
    finite = np.isfinite(outcome.losses)
    assert outcome.losses.shape == (100, 2) and finite[0].all() and not finite[-1].any()
    assert len(steps) < 20 and steps[-1] == 100  # one step to notice it in each of the five parts between two tests
    assert np.isnan(outcome.accuracy[-1]).all() and np.isnan(outcome.test_loss).all()


def cause_record(name: str, **config: object) -> ParityRecord:
    results = {
        "base": "convolution",
        "accuracy": [[0.2, 0.3], [0.4, 0.5]],
        "aligned_accuracy": [[0.1, 0.2], [0.6, 0.7]],
        "epochs_tested": [100, 200],
    }
    report = {"preparation": "minmax", "learning_rate": 0.003, "batch": 128, "momentum": 0.9}
    settings = {"dataset": "cifar10", "train_size": 5000, "epochs": 200, **report, **config}
    return ParityRecord("cause", name, name, settings, results, 1.0, 1, "0", {}, "now")


def test_printed_numbers_stand_beside_the_same_settings() -> None:
    table = printed_table([cause_record("reduction-mean"), cause_record("reduction-sum")])
    assert table
    assert table.rows[0] == ("MATLAB", "44.90", "1", "500", "aligned with simpleNN", "65.00 ± 5.00", "2", "200")
    assert table.rows[1][:4] == ("PyTorch", "42.83 ± 0.55", "10", "100")
    assert table.rows[1][5:] == ("25.00 ± 5.00", "2", "100")  # tested at the printed epoch too
    assert table.rows[2][1:4] == ("38.27 ± 0.65", "10", "500") and table.rows[2][5:] == ("45.00 ± 5.00", "2", "200")
    only_sum = printed_table([cause_record("reduction-sum")])
    assert only_sum and [row[0] for row in only_sum.rows] == ["MATLAB"]
    others = {"train_size": 2000, "preparation": "simplenn", "learning_rate": 0.001, "batch": 64, "momentum": 0.0}
    for name, value in others.items():
        assert printed_table([cause_record("reduction-mean", **{name: value})]) is None
    assert printed_table([cause_record("reduction-mean", dataset="digits")]) is None


def test_the_floor_and_what_leaves_it() -> None:
    base = np.ones((4, 2))
    nudged_run = base * (1 + 1e-6)
    changed = base.copy()
    changed[2:, 1] += 1e-4
    changed[1:, 0] += 9e-6
    assert effects.first_steps(changed, base, [nudged_run]) == [None, 3]
    assert effects.first_steps(np.full((4, 2), np.nan), base, [nudged_run]) == [1, 1]
    exploded = base * [[1], [1], [np.inf], [np.inf]]  # the floor is infinite too, and so is what the runs share
    assert effects.first_steps(exploded, exploded, [exploded]) == [3, 3]


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
    assert 0 < parity.differences(nudged_run, mine).loss.max() < 1e-13
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
