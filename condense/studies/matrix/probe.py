"""How quickly networks are trained and tested on this machine: probed for a moment."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch

from condense.data.images import LabelledImages
from condense.machine import reproducible
from condense.networks.network import Network
from condense.networks.registry import build
from condense.studies.matrix.cells import MatrixCell
from condense.studies.matrix.images import Images
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

PROBED = 10
"""Images in a probe's training step where nothing else is said; a test takes the same number."""
STEP = Recipe((Stage(1, 1e-6),), batch_size=PROBED)


def probed_paces(missing: Sequence[MatrixCell], cells: Sequence[MatrixCell], images: Images) -> dict[str, float]:
    """Seconds for one unit of work by pace, of all cells on the data sets of those that are missing: what is done among them
    corrects the estimates of the others.
    """
    datasets = {cell.dataset for cell in missing}
    speeds: dict[tuple[str, str], tuple[float, float]] = {}
    seconds: dict[str, float] = defaultdict(float)
    work: dict[str, float] = defaultdict(float)
    for cell in cells:
        if cell.dataset in datasets:
            test, place = images.of(cell.dataset).test, (cell.dataset, cell.network)
            if place not in speeds:
                speeds[place] = probe(build(cell.network, test.shape, test.classes), test)
            each = zip(speeds[place], cell.passes, strict=True)
            seconds[cell.pace] += sum(second * count for second, count in each)
            work[cell.pace] += cell.work
    return {pace: seconds[pace] / work[pace] for pace in seconds}


def probe(network: Network, test: LabelledImages, step: Recipe = STEP) -> tuple[float, float]:
    """Seconds for one image in a training step, whose batch is a full one, and in a test of as many."""
    device, images = test.device, step.batch_size
    x = test.inputs(torch.arange(images, device=device) % len(test))
    source = TensorSource(x, torch.arange(images, device=device) % network.classes)
    members = fresh_members(network, [0], "probe", device)
    with reproducible(device):  # the tasks are timed in full float32, so the probe must be too
        training = _quicker(
            lambda: train(network, members, source, step, [MemberDraws.of(0, "probe", device=device)]), device
        )
        testing = _quicker(lambda: accuracies(network, members, source), device)
    return training / images, testing / images


def _quicker(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quicker of two times, the first of which also warms up."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds)
