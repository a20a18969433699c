"""FRePo (Zhou, Nezhadarya, Ba: Dataset Distillation using Neural Feature Regression, NeurIPS 2022).

Kernel ridge regression on the features of a network, from synthetic to real images, whose error moves the synthetic images
and their labels: one linear solve and first-order gradients only. The network is one of a pool, each of which is trained on
the synthetic set while it is in use.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from condense.checking import AtLeastOne, Count, Positive, one_of
from condense.condensed import Condensed
from condense.errors import CondenseError
from condense.execution import Work
from condense.networks.layers import Tensors
from condense.randomness import generator
from condense.stage_c.features import RunningFeatures
from condense.stage_c.method import Method, Occasion, decayed, setting
from condense.stage_c.problem import Problem
from condense.training.layout import Layout
from condense.training.optimisers import adamw_step
from condense.training.recipe import Recipe, Stage

MIRRORS = {"none": "the images as they are", "appended": "the images, and each mirrored left to right with the same label"}
RIDGE = 1e-6
"""What is added to the kernel's diagonal, as a share of its mean."""
BETAS = (0.9, 0.999)
EPSILON = 1e-6
"""What LAMB adds to the root of the mean square."""
LAST_SHARE = 0.1
"""Of the learning rate, to which it falls."""
MOST_TRAINED_ON = 1000
"""Synthetic images in a step of a network's training; of more, so many are drawn."""


@dataclass(frozen=True)
class State:
    """Where a run stands.

    images: (N, C, H, W), normalised; labels: (N, classes), as a regression has them, about 0; optimiser: the running means
    of gradients and of squares of both, by name. Of the M networks of the pool: vectors (M, P), means and squares of Adam
    (M, P), BatchNorm's statistics (M, channels).
    """

    images: Tensor
    labels: Tensor
    optimiser: Tensors
    vectors: Tensor
    means: Tensor
    squares: Tensor
    statistics: Tensors


class Turn(NamedTuple):
    """Whose turn in the pool it is at a step: the network's place, and the steps that it was trained.

    last: whether it is drawn anew after this one.
    """

    place: int
    trained: int
    last: bool


