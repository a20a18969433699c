"""What holds of every method: resumed is uninterrupted, forged is refused, not finite is stopped; and their settings."""

import copy
import json
import math
import pickle
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from stage_c_samples import problem_of

from condense.checking import as_dict, checked
from condense.config import LearnConfig, MatrixConfig
from condense.data.catalog import load
from condense.data.images import LabelledImages
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.events import OfSteps, Step
from condense.reference import distribution_matching
from condense.reference.gradient_matching import PlainGradientMatching
from condense.sealed import load_sealed, save_sealed
from condense.stage_c.checkpoint import FORMAT
from condense.stage_c.learn import is_of, learn, with_experts
from condense.stage_c.method import Occasion
from condense.stage_c.methods.dm import DM
from condense.stage_c.methods.dsa import DSA
from condense.stage_c.methods.selections import Herding, KCenter, Random
from condense.stage_c.packing import packed
from condense.stage_c.schedules import schedule_text
from condense.studies.matrix.cells import SetCell
from condense.studies.matrix.images import ImageFacts
from condense.studies.matrix.results import sets_of
from condense.studies.matrix.study import Matrix

TRAJECTORIES: dict[str, Any] = {
    "iterations": 4,
    "student_steps": 2,
    "matched_epochs": 1,
    "start_below": 2,
    "synthetic_batch": 10,
    "rate_learning_rate": 1e-9,
    "image_learning_rate": 1e-3,
    "expert_count": 2,
    "expert_epochs": 2,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "dc": {"iterations": 2, "outer_loop": 2, "inner_loop": 1, "real_batch": 6},
    "dsa": {"iterations": 2, "outer_loop": 2, "inner_loop": 1, "real_batch": 6},
    "dm": {"iterations": 4, "real_batch": 6},
    "idc": {"iterations": 2, "inner_loop": 2, "real_batch": 4, "network_batches": 1, "init": "real"},
    "dream": {"iterations": 2, "inner_loop": 2, "real_batch": 4, "renewal": 2, "candidates": 9, "network_batches": 1},
    "frepo": {"iterations": 4, "real_batch": 6, "pool": 2, "online_steps": 2},
    "dance": {"iterations": 4, "real_batch": 6, "expert_count": 2, "expert_epochs": 1},
    "tgdd": {"iterations": 4, "real_batch": 6, "expert_count": 2, "expert_epochs": 1},
    "ncfm": {"iterations": 4, "real_batch": 6, "expert_count": 2, "expert_epochs": 1, "frequencies": 16},
    "mtt": TRAJECTORIES,
    "tesla": TRAJECTORIES,
    "datm": {**TRAJECTORIES, "first_below": 1, "growth": 2, "init": "real", "largest_distance": 100.0},
    "random": {},
    "herding": {"epochs": 2},
    "k-center": {"epochs": 2},
    "kmeans": {"epochs": 2, "factor": 2},
    "random-soft": {"expert_epochs": 2},
    "forgetting": {"epochs": 4, "factor": 2},
    "el2n": {"epochs": 1, "networks": 4},
    "grand": {"epochs": 1, "networks": 4},
}
PACKED = ("random", "herding", "k-center", "kmeans", "forgetting", "el2n", "grand")
SELECTED = (*PACKED, "random-soft")
STEPPED = [name for name in SETTINGS if name not in ("random", "herding", "k-center", "kmeans", "random-soft", "tesla")]
"""Those with steps of their own: tesla's are those of mtt."""
CLASSES = 3
SIAMESE = ("color", "crop", "cutout", "scale", "rotate")


@pytest.fixture(scope="module")
def digits() -> LabelledImages:
    return first_classes(load("digits", train_size=200).train)


def first_classes(data: LabelledImages) -> LabelledImages:
    """The images of the first classes alone."""
    kept = data.labels < CLASSES
    return LabelledImages.from_arrays(data.pixels[kept], data.labels[kept], name=data.name, mean=data.mean, std=data.std)


def config(method: str, **given: Any) -> LearnConfig:
    return LearnConfig(**{"method": method, "network": "ConvNetW8BN", "ipc": 2, "seed": 3, **SETTINGS[method], **given})


