"""What the tasks of a matrix will take: images counted, their speed probed, both corrected by the tasks that are done."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import mean

import torch

from condense.data.images import DataSet, LabelledImages
from condense.machine import reproducible
from condense.networks.network import Network
from condense.networks.registry import build
from condense.stage_c.answers import answering
from condense.stage_c.learn import problem_of
from condense.stage_t.protocols import recipe
from condense.studies.matrix.folder import MatrixFolder
from condense.studies.matrix.tasks import CellTask, SetTask, Task, images_of
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

PROBED = 10
"""Images in a probe's training step; a test takes the same number."""


class Costs:
    """Estimated seconds of tasks."""

    def __init__(self, data: DataSet, tasks: Iterable[Task], folder: MatrixFolder) -> None:
        self.data, self.folder = data, folder
        self.speeds: dict[str, tuple[float, float]] = {}
        self.ratios: dict[tuple[type, str], float] = {}
        self._learn_from(list(tasks))

    def of(self, task: Task) -> float:
        """Seconds that are left of a task."""
        if self.folder.is_done(task):
            return 0.0
        return self._counted(task) * self._ratio(task)

    def _counted(self, task: Task, seeds: int | None = None) -> float:
        """Seconds by counting images and by the probe alone."""
        if isinstance(task, SetTask):
            return self._of_set(task)
        train_image, test_image = self._speed(task.network)
        images = self.data.test.classes * task.of.config.ipc
        chosen = recipe(task.protocol, task.of.config.dataset, task.network, rate=1.0)  # of which only epochs count
        each = chosen.epochs * images * train_image + len(self.data.test) * test_image
        return each * (len(self.folder.missing_seeds(task)) if seeds is None else seeds)

    def _of_set(self, task: SetTask) -> float:
        train = images_of(task, self.data).train
        method = task.config.plan()
        with answering(method):
            images = method.cost(problem_of(task.config, train))
        return images * self._speed(task.config.network)[0] if images else 0.0

    def _speed(self, network: str) -> tuple[float, float]:
        """Seconds for an image in a training step and in a test."""
        if network not in self.speeds:
            test = self.data.test
            self.speeds[network] = probe(build(network, test.shape, test.classes), test)
        return self.speeds[network]

    def _ratio(self, task: Task) -> float:
        """Measured over counted seconds: of this network's finished tasks, else of all of the kind, else 1."""
        own = self.ratios.get(_kind(task))
        same_kind = [ratio for (kind, _), ratio in self.ratios.items() if kind is type(task)]
        return own if own is not None else mean(same_kind) if same_kind else 1.0

    def _learn_from(self, tasks: list[Task]) -> None:
        found: dict[tuple[type, str], list[float]] = defaultdict(list)
        for task in tasks:
            learned = self.folder.learned(task) if isinstance(task, SetTask) else None
            records = [learned] if learned else self.folder.tested(task) if isinstance(task, CellTask) else []
            for record in records:
                counted = self._counted(task, len(record.seeds))
                if counted:
                    found[_kind(task)].append((record.wall_seconds + record.warm_up_seconds) / counted)
        self.ratios = {kind: mean(ratios) for kind, ratios in found.items()}


def probe(network: Network, test: LabelledImages) -> tuple[float, float]:
    """Seconds for one image in a training step of `PROBED` images, and in a test of as many."""
    device = test.device
    x = test.inputs(torch.arange(PROBED, device=device) % len(test))
    source = TensorSource(x, torch.arange(PROBED, device=device) % network.classes)
    members = fresh_members(network, [0], "probe", device)
    step = Recipe((Stage(1, 1e-6),), batch_size=PROBED)
    with reproducible(device):  # the tasks are timed in full float32, so the probe must be too
        training = _quicker(
            lambda: train(network, members, source, step, [MemberDraws.of(0, "probe", device=device)]), device
        )
        testing = _quicker(lambda: accuracies(network, members, source), device)
    return training / PROBED, testing / PROBED


def _quicker(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the quicker of two times, the first of which also warms up."""
    found = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - began)
    return min(found)


def _kind(task: Task) -> tuple[type, str]:
    return type(task), task.config.network if isinstance(task, SetTask) else task.network
