"""The parts of `condense parity keras`: PyTorch against real Keras, a classifier and the original question's regression."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from condense.errors import RunFailed
from condense.experiments.framework_parity import perceptron
from condense.experiments.framework_parity.config import ParityConfig
from condense.experiments.framework_parity.keras_process import Job, KerasSettings, train_keras
from condense.experiments.framework_parity.nudging import nudged
from condense.experiments.framework_parity.parts import Part, Progress, Side
from condense.experiments.framework_parity.perceptron import Alignment
from condense.experiments.framework_parity.preparation import Problem
from condense.experiments.framework_parity.trajectory import Recorder, Trajectory, sha256, spread_steps

NUDGES = 3
KEPT = 24
DECAY = 0.01
HIDDEN, REGRESSION_HIDDEN, REGRESSION_EPOCHS, REGRESSION_BATCH = (128, 64), (100,), 5, 32


@dataclass(frozen=True)
class KerasSides:
    """All runs on one problem and on the regression."""

    config: ParityConfig
    problem: Problem

    @cached_property
    def classifier(self) -> Job:
        """The 128-64-softmax network's job."""
        problem, config = self.problem, self.config
        assert config.epochs and config.batch
        x, test_x = (images.reshape(len(images), -1) for images in (problem.x, problem.test_x))
        order = perceptron.partition_batches(len(x), config.batch, config.epochs, config.seed)
        weights = perceptron.glorot_weights((x.shape[1], *HIDDEN, problem.classes), config.seed)
        return _job(x, problem.y, test_x, problem.test_y, order, weights)

    @cached_property
    def regression(self) -> Job:
        """The original question's job."""
        x, y, test_x, test_y = perceptron.sine_sum(self.config.seed)
        order = perceptron.partition_batches(len(x), REGRESSION_BATCH, REGRESSION_EPOCHS, self.config.seed)
        weights = perceptron.glorot_weights((x.shape[1], *REGRESSION_HIDDEN, 1), self.config.seed)
        return _job(x, y, test_x, test_y, order, weights)

    def sides(self) -> list[Side]:
        """Every run, in the order they are made."""
        rate, single = self.config.learning_rate, float(np.float32(self.config.learning_rate))
        units = (*((width, "relu") for width in HIDDEN), (self.problem.classes, "softmax"))
        softmax = KerasSettings(layers=units, learning_rate=rate)
        linear = (*((width, "relu") for width in REGRESSION_HIDDEN), (1, "linear"))
        squares = KerasSettings(layers=linear, loss="mean_squared_error", learning_rate=rate)
        exact = Alignment(rate=rate, clip=1e-7)
        rounded = Alignment(rate=single, clip=1e-7, float32_powers=True)
        values = Alignment(rate=rate, regression=True, float32_means=True)
        decayed = replace(exact, weight_decay=DECAY)
        naive = {"epsilon-naive": 1e-7, "epsilon-default": 1e-8}
        job = "classifier"
        return [
            self._keras("keras-float64", job, softmax),
            self._torch("torch-float64", job, exact),
            *(self._torch(f"torch-float64-nudged{n}", job, exact, nudge=n) for n in range(NUDGES)),
            *(self._torch(f"torch-float64-{n}", job, replace(exact, epsilon=e), keep=False) for n, e in naive.items()),
            self._keras("keras-float64-decay", job, replace(softmax, weight_decay=DECAY)),
            self._torch("torch-float64-decoupled", job, decayed),
            self._torch("torch-float64-coupled", job, replace(decayed, decoupled=False), keep=False),
            self._keras("keras-float32", job, replace(softmax, dtype="float32")),
            self._torch("torch-float32", job, rounded, dtype=torch.float32),
            *(self._torch(f"torch-float32-nudged{n}", job, rounded, dtype=torch.float32, nudge=n) for n in range(NUDGES)),
            self._keras("keras-regression", "regression", squares),
            self._torch("torch-regression", "regression", values),
            self._torch("torch-regression-broadcast", "regression", replace(values, flat=False), keep=False),
        ]

    def parts(self) -> list[Part]:
        """Every comparison."""
        double, single = (
            (f"torch-{kind}", *(f"torch-{kind}-nudged{n}" for n in range(NUDGES))) for kind in ("float64", "float32")
        )
        naive = "torch-float64-epsilon-naive"
        return [
            Part(
                "float64",
                "float64, epsilon placed and probabilities clipped to 1e-7 as in Keras",
                "torch-float64",
                "keras-float64",
            ),
            Part("epsilon-naive", "control: epsilon 1e-7 given to PyTorch", naive, "keras-float64", "apart", double),
            Part(
                *("epsilon-default", "control: PyTorch's own epsilon 1e-8"),
                *("torch-float64-epsilon-default", "keras-float64", "apart", double),
            ),
            Part(
                *("decay", f"Keras' Adam(weight_decay={DECAY}) against PyTorch's AdamW, float64"),
                *("torch-float64-decoupled", "keras-float64-decay"),
            ),
            Part(
                *("decay-coupled", f"control: PyTorch's Adam(weight_decay={DECAY}), in the gradient"),
                *("torch-float64-coupled", "keras-float64-decay", "apart", double),
            ),
            Part(
                "float32",
                "float32, powers of the betas rounded as in Keras",
                "torch-float32",
                "keras-float32",
                "floor",
                single,
            ),
            Part(
                "regression",
                "regression, prediction flattened, squared errors rounded to float32 as in Keras",
                "torch-regression",
                "keras-regression",
            ),
            Part(
                *("broadcast", "control: prediction (N, 1) against target (N,)"),
                *("torch-regression-broadcast", "keras-regression", "apart"),
            ),
        ]

    def _keras(self, name: str, job: str, settings: KerasSettings) -> Side:
        def produce(progress: Progress) -> Trajectory:
            run = train_keras(getattr(self, job), settings, progress)
            expected = float(np.dtype(settings.dtype).type(settings.learning_rate))
            if run.rate != expected:
                raise RunFailed(
                    f"This Keras keeps the learning rate as {run.rate!r}, not {expected!r}: no alignment is known."
                )
            return run.trajectory

        return Side(name, name.replace("keras-", "Keras, "), produce)

    def _torch(
        self,
        name: str,
        job: str,
        alignment: Alignment,
        *,
        dtype: torch.dtype = torch.float64,
        nudge: int | None = None,
        keep: bool = True,
    ) -> Side:
        def produce(progress: Progress) -> Trajectory:
            of: Job = getattr(self, job)
            initial = of.initial if nudge is None else nudged(of.initial, dtype, nudge)
            kept = of.kept if keep and nudge is None else ()
            recorder = Recorder(f"PyTorch {torch.__version__} ({name})", kept, of.hashes)
            arguments = (initial, of.x, of.y, of.order, alignment, recorder)
            perceptron.train(*arguments, dtype=dtype, progress=progress)
            return recorder.trajectory()

        return Side(name, name.replace("torch-", "PyTorch, ").replace("-", " "), produce)


def _job(
    x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, order: np.ndarray, initial: dict[str, np.ndarray]
) -> Job:
    hashes = {"data": sha256(x, y), "batches": sha256(order), "initial": sha256(*initial.values())}
    return Job(x, y, test_x, test_y, order, initial, tuple(spread_steps(len(order), KEPT)), hashes)
