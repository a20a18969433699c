"""Files of sets as other programs write them, made from their described layout."""

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condense.data.images import DataSet, LabelledImages

CLASSES = ("ant", "bee", "T-shirt/top")
MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.2, 0.3)


def real_images(channels: int = 3, side: int = 6, each: int = 8, seed: int = 0) -> DataSet:
    """A data set of random images, three classes of `each` training images."""
    random = np.random.default_rng(seed)
    labels = torch.arange(len(CLASSES)).repeat_interleave(each)
    pixels = random.integers(0, 256, (2, len(labels), channels, side, side), dtype=np.uint8)
    mean, std = MEAN[:channels], STD[:channels]
    parts = [
        LabelledImages.from_arrays(torch.from_numpy(part), labels, CLASSES, name="noise.npz", mean=mean, std=std)
        for part in pixels
    ]
    return DataSet("noise.npz", *parts)


def normalised(data: DataSet, each: int = 2, start: int = 0) -> tuple[Tensor, Tensor]:
    """The first real images of every class from `start` on, normalised, with their labels: class by class."""
    train = data.train
    first = torch.tensor([sum(train.counts[:label]) for label in range(train.classes)])
    chosen = (first[:, None] + start + torch.arange(each)).flatten()
    return train.inputs(chosen), train.labels[chosen]


def pixels_of(data: DataSet, each: int = 2) -> tuple[Tensor, Tensor]:
    """The same as bytes."""
    images, labels = normalised(data, each)
    mean, std = (torch.tensor(values)[:, None, None] for values in (data.train.mean, data.train.std))
    return ((images * std + mean) * 255).round().to(torch.uint8), labels


def vico(path: Path, pairs: Sequence[tuple[Tensor, Tensor]], *, old: bool = False) -> Path:
    """A dictionary with all sets and, as NumPy's numbers, their accuracies; old: as PyTorch wrote files before 1.6."""
    accuracies = {"ConvNet": [np.float64(0.25), np.float64(0.5)], "counts": [np.int64(3), np.float32(0.5)]}
    content = {"data": [list(pair) for pair in pairs], "accs_all_exps": accuracies}
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def mtt(folder: Path, images: Tensor, labels: Tensor, *, rate: float | None = None, whitened: bool = False) -> Path:
    """images_best.pt with what lies beside it."""
    folder.mkdir(exist_ok=True)
    torch.save(images, folder / "images_best.pt")
    torch.save(labels, folder / "labels_best.pt")
    if rate is not None:
        torch.save(torch.tensor(rate), folder / "lr_best.pt")
    if whitened:
        torch.save(images, folder / "images_zca_100.pt")
    return folder / "images_best.pt"


def image_folder(folder: Path, pixels: Tensor, names: Sequence[str]) -> Path:
    """PNG files, a sub-folder for each name; names: of every image."""
    for number, (image, name) in enumerate(zip(pixels, names, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        save_png(folder / name / f"{number:03}.png", image)
    return folder


def huggingface(folder: Path, pixels: Tensor, labels: Sequence[Any], table: str = "metadata.csv") -> Path:
    """PNG files with a table of their labels."""
    (folder / "train").mkdir(parents=True, exist_ok=True)
    rows = [{"file_name": f"{number:03}.png", "label": label} for number, label in enumerate(labels)]
    for row, image in zip(rows, pixels, strict=True):
        save_png(folder / "train" / row["file_name"], image)
    with (folder / "train" / table).open("w", newline="") as file:
        if table.endswith(".csv"):
            writer = csv.DictWriter(file, ["file_name", "label"])
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def save_png(path: Path, image: Tensor) -> None:
    """An image uint8 (C, H, W)."""
    Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy()).save(path)


class Run:
    """What a pickle would run that never should be: it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)
