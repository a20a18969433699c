"""What the benchmarks share: twin and fast path in turn in one process, one JSON object a case, a table on screen."""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from condense.files import write_atomically
from condense.machine import describe, prepare, set_threads


def options(description: str) -> argparse.Namespace:
    """--quick, --threads, --out."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="few cases, about two minutes on two cores")
    parser.add_argument("--threads", type=int, help="CPU threads, by default one a core")
    parser.add_argument("--out", type=Path, help="file for one JSON object a line")
    chosen = parser.parse_args()
    set_threads(chosen.threads)
    prepare(torch.device("cpu"))
    return chosen


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(case: str, twin: Callable[[], object], fast: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Twin and fast in turn, after one call of each to warm up: median seconds, median and range of the ratios."""
    seconds(twin)
    warm_up = seconds(fast)
    pairs = [(seconds(twin), seconds(fast)) for _ in range(repeats)]
    ratios = sorted(slow / quick for slow, quick in pairs)
    return {
        "case": case,
        "twin_seconds": statistics.median(slow for slow, _ in pairs),
        "fast_seconds": statistics.median(quick for _, quick in pairs),
        "ratio": statistics.median(ratios),
        "ratio_range": [ratios[0], ratios[-1]],
        "repeats": repeats,
        "warm_up_seconds": warm_up,
        "device": describe(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "precision": "fp32",
        "torch": torch.__version__,
    }


def report(results: Iterable[dict[str, Any]], out: Path | None) -> None:
    """Prints a row a case as it is measured, and writes them all to `out`."""
    print(f"{'case':<48} {'twin s':>9} {'fast s':>9} {'ratio':>7}  range")
    lines = []
    for row in results:
        low, high = row["ratio_range"]
        print(
            f"{row['case']:<48} {row['twin_seconds']:>9.4f} {row['fast_seconds']:>9.4f} {row['ratio']:>6.2f}x  "
            f"{low:.2f} to {high:.2f}",
            flush=True,
        )
        lines.append(json.dumps(row, sort_keys=True))
    if out is not None:
        write_atomically(out, "\n".join(lines) + "\n")
