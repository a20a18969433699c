"""Trajectory matching (Cazenavette, Wang, Torralba, Efros and Zhu, Dataset Distillation by Matching Training Trajectories,
CVPR 2022), and with the gradient of TESLA (Cui, Wang, Si and Hsieh, Scaling Up Dataset Distillation to ImageNet-1K with
Constant Memory, ICML 2023).

Every step draws an expert and one of its early epochs. A student begins there, is trained on the synthetic images, and these
(and its learning rate) are moved so that it comes to where the expert was some epochs later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from condense.augmentation.laws import Law, OneOfSeveral, siamese_operations
from condense.checking import AtLeastOne, Count, Positive, Share
from condense.condensed import Condensed
from condense.errors import CondenseError, RunFailed
from condense.execution import Work
from condense.networks.layers import Tensors
from condense.randomness import generator
from condense.stage_c.experts import Plan
from condense.stage_c.method import Method, Occasion, setting, with_momentum
from condense.stage_c.problem import Problem
from condense.stage_c.trajectory import Batch, Found, Trajectory
from condense.training.recipe import Recipe, Stage

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Row = TypeVar("Row")
Settings = TypeVar("Settings", bound="MTT")

LAW = "single"
"""Of augmentation: one operation a batch, with parameters for each image."""
EXPERT_RATE, EXPERT_BATCH = 0.01, 256
"""Learning rate of experts in all epochs, and real images of a batch."""
FAST_STARTS = 5
"""`fast` students begin after fewer epochs than this."""
STEP_COST = 3.5
"""What an image costs in a student's step, in training steps of one image: the step, and its gradient's gradient."""


@dataclass(frozen=True)
class State:
    """Images (N, C, H, W); the students' learning rate (1,); logits (N, classes) of labels, or (0,) where these stay;
    velocity: the momentum of each by its name.
    """

    images: Tensor
    rate: Tensor
    logits: Tensor
    velocity: Tensors


class Published(NamedTuple):
    """What differs between the published runs: settings by their names below."""

    student_steps: int
    matched_epochs: int
    start_below: int
    image_learning_rate: float
    rate_learning_rate: float
    student_learning_rate: float
    synthetic_batch: int = 0


PUBLISHED: dict[str, dict[int, Published]] = {
    "cifar10": {
        1: Published(50, 2, 2, 100, 1e-7, 0.01),
        10: Published(30, 2, 20, 100, 1e-5, 0.001),
        50: Published(30, 2, 40, 1000, 1e-5, 0.001),
    },
    "cifar100": {
        1: Published(20, 3, 20, 1000, 1e-5, 0.01),
        10: Published(20, 2, 20, 1000, 1e-5, 0.01),
        50: Published(80, 2, 40, 1000, 1e-5, 0.01, 125),
    },
}
"""MTT's, by data set and images per class, as its authors gave them to DC-BENCH."""

# The code of TESLA doubles a tuple of one gradient, not the gradient: images there move by half their rate of 1000.
PUBLISHED_TESLA = {
    "cifar10": {**PUBLISHED["cifar10"], 1: Published(50, 2, 5, 500, 1e-7, 0.01)},
    "cifar100": {**PUBLISHED["cifar100"], 50: Published(80, 2, 40, 500, 1e-5, 0.01, 125)},
}
"""TESLA's, from the two commands in its README; where that has none, MTT's."""


