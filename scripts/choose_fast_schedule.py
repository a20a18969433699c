#!/usr/bin/env python3
"""How the schedule 'fast' was chosen: candidates learned on a part of the training images, scored on the rest of them.

    python scripts/choose_fast_schedule.py CANDIDATES.toml --out DIR [--datasets mnist cifar10] [--networks 5] [--table FILE]

CANDIDATES.toml: one table a candidate with settings of `condense learn`; in it `datasets` goes before --datasets, and
`train` names the networks to score with, instead of the one that learns, and `protocol` how. A fifth of the training images
of each class is held out (`condense.data.split.held_out`); the test images are never looked at. Finished candidates
are kept in DIR and not done again;
--table writes all that DIR holds as lines of JSON.
"""

import argparse
import json
import tomllib
from functools import cache
from pathlib import Path

from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.data.split import held_out
from condense.files import write_atomically
from condense.machine import set_threads
from condense.pipeline import learn_and_save
from condense.records import Record, append_record, read_records
from condense.stage_t.evaluate import evaluate
from condense.statistics import summarise


@cache
def without_held_out(name: str) -> DataSet:
    """A data set whose test images are training images held out."""
    return DataSet(name, *held_out(load(name).train))


def score(folder: Path, config: LearnConfig, data: DataSet, train: list[str], networks: int, protocol: str) -> list[Record]:
    """The records of one candidate: stage C, then held-out accuracies; those in `folder` are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    records = folder / "records.jsonl"
    learned = learn_and_save(config, data, folder / "set.h5", records, resume=True)
    scored = {record.config["network"] for record in read_records(records) if record.task == "evaluate"}
    missing = tuple(name for name in train or [config.network] if name not in scored)
    if missing:
        for record in evaluate(EvaluateConfig(network=missing, seeds=networks, protocol=protocol), learned, data):
            append_record(records, record)
    return read_records(records)


def table(folder: Path) -> str:
    """One line of JSON for each finished candidate in `folder` and network scored with: settings and accuracies."""
    lines = []
    for path in sorted(folder.glob("*/records.jsonl")):
        learned, *tested = read_records(path)
        for record in tested:
            accuracies = record.accuracies
            summary = summarise(accuracies)
            scored = {
                "trained_with": record.config["network"],
                "protocol": record.config["protocol"],
                "accuracies_percent": [round(100 * value, 2) for value in accuracies],
                "mean_percent": round(100 * summary.mean, 2),
                "std_percent": round(100 * summary.std, 2),
                "n": len(accuracies),
            }
            left_out = ("set", "path", "execution", "train_size", "schedule", "precision")
            row = {name: value for name, value in learned.config.items() if name not in left_out} | scored
            lines.append(json.dumps(row, sort_keys=True))
    return "\n".join([*lines, ""])


def main() -> None:
    """Scores every candidate on every data set, and prints a line as each is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidates", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=["mnist", "fashion-mnist", "cifar10"])
    parser.add_argument("--networks", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--table", type=Path)
    chosen = parser.parse_args()
    set_threads(chosen.threads)
    for candidate, settings in tomllib.loads(chosen.candidates.read_text()).items():
        train, protocol = settings.pop("train", []), settings.pop("protocol", "published")
        for name in settings.pop("datasets", chosen.datasets):
            config = LearnConfig(dataset=name, **settings)
            folder = chosen.out / f"{name}-ipc{config.ipc}-{candidate}"
            learned, *tested = score(folder, config, without_held_out(name), train, chosen.networks, protocol)
            for record in tested:
                one = summarise(record.accuracies)
                said = f"{record.config['network']:<8} {100 * one.mean:6.2f} ± {100 * one.std:4.2f} %"
                print(f"{candidate:<28} {name:<14} {said}  stage C {learned.wall_seconds:6.0f} s", flush=True)
    if chosen.table:
        write_atomically(chosen.table, table(chosen.out))


if __name__ == "__main__":
    main()
