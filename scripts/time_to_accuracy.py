#!/usr/bin/env python3
"""Accuracy against the time of stage C: both schedules, and the plain twin on the published one, as a table and a figure.

    python scripts/time_to_accuracy.py [--threads 2] [--out time_to_accuracy.jsonl] [--figure time_to_accuracy.svg]

Accuracies are those of the released sets (ConvNet; the figure has those of 1 image per class). Times are iterations times
the seconds of one, measured here for all paths in one process; the released runs shared their machine, so their own clocks
say little. The twin learns the same images up to rounding, so it is drawn at the accuracy of the published schedule.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from benchmarking import SHAPES, options, outer_step, plain_gradient_matching, random_images, seconds, write_rows

from condense.config import LearnConfig
from condense.machine import forget_compiled
from condense.networks.registry import build
from condense.records import Record, read_records
from condense.stage_c.method import Method
from condense.stage_c.problem import Problem

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
CPU = torch.device("cpu")
DATASETS = {"mnist": SHAPES["MNIST"], "fashion-mnist": SHAPES["MNIST"], "cifar10": SHAPES["CIFAR-10"]}
REPEATS = 3
STYLES = {"fast": ("o", "#1f5fa8"), "published": ("s", "#b3541e"), "twin, published": ("x", "0.4")}


Kind = tuple[int, str, str]
"""What the time of an iteration depends on: images per class, schedule (or 'twin'), precision."""
TWIN: Kind = (1, "twin", "fp32")


def released() -> list[tuple[Record, Record]]:
    """(how it was learned, how it was evaluated) of every released ConvNet set but those the twin learned."""
    folders = [path for path in sorted(ARTIFACTS.glob("*-convnet-ipc*")) if not path.name.endswith("-twin")]
    return [(first, second) for first, second, *_ in (read_records(path / "records.jsonl") for path in folders)]


def kind_of(learned: Record, evaluated: Record) -> Kind:
    """Of a released set."""
    schedule = evaluated.config["set"].get("schedule", "published")
    return learned.config["ipc"], schedule, learned.config.get("precision", "fp32")


def iteration(method: Method, problem: Problem, state: Any) -> None:
    """A new network, matched and trained in turn until the next one."""
    for number in range(method.round(problem)):
        state, _ = method.step(problem, state, number)


def iteration_seconds(shape: tuple[int, int, int], kinds: set[Kind]) -> dict[Kind, float]:
    """Median seconds of an iteration by kind, the twin's at 1 image per class among them; in turns."""
    data = random_images(shape)
    network = build("ConvNet", shape, 10)
    forget_compiled()
    work: dict[Kind, Callable[[], object]] = {}
    for kind in sorted(kinds):
        ipc, schedule, precision = kind
        config = LearnConfig(network="ConvNet", ipc=ipc, schedule=schedule)  # type: ignore[arg-type]
        work[kind] = partial(iteration, *outer_step(config, data, network, precision))  # type: ignore[arg-type]
    twin = plain_gradient_matching(LearnConfig(network="ConvNet", iterations=10**6), data, network).steps()
    work[TWIN] = lambda: next(twin)
    for function in work.values():
        seconds(function, CPU)
    rounds = [{key: seconds(function, CPU) for key, function in work.items()} for _ in range(REPEATS)]
    return {key: statistics.median(each[key] for each in rounds) for key in work}


def points() -> list[dict[str, Any]]:
    """One point a released set, and one for the twin beside each set of the published schedule."""
    pairs, found = released(), []
    for shape in dict.fromkeys(DATASETS.values()):
        of_shape = [pair for pair in pairs if DATASETS[pair[0].config["dataset"]] == shape]
        measured = iteration_seconds(shape, {kind_of(*pair) for pair in of_shape})
        for learned, evaluated in of_shape:
            kind = kind_of(learned, evaluated)
            found.append(point(learned, evaluated, kind[1], kind[2], measured[kind]))
            if kind[:2] == (1, "published"):
                found.append(point(learned, evaluated, "twin, published", "fp32", measured[TWIN]))
    return found


def point(learned: Record, evaluated: Record, path: str, precision: str, each: float) -> dict[str, Any]:
    """A set's accuracy beside the time of its iterations, `each` of so many seconds."""
    accuracies = [100 * a for a in evaluated.accuracies]
    return {
        "dataset": learned.config["dataset"],
        "ipc": learned.config["ipc"],
        "path": path,
        "precision": precision,
        "seed": learned.config["seed"],
        "seconds": round(each * len(learned.losses), 1),
        "mean_percent": round(statistics.mean(accuracies), 4),
        "std_percent": round(statistics.pstdev(accuracies), 4),
        "n": len(accuracies),
        "threads": torch.get_num_threads(),
    }


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """One panel a data set: accuracy with its deviation over networks against seconds, logarithmic."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(1, len(DATASETS), figsize=(10, 3.1), layout="constrained")
    for axis, dataset in zip(axes, DATASETS, strict=True):
        for name, (marker, colour) in STYLES.items():
            chosen = [row for row in rows if (row["dataset"], row["path"], row["ipc"]) == (dataset, name, 1)]
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
        what = f"{row['dataset']:<14} {row['ipc']:>3} a class  {row['path']:<16} seed {row['seed']}  {row['seconds']:8.0f} s"
        print(f"{what}  {row['mean_percent']:5.1f} ± {row['std_percent']:3.1f} %  n={row['n']}")
    write_rows(rows, chosen.out)
    if chosen.figure is not None:
        figure(rows, chosen.figure)


if __name__ == "__main__":
    main()
