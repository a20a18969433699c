"""What condense itself writes: sets, records, folders of studies; and what users write for it: TOML, grids."""

import contextlib
import hashlib
import io
import json
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import torch
from fuzz_hdf5 import hdf5_bytes
from fuzz_mutations import HOSTILE_NUMBERS, HOSTILE_TEXTS, json_text, mutated_bytes, mutated_value, toml_text

from condense.decoding import Tiles
from condense.preprocessing import ZCA
from condense.records import read_records
from condense.studies.parity.nudging import UNITS
from condense.studies.parity.study import Parity
from condense.study.folder import FORMAT
from condense.synthetic_set import SyntheticSet

ROOT = Path(__file__).parents[2]
GRIDS = ROOT / "condense" / "studies" / "hyperparameters" / "grids"
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
ONE_SET = "MLP-published-seed0-646f5dfc/set.h5"
JSON_ATTRIBUTES = ("class_names", "config", "library_versions", "decoder", "preprocessing", "learning_rate")
"""Of a set; the last three of format 2."""
Files = dict[str, bytes]


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


@cache
def of_today(data: bytes) -> bytes:
    """The same records as lines of the format that is written now."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "records.jsonl")
        path.write_bytes(data)
        return "".join(record.to_json() + "\n" for record in read_records(path)).encode()


def record_text(record: dict[str, Any]) -> str:
    """One line of JSON whose `config_hash` is right wherever there can be one."""
    values = {**record}
    if "config" in values and "config_hash" in values:
        # What is no JSON any more has no right hash, and the reader sees the JSON first.
        with contextlib.suppress(ValueError, RecursionError):
            shown = json.loads(json_text(values["config"]))
            canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"))
            values["config_hash"] = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
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


def changed(name: str, data: bytes, random: Random) -> bytes:
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
            ("framework-parity/keras",),
        ]
    )
    data = released(source[0], "records.jsonl")["records.jsonl"]
    data = of_today(data) if random.random() < 0.5 else data
    path = folder / "records.jsonl"
    if random.random() < 0.8:
        data = mutated_bytes(data, random) if random.random() < 0.15 else _mutated_records(data, random)
    path.write_bytes(data)
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
    files, today = dict(released(source, *names)), random.random() < 0.5
    files |= {name: of_today(data) for name, data in files.items() if today and name.endswith(".jsonl")}
    name = random.choice([names[0], random.choice(names)])
    files[name] = changed(name, files[name], random)
    for name, data in files.items():
        path = folder / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (name != names[0] and random.random() < 0.05):
            path.write_bytes(data)
    if random.random() < 0.05:
        (folder / "study" / names[0]).unlink(missing_ok=True)
        (folder / "study" / names[0]).mkdir()
    return folder / "study"


@cache
def parity_folders() -> tuple[Files, Files]:
    """A released folder of parity as it is, and as today's version writes it."""
    folder = "framework-parity/simplenn"
    study = Parity.earlier(ROOT / "artifacts" / folder)
    assert study is not None
    content = {"format": FORMAT, "kind": study.kind, **study.content(), "data": "0" * 64, "images": 2000}
    records = study.earlier_records(ROOT / "artifacts" / folder)
    for (record,) in records.values():
        record.results["floor_units"] = UNITS  # so that they hold
    written = {f"{key}.jsonl": f"{record.to_json()}\n".encode() for key, (record,) in records.items()}
    return released(folder, "records.jsonl", lines=20), {"study.json": json.dumps(content).encode(), **written}


def make_parity_folder(random: Random, folder: Path, secret: Path) -> Path:
    """The folder of a parity run, with one thing wrong in it."""
    files = dict(random.choice(parity_folders()))
    name = random.choice([next(iter(files)), random.choice(list(files))])
    files[name] = changed(name, files[name], random)
    for file, data in files.items():
        path = folder / "parity" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "parity"


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
    """A synthetic set of format 1 or 2, its digest right two times in three."""
    path = folder / "set.h5"
    data = extended_set() if random.random() < 0.5 else released("mnist-mlp-ipc1-sets", ONE_SET)[ONE_SET]
    kind = random.randrange(3)
    if kind == 0:
        path.write_bytes(mutated_bytes(data, random))
    else:
        path.write_bytes(_rebuilt(data, random, secret, hostile_nodes=kind == 1))
    return path


