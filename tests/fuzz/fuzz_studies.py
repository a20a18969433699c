"""What condense itself writes: sets, records, folders of studies, checkpoints; and what users write for it: TOML, grids."""

import contextlib
import hashlib
import io
import json
import tempfile
import tomllib
from collections import OrderedDict
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import torch
from fuzz_hdf5 import hdf5_bytes
from fuzz_mutations import HOSTILE_NUMBERS, HOSTILE_TEXTS, hostile_value, json_text, mutated_bytes, mutated_value, toml_text
from fuzz_mutations import RAW as RAW_TEXT

from condense.config import LearnConfig
from condense.data.images import DataSet, LabelledImages
from condense.errors import Interrupted
from condense.experiments.generalization import fit
from condense.experiments.generalization.checkpoint import checkpoint_path
from condense.experiments.generalization.runs import Run
from condense.stage_c.learn import learn
from condense.stage_t.checkpoint import Tested, save_tested
from condense.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]
GRIDS = ROOT / "condense" / "experiments" / "hyperparameters" / "grids"
TESTED_IDENTITY = {"config": {"seeds": 2}}
FITTED = Run(network="mlp-1x2", epochs=4, learning_rate=0.001)
LEARNED = LearnConfig(network="mlp-1x2", iterations=2, real_batch=2, precision="fp32")
STAGE_C = {"dataset": "digits", "ipc": 1, "iterations": 3, "image_momentum": 0.5, "real_batch": 8, "precision": "auto"}
COMMANDS: dict[str, dict[str, Any]] = {
    "run": {**STAGE_C, "network": "MLP", "schedule": "fast", "seed": 0, "protocol": "published", "seeds": 2},
    "learn": {**STAGE_C, "network": "MLP", "schedule": "fast", "seed": 0, "distance": "ours", "quiet": True},
    "matrix": {**STAGE_C, "learn": ["MLP"], "train": ["MLP", "ConvNet"], "schedule": ["fast"], "sets": 1, "seeds": 2},
    "evaluate": {"network": ["MLP"], "protocol": "report", "seeds": 3, "whole": True, "device": "cpu", "threads": 1},
    "sweep": {"seeds": 2, "sample": 3, "seed": 1, "train_size": 100, "quiet": True},
    "generalize": {"dataset": "digits", "seeds": 2, "quiet": True},
    "parity": {"dataset": "digits", "epochs": 2, "batch": 8, "seeds": 2, "learning_rate": 0.01, "momentum": 0.9},
}
"""Commands with settings of theirs."""
Files = dict[str, bytes]


@cache
def tiny_images() -> LabelledImages:
    """Eight 2x2 images of two classes, to learn a set from in no time."""
    pixels = torch.arange(32, dtype=torch.uint8).reshape(8, 1, 2, 2) * 7
    return LabelledImages.from_arrays(pixels, torch.arange(8) % 2, name="tiny")


@cache
def released(folder: str, *names: str, lines: int = 6) -> Files:
    """Files of a released folder by their name; of records the first lines, with short lists."""
    found = {}
    for name in names:
        path = ROOT / "artifacts" / folder / name
        data = path.read_bytes()
        if path.suffix == ".jsonl":
            data = b"".join(_shortened(line) for line in data.splitlines()[:lines])
        found[name] = data
    return found


def _shortened(line: bytes) -> bytes:
    values = json.loads(line)
    for name in ("losses", "series"):
        if isinstance(values.get(name), list):
            values[name] = values[name][:3]
    return json.dumps(values, sort_keys=True).encode() + b"\n"


def record_text(record: dict[str, Any]) -> str:
    """One line of JSON whose `config_hash` is right wherever there can be one."""
    values = {**record}
    if "config" in values and "config_hash" in values:
        try:
            shown = json.loads(json_text(values["config"]))
            canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"))
            values["config_hash"] = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
        except (ValueError, RecursionError):
            pass  # no JSON any more: there is no right hash, and the reader sees the JSON first
    return json_text(values)


def _mutated_records(data: bytes, random: Random) -> bytes:
    lines = data.decode().splitlines()
    for _ in range(random.choice([1, 1, 2])):
        index = random.randrange(len(lines))
        try:
            lines[index] = record_text(mutated_value(json.loads(lines[index]), random))
        except (ValueError, RecursionError):  # mutated before
            lines[index] = lines[index] + "}"
    text = random.choice(["\n", "\n", "\n\n", "\r\n"]).join(lines)
    return ("\ufeff" * (random.random() < 0.05) + text + "\n").encode(errors="surrogatepass")


