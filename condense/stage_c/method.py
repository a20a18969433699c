"""What a method of stage C is: a frozen dataclass of settings that makes the images of a set, step by step.

The driver (`driver.py`) runs it; the methods that there are `methods/__init__.py` knows;
docs/adding-a-method.md walks through one of a package.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_type_hints

import torch
from torch import Tensor

from condense.checking import BEFORE
from condense.condensed import Condensed
from condense.execution import Precision, Work
from condense.networks.network import TRAINING_PASSES
from condense.stage_c.experts import Plan
from condense.stage_c.problem import Problem


def setting(help: str, default: Any = MISSING, *, later: bool = False) -> Any:
    """A field of a method's settings. With a default it is the same in every schedule; without, a schedule gives it.

    help: what it is, in a sentence or two, for the command line; later: that it came when sets had been made by the method
    already, all of them as its default says: where it has that, it is not stated, so those are of the same configuration.
    Of type int, float, str, a tuple of those, or bool with a default, with pydantic's checks around it, if any.
    """
    metadata = {"help": help} | ({BEFORE: default} if later else {})
    return field(default=default, metadata=metadata) if default is not MISSING else field(metadata=metadata)


@dataclass(frozen=True)
class Occasion:
    """What a schedule's values may depend on: the real images by their name, how many to make, and the network."""

    dataset: str
    images_per_class: int
    network: str


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """The settings of a method, and the method itself.

    A state is a frozen dataclass of tensors (and of dictionaries of tensors); everything else that a step depends on is its
    number, counted from 0, so that a run may be resumed from (state, number). name: for the command line and tables; title:
    what it does and whose it is, in a line; kind: whether images are learned, or selected among the real ones;
    uses_network: whether the network plays a part; precisions: what beside float32 it can compute in; label_kind: of its
    labels; gradients: those that move the images, which say most about what a step costs (second-order: of gradients).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[Literal["learned", "selected"]] = "learned"
    uses_network: ClassVar[bool] = True
    precisions: ClassVar[tuple[Precision, ...]] = ()
    label_kind: ClassVar[Literal["hard", "soft"]] = "hard"
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = None

    @classmethod
    @abstractmethod
    def published(cls, occasion: Occasion) -> Self:
        """The settings as published."""

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """Settings for a CPU of few cores; where there are none, the published ones."""
        return cls.published(occasion)

    def check(self, problem: Problem) -> None:  # noqa: B027 - most methods take every problem
        """Raises `CondenseError` for what this method cannot do, such as a network that it has no use for."""

    def experts(self, problem: Problem) -> Plan | None:
        """The networks trained beforehand that steps draw from, as `problem.experts`; by default none."""
        return None

    @abstractmethod
    def steps(self, problem: Problem) -> int:
        """How many steps there are."""

    @abstractmethod
    def begin(self, problem: Problem) -> Any:
        """The state before the first step: the same at every call."""

    @abstractmethod
    def step(self, problem: Problem, state: Any, number: int) -> tuple[Any, dict[str, float | Tensor]]:
        """The state after a step, and its losses by name, numbers or tensors of one (which cost no wait for a GPU).

        number: of the step, from 0. The state that was given stays as it is: where a GPU's memory runs out, the step is done
        again, in smaller parts. Numbers are drawn from `problem.random` of a purpose and the step.
        """

    @abstractmethod
    def result(self, problem: Problem, state: Any) -> Condensed:
        """The set that a state stands for, in the space of `problem.data.inputs` and class by class as `problem.labels`."""

    def work(self, problem: Problem) -> Work:
        """What all steps compute, from which it is decided how; by default too little for anything special."""
        return Work(multiply_adds=0.0, batch=problem.images_per_class)

    def cost(self, problem: Problem) -> float:
        """What all steps take, in images of training the network: for estimates of time."""
        return self.work(problem).multiply_adds / (TRAINING_PASSES * problem.network.multiply_adds)

    def shape_of_state(self, problem: Problem, number: int) -> Any:
        """A state like that before a step in the names, shapes and types of its tensors; what it holds is of no matter."""
        return self.begin(problem)

    def round(self, problem: Problem) -> int:
        """Steps that make one iteration: records have a loss for each."""
        return 1

    def loss(self, problem: Problem, values: Sequence[float]) -> float:
        """The loss of an iteration from those of its steps, under the first of their names; some in mid-iteration."""
        return sum(values) / len(values)

    def warm_up(self, problem: Problem) -> None:
        """Calls every function that is compiled once; by default a step."""
        if self.steps(problem):
            self.step(problem, self.begin(problem), 0)

    def agreement(self, problem: Problem, precision: Precision) -> float:
        """Cosine between what moves the images in float32 and in one of `precisions`, tested on the problem's own data."""
        raise NotImplementedError(f"{self.name} computes in float32 alone")

    def remarks(self, problem: Problem) -> list[str]:
        """Sentences on what differs from what one may expect."""
        return []

    @classmethod
    def traits(cls) -> str:
        """What kind of method it is, in a line."""
        order = f"{cls.gradients} gradients" if cls.gradients else ""
        before = "" if cls.experts is Method.experts else "networks trained beforehand"
        return "; ".join(filter(None, [cls.kind, order, f"{cls.label_kind} labels", before]))

    @classmethod
    def settings(cls) -> dict[str, tuple[Any, Field[Any]]]:
        """(Type with its checks, field) of each setting by name."""
        hints = get_type_hints(cls, include_extras=True)
        return {one.name: (hints[one.name], one) for one in fields(cls)}


IMAGE_DECAYS = {"constant": "the same at every step", "cosine": "falling to zero over the run"}


def decayed(rate: float, decay: str, done: float) -> float:
    """A learning rate (of one of `IMAGE_DECAYS`) after a share `done` of the run."""
    return rate if decay == "constant" else rate * (1 + math.cos(math.pi * done)) / 2


def with_momentum(images: Tensor, velocity: Tensor, gradient: Tensor, rate: float, momentum: float) -> tuple[Tensor, Tensor]:
    """(Images, velocity) after a step of SGD: v <- momentum v + gradient; x <- x - rate v, as in torch.optim.SGD."""
    velocity = momentum * velocity + gradient
    return images - rate * velocity, velocity


def state_tensors(state: Any) -> dict[str, Tensor]:
    """The tensors of a state by field, and by field and name where a field is a dictionary."""
    found = {}
    for one in fields(state):
        value = getattr(state, one.name)
        found |= {one.name: value} if isinstance(value, Tensor) else {f"{one.name}.{key}": v for key, v in value.items()}
    return found


def all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Whether every number of all tensors is finite: a tensor of one truth value, for which no GPU is waited for."""
    found = [torch.isfinite(tensor).all() for tensor in tensors]
    return torch.stack(found).all() if found else torch.tensor(True)
