"""What the cells of a sweep share: images, small sets of the folder, and how fast this machine is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from condense.data.images import DataSet, LabelledImages
from condense.machine import reproducible
from condense.memory import in_use
from condense.stage_t.evaluate import source_of
from condense.studies.hyperparameters.asked import TrainingImages
from condense.studies.hyperparameters.estimate import data_bytes
from condense.studies.hyperparameters.probe import probe
from condense.studies.hyperparameters.proxies import kept
from condense.studies.hyperparameters.rows import Row
from condense.studies.hyperparameters.trial import Calibration, Trial
from condense.study.folder import StudyFolder
from condense.training.sources import Source

LONG_SECONDS = 60.0
"""Rows estimated to take longer are probed again just before they run, as the machine may be busier or idler by then."""
PROBED_SHARE = 0.02
"""Of such a row's time so much goes into that probe: the shorter it is, the more a moment's disturbance counts."""


@dataclass
class Materials:
    """train, held_out: the parts of data's training images that rows are trained on, and that they are compared on.

    calibration: of the machine, as far as it was probed.
    """

    data: DataSet
    train: LabelledImages
    held_out: LabelledImages
    folder: StudyFolder
    calibration: Calibration | None = None

    def trial(self, row: Row, on: TrainingImages) -> Trial:
        """A row on these images. Its loading raises `CondenseError` where they are not there, or others."""
        return Trial(row, on, partial(self._load, on), self.data, self.held_out)

    def _load(self, on: TrainingImages) -> Source:
        return self.train if on.proxy is None else source_of(kept(self.folder.path, on.proxy), self.data.test.device)

    def calibrate(self, trials: Iterable[tuple[Trial, int]]) -> Calibration:
        """Probes the networks of trials with so many networks each, as far as they were not probed before.

        They are probed under the settings that they are trained under, whose libraries then are in memory: the context is
        what stays there after the first probe, less the data.
        """
        there = self.calibration.speeds if self.calibration else {}
        missing = [(trial, count) for trial, count in trials if trial.speed_key(count) not in there]
        with reproducible(self.data.test.device):
            speeds = there | probed(missing, self.data)
        if self.calibration is None:
            size = data_bytes(self.data)
            self.calibration = Calibration(speeds, max(in_use(self.data.test.device) - size, 0), size)
        self.calibration = replace(self.calibration, speeds=speeds)
        return self.calibration

    def calibrated(self, trial: Trial, networks: int) -> Calibration:
        """The calibration for a row that begins now."""
        return probed_again(self.calibrate([(trial, networks)]), trial, networks, self.data)


def probed(trials: Iterable[tuple[Trial, int]], data: DataSet) -> dict[Any, Any]:
    """The speed of each network among trials of so many networks, from steps with the batches they have."""
    batches: dict[Any, list[int]] = {}
    networks = {}
    for trial, count in trials:
        key = trial.speed_key(count)
        batches.setdefault(key, []).append(trial.batch)
        networks[key] = trial.network
    return {key: probe(networks[key], data.train, batches[key], key.together, key.momentum) for key in batches}


def probed_again(calibration: Calibration, trial: Trial, networks: int, data: DataSet) -> Calibration:
    """The calibration with its row's network probed once more at its own batch size, where that costs next to nothing."""
    seconds = trial.estimated_seconds(networks, calibration)
    if seconds < LONG_SECONDS:
        return calibration
    key = trial.speed_key(networks)
    speed = probe(trial.network, data.train, [trial.batch], key.together, key.momentum, PROBED_SHARE * seconds)
    return replace(calibration, speeds={**calibration.speeds, key: speed})