def _changed(name: str, data: bytes, random: Random) -> bytes:
    """A file of a study with one thing wrong in it."""
    if random.random() < 0.2:
        return mutated_bytes(data, random)
    if name.endswith(".jsonl"):
        return _mutated_records(data, random)
    if name.endswith(".json"):
        return json_text(mutated_value(json.loads(data), random)).encode(errors="surrogatepass")
    return mutated_bytes(data, random)


def make_records(random: Random, folder: Path, secret: Path) -> Path:
    """A file of records."""
    source = random.choice(
        [
            ("mnist-convnet-ipc1-fast-seed0",),
            ("mnist-random-ipc1",),
            ("generalization/full-mlp",),
            ("hyperparameter-study/fashion-mnist",),
        ]
    )
    data = released(source[0], "records.jsonl")["records.jsonl"]
    path = folder / "records.jsonl"
    path.write_bytes(mutated_bytes(data, random) if random.random() < 0.15 else _mutated_records(data, random))
    return path


def make_study(random: Random, folder: Path, secret: Path) -> Path:
    """The folder of a matrix, a sweep or the generalization experiments."""
    one = "MLP-published-seed0-646f5dfc"
    matrix = (
        "matrix.json",
        f"{one}/set.h5",
        f"{one}/set.jsonl",
        f"{one}/MLP-published.jsonl",
        f"{one}/LeNet-published.jsonl",
    )
    studies = (
        ("mnist-mlp-ipc1-sets", matrix),
        ("hyperparameter-study/fashion-mnist", ("sweep.json", "records.jsonl")),
        ("hyperparameter-study/cifar10-mlps", ("sweep.json", "records.jsonl")),
        ("generalization/full-mlp", ("records.jsonl",)),
    )
    source, names = random.choice(studies)
    files = dict(released(source, *names))
    name = random.choice([names[0], random.choice(names)])
    files[name] = _changed(name, files[name], random)
    for name, data in files.items():
        path = folder / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (name != names[0] and random.random() < 0.05):
            path.write_bytes(data)
    if random.random() < 0.05:
        (folder / "study" / names[0]).unlink(missing_ok=True)
        (folder / "study" / names[0]).mkdir()
    return folder / "study"


def make_toml(random: Random, folder: Path, secret: Path) -> Path:
    """A configuration of some command."""
    command = random.choice(list(COMMANDS))
    kept = {name: value for name, value in COMMANDS[command].items() if random.random() < 0.7}
    return _toml(folder / f"{command}.toml", kept or COMMANDS[command], random)


def make_grid(random: Random, folder: Path, secret: Path) -> Path:
    """A grid of the hyper-parameter study."""
    base = tomllib.loads((GRIDS / random.choice(["small-convnets.toml", "mlps.toml", "report-cifar10.toml"])).read_text())
    if "rows" in base:
        base["rows"] = base["rows"][:3]
    if random.random() < 0.1 and "space" in base:
        names = ["depth", "epochs", "width", "learning_rate", "batch_size"][: random.randint(3, 5)]
        base["space"] |= {name: list(range(1, 100)) for name in names}
        return _toml(folder / "grid.toml", base, random, keep=True)
    return _toml(folder / "grid.toml", base, random)


def _toml(path: Path, base: dict[str, Any], random: Random, keep: bool = False) -> Path:
    content = base if keep or random.random() < 0.2 else mutated_value(base, random, most=2)
    text = toml_text(content if isinstance(content, dict) else {"whole": content})
    data = ("\ufeff" * (random.random() < 0.05) + text).encode(errors="surrogatepass")
    path.write_bytes(mutated_bytes(data, random) if random.random() < 0.2 else data)
    return path


def make_set(random: Random, folder: Path, secret: Path) -> Path:
    """A synthetic set, its digest right two times in three."""
    path = folder / "set.h5"
    data = released("mnist-mlp-ipc1-sets", "MLP-published-seed0-646f5dfc/set.h5")["MLP-published-seed0-646f5dfc/set.h5"]
    kind = random.randrange(3)
    if kind == 0:
        path.write_bytes(mutated_bytes(data, random))
    else:
        path.write_bytes(_rebuilt(data, random, secret, hostile_nodes=kind == 1))
    return path


