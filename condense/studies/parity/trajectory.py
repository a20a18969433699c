"""A training run as numbers: the loss of every step, and gradients and weights at chosen steps, in one `.npz` file.

The file is what two programs exchange, so it needs nothing but NumPy: `loss` (S,), `steps` (K,), `program` (a text),
`hash/NAME` (texts), and any number of arrays `KIND/LAYER` (K, ...), where KIND is output, gradient or weight.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from condense.errors import CondenseError, quoted, shortened
from condense.studies.parity.npz import read_npz, write_npz

KINDS = ("output", "gradient", "weight")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One run of one program.

    loss: float64 (S,), of each step's mini-batch before its update; steps: int64 (K,), from 1, ascending, at which arrays
    were kept; arrays: {'KIND/LAYER': (K, ...)}, weights as they are after the step's update; hashes: {'data', 'batches',
    'initial': SHA-256} of what both runs of a comparison must share.
    """

    program: str
    loss: np.ndarray
    steps: np.ndarray
    arrays: dict[str, np.ndarray]
    hashes: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes the file atomically. Raises `CondenseError` where that cannot be done."""
        hashes = {f"hash/{name}": np.array(value) for name, value in self.hashes.items()}
        content = {"program": np.array(self.program), "loss": self.loss, "steps": self.steps, **hashes, **self.arrays}
        write_npz(path, content)


def load_trajectory(path: Path) -> Trajectory:
    """Reads a file. Raises `CondenseError` for one that is missing, damaged, of another layout, or at odds with itself."""
    content, where = read_npz(path), shortened(path)
    missing = [name for name in ("loss", "steps") if name not in content]
    if missing:
        raise CondenseError(
            f"{where}: lacks {' and '.join(missing)}; a dump holds loss (S,), steps (K,) and KIND/LAYER arrays."
        )
    loss, steps = content.pop("loss"), content.pop("steps")
    texts = {name: content.pop(name) for name in list(content) if name == "program" or name.startswith("hash/")}
    for name, text in texts.items():
        if text.ndim or text.dtype.kind != "U":
            raise CondenseError(f"{where}: {quoted(name)} must be one text, not {text.dtype} {shortened(text.shape)}.")
    program = shortened(str(texts.pop("program", path.stem)), 200)
    hashes = {name.removeprefix("hash/"): str(text) for name, text in texts.items()}
    if loss.ndim != 1 or not len(loss) or loss.dtype.kind != "f":
        raise CondenseError(
            f"{where}: loss must be one floating-point number a step, not {loss.dtype} {shortened(loss.shape)}."
        )
    ascending = steps.ndim == 1 and steps.dtype.kind in "iu" and (np.diff(steps.astype(np.int64)) > 0).all()
    if not ascending or (len(steps) and (steps[0] < 1 or steps[-1] > len(loss))):
        raise CondenseError(f"{where}: steps must be ascending whole numbers from 1 to {len(loss)}.")
    for name, array in content.items():
        if name.split("/")[0] not in KINDS or "/" not in name:
            raise CondenseError(f"{where}: unknown array {quoted(name)}; names are KIND/LAYER with KIND {', '.join(KINDS)}.")
        if array.ndim < 1 or len(array) != len(steps) or array.dtype.kind != "f":
            raise CondenseError(
                f"{where}: {shortened(name)} {array.dtype} {shortened(array.shape)} must have one entry for each of "
                f"{len(steps)} steps."
            )
    return Trajectory(program, loss.astype(np.float64), steps.astype(np.int64), content, hashes)


class Recorder:
    """Collects a run step by step; `steps` says at which ones arrays are kept."""

    def __init__(self, program: str, steps: Iterable[int], hashes: dict[str, str] | None = None) -> None:
        self.program, self.kept, self.hashes = program, frozenset(steps), dict(hashes or {})
        self._losses: list[float] = []
        self._steps: list[int] = []
        self._arrays: dict[str, list[np.ndarray]] = {}

    @property
    def wants(self) -> bool:
        """Whether arrays of the step that comes next are kept."""
        return len(self._losses) + 1 in self.kept

    def record(self, loss: float, arrays: dict[str, np.ndarray] | None = None) -> None:
        """Adds one step; arrays ('KIND/LAYER') are copied, and needed exactly when `wants` says so."""
        keep = self.wants
        self._losses.append(float(loss))
        if keep:
            self._steps.append(len(self._losses))
            for name, array in (arrays or {}).items():
                self._arrays.setdefault(name, []).append(np.array(array))

    def trajectory(self) -> Trajectory:
        """All that was recorded."""
        arrays = {name: np.stack(values) for name, values in self._arrays.items()}
        return Trajectory(
            self.program,
            np.array(self._losses, dtype=np.float64),
            np.array(self._steps, dtype=np.int64),
            arrays,
            self.hashes,
        )


def spread_steps(total: int, count: int = 40) -> list[int]:
    """About `count` steps from 1 to `total`, evenly spaced on a logarithmic scale, both ends among them."""
    return sorted({*np.geomspace(1, total, count).round().astype(int).tolist(), total}) if total else []


def sha256(*arrays: np.ndarray) -> str:
    """SHA-256 over dtype, shape and bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
