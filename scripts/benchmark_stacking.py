#!/usr/bin/env python3
"""Whether networks train quicker stacked or in turn on a CPU, by architecture and batch: the rule in `execution.py`.

    python scripts/benchmark_stacking.py [--threads 1] [--out FILE.jsonl]

Milliseconds a network and training step, compiled, stacks of 20 against one after the other: medians of five.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from benchmarking import SHAPES, options, seconds, write_rows

from condense.execution import for_training
from condense.machine import can_compile, forget_compiled
from condense.networks.registry import build
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

MEMBERS, EPOCHS, REPEATS = 20, 3, 5
CASES = [(name, batch) for name in ("MLP", "LeNet", "ConvNetW16") for batch in (10, 100)]


def measure(name: str, batch: int, device: torch.device) -> dict[str, Any]:
    """One architecture and batch."""
    shape = SHAPES["MNIST"]
    network, members = build(name, shape, 10), fresh_members(build(name, shape, 10), range(MEMBERS), "benchmark", device)
    source = TensorSource(torch.randn(batch, *shape, device=device), torch.arange(batch, device=device) % 10)
    recipe = Recipe((Stage(EPOCHS, 0.01),), momentum=0.9, weight_decay=5e-4)
    path = "compiled" if can_compile(device) else "eager"
    execution = replace(for_training(network, device, batch=batch), path=path)
    forget_compiled()

    def groups(size: int) -> Callable[[], None]:
        def work() -> None:
            for first in range(0, MEMBERS, size):
                draws = [MemberDraws.of(seed, "benchmark", device=device) for seed in range(first, first + size)]
                train(network, members[first : first + size], source, recipe, draws, execution=execution)

        return work

    ways = {"stacked": groups(MEMBERS), "in turn": groups(1)}
    for work in ways.values():
        work()
    times = {way: [1e3 * seconds(work, device) / MEMBERS / EPOCHS for _ in range(REPEATS)] for way, work in ways.items()}
    medians = {way: round(statistics.median(found), 4) for way, found in times.items()}
    facts = {"network": name, "batch": batch, "threads": torch.get_num_threads(), "torch": torch.__version__}
    return {**facts, **medians, "ratio": round(medians["in turn"] / medians["stacked"], 3)}


def results(device: torch.device) -> Iterator[dict[str, Any]]:
    """All cases, printed as they are measured."""
    for name, batch in CASES:
        row = measure(name, batch, device)
        times = "  ".join(f"{way} {row[way]:8.3f} ms" for way in ("stacked", "in turn"))
        print(f"{name:<12} {batch:>4}  {times}  {row['ratio']:5.2f}x", flush=True)
        yield row


if __name__ == "__main__":
    chosen = options(__doc__ or "", quick=False)
    write_rows(list(results(chosen.device)), chosen.out)
