"""VICO's results file: what the code of DC, DSA and DM writes, and DC-BENCH, BEARD and DD-RobustBench read."""

from itertools import combinations

import torch

from condense.errors import CondenseError, quoted
from condense.formats.outgoing.consumers import (
    CIFAR,
    CIFAR100,
    Consumer,
    Handed,
    Known,
    file_word,
    handed,
    hard_labels,
    pixel_values,
    saved,
)
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.formats.outgoing.png import png
from condense.synthetic_set import SyntheticSet

VICO = Consumer(
    "VICO's code",
    {
        "mnist": Known("MNIST", (0.1307,), (0.3081,)),
        "fashion-mnist": Known("FashionMNIST", (0.2861,), (0.3530,)),
        "svhn": Known("SVHN", (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
        "cifar10": Known("CIFAR10", *CIFAR),
        "cifar100": Known("CIFAR100", *CIFAR100),
    },
)
ALIKE = ("dataset", "dataset_fingerprint", "class_names", "method", "network", "images_per_class")
"""What repetitions of one experiment have in common."""


def plan(asked: Asked) -> Plan:
    """The list of sets with the accuracies of networks trained on them, and a picture of each set.

    Raises `CondenseError` for sets that are not repetitions of one experiment.
    """
    _check_alike(asked.sets)
    all_handed = [handed(one, VICO) for one in asked.sets]
    remarks = [remark for one in all_handed for remark in one.remarks]
    if len(asked.sets) > 1:
        remarks.append("DC-BENCH and DD-RobustBench read the last set of the list, BEARD the first.")
    losses = dict.fromkeys(loss for one in all_handed for loss in one.losses)
    return Plan(lambda: _files(asked, all_handed), tuple(losses), tuple(dict.fromkeys(remarks)))


def setting(synthetic: SyntheticSet, given: Handed) -> str:
    """What names of files state: 'DC_CIFAR10_ConvNet_10ipc'."""
    facts = synthetic.provenance
    return f"{file_word(facts.method.upper())}_{given.dataset}_{file_word(facts.network)}_{given.each}ipc"


def content(asked: Asked, all_handed: list[Handed]) -> dict[str, object]:
    """'data': [images, labels] of each set; 'accs_all_exps': by network, accuracies as Python numbers, which weights_only
    reads.
    """
    return {"data": [[one.images, one.labels] for one in all_handed], "accs_all_exps": _accuracies(asked)}


def _files(asked: Asked, all_handed: list[Handed]) -> dict[str, bytes]:
    named = setting(asked.first, all_handed[0])
    files = {f"res_{named}.pt": saved(content(asked, all_handed))}
    for number, (synthetic, one) in enumerate(zip(asked.sets, all_handed, strict=True)):
        name = f"vis_{named}_exp{number}_iter{synthetic.provenance.iterations}.png"
        files[name] = _picture(synthetic, one.each)
    return files


def _accuracies(asked: Asked) -> dict[str, list[float]]:
    """By network, those under the protocol that VICO's code has: 'published' of DC, 'dsa' of all other methods. Networks
    whose training diverged are left out.
    """
    facts, found = asked.first.provenance, dict[str, list[float]]()
    protocol = "published" if facts.method == "dc" else "dsa"
    for one in asked.sets:
        tested = [record for record in asked.records if record.task == "evaluate"]
        of_set = [record for record in tested if record.config["set"]["sha256"] == one.sha256]
        for record in of_set:
            if record.protocol == protocol:
                seeds = zip(record.seeds, record.accuracies, strict=True)
                kept = [float(accuracy) for seed, accuracy in seeds if seed not in record.diverged]
                found.setdefault(str(record.config["network"]), []).extend(kept)
    return found or {facts.network: []}


def _picture(synthetic: SyntheticSet, in_a_row: int) -> bytes:
    """PNG of the decoded images, clipped, a class a row."""
    from torchvision.utils import make_grid  # takes long to import

    images, labels = synthetic.decoded()
    order = hard_labels(labels).argsort(stable=True)
    grid = make_grid(pixel_values(synthetic, images)[order].clamp(0, 1).float(), nrow=in_a_row)
    return png((grid * 255).round().to(torch.uint8))


def _check_alike(sets: tuple[SyntheticSet, ...]) -> None:
    for (first, one), (second, other) in combinations(enumerate(sets, 1), 2):
        if one.sha256 == other.sha256:
            raise CondenseError(f"Sets {first} and {second} are the same; a list of VICO's holds each repetition once.")
        for name in ALIKE:
            mine, others = getattr(one.provenance, name), getattr(other.provenance, name)
            if mine != others:
                raise CondenseError(
                    f"Sets {first} and {second} differ in {name} ({quoted(mine)} and {quoted(others)}); a list of VICO's "
                    "holds repetitions of one experiment."
                )
        if one.images.shape[1:] != other.images.shape[1:] or one.decoder != other.decoder:
            raise CondenseError(f"Sets {first} and {second} differ in the size of their images or in their decoder.")


FORM = Form(
    "vico",
    "a .pt file of DC, DSA and DM (data, accs_all_exps), or a folder with it and pictures; takes several sets",
    plan,
    suffix=".pt",
    several=True,
    accuracies=True,
)
