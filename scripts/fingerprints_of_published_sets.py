"""Computes the fingerprints in `condense/data/known.py` anew from the published files below CONDENSE_DATA."""

from pathlib import Path

from condense.data.digits import load_digits
from condense.data.images import DataSet
from condense.data.known import Fingerprints
from condense.data.split import join
from condense.data.torchvision_sets import PUBLISHED_SETS, find

ORDER_NOT_KNOWN = ("cifar100",)
"""Sets whose files here have the published images in another order than the archive's."""


def read(name: str, root: Path | None = None) -> DataSet:
    """The set as the files have it, whatever they hold."""
    if name == "digits":
        return load_digits()
    found = root or find(name)
    if found is None:
        raise SystemExit(f"{name} is not here; set CONDENSE_DATA.")
    train, test, class_names = PUBLISHED_SETS[name].read(found)
    return join(name, train, test, class_names, where=name)


def fingerprints(name: str, data: DataSet) -> Fingerprints:
    """What the table says of a set."""
    former = (None, None) if name in ORDER_NOT_KNOWN else (data.train.former_fingerprint, data.test.former_fingerprint)
    return Fingerprints(data.train.fingerprint, data.test.fingerprint, *former)


if __name__ == "__main__":
    for each in ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100"):
        print(each, fingerprints(each, read(each)))
