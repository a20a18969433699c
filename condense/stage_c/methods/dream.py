"""DREAM (Liu et al., DREAM: Efficient Dataset Distillation by Representative Matching, ICCV 2023).

IDC with other real images: those nearest to the centres of clusters among the features of a class in the network at hand,
sought anew every so many steps, so that few of them spread over the class. Images begin as such ones too.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, ClassVar, Self

import torch
from torch import Tensor

from condense.checking import AtLeastOne, Count, one_of
from condense.errors import CondenseError
from condense.execution import Work
from condense.networks.layers import Tensors
from condense.networks.network import TRAINING_PASSES
from condense.randomness import generator
from condense.stage_c.features import RunningFeatures
from condense.stage_c.k_means import nearest_points, settled
from condense.stage_c.method import Occasion, setting
from condense.stage_c.methods import idc
from condense.stage_c.methods.idc import IDC, State
from condense.stage_c.problem import Problem
from condense.training.layout import Layout

INITS = {"clusters": "the images that clusters stand for in a new network", **idc.INITS}
USUAL_ROUNDS = 30
"""After which k-means mostly rests: for estimates."""


@dataclass(frozen=True, kw_only=True)
class DREAM(IDC):
    """IDC on real images that clusters stand for.

    Its clusters begin at images drawn at random, and an image stands for one cluster at most; features are those of
    normalised images. In the authors' code an image may stand for several and count as often, and features are of images
    that are not normalised, though the network is trained on such that are.
    """

    name: ClassVar[str] = "dream"
    title: ClassVar[str] = "idc on real images that clusters of a class stand for (Liu et al., ICCV 2023)"

    iterations: Count = setting("Iterations, each with a new network; published: 1000, fast: 60.")
    real_batch: AtLeastOne = setting("Clusters, and real images, per class and step; published: 128, fast: 32.")
    renewal: AtLeastOne = setting("Image updates after which clusters are sought anew; published: 10, fast: 5.")
    init: Annotated[str, one_of("initialisation", INITS)] = setting(
        "Images to begin with: clusters (those that clusters stand for), first or real; published and fast: clusters."
    )
    candidates: Count = setting(
        "Real images of a class, drawn anew each time, among which clusters are sought; 0: all; published: 0, fast: 256."
    )
    rounds: AtLeastOne = setting("Rounds of k-means at most; published: 100 by our reading, fast: 10.")

    @classmethod
    def published(cls, occasion: Occasion) -> Self:
        """The authors' code; iterations as far as their curves go."""
        settings = replace(IDC.published(occasion), iterations=1000, real_batch=128, renewal=10, init="clusters")
        return cls(**asdict(settings), candidates=0, rounds=100)

    @classmethod
    def fast(cls, occasion: Occasion) -> Self:
        """As idc's `fast`, reasoned and not yet chosen on held-out images.

        A network changes most in its first steps, so clusters are sought more often than published; among a few hundred
        images of each class, of CIFAR-10's a twentieth, as else seeking them would take longer than all the rest.
        """
        settings = replace(IDC.fast(occasion), renewal=5, init="clusters")
        return cls(**asdict(settings), candidates=256, rounds=10)

    def check(self, problem: Problem) -> None:
        """As idc's; raises `CondenseError` also for fewer candidates than clusters."""
        super().check(problem)
        if 0 < self.candidates < self.real_batch:
            raise CondenseError(
                f"{self.candidates} candidates are too few for {self.real_batch} real images of each class: ask for more, "
                "or for 0, which takes all."
            )

    def first_images(self, problem: Problem) -> Tensor:
        """Indices (classes * ipc * factor^2,), class by class, of the images to begin with; of clusters in a new network."""
        if self.init != "clusters":
            return super().first_images(problem)
        each = [problem.images_per_class * self.factor**2] * problem.data.classes
        vector, statistics = problem.new_network(0)
        return self._standing_for_clusters(problem, vector, statistics, each, 0, "clusters to begin with")

    def real_images(self, problem: Problem, state: State, number: int) -> Tensor:
        """Indices (n,), class by class, of a step's real images: those that clusters stand for in the network as it is."""
        counts = self.counts(problem)
        return self._standing_for_clusters(
            problem, state.vector, state.statistics, counts, self.candidates, "clusters", number
        )

    def _standing_for_clusters(
        self,
        problem: Problem,
        vector: Tensor,
        statistics: Tensors,
        counts: tuple[int, ...] | list[int],
        candidates: int,
        purpose: str,
        *step: int,
    ) -> Tensor:
        """Indices, class by class, of the image nearest to the centre of each of so many clusters of a class.

        candidates: images of a class among which they are sought, 0 for all. Draws are the same on every device.
        """
        network = Layout.of(problem.network).views(vector)
        features = problem.once("features of candidates", lambda: RunningFeatures(problem))
        chosen, first = list[Tensor](), 0
        for label, (count, clusters) in enumerate(zip(problem.data.counts, counts, strict=True)):
            random = generator(problem.seed, purpose, label, *step)
            among = torch.randperm(count, generator=random)[: candidates or None].to(problem.data.device) + first
            if clusters < len(among):
                points = features.real(network, statistics, problem.data.inputs(among, problem.dtype))
                centres = settled(points, points[:clusters], self.rounds)  # `among` is in random order
                among = among[nearest_points(points, centres)]
            chosen.append(among)
            first += count
        return torch.cat(chosen)

    def work(self, problem: Problem) -> Work:
        """As idc's, and the features of candidates."""
        found = super().work(problem)
        features = float(problem.network.multiply_adds) * self._candidates(problem) * self._renewals
        return Work(multiply_adds=found.multiply_adds + features, batch=found.batch)

    def cost(self, problem: Problem) -> float:
        """The same, with k-means among them."""
        k_means = 2.0 * problem.network.feature_count * self.real_batch * min(self.rounds, USUAL_ROUNDS)
        each = (problem.network.multiply_adds + k_means) / (TRAINING_PASSES * problem.network.multiply_adds)
        return super().cost(problem) + each * self._candidates(problem) * self._renewals

    def _candidates(self, problem: Problem) -> int:
        """Images, of all classes, among which clusters are sought."""
        return sum(min(count, self.candidates or count) for count in problem.data.counts)

    @property
    def _renewals(self) -> int:
        """How often they are sought in a run."""
        return self.iterations * -(-self.inner_loop // self.renewal)
