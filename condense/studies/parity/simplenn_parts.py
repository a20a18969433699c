"""The parts of `condense parity simplenn`: PyTorch, the NumPy twin and, where it is, the real program in Octave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from condense.errors import CondenseError
from condense.studies.parity import octave, simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.npz import read_npz, write_npz
from condense.studies.parity.nudging import nudged, nudges_of, with_nudges
from condense.studies.parity.parts import Part, Progress, Side
from condense.studies.parity.preparation import Problem
from condense.studies.parity.simplenn_twin import Sgd, Weights
from condense.studies.parity.trajectory import Recorder, Trajectory, sha256, spread_steps

OCTAVE = "octave-float64"
"""The name of the real program's run."""

NO_CHECKOUT = "The run of the real simpleNN is asked for here, but not done: name a checkout with --simplenn DIR."

KEPT = 24


class SimplennRuns:
    """All runs on one problem.

    start_path: initial weights and batches of the real program's run, which all others share; None where they are ours.
    checkout: of simpleNN, which that run needs.
    """

    def __init__(
        self, config: ParityConfig, problem: Problem, start_path: Path | None = None, checkout: Path | None = None
    ) -> None:
        assert config.epochs and config.batch
        self.config, self.problem, self.start_path, self.checkout = config, problem, start_path, checkout
        self.network = twin.layer4(tuple(problem.x.shape[1:]), problem.classes)  # type: ignore[arg-type]
        self.sgd = Sgd(config.learning_rate, config.momentum, 0.0, config.regularisation, config.batch)
        self.free = replace(self.sgd, C=float("inf"))
        self.kept = spread_steps(config.epochs * -(-len(problem.x) // config.batch), KEPT)
        self._start: tuple[Weights, np.ndarray] | None = None

    def start(self) -> tuple[Weights, np.ndarray]:
        """Initial weights in simpleNN's order, and batches.

        Raises `CondenseError` for a file that is missing, damaged, or not of this network, data and number of steps.
        """
        if self._start is None:
            self._start = self._drawn() if self.start_path is None else self._read(self.start_path)
        return self._start

    def hashes(self) -> dict[str, str]:
        """SHA-256 of data, batches and initial weights."""
        weights, batches = self.start()
        named = twin.as_torch(self.network, weights)
        return {"data": self.problem.hash, "batches": sha256(batches), "initial": sha256(*named.values())}

    def octave(self, progress: Progress) -> Trajectory:
        """The real program's run; saves its initial weights and batches before it is known to be done."""
        assert self.config.epochs and self.start_path
        if self.checkout is None:
            raise CondenseError(NO_CHECKOUT)
        code = octave.check_octave(self.checkout)
        arguments = (code, self.network, self.problem.x, self.problem.y, self.sgd, self.config.epochs)
        run = octave.train_octave(*arguments, self.config.seed, self.kept, progress)
        self._start = run.initial, run.batches
        write_npz(self.start_path, _named(*self._start))
        return run.trajectory

    def twin(self, progress: Progress, sgd: Sgd) -> Trajectory:
        """The published algorithm's run."""
        weights, batches = self.start()
        recorder = Recorder("NumPy twin of simpleNN, float64", self.kept, self.hashes())
        for number, step in enumerate(twin.train(self.network, weights, self.problem.x, self.problem.y, batches, sgd), 1):
            arrays = {}
            if recorder.wants:
                kinds = {"gradient": step.gradients, "weight": step.weights}
                arrays = {
                    f"{kind}/{name}": value
                    for kind, values in kinds.items()
                    for name, value in twin.as_torch(self.network, values).items()
                }
            recorder.record(step.loss, arrays)
            progress(number, len(batches))
        return recorder.trajectory()

    def torch(
        self,
        name: str,
        progress: Progress,
        *,
        dtype: torch.dtype = torch.float32,
        sgd: Sgd | None = None,
        nudge: int | None = None,
        keep: bool = True,
        form: Callable[[Tensor, Tensor], Tensor] = simplenn_torch.squared_over_batch,
    ) -> Trajectory:
        """PyTorch's run; keep: gradients and weights too; form: its loss."""
        weights, batches = self.start()
        initial = twin.as_torch(self.network, weights)
        initial = initial if nudge is None else nudged(initial, dtype, nudge)
        kept = self.kept if keep and nudge is None else []
        text = f"PyTorch {torch.__version__}, {str(dtype).removeprefix('torch.')}"
        recorder = Recorder(f"{text} ({name})", kept, self.hashes())
        simplenn_torch.train(
            *(self.network, initial, self.problem.x, self.problem.y, batches, sgd or self.sgd, recorder),
            dtype=dtype,
            loss_form=form,
            progress=progress,
        )
        return recorder.trajectory()

    def _drawn(self) -> tuple[Weights, np.ndarray]:
        config = self.config
        assert config.epochs and config.batch
        weights = twin.initial_weights(self.network, config.seed)
        return weights, twin.draw_batches(len(self.problem.x), config.batch, config.epochs, config.seed)

    def _read(self, path: Path) -> tuple[Weights, np.ndarray]:
        content, expected = read_npz(path), _named(*self._drawn())
        batches = content.get("batches", np.zeros(0))
        fits = {name: array.shape for name, array in content.items()} == {n: array.shape for n, array in expected.items()}
        if not fits or batches.dtype.kind != "i" or batches.min() < 0 or batches.max() >= len(self.problem.x):
            raise CondenseError(f"{path}: is not the start of an Octave run on this problem. Choose another --out.")
        return [(content[f"w{n}"], content[f"b{n}"]) for n in range(len(self.network.fans()))], batches


def simplenn_sides(images: int, *, octave: bool) -> list[Side]:
    """Every run, in the order they are made; images: that a run learns from in all; octave: the real program's too."""

    def ours(name: str, **how: Any) -> Side:
        label = name.replace("torch-", "PyTorch, ").replace("-", " ")
        return Side(name, label, lambda runs, progress: runs.torch(name, progress, **how), images)

    def free(runs: SimplennRuns, progress: Progress) -> Trajectory:
        return runs.torch("torch-float64-free", progress, dtype=torch.float64, sgd=runs.free)

    real = [Side(OCTAVE, "simpleNN in Octave", SimplennRuns.octave, images)] if octave else []
    return [
        *real,
        Side("twin-float64", "NumPy twin", lambda runs, progress: runs.twin(progress, runs.sgd), images),
        Side(
            *("twin-float64-free", "NumPy twin, no regularisation"),
            *(lambda runs, progress: runs.twin(progress, runs.free), images),
        ),
        ours("torch-float64", dtype=torch.float64),
        Side("torch-float64-free", "PyTorch, float64 free", free, images),
        ours("torch-float32"),
        *(ours(name, nudge=nudge) for name, nudge in nudges_of("torch-float32")),
        ours("torch-float32-mean", form=nn.functional.mse_loss, keep=False),
    ]


def simplenn_parts(*, octave: bool) -> list[Part]:
    """Every comparison."""
    nudges, exact = with_nudges("torch-float32"), (("torch-float32", "torch-float64"),)
    real = "PyTorch float64 against the real simpleNN in Octave"
    if octave:
        first = [
            Part("octave", real, "torch-float64", OCTAVE),
            Part("twin-octave", "NumPy twin against the real simpleNN in Octave", "twin-float64", OCTAVE),
        ]
    else:
        first = [Part("octave", real, reason="no --simplenn DIR was given, so the real program was not run.")]
    floor, mean = "PyTorch float32 against the NumPy twin", "control: MSELoss with its mean"
    return [
        *first,
        Part("twin", "PyTorch float64 against the NumPy twin", "torch-float64", "twin-float64"),
        Part("twin-free", "the same without regularisation", "torch-float64-free", "twin-float64-free"),
        Part("float32", floor, "torch-float32", "twin-float64", "floor", nudges, exact),
        Part("no-decay", "control: weight_decay left at 0", "torch-float64-free", "twin-float64", "apart"),
        Part("mean", mean, "torch-float32-mean", "twin-float64", "apart", nudges, exact),
    ]


def _named(weights: Weights, batches: np.ndarray) -> dict[str, np.ndarray]:
    """Initial weights and batches as they are saved beside the real program's run."""
    named = {f"{kind}{n}": value for n, pair in enumerate(weights) for kind, value in zip("wb", pair, strict=True)}
    return {"batches": batches, **named}