@cache
def extended_set() -> bytes:
    """A small set with all that format 2 has more: tiles, a whitening, unequal classes, a learned rate."""
    draw = torch.Generator().manual_seed(0)
    facts = SyntheticSet.load(ROOT / "artifacts" / "mnist-mlp-ipc1-sets" / ONE_SET).provenance
    facts = replace(facts, class_names=["a", "b"], images_per_class=2, config={"method": facts.method})
    whitening = ZCA.fit(torch.rand(40, 1, 6, 6, generator=draw))
    images, labels = torch.randn(3, 1, 6, 6, generator=draw), torch.tensor([1, 0, 1])
    return SyntheticSet(images, labels, facts, Tiles(2), whitening, 0.03).to_bytes()


def _rebuilt(data: bytes, random: Random, secret: Path, *, hostile_nodes: bool) -> bytes:
    with h5py.File(io.BytesIO(data)) as file:
        arrays = {name: np.asarray(file[name]) for name in map(str, file)}
        attributes = dict(file.attrs)
    if not hostile_nodes:
        for _ in range(random.choice([0, 1])):
            name = random.choice(list(arrays))
            arrays[name] = _other_array(arrays[name], random)
    plain = {k: v.item() if isinstance(v, np.generic | np.ndarray) and v.ndim == 0 else v for k, v in attributes.items()}
    plain = {k: v.decode() if isinstance(v, bytes) else v for k, v in plain.items()}
    for _ in range(random.choice([0, 1, 1, 2])):
        _change_attribute(plain, random)
    if random.random() < 0.8 and "sha256" in plain:
        plain["sha256"] = _digest(arrays, plain)
    return hdf5_bytes(arrays, random, secret, mat=False, broken=1 if hostile_nodes else 0, attributes=plain)


def _digest(arrays: dict[str, Any], attributes: dict[str, Any]) -> str:
    """The digest that docs/artifact-format.md gives these arrays; that of the images alone where it gives none."""
    try:
        order = [name for name in ("images", "labels", "whitening_mean", "whitening_matrix") if name in arrays]
        head = b""
        if attributes["format_version"] == 2:
            stated = {name: [str(torch.from_numpy(arrays[name]).dtype), *arrays[name].shape] for name in order}
            stated |= {name: json.loads(attributes[name]) for name in JSON_ATTRIBUTES[3:]}
            head = json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()
        elif list(arrays["labels"]) == list(range(len(json.loads(attributes["class_names"])))):
            order = ["images"]  # of one image per class, as the released set that is mutated has them
        else:
            labels = torch.from_numpy(arrays["labels"])
            text = f"{labels.dtype} {tuple(labels.shape)}".encode()
            return hashlib.sha256(arrays["images"].tobytes() + text + arrays["labels"].tobytes()).hexdigest()
        return hashlib.sha256(head + b"".join(arrays[name].tobytes() for name in order)).hexdigest()
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
    elif action == 2 and name in JSON_ATTRIBUTES:
        with contextlib.suppress(ValueError, TypeError, RecursionError):  # it is changed already, to what is no JSON
            attributes[name] = json_text(mutated_value(json.loads(attributes[name]), random))
    elif action == 3:
        attributes[name] = random.choice(HOSTILE_TEXTS)
    elif action == 4:
        attributes[name] = random.choice([n for n in HOSTILE_NUMBERS if abs(n) < 2**64])
    else:
        attributes[name] = random.choice([np.zeros(3), np.array([]), h5py.Empty("f4"), True, float("nan"), b"\xff\xfe"])
