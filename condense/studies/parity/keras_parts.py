"""The parts of `condense parity keras`: PyTorch against real Keras, a classifier and the original question's regression."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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


@dataclass(frozen=True, eq=False)
class KerasRuns:
    """The jobs of all runs on one problem, and the regression's."""

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

    def keras(self, progress: Progress, job: str, **changes: Any) -> Trajectory:
        """Keras' run of a job; changes: fields of its settings."""
        classifier = (*((width, "relu") for width in HIDDEN), (self.problem.classes, "softmax"))
        linear = (*((width, "relu") for width in REGRESSION_HIDDEN), (1, "linear"))
        layers = linear if job == "regression" else classifier
        settings = KerasSettings(layers=layers, learning_rate=self.config.learning_rate, **changes)
        run = train_keras(getattr(self, job), settings, progress)
        expected = float(np.dtype(settings.dtype).type(settings.learning_rate))
        if run.rate != expected:
            raise RunFailed(f"This Keras keeps the learning rate as {run.rate!r}, not {expected!r}: no alignment is known.")
        return run.trajectory

    def torch(
        self,
        name: str,
        progress: Progress,
        job: str,
        alignment: Alignment,
        *,
        dtype: torch.dtype = torch.float64,
        nudge: int | None = None,
        keep: bool = True,
    ) -> Trajectory:
        """PyTorch's run of a job; keep: gradients and weights too."""
        of: Job = getattr(self, job)
        initial = of.initial if nudge is None else nudged(of.initial, dtype, nudge)
        kept = of.kept if keep and nudge is None else ()
        recorder = Recorder(f"PyTorch {torch.__version__} ({name})", kept, of.hashes)
        perceptron.train(initial, of.x, of.y, of.order, alignment, recorder, dtype=dtype, progress=progress)
        return recorder.trajectory()


def keras_sides(config: ParityConfig, images: int) -> list[Side]:
    """Every run, in the order they are made; images: that a run on the problem learns from in all."""
    rate, single = config.learning_rate, float(np.float32(config.learning_rate))
    learned = {
        "classifier": images,
        "normed": NORM_STEPS * (config.batch or 0),
        "regression": REGRESSION_EPOCHS * perceptron.SINE_ROWS,
    }

    def keras(name: str, job: str, **changes: Any) -> Side:
        label = name.replace("keras-", "Keras, ")
        return Side(name, label, lambda runs, progress: runs.keras(progress, job, **changes), learned[job])

    def ours(name: str, job: str, alignment: Alignment, **how: Any) -> Side:
        label = name.replace("torch-", "PyTorch, ").replace("-", " ")
        return Side(name, label, lambda runs, progress: runs.torch(name, progress, job, alignment, **how), learned[job])

    exact = Alignment(rate=rate, clip=1e-7)
    rounded = Alignment(rate=single, clip=1e-7, float32_powers=True)
    decayed, normed = replace(exact, weight_decay=DECAY), replace(rounded, norm_epsilon=NORM_EPSILON)
    values = Alignment(rate=rate, regression=True, float32_means=True)
    naive = {"epsilon-naive": 1e-7, "epsilon-default": 1e-8}
    job, float32 = "classifier", {"dtype": torch.float32}
    return [
        keras("keras-float64", job),
        ours("torch-float64", job, exact),
        *(ours(name, job, exact, nudge=n) for name, n in nudges_of("torch-float64")),
        *(ours(f"torch-float64-{name}", job, replace(exact, epsilon=e), keep=False) for name, e in naive.items()),
        keras("keras-float64-decay", job, weight_decay=DECAY),
        ours("torch-float64-decoupled", job, decayed),
        ours("torch-float64-coupled", job, replace(decayed, decoupled=False), keep=False),
        keras("keras-float32", job, dtype="float32"),
        ours("torch-float32", job, rounded, **float32),
        *(ours(name, job, rounded, nudge=n, **float32) for name, n in nudges_of("torch-float32")),
        keras("keras-float32-norm", "normed", dtype="float32", batch_norm=True),
        ours("torch-float32-norm", "normed", normed, **float32),
        *(ours(name, "normed", normed, nudge=n, **float32) for name, n in nudges_of("torch-float32-norm")),
        ours("torch-float32-norm-default", "normed", replace(normed, norm_epsilon=1e-5), keep=False, **float32),
        keras("keras-regression", "regression", loss="mean_squared_error"),
        ours("torch-regression", "regression", values),
        ours("torch-regression-broadcast", "regression", replace(values, flat=False), keep=False),
    ]


def keras_parts() -> list[Part]:
    """Every comparison."""
    return [*_double_parts(), *_single_parts(), *_regression_parts()]


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
