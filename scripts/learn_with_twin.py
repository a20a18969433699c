#!/usr/bin/env python3
"""Learns a set with the plain twin instead of the fast path, trains networks on both sets, and compares them seed by seed.

    python scripts/learn_with_twin.py FAST_FOLDER --out DIR [--threads 1]

FAST_FOLDER: what `condense run` wrote. The twin (`condense.reference`: autograd, one class at a time, float32) learns under
the same configuration from the same draws; rounding alone sets the two apart, and grows from step to step.
"""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

import torch
from tqdm import tqdm

from condense.condensed import Condensed
from condense.config import LearnConfig
from condense.data.catalog import load
from condense.files import write_atomically
from condense.machine import Surroundings, keep_freed_memory, prepare, set_threads
from condense.memory import start_peak
from condense.networks.registry import build
from condense.pipeline import Outputs, evaluate_and_keep, write_report
from condense.records import Cost, read_records
from condense.reference.gradient_matching import PlainGradientMatching
from condense.stage_c.driver import losses_of
from condense.stage_c.learn import record_of, set_of
from condense.stage_c.methods.dc import DC
from condense.stage_c.problem import Problem
from condense.statistics import paired
from condense.synthetic_set import SyntheticSet

CPU = torch.device("cpu")


def learn(config: LearnConfig, outputs: Outputs) -> SyntheticSet:
    """The set the twin learns, saved with its record; the one that is there already where there is one."""
    if outputs.set.exists():
        return SyntheticSet.load(outputs.set)
    data = load(config.dataset).train
    keep_freed_memory()
    prepare(CPU)
    surroundings, peak, began = Surroundings.of(CPU), start_peak(CPU), time.perf_counter()
    settings, problem = (
        config.plan(),
        Problem(data, build(config.network, data.shape, data.classes), config.ipc, config.seed),
    )
    assert isinstance(settings, DC)
    twin, total, images, distances = PlainGradientMatching(settings, problem), settings.steps(problem), torch.empty(0), []
    for loss, images, _ in tqdm(twin.steps(), total=total, desc="twin", mininterval=10):  # noqa: B007
        distances.append(loss)
    losses = losses_of(settings, problem, {"distance": distances})
    cost = Cost.of(surroundings, wall_seconds=time.perf_counter() - began, peak_memory_bytes=peak.bytes())
    learned = set_of(config, data, Condensed(images, problem.labels), len(losses))
    record = record_of(config, learned, {"loss": losses}, cost, surroundings.code, execution=None, notes=())
    record = replace(record, config={**record.config, "path": "plain twin"})
    write_atomically(outputs.records, record.to_json() + "\n")
    learned.save(outputs.set)
    return learned


def main() -> None:
    """Learns, evaluates, reports, and prints the paired difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fast", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    chosen = parser.parse_args()
    set_threads(chosen.threads)
    fast, outputs = Outputs(chosen.fast), Outputs(chosen.out)
    stored = SyntheticSet.load(fast.set).provenance.config
    config = LearnConfig(**{field.name: stored[field.name] for field in fields(LearnConfig)})
    learned = learn(replace(config, precision="fp32"), outputs)
    (there,) = [record for record in read_records(fast.records) if record.task == "evaluate"]
    if len(read_records(outputs.records)) == 1:
        data = load(config.dataset)
        network, protocol = there.config["network"], there.config["protocol"]
        evaluate_and_keep(network, protocol, learned, data, there.seeds, outputs.records, resume=True)
        write_report(outputs, learned)
    own = read_records(outputs.records)[-1]
    found = paired([100 * value for value in there.accuracies], [100 * value for value in own.accuracies])
    interval = f"{found.mean:+.2f} ± {found.half_width:.2f} points (95 %, {len(own.seeds)} pairs)"
    print(f"twin minus fast path: {interval}, {'no p' if found.p is None else f'p = {found.p:.2f}'}")


if __name__ == "__main__":
    main()
