"""DREAM's real images, one class after the other: k-means point by point among features of a plain network."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from condense.randomness import generator
from condense.reference import selection
from condense.reference.distribution_matching import embedding
from condense.reference.idc import PlainIDC
from condense.reference.networks import load, module
from condense.stage_c.methods.dream import DREAM


class PlainDREAM(PlainIDC):
    """IDC's loop on real images that clusters stand for, which are kept until they are sought anew."""

    settings: DREAM
    kept: dict[int, Tensor]

    def steps(self) -> Iterator[tuple[float, Tensor, nn.Module]]:
        """As IDC's."""
        self.kept = {}
        return super().steps()

    def first_images(self, count: int) -> list[Tensor]:
        """Those that clusters stand for in the first network."""
        if self.settings.init != "clusters":
            return super().first_images(count)
        parameters = self.problem.network.initial(generator(self.problem.seed, "network", 0), self.problem.dtype)
        net = load(module(self.problem.network.name, self.data.shape, self.data.classes), parameters).eval()
        return [
            self._clusters(net, label, count, 0, generator(self.problem.seed, "clusters to begin with", label))
            for label in range(self.data.classes)
        ]

    def real(self, net: nn.Module, label: int, number: int) -> Tensor:
        """Indices of the real images of a class in a step."""
        settings = self.settings
        if number % settings.inner_loop % settings.renewal == 0:
            random = generator(self.problem.seed, "clusters", label, number)
            self.kept[label] = self._clusters(net, label, settings.real_batch, settings.candidates, random)
        return self.kept[label]

    def _clusters(self, net: nn.Module, label: int, count: int, candidates: int, random: torch.Generator) -> Tensor:
        """Indices of the images nearest to the centres of so many clusters."""
        among = torch.randperm(self.data.counts[label], generator=random).tolist()
        among = among[:candidates] if candidates else among
        images = self.starts[label] + torch.tensor(among)
        with torch.no_grad():
            points = torch.cat([embedding(net, self.data.inputs(index[None], self.problem.dtype)) for index in images])
        centres = selection.settled(points, list(points[:count]), self.settings.rounds)
        return images[selection.nearest_points(points, centres)]
