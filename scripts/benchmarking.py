"""What the benchmarks share: twin and fast paths in turn in one process, one JSON object a case, a table on screen."""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.execution import LONG_FROM, Precision, for_learning
from condense.execution import Work as Job
from condense.files import write_atomically
from condense.machine import choose_device, describe, keep_freed_memory, prepare, set_threads
from condense.networks.network import Network
from condense.reference.gradient_matching import PlainGradientMatching
from condense.stage_c.method import Method
from condense.stage_c.methods.dc import DC
from condense.stage_c.problem import Problem

Work = Callable[[], object]
SHAPES = {"MNIST": (1, 28, 28), "CIFAR-10": (3, 32, 32)}


def outer_step(
    config: LearnConfig, data: LabelledImages, network: Network, precision: Precision
) -> tuple[Method, Problem, Any]:
    """A method with a problem that is computed as in a long run, and the state before the first step."""
    method, long = config.plan(), Job(multiply_adds=LONG_FROM, batch=256)
    if isinstance(method, DC):
        long = replace(long, batch=method.real_batch)
    execution = for_learning(network, data.device, long, precision=precision)
    problem = Problem(data, network, config.ipc, given=execution)
    return method, problem, method.begin(problem)


def plain_gradient_matching(config: LearnConfig, data: LabelledImages, network: Network) -> PlainGradientMatching:
    """The twin of dc under a configuration."""
    settings = config.plan()
    assert isinstance(settings, DC)
    return PlainGradientMatching(settings, Problem(data, network, config.ipc))


def random_images(shape: tuple[int, int, int], *, classes: int = 10, each: int = 256) -> LabelledImages:
    """Images of random pixels, `each` a class: arithmetic does not depend on what they show."""
    count = classes * each
    pixels = torch.randint(0, 256, (count, *shape), dtype=torch.uint8)
    return LabelledImages.from_arrays(pixels, torch.arange(count) % classes)


def write_rows(rows: Iterable[dict[str, Any]], out: Path | None) -> None:
    """Writes one JSON object a line; nothing without a file."""
    if out is not None:
        write_atomically(out, "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))


def options(description: str, *, quick: bool = True, figure: bool = False) -> argparse.Namespace:
    """--device, --threads, --out, and --quick and --figure where the script has them; the device is made ready."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if quick:
        parser.add_argument("--quick", action="store_true", help="few cases, about two minutes on two cores")
    if figure:
        parser.add_argument("--figure", type=Path, help="picture of the results (.svg or .png)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads, by default one a core")
    parser.add_argument("--out", type=Path, help="file for one JSON object a line")
    chosen = parser.parse_args()
    chosen.device = choose_device(chosen.device)
    set_threads(chosen.threads)
    keep_freed_memory()
    prepare(chosen.device)
    return chosen


def seconds(work: Work, device: torch.device) -> float:
    """Wall time of one call, until the device has finished."""
    gc.collect()
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def compare(case: str, twin: Work, fast: Mapping[str, Work], repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Twin and each fast path in turn, after one call of each to warm up; one result a path, keyed by its precision.

    Seconds and ratio are medians over the repeats.
    """
    seconds(twin, device)
    warm_up = {name: seconds(work, device) for name, work in fast.items()}
    rounds = [(seconds(twin, device), {n: seconds(work, device) for n, work in fast.items()}) for _ in range(repeats)]
    for name in fast:
        ratios = sorted(slow / quick[name] for slow, quick in rounds)
        yield {
            "case": case,
            "twin_seconds": statistics.median(slow for slow, _ in rounds),
            "fast_seconds": statistics.median(quick[name] for _, quick in rounds),
            "ratio": statistics.median(ratios),
            "ratio_range": [ratios[0], ratios[-1]],
            "repeats": repeats,
            "warm_up_seconds": warm_up[name],
            "device": describe(device),
            "threads": torch.get_num_threads(),
            "precision": name,
            "torch": torch.__version__,
        }


def report(results: Iterable[dict[str, Any]], out: Path | None) -> None:
    """Prints a row a case as it is measured, and writes what there is to `out` after each."""
    print(f"{'case':<52} {'precision':<9} {'twin s':>9} {'fast s':>9} {'ratio':>7}  range")
    rows: list[dict[str, Any]] = []
    for row in results:
        low, high = row["ratio_range"]
        print(
            f"{row['case']:<52} {row['precision']:<9} {row['twin_seconds']:>9.4f} {row['fast_seconds']:>9.4f} "
            f"{row['ratio']:>6.2f}x  {low:.2f} to {high:.2f}",
            flush=True,
        )
        rows.append(row)
        write_rows(rows, out)
