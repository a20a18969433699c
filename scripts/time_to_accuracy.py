#!/usr/bin/env python3
"""Accuracy against the time of stage C: both schedules, and the plain twin on the published one, as a table and a figure.

    python scripts/time_to_accuracy.py [--threads 2] [--out time_to_accuracy.jsonl] [--figure time_to_accuracy.svg]

Accuracies are those of the released sets (ConvNet, 1 image per class). Times are outer steps times the seconds of one,
measured here for all paths in one process; the released runs shared their machine, so their own clocks say little. The twin
learns the same images up to rounding, so it is drawn at the accuracy of the published schedule.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from benchmarking import SHAPES, options, random_images, seconds, write_rows

from condense.config import LearnConfig
from condense.machine import can_compile, forget_compiled
from condense.networks.registry import build
from condense.records import Record, read_records
from condense.reference.gradient_matching import PlainGradientMatching
from condense.stage_c.gradient_matching import GradientMatching

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
CPU = torch.device("cpu")
DATASETS = {"mnist": SHAPES["MNIST"], "fashion-mnist": SHAPES["MNIST"], "cifar10": SHAPES["CIFAR-10"]}
REPEATS = 3
STYLES = {"fast": ("o", "#1f5fa8"), "published": ("s", "#b3541e"), "twin, published": ("x", "0.4")}


def released() -> list[tuple[Record, Record]]:
    """(how it was learned, how it was evaluated) of every released ConvNet set with 1 image per class."""
    pairs = []
    for folder in sorted(ARTIFACTS.glob("*-convnet-ipc1*")):
        learned, evaluated, *_ = read_records(folder / "records.jsonl")
        pairs.append((learned, evaluated))
    return pairs


def step_seconds(shape: tuple[int, int, int], kinds: set[tuple[int, str]]) -> dict[tuple[int, str], float]:
    """Median seconds of an outer step by (real batch, precision), and of the twin's under (256, 'twin'); in turns."""
    data = random_images(shape)
    network = build("ConvNet", shape, 10)
    forget_compiled()
    work: dict[tuple[int, str], Callable[[], object]] = {}
    for batch, precision in sorted(kinds):
        config = LearnConfig(network="ConvNet", real_batch=batch)
        matching = GradientMatching(config, data, network, compiled=can_compile(CPU), precision=precision)
        work[batch, precision] = partial(matching.advance, matching.start())
    twin = PlainGradientMatching(LearnConfig(network="ConvNet", iterations=10**6), data, network, torch.float32).steps()
    work[256, "twin"] = lambda: next(twin)
    for function in work.values():
        seconds(function, CPU)
    rounds = [{key: seconds(function, CPU) for key, function in work.items()} for _ in range(REPEATS)]
    return {key: statistics.median(each[key] for each in rounds) for key in work}


def points() -> list[dict[str, Any]]:
    """One point a released set, and one for the twin beside each set of the published schedule."""
    pairs, found = released(), []
    for shape in dict.fromkeys(DATASETS.values()):
        of_shape = [pair for pair in pairs if DATASETS[pair[0].config["dataset"]] == shape]
        measured = step_seconds(
            shape, {(c["real_batch"], c.get("precision", "fp32")) for c in (p[0].config for p in of_shape)}
        )
        for learned, evaluated in of_shape:
            config, accuracies = learned.config, [100 * a for a in evaluated.accuracies]
            schedule = evaluated.config["set"].get("schedule", "published")
            kind = (config["real_batch"], config.get("precision", "fp32"))
            for name, key in ((schedule, kind), *([("twin, published", (256, "twin"))] if schedule == "published" else [])):
                found.append(
                    {
                        "dataset": config["dataset"],
                        "path": name,
                        "precision": key[1] if key[1] != "twin" else "fp32",
                        "seed": config["seed"],
                        "seconds": round(measured[key] * len(learned.losses), 1),
                        "mean_percent": round(statistics.mean(accuracies), 4),
                        "std_percent": round(statistics.pstdev(accuracies), 4),
                        "n": len(accuracies),
                        "threads": torch.get_num_threads(),
                    }
                )
    return found


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """One panel a data set: accuracy with its deviation over networks against seconds, logarithmic."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(1, len(DATASETS), figsize=(10, 3.1), layout="constrained")
    for axis, dataset in zip(axes, DATASETS, strict=True):
        for name, (marker, colour) in STYLES.items():
            chosen = [row for row in rows if row["dataset"] == dataset and row["path"] == name]
            x, y, e = ([row[key] for row in chosen] for key in ("seconds", "mean_percent", "std_percent"))
            axis.errorbar(x, y, e, fmt=marker, color=colour, capsize=2, label=name)
        axis.set(xscale="log", title=dataset, xlabel="seconds of stage C")
        axis.grid(axis="y", color="0.92")
    axes[0].set_ylabel("test accuracy, %")
    axes[-1].legend(frameon=False, fontsize=8)
    drawn.savefig(path)


def main() -> None:
    """Measures, prints, writes and draws."""
    chosen = options(__doc__ or "", quick=False, figure=True)
    rows = points()
    for row in rows:
        accuracy = f"{row['mean_percent']:5.1f} ± {row['std_percent']:3.1f} %"
        print(
            f"{row['dataset']:<14} {row['path']:<16} seed {row['seed']}  {row['seconds']:8.0f} s  {accuracy}  n={row['n']}"
        )
    write_rows(rows, chosen.out)
    if chosen.figure is not None:
        figure(rows, chosen.figure)


if __name__ == "__main__":
    main()