def _rebuilt(data: bytes, random: Random, secret: Path, *, hostile_nodes: bool) -> bytes:
    with h5py.File(io.BytesIO(data)) as file:
        images, labels, attributes = file["images"][()], file["labels"][()], dict(file.attrs)  # pyright: ignore[reportIndexIssue]
    arrays = {"images": images, "labels": labels}
    if not hostile_nodes:
        for _ in range(random.choice([0, 1])):
            name = random.choice(["images", "labels"])
            arrays[name] = _other_array(arrays[name], random)
    plain = {k: v.item() if isinstance(v, np.generic | np.ndarray) and v.ndim == 0 else v for k, v in attributes.items()}
    plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in plain.items()}
    for _ in range(random.choice([0, 1, 1, 2])):
        _change_attribute(plain, random)
    if random.random() < 0.8 and "sha256" in plain:
        plain["sha256"] = _digest(arrays, plain)
    return hdf5_bytes(arrays, random, secret, mat=False, broken=1 if hostile_nodes else 0, attributes=plain)


def _digest(arrays: dict[str, Any], attributes: dict[str, Any]) -> str:
    """The digest the package itself would give these arrays; that of the images alone where it gives none."""
    try:
        known = {name: torch.from_numpy(array) for name, array in arrays.items()}
        config = {"class_names": json.loads(attributes["class_names"])}
        facts = SimpleNamespace(**{**attributes, **config})
        return SyntheticSet.sha256.fget(SimpleNamespace(**known, provenance=facts))  # pyright: ignore
    except Exception:  # whatever the changed values lead to
        return hashlib.sha256(np.ascontiguousarray(arrays["images"]).tobytes()).hexdigest()


def _other_array(array: np.ndarray, random: Random) -> np.ndarray:
    kinds: list[Any] = [
        array[::-1],
        array[:-1],
        array.astype("f8"),
        array.astype("i4"),
        np.zeros_like(array),
        np.full(array.shape, np.nan, array.dtype) if array.dtype.kind == "f" else -array - 1,
        array * 1000,
        np.eye(10, dtype="f4"),
        np.eye(10, dtype="f4") * 5 - 1,
        array.reshape(len(array), -1),
        np.array("x" * 10, "S10"),
        array[:0],
        array * (np.float32(1e38) if array.dtype.kind == "f" else 2**62),
    ]
    return random.choice(kinds)


def _change_attribute(attributes: dict[str, Any], random: Random) -> None:
    name = random.choice(list(attributes))
    action = random.randrange(6)
    if action == 0:
        del attributes[name]
    elif action == 1:
        attributes[random.choice(["extra", "labels", "decoder"])] = 1
    elif action == 2 and name in ("class_names", "config", "library_versions"):
        attributes[name] = json_text(mutated_value(json.loads(attributes[name]), random))
    elif action == 3:
        attributes[name] = random.choice(HOSTILE_TEXTS)
    elif action == 4:
        attributes[name] = random.choice([n for n in HOSTILE_NUMBERS if abs(n) < 2**64])
    else:
        attributes[name] = random.choice([np.zeros(3), np.array([]), h5py.Empty("f4"), True, float("nan"), b"\xff\xfe"])


@cache
def stage_c_checkpoint() -> bytes:
    """A checkpoint of `LEARNED` after one of its steps."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"

        def stop(steps: int, total: int, loss: float) -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(Interrupted):
            learn(LEARNED, tiny_images(), checkpoint=path, progress=stop)
        return path.read_bytes()


def make_checkpoint(random: Random, folder: Path, secret: Path) -> Path:
    """A checkpoint of stage C, its seal right."""
    path = folder / "stage-c"
    path.write_bytes(_resealed(stage_c_checkpoint(), random))
    return path


def make_tested(random: Random, folder: Path, secret: Path) -> Path:
    """A checkpoint of stage T."""
    path = folder / "stage-t"
    path.write_bytes(_changed("tested.json", stage_t_checkpoint(), random))
    return path


@cache
def stage_t_checkpoint() -> bytes:
    """A checkpoint of an evaluation of `TESTED_IDENTITY`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        save_tested(path, Tested({0: 0.5, 1: 0.25}, {0: 1.0, 1: 2.0}, [1], False, 0.5), TESTED_IDENTITY)
        return path.read_bytes()