def stopping_at(step: int) -> OfSteps:
    def stop(event: Step) -> None:
        assert math.isfinite(event.loss)
        if event.step == step:
            raise KeyboardInterrupt

    return stop


def stopped(method: str, data: LabelledImages, folder: Path, step: int = 3, **given: Any) -> Path:
    """The checkpoint of a run that was interrupted."""
    path = folder / "run.checkpoint"
    with pytest.raises(Interrupted, match=rf"Stopped after {step} of \d steps; .* keeps it\."):
        learn(config(method, **given), data, checkpoint=path, progress=stopping_at(step))
    return path


# One method as the other


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("method", STEPPED)
def test_resumed_equals_uninterrupted(method: str, step: int, digits: LabelledImages, tmp_path: Path) -> None:
    whole, seen = learn(config(method), digits), list[int]()
    path = stopped(method, digits, tmp_path, step)
    resumed = learn(config(method), digits, checkpoint=path, resume=True, progress=lambda event: seen.append(event.step))
    assert seen[0] == step + 1
    assert resumed.set.to_bytes() == whole.set.to_bytes()
    assert (resumed.record.losses, resumed.record.series) == (whole.record.losses, whole.record.series)


@pytest.mark.parametrize("method", SETTINGS)
def test_a_set_says_by_which_method_it_was_made(method: str, digits: LabelledImages) -> None:
    learned = learn(config(method), digits)
    assert learned.set.provenance.method == learned.record.config["method"] == method
    assert learned.set.images.shape == (2 * CLASSES, 1, 28, 28) and torch.isfinite(learned.set.images).all()
    for name, value in SETTINGS[method].items():
        assert learned.set.provenance.config[name] == value
    assert (learned.set.labels.dim() == 2) is (type(config(method).plan()).label_kind == "soft")
    selected = method in SELECTED
    assert bool(learned.record.losses) is not selected
    factor = SETTINGS[method].get("factor", 1)
    of_tiles = packed(digits.inputs(torch.arange(len(digits)).repeat_interleave(factor**2)), 1, factor)
    real = {tile.numpy().tobytes() for tile in of_tiles[..., : 28 // factor, : 28 // factor]}
    tiles = [row.split(28 // factor, 3) for row in learned.set.images.split(28 // factor, 2)]
    kept = [image.numpy().tobytes() in real for tile in chain(*tiles) for image in tile]
    assert all(kept) if selected else not any(kept)
    assert learn(config(method), digits).set.sha256 == learned.set.sha256


@pytest.mark.parametrize("method", STEPPED)
def test_a_checkpoint_of_another_method_is_refused(method: str, digits: LabelledImages, tmp_path: Path) -> None:
    path = stopped(method, digits, tmp_path)
    for other in {"dm", "random", "forgetting"} - {method}:
        with pytest.raises(CondenseError, match=rf"belongs to another run \(method: '{method}' there, '{other}' now\)"):
            learn(config(other), digits, checkpoint=path, resume=True)


@pytest.mark.parametrize("method", STEPPED)
def test_a_forged_checkpoint_is_refused(method: str, digits: LabelledImages, tmp_path: Path) -> None:
    path = stopped(method, digits, tmp_path)
    content = load_sealed(path, FORMAT)
    for name, value in content["state"].items():
        another_shape = torch.zeros(3) if not isinstance(value, torch.Tensor) or not value.numel() else value[:0]
        for forged in (None, 1.0, another_shape):
            save_sealed(path, FORMAT, {**content, "state": {**content["state"], name: forged}})
            with pytest.raises(CondenseError, match="is damaged and cannot be resumed"):
                learn(config(method), digits, checkpoint=path, resume=True)
    floating = next(name for name, value in content["state"].items() if isinstance(value, torch.Tensor) and value.numel())
    forged = content["state"][floating] * math.nan
    save_sealed(path, FORMAT, {**content, "state": {**content["state"], floating: forged}})
    with pytest.raises(CondenseError, match="is damaged and cannot be resumed"):
        learn(config(method), digits, checkpoint=path, resume=True)


@pytest.mark.parametrize("method", STEPPED)
def test_resuming_anywhere_is_noted(method: str, digits: LabelledImages, tmp_path: Path) -> None:
    quick = config(method, network="ConvNetW8")
    path, before = stopped(method, digits, tmp_path, network="ConvNetW8"), torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with pytest.raises(CondenseError, match=r"threads: 1 there, 2 now.* --resume-anywhere goes on all the same"):
            learn(quick, digits, checkpoint=path, resume=True)
        moved = learn(quick, digits, checkpoint=path, resume=True, anywhere=True)
    finally:
        torch.set_num_threads(before)
    (note,) = [note for note in moved.record.notes if "resumed otherwise than begun" in note]
    assert "threads: 1 there, 2 now" in note
    kept = learn(quick, digits)
    assert not any("resumed" in note for note in kept.record.notes)


@pytest.mark.parametrize("method", STEPPED)
def test_numbers_that_are_not_finite_stop_a_run_and_the_state_before_is_kept(
    method: str, digits: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, path = type(config(method).plan()), tmp_path / "run.checkpoint"
    step = kind.step

    def wild(self: Any, problem: Any, state: Any, number: int) -> Any:
        after, losses = step(self, problem, state, number)
        if number < 2:
            return after, losses
        name = next(one.name for one in fields(after) if one.name in ("images", "scores"))
        return replace(after, **{name: getattr(after, name) * math.nan}), losses

    monkeypatch.setattr(kind, "step", wild)
    with pytest.raises(RunFailed, match=r"stopped at step 3 of .*no longer finite.* keeps the state before that step"):
        learn(config(method), digits, checkpoint=path)
    content = load_sealed(path, FORMAT)
    assert content["step"] == 2 and all(len(values) == 2 for values in content["series"].values())
    monkeypatch.undo()
    whole = learn(config(method), digits)
    assert learn(config(method), digits, checkpoint=path, resume=True).set.sha256 == whole.set.sha256


# Step by step beside the twins


def beside_the_twin(method: str, data: LabelledImages, network: str = "ConvNetW8") -> int:
    """How many steps agree with the twin's in float64."""
    problem = problem_of(data, network, 2, seed=5, batch=4)
    given: dict[str, Any] = {"real_batch": 4, "augmentation": SIAMESE}
    if method == "dsa":
        dsa = replace(DSA.published(Occasion("cifar10", 2, network)), iterations=1, outer_loop=2, inner_loop=1, **given)
        twin, settings = [(loss, images) for loss, images, _ in PlainGradientMatching(dsa, problem).steps()], dsa
    else:
        settings = replace(DM.published(Occasion("cifar10", 2, network)), iterations=2, **given)
        twin = list(distribution_matching.steps(settings, problem))
    state: Any = settings.begin(problem)
    for number, (loss, images) in enumerate(twin):
        state, losses = settings.step(problem, state, number)
        assert float(losses["distance"]) == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-10)
    return len(twin)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dsa", "dm"])
def test_steps_on_digits_equal_the_twins(method: str, digits: LabelledImages) -> None:
    assert beside_the_twin(method, digits.subset(12, 0)) == 2


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
@pytest.mark.parametrize("method", ["dsa", "dm"])
def test_steps_on_real_images_equal_the_twins(method: str, name: str, real_data: Path) -> None:
    data = load(name, data_root=real_data, train_size=100).train
    assert beside_the_twin(method, first_classes(data)) == 2


# Settings


def test_published_settings_of_dm() -> None:
    every = ("color", "crop", "cutout", "flip", "scale", "rotate")
    expected = DM(
        iterations=20_000,
        real_batch=256,
        image_learning_rate=1.0,
        image_decay="constant",
        augmentation=every,
        image_momentum=0.5,
    )
    for dataset in ("cifar10", "cifar100", "fashion-mnist"):
        for ipc in (1, 10, 50):
            assert DM.published(Occasion(dataset, ipc, "ConvNet")) == expected
    assert DM.published(Occasion("cifar10", 100, "ConvNet")) == replace(expected, image_learning_rate=10.0)
    assert DM.published(Occasion("cifar100", 125, "ConvNet")).image_learning_rate == 1.0
    for dataset in ("mnist", "svhn", "digits"):
        assert set(every) - set(DM.published(Occasion(dataset, 1, "ConvNet")).augmentation) == {"flip"}


@pytest.mark.parametrize(("ipc", "outer", "inner"), [(1, 1, 1), (10, 10, 50), (50, 50, 10)])
def test_published_settings_of_dsa(ipc: int, outer: int, inner: int) -> None:
    found = DSA.published(Occasion("cifar10", ipc, "ConvNet"))
    assert as_dict(found) == {
        "iterations": 1000,
        "outer_loop": outer,
        "inner_loop": inner,
        "real_batch": 256,
        "image_learning_rate": 0.1,
        "image_decay": "constant",
        "image_clip": "none",
        "network_learning_rate": 0.01,
        "init": "real",
        "distance": "ours",
        "image_momentum": 0.5,
        "augmentation": ["color", "crop", "cutout", "flip", "scale", "rotate"],
    }
    assert "flip" not in DSA.published(Occasion("mnist", ipc, "ConvNet")).augmentation


def test_selections_look_at_a_network_trained_on_all_images(digits: LabelledImages) -> None:
    occasion = Occasion("mnist", 1, "ConvNet")
    assert Herding.published(occasion) == Herding(epochs=30, network_learning_rate=0.01)
    assert KCenter.fast(occasion) == KCenter(epochs=10, network_learning_rate=0.01)
    assert Random.published(occasion) == Random()
    (network,) = with_experts(Herding(epochs=6), problem_of(digits, "ConvNetW8", dtype=torch.float32)).experts
    assert network.losses[-1] < network.losses[0]
    assert network.epochs == 6


def test_herding_and_k_center_first_take_the_same_image(digits: LabelledImages) -> None:
    first = [learn(config(method, ipc=1), digits).set for method in ("herding", "k-center")]
    assert torch.equal(first[0].images, first[1].images)
    more = [learn(config(method, ipc=4), digits).set for method in ("herding", "k-center")]
    for each in more:
        assert torch.equal(each.images[::4], first[0].images)
    assert not torch.equal(more[0].images, more[1].images)


@pytest.mark.parametrize("method", PACKED)
def test_packed_selections_are_the_same_images_made_small(method: str, digits: LabelledImages) -> None:
    small = {**SETTINGS[method], "factor": 2, "packing": "mean"}
    found = learn(config(method, **small), digits).set
    apart = learn(config(method, **{**small, "factor": 1, "ipc": 8}), digits).set
    assert found.images.shape == (2 * CLASSES, 1, 28, 28) and found.provenance.images_per_class == 2
    assert torch.equal(found.images, packed(apart.images, 2, 2, "mean"))
    images, labels = found.decoded()
    assert len(images) == 8 * CLASSES and torch.bincount(labels).tolist() == [8] * CLASSES


def test_a_selection_with_nothing_packed_is_of_the_configuration_it_always_was(digits: LabelledImages) -> None:
    for method in ("random", "herding", "k-center"):
        stored = learn(config(method), digits).set.provenance.config
        assert {"factor", "packing"} & stored.keys() == set()
        assert is_of(stored, config(method), digits) and not is_of(stored, config(method, factor=2), digits)
    occasion = Occasion("digits", 2, "ConvNetW8BN")
    settings = as_dict(config("random", factor=2).resolved())
    assert schedule_text(settings, occasion) == "published with factor 2"
    assert schedule_text(as_dict(config("random").resolved()), occasion) == "published"


def test_what_cannot_be_packed_is_refused(digits: LabelledImages) -> None:
    with pytest.raises(CondenseError, match=r"fewer than the \d+ that the 2 images per class asked for are packed from"):
        learn(config("random", factor=8), digits)
    with pytest.raises(CondenseError, match=r"factor = 9: Input should be less than or equal to 8"):
        checked(LearnConfig, {"method": "kmeans", "factor": 9})


# Configurations


@pytest.mark.parametrize("method", SETTINGS)
def test_configurations_are_values(method: str) -> None:
    plain = config(method)
    for same in (pickle.loads(pickle.dumps(plain)), copy.copy(plain), copy.deepcopy(plain), replace(plain), config(method)):
        assert same == plain and hash(same) == hash(plain) and type(same) is type(plain)
    assert replace(plain, seed=4) != plain
    resolved = plain.resolved()
    assert resolved.resolved() == resolved and resolved.plan() == plain.plan()
    stored = json.loads(json.dumps(as_dict(resolved)))
    assert checked(LearnConfig, stored) == resolved
    with pytest.raises(CondenseError, match="Unknown setting 'temperature'"):
        checked(LearnConfig, {"method": method, "temperature": 1})
    with pytest.raises(TypeError, match="temperature"):
        config(method, temperature=1)


def test_a_method_has_no_settings_of_another() -> None:
    for method, setting in (("dm", "outer_loop"), ("random", "iterations"), ("herding", "distance"), ("dc", "augmentation")):
        with pytest.raises(CondenseError, match=f"{setting}: Unknown setting '{setting}'"):
            checked(LearnConfig, {"method": method, setting: 1})
        assert setting not in as_dict(LearnConfig(method=method).resolved())


def test_another_method_takes_a_new_configuration() -> None:
    for kind, other in ((LearnConfig, "dsa"), (LearnConfig, "herding"), (MatrixConfig, "dm")):
        with pytest.raises(CondenseError, match=rf"those of 'dc', .* make a new {kind.__name__}\(method='{other}'"):
            replace(kind(iterations=3), method=other)  # type: ignore[type-var]
    assert replace(LearnConfig(iterations=3), method="DC").plan() == LearnConfig(iterations=3).plan()


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(CondenseError, match=r"Unknown method 'dcc'\. Did you mean 'dc'\? Known: dance, datm, dc, dm, "):
        checked(LearnConfig, {"method": "dcc"})
    assert checked(LearnConfig, {"method": "K-Center"}).method == "k-center"


def test_a_matrix_names_sets_of_methods_apart() -> None:
    def sets(*methods: str) -> list[SetCell]:
        config = checked(MatrixConfig, {"method": methods, "learn": ("MLP", "LeNet"), "sets": 2})
        return sets_of(Matrix((config,), {"digits": ImageFacts("a", "b")}).cells())

    names = {method: [one.name for one in sets(method)] for method in SETTINGS}
    assert [len(set(each)) for each in names.values()] == [2 if method == "random" else 4 for method in names]
    assert len({name for each in names.values() for name in each}) == sum(map(len, names.values()))
    for method, each in names.items():
        assert all(name.startswith("MLP-" if method == "dc" else f"{method}-MLP-") for name in each[:2])
    assert all("dm" in one.label for one in sets("dm"))
    assert [one.name for one in sets(*SETTINGS)] == [name for each in names.values() for name in each]


def test_several_methods_take_what_all_of_them_have() -> None:
    several = checked(MatrixConfig, {"method": ["dc", "DSA"], "iterations": "3", "distance": "cos"})
    for method in ("dc", "dsa"):
        making = several.making("digits", 1, method)
        assert LearnConfig(**making) == LearnConfig(method=method, iterations=3, distance="cos")
    cases = [
        ({"method": ["dc", "dm"], "distance": "cos"}, r"^distance: The method dm has no such setting; with several methods"),
        ({"method": ["dc", "dm"], "iterations": "x"}, r"^iterations = 'x': Input should be a valid integer"),
        ({"method": ["dc", "dsa"], "distance": "cosine"}, r"^distance: Unknown distance 'cosine'\. Did you mean 'cos'"),
        ({"method": ["dc", "dmm"]}, r"^method\.1: Unknown method 'dmm'\. Did you mean 'dm'"),
        ({"method": []}, r"^method = \[\]: Value should have at least 1 item"),
        ({"method": ["dc", "dm"], "iteratoins": 5}, r"^iteratoins: Unknown setting 'iteratoins'"),
    ]
    for values, sentence in cases:
        with pytest.raises(CondenseError, match=sentence) as caught:
            checked(MatrixConfig, values)
        assert "\n" not in str(caught.value)