@dataclass(frozen=True, kw_only=True)
class MTT(Method):
    """Students trained on the synthetic images are to come where experts come on the real ones.

    carried: whether the gradient is that of all student steps together, or of each by itself (`Trajectory`).
    """

    name: ClassVar[str] = "mtt"
    title: ClassVar[str] = "matching the training of experts on real images (Cazenavette et al., CVPR 2022)"
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "second-order"
    carried: ClassVar[bool] = True

    iterations: Count = setting("Updates of the images; published: 5000 (tesla and datm 10000), fast: 500.")
    student_steps: AtLeastOne = setting("Steps of a student on synthetic images; published: 20 to 100, fast: at most 15.")
    matched_epochs: AtLeastOne = setting("Epochs of an expert that a student is to cover; published: 2 or 3.")
    start_below: AtLeastOne = setting(
        "A student begins as an expert was after fewer epochs than this; published: 2 to 70, fast: at most 5."
    )
    image_learning_rate: Positive = setting("Learning rate of the images; published: 50 to 1000.")
    rate_learning_rate: NotNegative = setting(
        "Learning rate of the students' learning rate; 0: it stays; published: 1e-7 or 1e-5."
    )
    student_learning_rate: Positive = setting("The students' learning rate at first; published: 0.01 or 0.001, fast: 0.01.")
    synthetic_batch: Count = setting("Synthetic images in a student's step; 0: all; published: mostly 0, fast: at most 100.")
    augmentation: OneOfSeveral = setting(
        "Operations, one of which is drawn per batch of experts and students; published: all but flip for digits."
    )
    expert_count: AtLeastOne = setting("Networks trained beforehand; published: 100, fast: 5.")
    expert_epochs: AtLeastOne = setting("Epochs of training them; published: 50 (datm 100), fast: as many as are matched.")
    start_from: Count = setting("A student begins after no fewer epochs of an expert than this.", 0)
    image_momentum: Share = setting("Momentum of the images and of the students' learning rate.", 0.5)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' settings for CIFAR-10 and CIFAR-100; others take those of CIFAR-10, and of the next fewer images per
        class, by our reading. Some of these runs are of whitened images (docs/methods.md).
        """
        return cls(**nearest(PUBLISHED, occasion)._asdict(), **unvaried(occasion, iterations=5000, expert_epochs=50))

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """A first choice for two cores, reasoned and not yet chosen on held-out images.

        A tenth of the iterations or less, on few experts that are trained no longer than is matched; students take fewer
        steps, at a rate at which these are not too short.
        """
        return shortened(cls.published(occasion))

    def starts(self, number: int) -> range:
        """The epochs of an expert after which the student of a step may begin."""
        return range(self.start_from, self.start_below)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` for experts too short to be matched, and where a class has too few images."""
        if self.start_from >= self.start_below:
            raise CondenseError(f"--start-from {self.start_from} must be below --start-below {self.start_below}.")
        last = self.start_below - 1 + self.matched_epochs
        if self.expert_epochs < last:
            raise CondenseError(
                f"Students that begin before epoch {self.start_below} and cover {self.matched_epochs} need experts of "
                f"{last} epochs, and --expert-epochs is {self.expert_epochs}."
            )
        problem.check_classes()

    def experts(self, problem: Problem) -> Plan:
        """Plain SGD at one rate; weights are kept of the epochs that students begin and end at."""
        stages = (Stage(self.expert_epochs, EXPERT_RATE),)
        recipe = Recipe(stages, batch_size=EXPERT_BATCH, augmentation=self.augmentation, law=LAW)
        starts = range(self.start_from, self.start_below)
        kept = {*starts, *(start + self.matched_epochs for start in starts)}
        return Plan(recipe, self.expert_count, tuple(sorted(kept)))

    def steps(self, problem: Problem) -> int:
        """Iterations."""
        return self.iterations

    def work(self, problem: Problem) -> Work:
        """Students' steps, and what the images' gradient takes through each of them."""
        size = self.batch(problem)
        images = STEP_COST * size * self.student_steps * self.iterations
        return Work(multiply_adds=3.0 * problem.network.multiply_adds * images, batch=size)

    def cost(self, problem: Problem) -> float:
        """The same, and training the experts."""
        return super().cost(problem) + self.expert_count * self.expert_epochs * len(problem.data)

    def batch(self, problem: Problem) -> int:
        """Synthetic images in a student's step."""
        return min(self.synthetic_batch or len(problem.labels), len(problem.labels))

    def begin(self, problem: Problem) -> State:
        """Random real images of each class."""
        return self.begun(problem, problem.real_images())

    def begun(self, problem: Problem, images: Tensor, logits: Tensor | None = None) -> State:
        """The state of these images and logits of labels, if any, before the first step."""
        rate = images.new_full((1,), self.student_learning_rate)
        learned = {"images": images, "rate": rate} | ({} if logits is None else {"logits": logits})
        velocity = {name: torch.zeros_like(value) for name, value in learned.items()}
        return State(images, rate, images.new_empty(0) if logits is None else logits, velocity)

    def shape_of_state(self, problem: Problem, number: int) -> State:
        """As it begins, without looking at any image."""
        return self.begun(problem, images_like(problem))

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """One student, and one move of the images and of its learning rate.

        Raises `RunFailed` where that rate is no longer above 0, with which no network could be trained on the set.
        """
        start, target = self.segment(problem, number)
        trajectory = problem.once("trajectory", lambda: Trajectory(problem, self.batch(problem), carried=self.carried))
        found = trajectory.found(
            start, target, self.batches(problem, number), state.images, self.labels(problem, state), state.rate
        )
        after = self.moved(problem, state, found)
        if float(after.rate) <= 0:
            raise RunFailed(
                f"The students' learning rate came to {float(after.rate):.3g} in step {number + 1:,}, where it must be "
                "above 0: give a smaller --rate-learning-rate or --image-learning-rate."
            )
        return after, {"distance": found.distance, "student learning rate": after.rate}

    def segment(self, problem: Problem, number: int) -> tuple[Tensor, Tensor]:
        """(Parameters (P,) that a step's student begins with, those that it is to come to), of an expert drawn anew."""
        random, starts = generator(problem.seed, "expert", number), self.starts(number)
        expert = problem.experts[int(torch.randint(self.expert_count, (), generator=random))]
        begun = starts[int(torch.randint(len(starts), (), generator=random))]
        start, target = (expert.vectors[epoch].to(problem.dtype) for epoch in (begun, begun + self.matched_epochs))
        return start, target

    def batches(self, problem: Problem, number: int) -> list[Batch]:
        """What the student of a step sees: all images in a random order, then in another; the last batch of each, which
        may be smaller, comes first, as in the authors' code. Drawn on the CPU, for any device.
        """
        order, left, found = generator(problem.seed, "student order", number), list[Tensor](), list[Batch]()
        law, device = Law(LAW, self.augmentation), problem.data.device
        for step in range(self.student_steps):
            if not left:
                left = list(torch.randperm(len(problem.labels), generator=order).split(self.batch(problem)))
            indices, draw = left.pop(), None
            if self.augmentation:
                random = generator(problem.seed, "student augmentation", number, step)
                draw = law.draw(len(indices), problem.data.shape[1:], random, together=True).to(device)
            found.append(Batch(indices.to(device), draw))
        return found

    def labels(self, problem: Problem, state: State) -> Tensor:
        """Labels (N, classes) as probabilities: each image's class."""
        return F.one_hot(problem.labels, problem.data.classes).to(problem.dtype)

    def moved(self, problem: Problem, state: State, found: Found) -> State:
        """The state after a step of SGD on images and rate."""
        velocity, momentum = state.velocity, self.image_momentum
        images, of_images = with_momentum(state.images, velocity["images"], found.images, self.image_learning_rate, momentum)
        rate, of_rate = with_momentum(state.rate, velocity["rate"], found.rate, self.rate_learning_rate, momentum)
        return State(images, rate, state.logits, {**velocity, "images": of_images, "rate": of_rate})

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images with their classes, and the learning rate of networks that are trained on them."""
        return Condensed(state.images, problem.labels, learning_rate=float(state.rate))


@dataclass(frozen=True, kw_only=True)
class TESLA(MTT):
    """MTT with the gradient of each student step by itself, its parameters taken as given."""

    name: ClassVar[str] = "tesla"
    title: ClassVar[str] = "trajectory matching with the gradients of single steps (Cui et al., ICML 2023)"
    carried: ClassVar[bool] = False

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The commands in the authors' README; other occasions as MTT, by our reading."""
        return cls(**nearest(PUBLISHED_TESLA, occasion)._asdict(), **unvaried(occasion, iterations=10_000, expert_epochs=50))