def make_generalization(random: Random, folder: Path, secret: Path) -> Path:
    """A folder with a checkpoint of a run of the generalization experiments, its seal right."""
    path = generalization_path(folder / "checkpoints")
    path.parent.mkdir()
    path.write_bytes(_resealed(generalization_checkpoint(), random))
    return path.parent


def generalization_path(folder: Path) -> Path:
    """Where the checkpoint of `FITTED` lies in a folder of checkpoints."""
    data = standard_images()
    return checkpoint_path(folder, FITTED.key(data.train, data.test), torch.device("cpu"))


@cache
def standard_images() -> DataSet:
    """Eight images of two classes as these experiments take them."""
    pixels = torch.arange(8 * 784).reshape(8, 1, 28, 28).mul(37).remainder(256).to(torch.uint8)
    images = LabelledImages.from_arrays(pixels, torch.arange(8) % 2, name="tiny")
    return DataSet("tiny", images, images)


@cache
def generalization_checkpoint() -> bytes:
    """A checkpoint of `FITTED` after its first epoch."""
    before, fit.SECONDS = fit.SECONDS, -1.0  # else a run of less than a minute has none
    try:
        with tempfile.TemporaryDirectory() as folder:

            def stop(epoch: int, epochs: int, loss: float) -> None:
                if epoch == 2:
                    raise KeyboardInterrupt

            with contextlib.suppress(KeyboardInterrupt, Interrupted):
                fit.fit([FITTED], standard_images(), stop, checkpoints=Path(folder))
            return generalization_path(Path(folder)).read_bytes()
    finally:
        fit.SECONDS = before


def _sealed(form: bytes, content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    return form + b" " + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


class _Calls:
    """What calls a function where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("unpickled",)


def _resealed(data: bytes, random: Random) -> bytes:
    """A sealed file whose content is mutated, with the digest it then has four times in five."""
    header, _, body = data.partition(b"\n")
    form = header.rpartition(b" ")[0]
    kind = random.randrange(5)
    if kind == 0:
        return mutated_bytes(data, random)
    if kind == 1:
        changed = mutated_bytes(body, random)
        return form + b" " + hashlib.sha256(changed).hexdigest().encode() + b"\n" + changed
    content = torch.load(io.BytesIO(body), weights_only=True)
    for _ in range(random.choice([1, 1, 2])):
        content = _mutated_content(content, random)
    return _sealed(form, content)


def _mutated_content(content: Any, random: Random) -> Any:
    """A nested dictionary with one of its values, or itself, replaced."""
    if isinstance(content, dict) and content and random.random() < 0.95:
        name = random.choice(list(content))
        action = random.randrange(12)
        if action == 0:
            return {key: value for key, value in content.items() if key != name}
        if action == 1:
            return {**content, random.choice(["extra", 3, ""]): 1}
        return {**content, name: _mutated_content(content[name], random)}
    if isinstance(content, str) and content.startswith("{") and random.random() < 0.7:
        return json_text(mutated_value(json.loads(content), random, most=1))
    if isinstance(content, torch.Tensor) and random.random() < 0.7:
        return _other_tensor(content, random)
    value = random.choice(
        [hostile_value(random), hostile_value(random), _Calls(), OrderedDict(), torch.zeros(3), (1, 2), b"x"]
    )
    return value.removeprefix(RAW_TEXT) if isinstance(value, str) else value


def _other_tensor(tensor: torch.Tensor, random: Random) -> torch.Tensor:
    kinds = (
        lambda: tensor.double(),
        lambda: tensor.long() if tensor.is_floating_point() else tensor.float(),
        lambda: tensor[:-1] if tensor.dim() else tensor[None],
        lambda: tensor.reshape(-1),
        lambda: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor,
        lambda: torch.empty(10**9, device="meta"),
        lambda: torch.zeros(1).expand(10**9),
        lambda: tensor.to_sparse() if tensor.dim() and tensor.numel() else tensor,
        lambda: tensor.to(torch.complex64) if tensor.is_floating_point() else tensor,
        lambda: tensor.new_empty(0),
        lambda: tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor,
        lambda: tensor.bool(),
    )
    return random.choice(kinds)()
