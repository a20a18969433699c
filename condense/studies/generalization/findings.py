"""What the paper and the reproduction report found, in words, for the pages; and what records say of learning rates."""

from collections.abc import Sequence
from statistics import fmean

from condense.records import Record
from condense.report.numbers import decimal
from condense.studies.generalization.results import Result

PAPER = "Zhang, Bengio, Hardt, Recht, Vinyals: Understanding deep learning requires rethinking generalization, ICLR 2017"
REPORT = "Clevorn, Fonseca, Matsuo, Mayolet: EE-411 Reproducibility Challenge, EPFL 2024"

FINDINGS = {
    "fig1a": (
        "The paper: Inception fits every version of the training set, random labels and random pixels too, with the same "
        "settings; it only takes longer.",
        "The report: similar losses at first, but some runs did not converge at all. Here the second table says how many "
        "times as long as true labels each version takes, with paired tests.",
    ),
    "fig1b": (
        "The paper: the time to fit grows with the share of corrupted labels, by a small factor.",
        "The report called its own figure invalid: it stopped every run at 40 epochs, which for every p > 0 is before the "
        "run has fitted. A stopped run's ratio is 40 divided by the epochs at p = 0, so the network quickest on true labels "
        "gets the largest ratio, whatever it would have taken: so the report "
        "saw AlexNet and the MLP in the wrong order. Here such points are "
        "lower bounds, and drawn as such.",
    ),
    "fig1c": (
        "The paper: the test error after fitting rises with the share of corrupted labels to that of guessing, 90 %.",
        "The report: the same, MLP above AlexNet above Inception; but by its own account its networks had not converged, so "
        "its errors are not those after fitting.",
    ),
    "fig2a": (
        "The paper: regularisers help, but networks generalise without them too.",
        "The report (all of CIFAR-10, one run each): 87.2 % without regularisers and 88.9 % with weight decay after 50 "
        "epochs; with augmentation and dropout not converged after 100.",
    ),
    "fig2b": (
        "The paper: BatchNorm makes training smoother and improves the test accuracy a little.",
        "The report: BatchNorm in the downsample modules only costs about 2 points, where it cites the paper "
        "with 1.5 for none at all; without any, the network stayed at "
        "10 %, at chance. Here it is trained at a smaller rate too.",
    ),
    "table1": (
        "The paper: all networks reach training accuracies near 100 %, with regularisers, without, and on random labels.",
        "The report does not give this table.",
    ),
}


def rates_without_norm(results: Sequence[Result]) -> list[str]:
    """A sentence a learning rate on how Inception without BatchNorm got on at it, from the records; none without any.

    A run trains where it has not diverged, which here is to stay at chance; of a rate that is said only where all its runs
    do.
    """
    by_rate: dict[float, list[Record]] = {}
    for record in (record for result in results for record in result.records.values()):
        if record.config["network"] == "small-inception-nobn":
            by_rate.setdefault(record.config["learning_rate"], []).append(record)
    return [f"Inception without BatchNorm, rate {rate:g}: {_trained(by_rate[rate])}." for rate in sorted(by_rate)]


def _trained(records: Sequence[Record]) -> str:
    trains = [one for one in records if one.notes != ["diverged"]]
    if not trains:
        return f"does not train (none of {len(records)} runs ended better than chance)"
    accuracy = 100 * fmean(record.series["train_accuracy"][-1] for record in trains)
    count = f"{len(trains)} of {len(records)} runs ended better than chance"
    if len(trains) < len(records):
        return f"does not train reliably ({count}, these at {decimal(accuracy)} % training accuracy on average)"
    return f"trains ({count}, at {decimal(accuracy)} % training accuracy on average)"