def nearest(table: Mapping[str, Mapping[int, Row]], occasion: Occasion) -> Row:
    """The row of a data set, else of CIFAR-10, of as many images per class or the next fewer that there is."""
    rows = table.get(occasion.dataset, table["cifar10"])
    return rows[max((count for count in rows if count <= occasion.images_per_class), default=min(rows))]


def unvaried(occasion: Occasion, *, iterations: int, expert_epochs: int) -> dict[str, Any]:
    """The settings that are the same in all published runs of a method, and those that are in all methods'."""
    return {
        "iterations": iterations,
        "augmentation": siamese_operations(occasion.dataset),
        "expert_count": 100,
        "expert_epochs": expert_epochs,
    }


def shortened(settings: Settings) -> Settings:
    """The `fast` settings of a method from its published ones."""
    start_below = min(settings.start_below, FAST_STARTS)
    return replace(
        settings,
        iterations=500,
        student_steps=min(settings.student_steps, 15),
        start_from=0,
        start_below=start_below,
        student_learning_rate=0.01,
        synthetic_batch=min(settings.synthetic_batch or 100, 100),
        expert_count=5,
        expert_epochs=start_below - 1 + settings.matched_epochs,
    )


def images_like(problem: Problem) -> Tensor:
    """Images of the set's shape and type; what they hold is of no matter."""
    shape = len(problem.labels), *problem.data.shape
    return torch.zeros(shape, dtype=problem.dtype, device=problem.data.device)
