"""Methods of packages that fail within a run, or answer what no driver can go on with: a sentence, nothing lost."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import torch
from torch import Tensor

from condense import learn
from condense.condensed import Condensed
from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.errors import CondenseError, RunFailed
from condense.sealed import load_sealed
from condense.stage_c import methods
from condense.stage_c.checkpoint import FORMAT
from condense.stage_c.learn import check, remarks
from condense.stage_c.method import Method, Occasion, setting
from condense.stage_c.problem import Problem
from condense.stage_c.schedules import schedule_text


@dataclass(frozen=True)
class State:
    images: Tensor


@dataclass(frozen=True, kw_only=True)
class Own(Method):
    """Leaves the images as they are, and fails where its setting says."""

    name: ClassVar[str] = "own"
    title: ClassVar[str] = "a method"

    fault: str = setting("What goes wrong.", "nothing")

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        return cls()

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        return {"MLP": cls()}[occasion.network]

    def check(self, problem: Problem) -> None:
        self._fail("check")

    def remarks(self, problem: Problem) -> list[str]:
        self._fail("remarks")
        return []

    def steps(self, problem: Problem) -> Any:
        return {"steps as text": "4", "steps below": -1}.get(self.fault, 4)

    def round(self, problem: Problem) -> int:
        return 0 if self.fault == "round" else 1

    def begin(self, problem: Problem) -> Any:
        self._fail("begin")
        return {"no state": None, "whole numbers": State(problem.labels)}.get(self.fault, State(problem.real_images()))

    def step(self, problem: Problem, state: State, number: int) -> Any:
        loss = {"loss": torch.tensor([1.0]) if self.fault == "one number" else 1.0}
        if number < 2 and self.fault not in EARLY:
            return state, loss
        self._fail("step")
        x, first = state.images, state.images[:1].clone()
        return {
            "no pair": state,
            "no loss": (state, {}),
            "losses": (state, {"loss": torch.ones(3)}),
            "loss as text": (state, {"loss": "low"}),
            "another loss": (state, {"other": 1.0}),
            "one more loss": (state, {**loss, "other": 1.0}),
            "loss nan": (state, {"loss": math.nan}),
            "no tensor": (State(1.0), loss),  # type: ignore[arg-type]
            "grown": (State(torch.cat([x, x])), loss),
            "gradient": (State(x.clone().requires_grad_()) if x.is_floating_point() else state, loss),
            "expanded": (State(first.expand(x.shape)), loss),
        }.get(self.fault, (state, loss))

    def result(self, problem: Problem, state: State) -> Any:
        self._fail("result")
        images, labels = problem.real_images(), problem.labels
        return {
            "no set": images,
            "fewer labels": Condensed(images, labels[:3]),
            "labels of more classes": Condensed(images, torch.rand(len(images), 9)),
            "small images": Condensed(images[:, :, :4], labels),
            "flat images": Condensed(images.flatten(1), labels),
        }.get(self.fault, Condensed(images, labels))

    def _fail(self, where: str) -> None:
        if self.fault == where:
            raise KeyError(f"in {where}\nand more")


EARLY = ("no tensor", "grown", "gradient", "expanded", "no loss")


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The method is one that is to be had."""
    monkeypatch.setitem(methods.BUILT_IN, "own", Own)
    yield
    monkeypatch.undo()


@pytest.fixture
def data(small_images: Callable[..., LabelledImages]) -> LabelledImages:
    return small_images(counts=(5, 4))


def asked(fault: str, **given: Any) -> LearnConfig:
    return LearnConfig(method="own", network="mlp-1x8", ipc=2, fault=fault, **given)


@pytest.mark.parametrize("fault", ["nothing", "whole numbers", "one number"])
def test_what_may_be_answered(fault: str, data: LabelledImages) -> None:
    learned = learn(asked(fault), data)
    assert learned.record.losses == [1.0] * 4 and learned.set.images.shape == (4, 1, 28, 28)


