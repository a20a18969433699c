"""Records of rows: what they must hold beside what every record does, and what tables read of them.

metrics: 'accuracy' on the test images; 'held_out_accuracy' on the training images that were held out, by which rows are
compared (not there in records of version 0.1, which compared rows on the test images); 'training_accuracy', 'training_loss'
(mean cross-entropy per image, without any penalty): of the trained networks on all they were trained on, losses None where
training diverged. cost: training_seconds of training alone, all networks, and the estimate of it; wall_seconds with tests;
peak_memory_bytes of training and testing this row.
"""

import math
from dataclasses import replace

from condense.errors import CondenseError
from condense.records import Record
from condense.studies.hyperparameters.asked import TrainingImages
from condense.studies.hyperparameters.estimate import Speed, Work, training_seconds

METRICS = ("accuracy", "held_out_accuracy", "training_accuracy", "training_loss")
ESTIMATED = ("estimated_seconds", "estimated_memory_bytes")
TERMS = ("members", "steps", "images", "multiply_adds", "step_seconds", "multiply_adds_per_second")
"""What an estimate must state, to be made anew for another number of networks."""

LARGEST = 10**18
"""No count of a record is as large."""


def with_own_estimate(record: Record) -> Record:
    """The record with its estimated seconds for the networks it holds, which after an interruption may be fewer or more than
    were asked for when it began; from the terms said then.
    """
    terms = record.cost.estimate
    groups = -(-len(record.seeds) // int(terms["members"]))
    work = Work(groups, *(int(terms[name]) for name in ("members", "steps", "images", "multiply_adds")))
    seconds = training_seconds(work, Speed(terms["step_seconds"], terms["multiply_adds_per_second"]))
    return replace(record, cost=replace(record.cost, estimate={**terms, "groups": groups, "estimated_seconds": seconds}))


def belongs(record: Record, on: TrainingImages) -> bool:
    """Whether a record's networks were trained on these images."""
    described = all(record.config.get(key) == value for key, value in on.described.items())
    return described and record.config["epochs_factor"] == on.epochs_factor


def check_complete(record: Record, where: str) -> None:
    """Raises `CondenseError` unless a record is one of a sweep with all that tables read."""
    if record.task != "sweep":
        raise CondenseError(f"{where}: a record of task '{record.task}' is none of a sweep.")
    needed = [name for name in METRICS if name != "held_out_accuracy" or "held_out_images" in record.config]
    if not all(name in record.metrics for name in needed):
        raise CondenseError(f"{where}: a record is damaged: it does not hold one training accuracy and loss for each seed.")
    accuracies = [value for name in needed[:-1] for value in record.metrics[name]]
    losses = [loss for loss in record.metrics["training_loss"] if loss is not None]
    if None in accuracies or not all(0 <= loss < math.inf for loss in losses):
        raise CondenseError(f"{where}: a record is damaged: accuracies must lie between 0 and 1, losses from 0 on.")
    _check_read(record, where)


def _check_read(record: Record, where: str) -> None:
    """What tables read of a record's configuration and estimate must be there, and be what it is taken for."""
    estimate = record.cost.estimate
    measured = {name: getattr(record.cost, name) for name in ("training_seconds", "peak_memory_bytes")}
    whole = {name: record.config.get(name) for name in ("train_images", "parameters", "epochs_factor")}
    numbers = {name: estimate.get(name) for name in (*TERMS, *ESTIMATED)}
    wrong = [name for name, value in whole.items() if type(value) is not int or not 1 <= value < LARGEST]
    wrong += [name for name, value in {**numbers, **measured}.items() if value is None or not _measurable(name, value)]
    wrong += [name for name in ("members", "steps") if name not in wrong and estimate[name] < 1]
    wrong += [name for name in ("row", "set") if name not in record.config]
    if wrong or not isinstance(record.config["row"], dict):
        raise CondenseError(f"{where}: a record is damaged ({', '.join(wrong) or 'row'}).")


def _measurable(name: str, value: float) -> bool:
    """The constant of a step may come out as 0, where arithmetic is all that takes time."""
    return 0 < value < LARGEST or (name == "step_seconds" and value == 0)
