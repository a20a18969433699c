"""Inputs with nothing wrong in them: they show that readers accept what is right, and warm a process up."""

from pathlib import Path
from random import Random

import fuzz_arrays
import fuzz_checkpoints
import fuzz_studies
import h5py
import numpy as np
import scipy.io
from fuzz_folders import picture
from fuzz_mutations import toml_text


def write_right(folder: Path) -> dict[str, list[Path]]:
    """Right inputs by kind, in folders of their own."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (12, 28, 28)).astype("u1")
    labels = np.arange(12) % 3
    for kind in ("npz", "h5", "mat", "pictures", "parity", "studies"):
        (folder / kind).mkdir(parents=True)
    np.savez(folder / "npz" / "right.npz", images=pixels, labels=labels)
    with h5py.File(folder / "h5" / "right.h5", "w") as file:
        file["images"], file["labels"] = pixels, labels
    scipy.io.savemat(folder / "mat" / "right.mat", {"Z": pixels.reshape(12, -1), "y": labels[:, None]})
    for index in range(12):
        form, place = ("PNG", "JPEG")[index % 2], folder / "pictures" / f"class{index % 3}"
        place.mkdir(exist_ok=True)
        (place / f"{index}.{form.lower()}").write_bytes(picture(Random(index), (28, 28), form, "L"))
    return {
        "npz": [folder / "npz" / "right.npz"],
        "h5": [folder / "h5" / "right.h5"],
        "mat": [folder / "mat" / "right.mat"],
        "images": [folder / "pictures"],
        "parity": [_parity(folder / "parity")],
        "parity-folder": [_parity_folder(folder / "parity-folder" / str(n), n) for n in range(2)],
        **_written(folder / "studies"),
    }


def _parity(folder: Path) -> Path:
    content = fuzz_arrays.right_dump(Random(0))
    for name in ("mine", "right"):
        np.savez(folder / f"{name}.npz", **content)  # pyright: ignore[reportArgumentType]
    return folder


def _parity_folder(folder: Path, number: int) -> Path:
    for name, data in fuzz_studies.parity_folders()[number].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _written(folder: Path) -> dict[str, list[Path]]:
    sweep, one = "hyperparameter-study/fashion-mnist", "MLP-published-seed0-646f5dfc"
    files = {
        "set": [(f"mnist-mlp-ipc1-sets/{one}", "set.h5")],
        "records": [("mnist-convnet-ipc1-fast-seed0", "records.jsonl")],
        "study": [(sweep, "sweep.json"), (sweep, "records.jsonl"), ("mnist-mlp-ipc1-sets", "matrix.json")],
    }
    found: dict[str, list[Path]] = {}
    for kind, sources in files.items():
        for source, name in sources:
            path = folder / kind / source.replace("/", "-") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fuzz_studies.released(source, name)[name])
            wanted = path.parent if kind == "study" else path
            found[kind] = [each for each in found.get(kind, []) if each != wanted] + [wanted]
    (record,) = found["records"]
    found["records"].append(record.with_name("today.jsonl"))
    found["records"][-1].write_bytes(fuzz_studies.of_today(record.read_bytes()))
    (folder / "set" / "extended.h5").write_bytes(fuzz_studies.extended_set())
    found["set"].append(folder / "set" / "extended.h5")
    texts = {"toml": toml_text({"quiet": True}), "grid": (fuzz_studies.GRIDS / "small-convnets.toml").read_text()}
    for kind, text in texts.items():
        (folder / f"{kind}.toml").write_text(text)
        found[kind] = [folder / f"{kind}.toml"]
    makers = {
        "checkpoint": fuzz_checkpoints.stage_c_checkpoint,
        "tested": fuzz_checkpoints.stage_t_checkpoint,
    }
    for kind, make in makers.items():
        (folder / kind).write_bytes(make())
        found[kind] = [folder / kind]
    path = fuzz_checkpoints.generalization_path(folder / "generalization")
    path.parent.mkdir()
    path.write_bytes(fuzz_checkpoints.generalization_checkpoint())
    return {**found, "generalization": [path.parent]}
