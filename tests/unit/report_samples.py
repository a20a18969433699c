"""Small records and synthetic sets for the tests of tables, figures and pages."""

from collections.abc import Sequence
from typing import Any

import torch

from condense.records import Cost, Record, Task
from condense.synthetic_set import Provenance, SyntheticSet
from condense.versions import Code

COST = Cost(wall_seconds=12.5, peak_memory_bytes=3 * 2**29, device="cpu", threads=2, started_at="2026-01-02T03:04:05+00:00")
CODE = Code("0.1.0", None, None, {"python": "3.11.2", "torch": "2.15.0"})

FINGERPRINTS = {
    "mnist": (
        "a3dac35ba8e3e0eb970dc66e66a66efecc421695af45a6c0f769f3c35357e0ef",
        "a51b9adc1f7269f9ed28c2d9b8363041a6b78901dbf14112a55face6fc69e851",
    ),
    "cifar10": (
        "5bbb14bee2d96525bf1c073c5cb35ba168231ef0b8b96a589a0f835ca6a36cf9",
        "229edadba30d5e50c3d4da98aa22db73247b613afd85a72064a3b4e9d886f384",
    ),
}
"""Of the published training and test images, as records of version 0.1 have them."""
UNKNOWN = ("1" * 64, "2" * 64)


def of_networks(task: Task, config: dict[str, Any], accuracies: Sequence[float], **more: Any) -> Record:
    """A record of networks with seeds 0, 1, ..."""
    fixed = {"cost": COST, "code": CODE, "metrics": {"accuracy": list(accuracies)}, "seeds": list(range(len(accuracies)))}
    return Record(task, config, **fixed | more)


def learned(losses: Sequence[float] = (3.0, 2.0, 1.0), notes: Sequence[str] = (), **config: Any) -> Record:
    """Stage C with these losses; `config` changes its configuration."""
    base = {"dataset": "mnist", "network": "ConvNet", "ipc": 1, "method": "dc", "iterations": len(losses), "seed": 0}
    return Record("learn", base | config, [], {}, COST, CODE, series={"loss": list(losses)}, notes=list(notes))


def evaluated(
    accuracies: Sequence[float], *, network: str = "ConvNet", protocol: str = "published", sha256: str = "a", **of_set: Any
) -> Record:
    """An evaluation with seeds 0, 1, ...; `of_set` changes config['set']."""
    base = {
        "sha256": sha256,
        "dataset": "mnist",
        "method": "dc",
        "network": "ConvNet",
        "images_per_class": 1,
        "seed": 0,
        "iterations": 1000,
        "schedule": "published",
        "precision": "fp32",
        "init": "noise",
        "distance": "ours",
    }
    training, test = FINGERPRINTS.get(of_set.get("dataset", "mnist"), UNKNOWN)
    base |= {"dataset_fingerprint": training}
    config = {
        "set": base | of_set,
        "network": network,
        "protocol": protocol,
        "recipe": {"batch_size": 256},
        "seeds": len(accuracies),
        "test_images": 10_000,
        "test_fingerprint": test,
    }
    return of_networks("evaluate", config, accuracies)


def on_whole_set(accuracies: Sequence[float], network: str = "ConvNet", dataset: str = "mnist") -> Record:
    training, test = FINGERPRINTS.get(dataset, UNKNOWN)
    config = {"dataset": dataset, "network": network, "protocol": "whole", "recipe": {"batch_size": 256}}
    config |= {"dataset_fingerprint": training, "test_fingerprint": test}
    return of_networks("whole", config, accuracies)


def synthetic_set(pixels: torch.Tensor, class_names: Sequence[str], labels: torch.Tensor | None = None) -> SyntheticSet:
    """A set whose `pixels()` are the given uint8 (N, C, H, W), class-major unless labels are given."""
    channels, each = pixels.shape[1], len(pixels) // len(class_names)
    provenance = Provenance(
        dataset="mnist",
        dataset_fingerprint="f" * 64,
        class_names=list(class_names),
        mean=[0.25] * channels,
        std=[0.5] * channels,
        images_per_class=each,
        method="dc",
        network="ConvNet",
        seed=0,
        iterations=3,
        config={"dataset": "mnist", "ipc": each},
        code_version="0.1.0",
        library_versions={"torch": "2.15.0"},
        device="cpu",
        precision="float32",
    )
    images = (pixels.float() / 255 - 0.25) / 0.5
    labels = torch.arange(len(class_names)).repeat_interleave(each) if labels is None else labels
    return SyntheticSet(images, labels, provenance)
