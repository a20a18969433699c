"""Runs `keras_program.py` in a process of its own, and reads what it wrote."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from condense.errors import CondenseError
from condense.studies.parity.following import follow
from condense.studies.parity.npz import read_npz, write_npz
from condense.studies.parity.trajectory import Trajectory

PROGRAM = Path(__file__).with_name("keras_program.py")
ENVIRONMENT = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
MISSING = "Keras and JAX are not installed here; pip install 'dataset-condensation[keras]' brings them."


@dataclass(frozen=True)
class KerasSettings:
    """What the Keras model is: the names are Keras' own.

    layers: (units, activation) of each Dense; loss: 'sparse_categorical_crossentropy' or 'mean_squared_error'.
    """

    layers: tuple[tuple[int, str], ...] = ((128, "relu"), (64, "relu"), (10, "softmax"))
    loss: str = "sparse_categorical_crossentropy"
    from_logits: bool = False
    batch_norm: bool = False
    learning_rate: float = 0.001
    epsilon: float = 1e-7
    weight_decay: float | None = None
    dtype: str = "float64"


@dataclass(frozen=True, eq=False)
class KerasRun:
    """trajectory: what was recorded; rate: the learning rate as Keras stored it; evaluation: of model.evaluate."""

    trajectory: Trajectory
    rate: float
    evaluation: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Job:
    """Inputs of one training: x float64 (N, D), y (N,), order int64 (S, B) with -1 as padding, initial weights by name."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    order: np.ndarray
    initial: dict[str, np.ndarray]
    kept: tuple[int, ...]
    hashes: dict[str, str]


def has_keras() -> bool:
    """Whether Keras and JAX can be imported by a process started from here."""
    return find_spec("keras") is not None and find_spec("jax") is not None


def train_keras(job: Job, settings: KerasSettings, progress: Callable[[int, int], None]) -> KerasRun:
    """Trains in a process of its own. Raises `CondenseError` without Keras, `RunFailed` with its last words if it fails."""
    if not has_keras():
        raise CondenseError(MISSING)
    with tempfile.TemporaryDirectory(prefix="condense-keras-") as folder:
        job_path, result_path = Path(folder) / "job.npz", Path(folder) / "result.npz"
        write_npz(job_path, _arrays(job, settings))
        words = [sys.executable, "-P", str(PROGRAM), str(job_path), str(result_path)]
        follow("Keras' process", words, len(job.order), result_path, progress, environment=ENVIRONMENT)
        content = read_npz(result_path)
    arrays = {name: value for name, value in content.items() if name.split("/")[0] in ("gradient", "weight")}
    found = Trajectory(str(content["program"]), content["loss"], content["steps"], arrays, job.hashes)
    return KerasRun(found, float(content["learning_rate"]), tuple(content["evaluation"].tolist()))


def _arrays(job: Job, settings: KerasSettings) -> dict[str, np.ndarray]:
    arrays = {name: getattr(job, name) for name in ("x", "y", "test_x", "test_y", "order")}
    weights = {f"initial/{name}": value for name, value in job.initial.items()}
    kept = np.array(job.kept, dtype=np.int64)
    return {"settings": np.array(json.dumps(asdict(settings))), "kept": kept, **arrays, **weights}
