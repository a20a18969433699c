"""K-means as a method of stage C: the images of a class are the centres of its real images (Lloyd, 1982)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from condense import Condensed, CondenseError, Method, Occasion, Problem, Work, setting


@dataclass(frozen=True)
class State:
    """The centres (classes * images per class, C, H, W), class by class."""

    centres: Tensor


@dataclass(frozen=True, kw_only=True)
class KMeans(Method):
    """Every step gives each real image to the nearest centre of its class, and moves the centres to the means of theirs."""

    name: ClassVar[str] = "k-means"
    title: ClassVar[str] = "the centres of k-means among the real images of each class (Lloyd, 1982)"
    uses_network: ClassVar[bool] = False

    iterations: Annotated[int, Field(ge=1)] = setting("Moves of the centres; published: 50, fast: 10.")
    square: Annotated[int, Field(ge=1)] = setting("Distances are between means over squares of so many pixels a side.", 1)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """Enough for the centres to stand still."""
        return cls(iterations=50)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """Most of the way."""
        return cls(iterations=10)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` where a class has too few images to begin with, or the images are smaller than a square."""
        problem.check_classes()
        side = min(problem.data.shape[1:])
        if self.square > side:
            raise CondenseError(f"--square {self.square} is more than the {side} pixels of the images' shorter side.")

    def steps(self, problem: Problem) -> int:
        """Moves of the centres."""
        return self.iterations

    def begin(self, problem: Problem) -> State:
        """Real images of each class, drawn at random."""
        return State(problem.real_images())

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """One move of all centres; the loss is the mean squared distance of a real image to the centre it is nearest to."""
        moved, total = [], torch.zeros((), dtype=problem.dtype, device=problem.data.device)
        for real, centres in zip(self._classes(problem), state.centres.split(problem.images_per_class), strict=True):
            distances = torch.cdist(self._seen(real), self._seen(centres)).square()
            nearest, owner = distances.min(dim=1)
            members = F.one_hot(owner, len(centres)).to(real.dtype)
            means = (members.T @ real.flatten(1)) / members.sum(0).clamp(min=1)[:, None]
            # A centre that is nearest to no image stays where it is.
            moved.append(torch.where(members.any(0)[:, None], means, centres.flatten(1)).view_as(centres))
            total = total + nearest.sum()
        return State(torch.cat(moved)), {"squared distance": total / len(problem.data)}

    def result(self, problem: Problem, state: State) -> Condensed:
        """The centres, with their classes as labels."""
        return Condensed(state.centres, problem.labels)

    def work(self, problem: Problem) -> Work:
        """Distances of all images to the centres of their class, and the means."""
        pixels = problem.data.pixels[0].numel()
        each = 2.0 * len(problem.data) * problem.images_per_class * pixels
        return Work(multiply_adds=each * self.iterations, batch=max(problem.data.counts))

    def _classes(self, problem: Problem) -> Iterator[Tensor]:
        """The real images of each class (n, C, H, W), normalised."""
        for indices in torch.arange(len(problem.data), device=problem.data.device).split(list(problem.data.counts)):
            yield problem.data.inputs(indices, problem.dtype)

    def _seen(self, images: Tensor) -> Tensor:
        """What distances are between: images as rows, after the mean over squares of pixels."""
        return F.avg_pool2d(images, self.square, ceil_mode=True).flatten(1)
