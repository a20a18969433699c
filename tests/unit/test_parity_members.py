"""The runs behind the cause table: trained at once as one by one, each cause, and what closes it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_samples import cause_record, images
from torch import nn

from condense.records import Record
from condense.studies.parity import effects, members, perceptron, simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.causes import CAUSES, Cause, chosen_causes
from condense.studies.parity.members import Task
from condense.studies.parity.setting import Setting, aligned
from condense.studies.parity.simplenn_twin import Sgd
from condense.studies.parity.tables import printed_table
from condense.studies.parity.trajectory import Recorder

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
    whole = effects.run(base, base, of, shared, tmp_path / "whole", lambda done, total: None)
    monkeypatch.setattr(effects, "SAVED_EVERY", 0.0)

    def stop(done: int, total: int) -> None:
        if done == 27:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        effects.run(base, base, of, shared, tmp_path / "part", stop)
    steps = []
    again = effects.run(base, base, of, shared, tmp_path / "part", lambda done, total: steps.append(done))
    assert steps[0] == 27
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
        exploding, base, of, effects.Run((0, 1), 25), tmp_path / "run", lambda done, total: steps.append(done)
    )
    finite = np.isfinite(outcome.losses)
    assert outcome.losses.shape == (100, 2) and finite[0].all() and not finite[-1].any()
    assert len(steps) < 20 and steps[-1] == 100  # one step to notice it in each of the five parts between two tests
    assert np.isnan(outcome.accuracy[-1]).all() and np.isnan(outcome.test_loss).all()


def measured(name: str, **config: object) -> Record:
    results = {
        "name": name,
        "title": name,
        "base": "convolution",
        "accuracy": [[0.2, 0.3], [0.4, 0.5]],
        "aligned_accuracy": [[0.1, 0.2], [0.6, 0.7]],
        "epochs_tested": [100, 200],
    }
    report = {"preparation": "minmax", "learning_rate": 0.003, "batch": 128, "momentum": 0.9}
    settings = {"dataset": "cifar10", "train_size": 5000, "epochs": 200, **report, **config}
    return cause_record(settings, results)


def test_printed_numbers_stand_beside_the_same_settings() -> None:
    table = printed_table([measured("reduction-mean"), measured("reduction-sum")])
    assert table
    assert table.rows[0] == ("MATLAB", "44.90", "1", "500", "aligned with simpleNN", "65.00 ± 5.00", "2", "200")
    assert table.rows[1][:4] == ("PyTorch", "42.83 ± 0.55", "10", "100")
    assert table.rows[1][5:] == ("25.00 ± 5.00", "2", "100")  # tested at the printed epoch too
    assert table.rows[2][1:4] == ("38.27 ± 0.65", "10", "500") and table.rows[2][5:] == ("45.00 ± 5.00", "2", "200")
    only_sum = printed_table([measured("reduction-sum")])
    assert only_sum and [row[0] for row in only_sum.rows] == ["MATLAB"]
    others = {"train_size": 2000, "preparation": "simplenn", "learning_rate": 0.001, "batch": 64, "momentum": 0.0}
    for name, value in others.items():
        assert printed_table([measured("reduction-mean", **{name: value})]) is None
    assert printed_table([measured("reduction-mean", dataset="digits")]) is None


def test_the_floor_and_what_leaves_it() -> None:
    base = np.ones((4, 2))
    nudged_run = base * (1 + 1e-6)
    changed = base.copy()
    changed[2:, 1] += 1e-4
    changed[1:, 0] += 3e-6
    assert effects.first_steps(changed, base, [nudged_run]) == [None, 3]
    assert effects.first_steps(np.full((4, 2), np.nan), base, [nudged_run]) == [1, 1]
    exploded = base * [[1], [1], [np.inf], [np.inf]]  # the floor is infinite too, and so is what the runs share
    assert effects.first_steps(exploded, exploded, [exploded]) == [3, 3]