@dataclass(frozen=True, kw_only=True)
class FRePo(Method):
    """Moves images and labels so that a ridge regression on them says what real images are.

    BatchNorm works on its running statistics in the regression, on the batch's in a network's training; dropout is off.
    """

    name: ClassVar[str] = "frepo"
    title: ClassVar[str] = "regression on features of a pool of networks, with learned labels (Zhou et al., NeurIPS 2022)"
    gradients: ClassVar[Literal["first-order", "second-order"] | None] = "first-order"
    label_kind: ClassVar[Literal["hard", "soft"]] = "soft"

    iterations: Count = setting("Updates of images and labels; published: 500000, fast: 5000.")
    real_batch: AtLeastOne = setting("Real images, of all classes, in a step; published: 1024, fast: 256.")
    image_learning_rate: Positive = setting(
        "Learning rate of images and labels (LAMB), falling as half a cosine to a tenth; published: 0.0003, fast: 0.003."
    )
    mirror: Annotated[str, one_of("mirror", MIRRORS)] = setting(
        "none, or appended: each image is mirrored too; published: appended for CIFAR-10, and at 1 image per class for "
        "CIFAR-100 and Tiny ImageNet."
    )
    pool: AtLeastOne = setting("Networks in the pool; published: 10.", 10)
    online_steps: Count = setting("A network is drawn anew after more than so many steps of training; published: 100.", 100)
    network_learning_rate: Positive = setting("Learning rate of the networks (Adam).", 3e-4)

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code, on the network that is asked for."""
        mirrored = occasion.dataset == "cifar10" or (
            occasion.dataset in ("cifar100", "tiny-imagenet") and occasion.images_per_class == 1
        )
        return cls(
            iterations=500_000,
            real_batch=1024,
            image_learning_rate=3e-4,
            mirror="appended" if mirrored else "none",
        )

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """For two cores, reasoned and not yet chosen on held-out images.

        A hundredth of the steps at ten times the rate, on a quarter of the real images: by reckoning as much work, at 10
        images per class of CIFAR-10, as idc's `fast`.
        """
        return replace(cls.published(occasion), iterations=5000, real_batch=256, image_learning_rate=3e-3)

    def check(self, problem: Problem) -> None:
        """Raises `CondenseError` for a single class, and where a class has too few images to begin with."""
        if problem.data.classes < 2:
            raise CondenseError(f"The method {self.name} learns labels, which takes images of two classes or more.")
        problem.check_classes()

    def steps(self, problem: Problem) -> int:
        """Iterations."""
        return self.iterations

    def rate(self, number: int) -> float:
        """Learning rate of images and labels at a step."""
        falling = decayed(1.0, "cosine", number / self.iterations)
        return self.image_learning_rate * (LAST_SHARE + (1 - LAST_SHARE) * falling)

    def begin(self, problem: Problem) -> State:
        """Random real images with their classes as labels, and new networks."""
        images = problem.real_images()
        labels = about_zero(problem.labels, problem.data.classes, problem.dtype) / scale_of(problem.data.classes)
        both = {"images": images, "labels": labels}
        optimiser = {f"{kind} of {name}": torch.zeros_like(one) for name, one in both.items() for kind in ("mean", "square")}
        drawn = [problem.new_network(place) for place in range(self.pool)]
        vectors = torch.stack([vector for vector, _ in drawn])
        statistics = {name: torch.stack([found[name] for _, found in drawn]) for name in drawn[0][1]}
        return State(images, labels, optimiser, vectors, torch.zeros_like(vectors), torch.zeros_like(vectors), statistics)

    def turn(self, problem: Problem, number: int) -> Turn:
        """Each network of the pool has one turn in as many steps, in an order that is drawn.

        They begin as if trained already, each for another share of its steps, so that they are not drawn anew together.
        """
        before, place = divmod(number, self.pool)
        order = torch.randperm(self.pool, generator=generator(problem.seed, "order of the pool", before))
        chosen, most = int(order[place]), self.online_steps + 1
        trained = (before + chosen * most // self.pool) % most
        return Turn(chosen, min(trained, before), trained == self.online_steps)

    def step(self, problem: Problem, state: State, number: int) -> tuple[State, dict[str, float | Tensor]]:
        """A move of images and labels by one network, and a step of that network's training on them."""
        turn = self.turn(problem, number)
        network = Layout.of(problem.network).views(state.vectors[turn.place])
        statistics = {name: value[turn.place] for name, value in state.statistics.items()}
        batch = self.real_images(problem, number)
        features = problem.once("features", lambda: RunningFeatures(problem))
        seen = features.real(network, statistics, problem.data.inputs(batch, problem.dtype))
        wanted = about_zero(problem.data.labels[batch], problem.data.classes, problem.dtype)
        gradients, losses = self._gradients(problem, state, network, statistics, seen, wanted)
        moved, optimiser = {}, {}
        for name, value in (("images", state.images), ("labels", state.labels)):
            kept = state.optimiser[f"mean of {name}"], state.optimiser[f"square of {name}"]
            moved[name], mean, square = lamb_step(value, *kept, gradients[name], self.rate(number), number + 1)
            optimiser |= {f"mean of {name}": mean, f"square of {name}": square}
        after = replace(state, images=moved["images"], labels=moved["labels"], optimiser=optimiser)
        return self._trained(problem, after, turn, number), losses

    def real_images(self, problem: Problem, number: int) -> Tensor:
        """Indices of a step's real images: epochs without replacement, the rest of each unused."""
        count = len(problem.data)
        size = min(self.real_batch, count)
        epoch, place = divmod(number, count // size)
        random = problem.random("order of real images", epoch)
        return torch.randperm(count, generator=random, device=random.device)[place * size : (place + 1) * size]

    def shown(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The set as networks see it, with mirrored images if there are any."""
        if self.mirror == "none":
            return images, labels
        return torch.cat([images, images.flip(3)]), torch.cat([labels, labels])

    def result(self, problem: Problem, state: State) -> Condensed:
        """The images with their labels as the nearest probabilities, in the scale in which they began as one-hot."""
        classes = problem.data.classes
        probabilities = nearest_probabilities(scale_of(classes) * state.labels.double() + 1 / classes)
        return Condensed(state.images, probabilities.float())

    def work(self, problem: Problem) -> Work:
        """The features of real images, once forward."""
        images = min(self.real_batch, len(problem.data)) * self.iterations
        return Work(multiply_adds=float(problem.network.multiply_adds) * images, batch=self.real_batch)

    def cost(self, problem: Problem) -> float:
        """Real images forward, synthetic ones there and back twice: to move them, and to train on them."""
        synthetic = len(problem.labels) * (1 if self.mirror == "none" else 2)
        each = min(self.real_batch, len(problem.data)) / 3 + synthetic + min(synthetic, MOST_TRAINED_ON)
        return self.iterations * each

    def _gradients(
        self, problem: Problem, state: State, network: Tensors, statistics: Tensors, seen: Tensor, wanted: Tensor
    ) -> tuple[Tensors, dict[str, float | Tensor]]:
        """(Gradients of images and labels, losses) of the regression's error less the labels' margin."""
        with torch.enable_grad():
            images, labels = (value.detach().requires_grad_() for value in (state.images, state.labels))
            x, y = self.shown(images, labels)
            parts = self._parts(problem, x)
            features = torch.cat([problem.network.features(network, part, statistics) for part in parts])
            error = regression_error(features, y, seen, wanted)
            margin = margin_of(labels)
            of_images, of_labels = torch.autograd.grad(error - margin, (images, labels))
        return {"images": of_images, "labels": of_labels}, {"regression": error.detach(), "margin": margin.detach()}

    def _trained(self, problem: Problem, state: State, turn: Turn, number: int) -> State:
        """One step of Adam of the network on the synthetic set; where it was the last, a new network in its place."""
        layout, place = Layout.of(problem.network), turn.place
        if turn.last:
            vector, statistics = problem.new_network(self.pool + number)
            mean = square = torch.zeros_like(vector)
        else:
            x, y = self.shown(state.images, state.labels)
            if len(x) > MOST_TRAINED_ON:
                random = problem.random("training images", number)
                chosen = torch.randperm(len(x), generator=random, device=random.device)[:MOST_TRAINED_ON]
                x, y = x[chosen], y[chosen]
            gradient, statistics = self._training_gradient(problem, state, place, x, y)
            vectors = state.vectors[place : place + 1].clone()
            steps = torch.full((1,), float(turn.trained), dtype=torch.float32, device=x.device)
            adam = {"mean": state.means[place : place + 1].clone(), "square": state.squares[place : place + 1].clone()}
            recipe = Recipe((Stage(1, self.network_learning_rate),), optimiser="adamw", betas=BETAS)
            adamw_step(vectors, adam | {"steps": steps}, layout.flatten(gradient)[None], self.network_learning_rate, recipe)
            vector, mean, square = vectors[0], adam["mean"][0], adam["square"][0]
        return replace(
            state,
            vectors=with_one(state.vectors, place, vector),
            means=with_one(state.means, place, mean),
            squares=with_one(state.squares, place, square),
            statistics={name: with_one(value, place, statistics[name]) for name, value in state.statistics.items()},
        )

    def _training_gradient(
        self, problem: Problem, state: State, place: int, x: Tensor, y: Tensor
    ) -> tuple[Tensors, Tensors]:
        """(Gradient by parameter, BatchNorm's statistics after) of half the mean squared distance of logits and labels."""
        views = Layout.of(problem.network).views(state.vectors[place])
        statistics = {name: value[place] for name, value in state.statistics.items()}
        total: dict[str, Tensor] = {name: torch.zeros_like(value) for name, value in views.items()}
        parts = [x] if problem.network.has_batch_norm else self._parts(problem, x)
        first, after = 0, statistics
        for part in parts:
            with torch.enable_grad():
                parameters = {name: value.detach().requires_grad_() for name, value in views.items()}
                logits, after = problem.network.train_logits(parameters, part, statistics)
                loss = (logits - y[first : first + len(part)]).square().sum() / (2 * len(x))
                gradients = torch.autograd.grad(loss, list(parameters.values()))
            total = {name: total[name] + gradient for name, gradient in zip(total, gradients, strict=True)}
            first += len(part)
        return total, {name: value.detach() for name, value in after.items()}

    def _parts(self, problem: Problem, x: Tensor) -> Iterable[Tensor]:
        """Images, as many at a time as go through a network together."""
        execution = problem.execution
        return [part.contiguous(memory_format=execution.memory_format) for part in x.split(execution.part)]


def about_zero(labels: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """Labels (N,) as a regression has them: one-hot less 1 / classes, (N, classes)."""
    return F.one_hot(labels, classes).to(dtype) - 1 / classes


def scale_of(classes: int) -> float:
    """How many times the labels of the synthetic images are smaller than those of real ones where they begin."""
    return math.sqrt(classes / 10)


def regression_error(features: Tensor, labels: Tensor, seen: Tensor, wanted: Tensor) -> Tensor:
    """Half the mean squared distance between what is wanted of real images and what the regression says of them.

    features (n, d), labels (n, K): of synthetic images; seen (b, d), wanted (b, K): of real ones. The regression is
    K_ts (K_ss + l I)^-1 y with K the inner products of features and l = `RIDGE` times the mean of K_ss's diagonal, in
    float64 whatever the type, as float32 does not resolve so small a ridge. Not a number where all features are 0.
    """
    own, kernel = features.double(), features.double() @ features.double().T
    ridge = RIDGE * kernel.diagonal().mean()
    # The one without a check: a GPU is not waited for, and what is not finite ends a run at the driver.
    factor, _ = torch.linalg.cholesky_ex(kernel + ridge * torch.eye(len(kernel), dtype=own.dtype, device=own.device))
    weights = own.T @ torch.cholesky_solve(labels.double(), factor)
    return (seen.double() @ weights - wanted.double()).square().sum(1).mean() / 2


def margin_of(labels: Tensor) -> Tensor:
    """The mean of how far the largest of each image's labels (N, K) is above the second, 1 / K at most."""
    largest = labels.topk(2, dim=1).values
    return (largest[:, 0] - largest[:, 1]).clamp(max=1 / labels.shape[1]).mean()


def lamb_step(
    value: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, rate: float, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(Value, mean, square) after step number `steps`, from 1, of LAMB (You et al., ICLR 2020) without weight decay: Adam's
    direction, as long as the whole value is, times the rate.
    """
    mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
    square = BETAS[1] * square + (1 - BETAS[1]) * gradient.square()
    root = (square / (1 - BETAS[1] ** steps)).sqrt()
    direction = mean / (1 - BETAS[0] ** steps) / (root + EPSILON)
    length, own = direction.norm(), value.norm()
    trust = torch.where((length > 0) & (own > 0), own / length, torch.ones_like(own))
    return value - rate * trust * direction, mean, square


def nearest_probabilities(values: Tensor) -> Tensor:
    """The probabilities (N, K) nearest to values (N, K), by Euclidean distance (Duchi et al., ICML 2008, Figure 1)."""
    ordered = values.sort(dim=1, descending=True).values
    over = ordered.cumsum(1) - 1
    ranks = torch.arange(1, values.shape[1] + 1, device=values.device)
    positive = (ordered * ranks > over).sum(1, keepdim=True)
    return (values - over.gather(1, positive - 1) / positive).clamp(min=0)


def with_one(stack: Tensor, place: int, value: Tensor) -> Tensor:
    """A stack (M, ...) with another value (...) in one place."""
    return stack.index_copy(0, torch.tensor([place], device=stack.device), value[None])
