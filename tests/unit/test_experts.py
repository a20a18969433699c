"""Networks trained beforehand: once for all who need them, the same whether stopped or not, and never another's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condense.cli.main import main
from condense.data.images import LabelledImages
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.events import Epoch, NetworkTested
from condense.networks.registry import build
from condense.stage_c import experts
from condense.stage_c.experts import Plan, obtained, recipe_of
from condense.training.engine import MemberDraws, fresh_members, train

RECIPE = recipe_of(3, batch=4)


@pytest.fixture
def data(small_images: Callable[..., LabelledImages]) -> LabelledImages:
    return small_images(counts=(6, 5))


def never(event: Epoch | NetworkTested) -> None:
    raise AssertionError("An expert was trained that is kept.")


def stopping(event: Epoch | NetworkTested) -> None:
    if isinstance(event, Epoch) and event.done == 2:
        raise KeyboardInterrupt


def test_the_recipe_is_idc_s() -> None:
    recipe = recipe_of(60)
    assert [(stage.epochs, pytest.approx(stage.learning_rate)) for stage in recipe.stages] == [
        (40, 0.01),
        (10, 2e-3),
        (10, 4e-4),
    ]
    assert (recipe.batch_size, recipe.momentum, recipe.weight_decay, recipe.cutmix) == (64, 0.9, 5e-4, 0.5)
    assert recipe.law == "several" and "cutout" not in recipe.augmentation and not recipe.new_optimisers
    assert [recipe_of(epochs).epochs for epochs in (1, 2, 3, 20)] == [1, 2, 3, 20]


@pytest.mark.parametrize("name", ["ConvNetW8", "ConvNetW8BN"])
def test_experts_are_networks_trained_by_the_recipe(name: str, data: LabelledImages, tmp_path: Path) -> None:
    network = build(name, data.shape, data.classes)
    found = obtained(Plan(RECIPE, 2, (1,)), data, network, folder=tmp_path)
    for seed, expert in enumerate(found):
        members = fresh_members(network, [seed], "expert")
        assert sorted(expert.vectors) == sorted(expert.statistics) == [0, 1, 3] and expert.epochs == 3
        assert torch.equal(expert.vectors[0], members.vector[0])
        trained = train(network, members, data, RECIPE, [MemberDraws.of(seed, "expert")])
        torch.testing.assert_close(expert.vectors[3], trained.vector[0])
        for key, value in trained.statistics.items():
            torch.testing.assert_close(expert.statistics[3][key], value[0])
    assert not torch.equal(found[0].vectors[3], found[1].vectors[3])
    assert not list(tmp_path.glob("*.checkpoint"))


def test_they_are_trained_once(data: LabelledImages, tmp_path: Path) -> None:
    network = build("MLP", data.shape, data.classes)
    first = obtained(Plan(RECIPE, 2), data, network, folder=tmp_path)
    again = obtained(Plan(RECIPE, 2), data, network, folder=tmp_path, progress=never)
    assert experts.together(first) == experts.together(again)
    assert [one.losses for one in first] == [one.losses for one in again] and again[0].seconds == first[0].seconds
    (fewer,) = obtained(Plan(RECIPE, 1), data, network, folder=tmp_path, progress=never)
    assert torch.equal(fewer.vectors[3], first[0].vectors[3])


def test_other_epochs_to_keep_are_of_the_same_training(data: LabelledImages, tmp_path: Path) -> None:
    network = build("MLP", data.shape, data.classes)
    (first,) = obtained(Plan(RECIPE, 1, (1,)), data, network, folder=tmp_path)
    (more,) = obtained(Plan(RECIPE, 1, (2,)), data, network, folder=tmp_path)
    assert sorted(more.vectors) == [0, 1, 2, 3]
    assert all(torch.equal(more.vectors[epoch], vector) for epoch, vector in first.vectors.items())


@pytest.mark.parametrize("name", ["ConvNetW8BN", "MLP"])
def test_stopped_training_goes_on_to_the_same_weights(name: str, data: LabelledImages, tmp_path: Path) -> None:
    network, plan = build(name, data.shape, data.classes), Plan(RECIPE, 1, (1, 2))
    whole = obtained(plan, data, network, folder=tmp_path / "whole")
    with pytest.raises(Interrupted, match=r"Stopped while training .* on the real images; .* keeps 2 of its 3 epochs"):
        obtained(plan, data, network, folder=tmp_path / "stopped", progress=stopping)
    told = list[int]()
    resumed = obtained(
        plan,
        data,
        network,
        folder=tmp_path / "stopped",
        progress=lambda event: told.append(event.done),  # type: ignore[union-attr]
    )
    assert told == [3]
    assert resumed[0].digest == whole[0].digest and resumed[0].losses == whole[0].losses
    for epoch, vector in whole[0].vectors.items():
        assert torch.equal(resumed[0].vectors[epoch], vector)


def test_what_an_expert_follows_from_tells_it_apart(
    data: LabelledImages, small_images: Callable[..., LabelledImages], tmp_path: Path
) -> None:
    others = [
        (data, "MLP", RECIPE),
        (small_images(counts=(6, 5), seed=1), "MLP", RECIPE),
        (replace(data, mean=(0.1,), _cache={}), "MLP", RECIPE),
        (data, "LeNet", RECIPE),
        (data, "MLP", recipe_of(2, batch=4)),
    ]
    for images, name, recipe in others:
        obtained(Plan(recipe, 1), images, build(name, images.shape, images.classes), folder=tmp_path)
    assert len(list(tmp_path.glob("*.expert"))) == len(experts.kept_experts(tmp_path)) == len(others)


def test_a_damaged_file_is_refused(data: LabelledImages, tmp_path: Path) -> None:
    network = build("MLP", data.shape, data.classes)
    obtained(Plan(RECIPE, 1), data, network, folder=tmp_path)
    (path,) = tmp_path.glob("*.expert")
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    with pytest.raises(CondenseError, match=r"\.expert is damaged"):
        obtained(Plan(RECIPE, 1), data, network, folder=tmp_path)


def test_training_that_diverges_is_said(data: LabelledImages, tmp_path: Path) -> None:
    network, wild = build("MLP", data.shape, data.classes), replace(RECIPE.stages[0], learning_rate=1e30)
    with pytest.raises(RunFailed, match="a loss that is not finite in epoch"):
        obtained(Plan(replace(RECIPE, stages=(replace(wild, epochs=3),)), 1), data, network, folder=tmp_path)
    assert not list(tmp_path.glob("*.expert"))


def test_the_command_trains_and_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["experts", "--dataset", "digits", "--network", "MLP", "--count", "2", "--epochs", "1", "--quiet", "--out"]
    main([*given, str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("MLP  seed" in line and "1 epochs" in line for line in lines[:2])
    main(["experts", "--out", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == lines
    with pytest.raises(SystemExit, match="2"):
        main([*given, str(tmp_path), "--keep-epochs", "5"])
    assert "--keep-epochs 5: they are trained for 1 epochs" in capsys.readouterr().err
