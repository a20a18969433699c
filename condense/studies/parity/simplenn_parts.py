"""The parts of `condense parity simplenn`: PyTorch, the NumPy twin and, where it is, the real program in Octave."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from condense.errors import CondenseError
from condense.studies.parity import octave, simplenn_torch
from condense.studies.parity import simplenn_twin as twin
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.npz import read_npz
from condense.studies.parity.nudging import nudged, nudges_of, with_nudges
from condense.studies.parity.parts import Part, Progress, Side
from condense.studies.parity.preparation import Problem
from condense.studies.parity.simplenn_twin import Sgd, Weights
from condense.studies.parity.trajectory import Recorder, Trajectory, sha256, spread_steps

OCTAVE = "octave-float64"
"""The name of the real program's run."""

KEPT = 24


class SimplennSides:
    """All runs on one problem. Initial weights and batches are ours, or Octave's where it runs: `start` gives them."""

    def __init__(self, config: ParityConfig, problem: Problem, checkout: Path | None) -> None:
        assert config.epochs and config.batch
        self.config, self.problem, self.checkout = config, problem, checkout
        self.network = twin.layer4(tuple(problem.x.shape[1:]), problem.classes)  # type: ignore[arg-type]
        self.sgd = Sgd(config.learning_rate, config.momentum, 0.0, config.regularisation, config.batch)
        self.free = replace(self.sgd, C=float("inf"))
        self.steps = config.epochs * -(-len(problem.x) // config.batch)
        self.kept = spread_steps(self.steps, KEPT)
        self._start: tuple[Weights, np.ndarray] | None = None

    def sides(self) -> list[Side]:
        """Every run, in the order they are made."""
        return [
            *([Side(OCTAVE, "simpleNN in Octave", self._octave)] if self.checkout else []),
            Side("twin-float64", "NumPy twin", lambda progress: self._twin(self.sgd, progress)),
            Side("twin-float64-free", "NumPy twin, no regularisation", lambda progress: self._twin(self.free, progress)),
            self._torch("torch-float64", torch.float64),
            self._torch("torch-float64-free", torch.float64, sgd=self.free),
            self._torch("torch-float32", torch.float32),
            *(self._torch(name, torch.float32, nudge=n) for name, n in nudges_of("torch-float32")),
            self._torch("torch-float32-mean", torch.float32, form=nn.functional.mse_loss, keep=False),
        ]

    def parts(self) -> list[Part]:
        """Every comparison."""
        nudges, exact = with_nudges("torch-float32"), (("torch-float32", "torch-float64"),)
        real = "PyTorch float64 against the real simpleNN in Octave"
        if self.checkout:
            first = [
                Part("octave", real, "torch-float64", OCTAVE),
                Part("twin-octave", "NumPy twin against the real simpleNN in Octave", "twin-float64", OCTAVE),
            ]
        else:
            first = [Part("octave", real, reason="no --simplenn DIR was given, so the real program was not run.")]
        return [
            *first,
            Part("twin", "PyTorch float64 against the NumPy twin", "torch-float64", "twin-float64"),
            Part("twin-free", "the same without regularisation", "torch-float64-free", "twin-float64-free"),
            Part(
                "float32", "PyTorch float32 against the NumPy twin", "torch-float32", "twin-float64", "floor", nudges, exact
            ),
            Part("no-decay", "control: weight_decay left at 0", "torch-float64-free", "twin-float64", "apart"),
            Part("mean", "control: MSELoss with its mean", "torch-float32-mean", "twin-float64", "apart", nudges, exact),
        ]

    def use(self, path: Path) -> None:
        """Takes the start of an Octave run that was made before, if one was.

        Raises `CondenseError` for a file that is damaged, or not of this network, data and number of steps.
        """
        if not path.exists():
            return
        content = read_npz(path)
        here = self.start_arrays()
        batches = content.get("batches", np.zeros(0))
        fits = {name: array.shape for name, array in content.items()} == {name: array.shape for name, array in here.items()}
        if not fits or batches.dtype.kind != "i" or batches.min() < 0 or batches.max() >= len(self.problem.x):
            raise CondenseError(f"{path}: is not the start of an Octave run on this problem. Choose another --out.")
        weights = [(content[f"w{n}"], content[f"b{n}"]) for n in range(len(self.network.fans()))]
        self._start = weights, batches

    def start_arrays(self) -> dict[str, np.ndarray]:
        """Initial weights and batches, to be saved beside an Octave run."""
        weights, batches = self.start()
        named = {f"{kind}{n}": value for n, pair in enumerate(weights) for kind, value in zip("wb", pair, strict=True)}
        return {"batches": batches, **named}

    def start(self) -> tuple[Weights, np.ndarray]:
        """Initial weights in simpleNN's order, and batches."""
        if self._start is None:
            config = self.config
            assert config.epochs and config.batch
            weights = twin.initial_weights(self.network, config.seed)
            self._start = weights, twin.draw_batches(len(self.problem.x), config.batch, config.epochs, config.seed)
        return self._start

    def hashes(self) -> dict[str, str]:
        """SHA-256 of data, batches and initial weights."""
        weights, batches = self.start()
        named = twin.as_torch(self.network, weights)
        return {"data": self.problem.hash, "batches": sha256(batches), "initial": sha256(*named.values())}

    def _octave(self, progress: Progress) -> Trajectory:
        assert self.checkout and self.config.epochs
        code = octave.check_octave(self.checkout)
        arguments = (code, self.network, self.problem.x, self.problem.y, self.sgd, self.config.epochs)
        run = octave.train_octave(*arguments, self.config.seed, self.kept, progress)
        self._start = run.initial, run.batches
        return run.trajectory

    def _twin(self, sgd: Sgd, progress: Progress) -> Trajectory:
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

    def _torch(
        self,
        name: str,
        dtype: torch.dtype,
        *,
        sgd: Sgd | None = None,
        nudge: int | None = None,
        keep: bool = True,
        form: Callable[[Tensor, Tensor], Tensor] = simplenn_torch.squared_over_batch,
    ) -> Side:
        def produce(progress: Progress) -> Trajectory:
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

        return Side(name, name.replace("torch-", "PyTorch, ").replace("-", " "), produce)
