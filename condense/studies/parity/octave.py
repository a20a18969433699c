"""The real simpleNN, unmodified, run by GNU Octave in a process of its own, with `.mat` files in and out.

Octave ends scripts with harmless messages on its error output, so only the exit code and the result count.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from condense.errors import CondenseError, RunFailed
from condense.studies.parity.following import follow
from condense.studies.parity.simplenn_twin import Network, Sgd, Weights, as_torch
from condense.studies.parity.trajectory import Trajectory, sha256

DRIVER = Path(__file__).with_name("octave_driver.m")
PROGRAM = "octave-cli"
NEEDED = ("cnn_train.m", "cnn/lossgrad_subset.m", "opt/sgd.m")


@dataclass(frozen=True, eq=False)
class OctaveRun:
    """trajectory: in PyTorch's layout; initial: weights in simpleNN's own; batches: int64 (S, B) from 0.

    farthest: largest absolute difference between the logged run's final weights and those of the unmodified cnn_train.
    """

    trajectory: Trajectory
    initial: Weights
    batches: np.ndarray
    farthest: float


def check_octave(folder: Path) -> Path:
    """The folder of simpleNN's MATLAB code in a checkout. Raises `CondenseError` without it, or without Octave."""
    code = next((place for place in (folder / "MATLAB", folder) if (place / NEEDED[0]).is_file()), None)
    missing = [name for name in NEEDED if code is None or not (code / name).is_file()]
    if code is None or missing:
        raise CondenseError(f"--simplenn {folder}: no checkout of simpleNN, for there is no MATLAB/{missing[0]}.")
    if shutil.which(PROGRAM) is None:
        raise CondenseError(
            f"--simplenn needs GNU Octave, but there is no {PROGRAM} on the path "
            "(Debian, Ubuntu: apt-get install --no-install-recommends octave libopenblas0-pthread)."
        )
    return code


def train_octave(
    code: Path,
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    sgd: Sgd,
    epochs: int,
    seed: int,
    kept: Sequence[int],
    progress: Callable[[int, int], None],
) -> OctaveRun:
    """Trains x float64 (N, C, H, W), y (N,) from 0; initial weights and batches are Octave's own, drawn from `seed`.

    Raises `RunFailed` with Octave's last words where it fails, or where the logged run is not cnn_train's.
    """
    code = code.resolve()
    with tempfile.TemporaryDirectory(prefix="condense-octave-") as folder:
        job, result, config = (Path(folder) / name for name in ("job.mat", "result.mat", "network.config"))
        config.write_text(_config_text(network), encoding="ascii")
        scipy.io.savemat(job, _job(x, y, sgd, epochs, seed, kept, config))
        steps = epochs * -(-len(x) // sgd.batch)
        words = [PROGRAM, "--norc", "--quiet", str(DRIVER), str(job), str(result)]
        follow("Octave", words, steps, result, progress, folder=code)
        content = scipy.io.loadmat(result)
    initial = _layers(content["initial"])
    batches = content["batches"].astype(np.int64) - 1
    farthest = float(content["farthest"].item())
    if farthest != 0:
        raise RunFailed(
            f"The logged run ends {farthest:.1e} from simpleNN's own cnn_train; this checkout trains differently."
        )
    arrays: dict[str, list[np.ndarray]] = {}
    for kind in ("gradient", "weight"):
        for cell in content[kind].ravel():
            for name, value in as_torch(network, _layers(cell)).items():
                arrays.setdefault(f"{kind}/{name}", []).append(value)
    hashes = {"data": sha256(x, y), "batches": sha256(batches), "initial": sha256(*as_torch(network, initial).values())}
    found = Trajectory(
        f"{content['version_text'].item()}, float64",
        content["losses"].ravel(),
        np.array(sorted(kept), dtype=np.int64),
        {name: np.stack(values) for name, values in arrays.items()},
        hashes,
    )
    return OctaveRun(found, initial, batches, farthest)


def _job(
    x: np.ndarray, y: np.ndarray, sgd: Sgd, epochs: int, seed: int, kept: Sequence[int], config: Path
) -> dict[str, object]:
    """The driver's input; each image column by column, channel after channel, as simpleNN wants it."""
    numbers = {"seed": seed, "epochs": epochs, "bsize": sgd.batch}
    rates = {"lr": sgd.lr, "momentum": sgd.momentum, "decay": sgd.decay, "C": sgd.C}
    options = f"-C {sgd.C!r} -momentum {sgd.momentum!r} -decay {sgd.decay!r} -bsize {sgd.batch}"
    return {
        "y": (y + 1.0)[:, None],
        "Z": x.transpose(0, 1, 3, 2).reshape(len(x), -1),
        "config": str(config),
        "options": options,
        "kept": np.array(kept, dtype=np.float64),
        **{name: float(value) for name, value in (numbers | rates).items()},
    }


def _config_text(network: Network) -> str:
    """The configuration file of a network for simpleNN."""
    channels, height, width = network.shape
    layers = network.convolutions
    lists = {
        "wd_input": [width],
        "ht_input": [height],
        "ch_input": [channels, *(layer.channels for layer in layers)],
        "wd_pad_added": [layer.padding for layer in layers],
        "wd_filter": [layer.h for layer in layers],
        "strides": [layer.stride for layer in layers],
        "wd_subimage_pool": [layer.pool for layer in layers],
        "full_neurons": list(network.full),
    }
    counts = {"L": len(layers) + len(network.full), "LC": len(layers), "LF": len(network.full)}
    lines = [f"{name} = {value};" for name, value in counts.items()]
    return "\n".join([*lines, *(f"{name} = {value};" for name, value in lists.items()), ""])


def _layers(cell: np.ndarray) -> Weights:
    """[W b] of each layer, as Octave saves a cell of matrices, taken apart."""
    return [(np.ascontiguousarray(both[:, :-1]), both[:, -1].copy()) for both in cell.ravel()]
