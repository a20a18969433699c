"""The parts of `condense parity keras`: PyTorch against real Keras, a classifier and the original question's regression."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from condense.errors import RunFailed
from condense.studies.parity import perceptron
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.keras_process import Job, KerasSettings, train_keras
from condense.studies.parity.nudging import nudged, nudges_of, with_nudges
from condense.studies.parity.parts import Part, Progress, Side
from condense.studies.parity.perceptron import Alignment
from condense.studies.parity.preparation import Problem
from condense.studies.parity.trajectory import Recorder, Trajectory, sha256, spread_steps

KEPT = 24
DECAY, NORM_EPSILON = 0.01, 1e-3
NORM_STEPS = 200
"""Steps with BatchNorm: in float32 its rounding grows to the size of the loss in some hundred more."""
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
    def normed(self) -> Job:
        """The first steps of the classifier's job with BatchNorm before each ReLU."""
        of = self.classifier
        initial = perceptron.with_batch_norm(of.initial)
        return _job(of.x, of.y, of.test_x, of.test_y, of.order[:NORM_STEPS], initial)

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
        normed = replace(rounded, norm_epsilon=NORM_EPSILON)
        norm = {"job": "normed", "dtype": torch.float32}
        naive = {"epsilon-naive": 1e-7, "epsilon-default": 1e-8}
        job = "classifier"
        return [
            self._keras("keras-float64", job, softmax),
            self._torch("torch-float64", job, exact),
            *(self._torch(name, job, exact, nudge=n) for name, n in nudges_of("torch-float64")),
            *(self._torch(f"torch-float64-{n}", job, replace(exact, epsilon=e), keep=False) for n, e in naive.items()),
            self._keras("keras-float64-decay", job, replace(softmax, weight_decay=DECAY)),
            self._torch("torch-float64-decoupled", job, decayed),
            self._torch("torch-float64-coupled", job, replace(decayed, decoupled=False), keep=False),
            self._keras("keras-float32", job, replace(softmax, dtype="float32")),
            self._torch("torch-float32", job, rounded, dtype=torch.float32),
            *(self._torch(name, job, rounded, dtype=torch.float32, nudge=n) for name, n in nudges_of("torch-float32")),
            self._keras("keras-float32-norm", "normed", replace(softmax, dtype="float32", batch_norm=True)),
            self._torch("torch-float32-norm", alignment=normed, **norm),
            *(self._torch(name, alignment=normed, nudge=n, **norm) for name, n in nudges_of("torch-float32-norm")),
            self._torch("torch-float32-norm-default", alignment=replace(normed, norm_epsilon=1e-5), **norm, keep=False),
            self._keras("keras-regression", "regression", squares),
            self._torch("torch-regression", "regression", values),
            self._torch("torch-regression-broadcast", "regression", replace(values, flat=False), keep=False),
        ]

    def parts(self) -> list[Part]:
        """Every comparison."""
        return [*_double_parts(), *_single_parts(), *_regression_parts()]

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


def _double_parts() -> list[Part]:
    """The classifier in float64."""
    text, floor = "float64, epsilon placed and probabilities clipped to 1e-7 as in Keras", with_nudges("torch-float64")
    naive, default = "torch-float64-epsilon-naive", "torch-float64-epsilon-default"
    controls = (
        ("epsilon-naive", "epsilon 1e-7 given to PyTorch", naive, "keras-float64"),
        ("epsilon-default", "PyTorch's own epsilon 1e-8", default, "keras-float64"),
        (
            *("decay-coupled", f"PyTorch's Adam(weight_decay={DECAY}), in the gradient"),
            *("torch-float64-coupled", "keras-float64-decay"),
        ),
    )
    decay = f"Keras' Adam(weight_decay={DECAY}) against PyTorch's AdamW, float64"
    return [
        Part("float64", text, "torch-float64", "keras-float64"),
        Part("decay", decay, "torch-float64-decoupled", "keras-float64-decay"),
        *(Part(name, f"control: {text}", run, keras, "apart", floor) for name, text, run, keras in controls),
    ]


def _single_parts() -> list[Part]:
    """The classifier in float32, and with BatchNorm."""
    single, norm = with_nudges("torch-float32"), with_nudges("torch-float32-norm")
    exact = tuple((f"{program}-float32", f"{program}-float64") for program in ("torch", "keras"))
    powers = "float32, powers of the betas rounded as in Keras"
    norms = f"BatchNorm with Keras' epsilon {NORM_EPSILON}, float32 (as Keras computes it in any case)"
    default = "control: BatchNorm with PyTorch's defaults, epsilon 1e-5"
    return [
        Part("float32", powers, "torch-float32", "keras-float32", "floor", single, exact),
        Part("batch-norm", norms, "torch-float32-norm", "keras-float32-norm", "floor", norm),
        Part("batch-norm-default", default, "torch-float32-norm-default", "keras-float32-norm", "apart", norm),
    ]


def _regression_parts() -> list[Part]:
    """The original question."""
    flat = "regression, prediction flattened, squared errors rounded to float32 as in Keras"
    mistake = "control: prediction (N, 1) against target (N,)"
    return [
        Part("regression", flat, "torch-regression", "keras-regression"),
        Part("broadcast", mistake, "torch-regression-broadcast", "keras-regression", "apart"),
    ]
