"""How long cells of a score will take: the network probed for a moment in a step of each kind."""

from collections import defaultdict
from collections.abc import Sequence

from condense.data.images import LabelledImages
from condense.networks.network import Network
from condense.studies.matrix.probe import probe
from condense.studies.score.cells import ScoreCell
from condense.training.recipe import Recipe, Stage

TEST = Recipe((Stage(1, 1e-6),), batch_size=256)
"""What is probed for the time of tests: of as many images as in a step of training on all of them."""


def probed_paces(cells: Sequence[ScoreCell], network: Network, test: LabelledImages) -> dict[str, float]:
    """Seconds for one unit of work by pace, of these cells."""
    speeds = {step: probe(network, test, step) for step in dict.fromkeys((TEST, *(cell.step for cell in cells)))}
    seconds: dict[str, float] = defaultdict(float)
    work: dict[str, float] = defaultdict(float)
    for cell in cells:
        trained, tested = cell.passes
        seconds[cell.pace] += trained * speeds[cell.step][0] + tested * speeds[TEST][1]
        work[cell.pace] += cell.work
    return {pace: seconds[pace] / work[pace] for pace in seconds if work[pace]}
