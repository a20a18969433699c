#!/usr/bin/env python3
"""Peak memory of one outer step of stage C: the plain twin and the fast paths, each in a process of its own, on the CPU.

    python scripts/benchmark_memory.py [--threads 2] [--out memory.jsonl]

Given is what the process held at its peak beyond what it held before the first step, in MiB. The compiler, which works in
processes of its own, is not counted.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import torch
from benchmarking import SHAPES, outer_step, plain_gradient_matching, random_images, write_rows

from condense.config import LearnConfig
from condense.machine import keep_freed_memory, prepare, set_threads
from condense.networks.registry import build

CPU = torch.device("cpu")
PATHS = ("twin", "fp32", "mixed")


def peak() -> float:
    """Peak resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(path: str, dataset: str) -> float:
    """MiB that two outer steps add to this process's peak, ConvNet, one image a class."""
    config = LearnConfig(network="ConvNet", iterations=2)
    data = random_images(SHAPES[dataset])
    network = build("ConvNet", data.shape, data.classes)
    before = peak()
    if path == "twin":
        for _ in plain_gradient_matching(config, data, network).steps():
            pass
    else:
        keep_freed_memory()
        prepare(CPU)
        method, problem, state = outer_step(config, data, network, "mixed" if path == "mixed" else "fp32")
        for number in range(2):
            state, _ = method.step(problem, state, number)
    return peak() - before


def main() -> None:
    """Runs itself once for each path and data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("PATH", "DATASET"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    threads = set_threads(chosen.threads)
    if chosen.one:
        print(one(*chosen.one))
        return
    rows = []
    for dataset in SHAPES:
        found = {}
        for path in PATHS:
            command = [sys.executable, __file__, "--threads", str(threads), "--one", path, dataset]
            found[path] = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            ratio = found[path] / found["twin"]
            print(f"{dataset:<9} {path:<6} {found[path]:8.0f} MiB  {ratio:5.2f} of the twin's", flush=True)
        case = {"case": f"peak memory, ConvNet, {dataset}, 1 a class", "threads": threads, "torch": torch.__version__}
        rows.append({**case, **{f"{path}_mib": round(value, 1) for path, value in found.items()}})
    write_rows(rows, chosen.out)


if __name__ == "__main__":
    main()
