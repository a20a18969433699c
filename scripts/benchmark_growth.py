#!/usr/bin/env python3
"""How the cost of an outer step of stage C grows: with images per class, classes, image side and real batch.

    python scripts/benchmark_growth.py [--device cpu] [--threads 2] [--out growth.jsonl] [--figure growth.svg]

The fast path of a long run in float32, ConvNet, on random RGB pixels; one of the four varies at a time, from 1 image a
class, 10 classes, 32 pixels and 256 real images. The training of the network after the step is not counted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import torch
from benchmarking import options, outer_step, random_images, seconds, write_rows

from condense.config import LearnConfig
from condense.machine import describe, forget_compiled
from condense.networks.registry import build

START = {"images per class": 1, "classes": 10, "image side": 32, "real batch": 256}
VALUES = {
    "images per class": (1, 10, 50),
    "classes": (10, 100),
    "image side": (28, 32, 64),
    "real batch": (32, 64, 128, 256),
}
REPEATS = 3


def seconds_of_a_step(case: dict[str, int], device: torch.device) -> float:
    """Seconds of the quickest of a few steps, after one to warm up."""
    classes, side, real = case["classes"], case["image side"], case["real batch"]
    data = random_images((3, side, side), classes=classes, each=real).to(device)
    config = LearnConfig(network="ConvNet", ipc=case["images per class"], real_batch=real, outer_loop=1)
    forget_compiled()
    method, problem, start = outer_step(config, data, build("ConvNet", data.shape, classes), "fp32")
    seconds(lambda: method.step(problem, start, 0), device)
    return min(seconds(lambda: method.step(problem, start, 0), device) for _ in range(REPEATS))


def results(device: torch.device) -> Iterator[dict[str, Any]]:
    """One result a case; the starting point is measured once."""
    start = seconds_of_a_step(START, device)
    for name, values in VALUES.items():
        for value in values:
            case = {**START, name: value}
            measured = start if case == START else seconds_of_a_step(case, device)
            row = {"varied": name, "value": value, "seconds": round(measured, 4), "times": round(measured / start, 3)}
            yield {**row, "device": describe(device), "threads": torch.get_num_threads(), "torch": torch.__version__}


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds against each of the four, on logarithmic axes, with a line of slope one."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(1, len(VALUES), figsize=(11, 2.9), sharey=True, layout="constrained")
    for axis, name in zip(axes, VALUES, strict=True):
        points = [(row["value"], row["seconds"]) for row in rows if row["varied"] == name]
        x, y = zip(*points, strict=True)
        power = 2 if name == "image side" else 1
        axis.plot(x, [y[0] * (value / x[0]) ** power for value in x], color="0.75", linewidth=1)
        axis.plot(x, y, "o-", color="#1f5fa8")
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.set_xticks(x, [str(value) for value in x])
        axis.minorticks_off()
    axes[0].set_ylabel("seconds per outer step")
    drawn.suptitle("Grey: in proportion (for the side, to its square)", fontsize=9, color="0.4")
    drawn.savefig(path)


def main() -> None:
    """Measures, prints, writes and draws."""
    chosen = options(__doc__ or "", quick=False, figure=True)
    rows = []
    for row in results(chosen.device):
        rows.append(row)
        print(f"{row['varied']:<18} {row['value']:>5} {row['seconds']:9.3f} s  {row['times']:6.2f}x", flush=True)
    write_rows(rows, chosen.out)
    if chosen.figure is not None:
        figure(rows, chosen.figure)


if __name__ == "__main__":
    main()