FAILING = r"Method 'own' fails in test_answers\.py, line \d+: KeyError: 'in {}"
BEFORE = {
    "check": FAILING.format("check"),
    "remarks": FAILING.format("remarks"),
    "steps as text": "has '4' steps, which must be a whole number of 0 or more",
    "steps below": "has -1 steps, which must be",
    "round": "has 0 steps an iteration",
    "begin": FAILING.format("begin"),
    "no state": "gives a state that is no dataclass of tensors",
}
AT_A_STEP = {
    "step": FAILING.format("step"),
    "no pair": "must give a state and at least one loss by name",
    "no loss": "must give a state and at least one loss by name",
    "losses": "gives losses that are not numbers",
    "loss as text": "gives losses that are not numbers",
    "another loss": "gives losses of other names than before: loss then, other now",
    "one more loss": "gives losses of other names than before: loss then, loss, other now",
    "loss nan": "the loss or the images are no longer finite",
    "no tensor": "gives a state that is no dataclass of tensors",
    "grown": "gives a state before step 2 that differs from its shape_of_state",
    "gradient": "gives a state before step 2 .* require gradients",
    "expanded": "gives a state before step 2 .* are expanded",
}
AT_THE_END = {
    "result": FAILING.format("result"),
    "no set": "gives a result that is no Condensed",
    "fewer labels": r"must hold labels .* not torch\.int64 \(3,\)",
    "labels of more classes": r"must hold labels .* not torch\.float32 \(4, 9\)",
    "small images": r"gives images of shape \(1, 4, 28\), and the real ones are \(1, 28, 28\)",
    "flat images": r"gives images of shape \(784,\), and the real ones are",
}


@pytest.mark.parametrize("fault", BEFORE)
def test_before_the_first_step(fault: str, data: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=BEFORE[fault]):
        learn(asked(fault), data, checkpoint=tmp_path / "run.checkpoint")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", AT_A_STEP)
def test_at_a_step_the_state_before_is_kept(fault: str, data: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    with pytest.raises(RunFailed, match=rf"{AT_A_STEP[fault]}.* keeps the state before that step") as found:
        learn(asked(fault), data, checkpoint=path)
    assert "\n" not in str(found.value)
    assert load_sealed(path, FORMAT)["step"] == (0 if fault in EARLY else 2)
    with pytest.raises(RunFailed, match=AT_A_STEP[fault]):
        learn(asked(fault), data)


@pytest.mark.parametrize("fault", AT_THE_END)
def test_at_the_end_all_steps_are_kept(fault: str, data: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    with pytest.raises(CondenseError, match=AT_THE_END[fault]):
        learn(asked(fault), data, checkpoint=path)
    assert load_sealed(path, FORMAT)["step"] == 4


def test_once_the_package_is_mended_the_run_goes_on(
    data: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.checkpoint"
    with pytest.raises(RunFailed):
        learn(asked("step"), data, checkpoint=path)
    monkeypatch.setattr(Own, "_fail", lambda self, where: None)
    seen = list[int]()
    learn(asked("step"), data, checkpoint=path, resume=True, progress=lambda event: seen.append(event.step))
    assert seen == [3, 4]


def test_what_asks_before_a_run(data: LabelledImages) -> None:
    with pytest.raises(RunFailed, match=FAILING.format("check")):
        check(asked("check"), data)
    with pytest.raises(RunFailed, match=FAILING.format("remarks")):
        remarks(asked("remarks"), data)
    with pytest.raises(RunFailed, match=r"fails in test_answers\.py, line \d+: KeyError: 'mlp-1x8'"):
        asked("nothing", schedule="fast").plan()


def test_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Own, "published", classmethod(lambda cls, occasion: None))
    with pytest.raises(RunFailed, match="gives None for its schedule published, which must be settings of its own"):
        asked("nothing").plan()


def test_what_it_made_is_read_though_it_fails() -> None:
    settings = {"method": "own", "schedule": "published", "fault": "nothing"}
    assert schedule_text(settings, Occasion("digits", 1, "MLP")) == "published"
    assert schedule_text({**settings, "schedule": "fast"}, Occasion("digits", 1, "LeNet")) == "fast"


def test_errors_of_others_stay_what_they_are(data: LabelledImages) -> None:
    with pytest.raises(TypeError):
        learn(asked("nothing"), data, progress=math.comb)  # type: ignore[arg-type] - which takes two numbers
