"""What DD-Ranking's evaluators take: images.pt, labels.pt and lr.pt."""

import torch

from condense.formats.outgoing.consumers import BOTH_CIFARS, Consumer, Handed, handed, saved, saved_rate, saved_whitening
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.synthetic_set import SyntheticSet

DD_RANKING = Consumer(
    "DD-Ranking",
    BOTH_CIFARS,
    soft=True,
    rate=True,
    whitens=True,
)


def plan(asked: Asked) -> Plan:
    """Images class by class, labels (hard, or logits of soft ones), and the learned rate where there is one."""
    synthetic, given = asked.first, handed(asked.first, DD_RANKING)
    losses, remarks = list(given.losses), list(given.remarks)
    if given.labels.is_floating_point():
        lost, said = _by_place(given)
        losses, remarks = [*losses, *lost], [*remarks, *said]
        remarks.append("Soft labels are written as logits: its soft cross-entropy takes their softmax, at temperature 1.")
    if synthetic.preprocessing is not None:
        remarks.append("The images are whitened: its configuration needs use_zca: true.")
    return Plan(lambda: _files(synthetic, given), tuple(losses), tuple(remarks))


def _by_place(given: Handed) -> tuple[list[str], list[str]]:
    """(Losses, remarks): beside soft labels DD-Ranking gives hard ones by place, equally many of each class."""
    (count, classes), likeliest = given.labels.shape, given.labels.argmax(dim=1)
    of_class = likeliest.bincount(minlength=classes).tolist()
    if count % classes:
        return [f"how many images each class has ({min(of_class)} to {max(of_class)}; it takes equally many)"], []
    places = torch.arange(classes).repeat_interleave(count // classes)
    otherwise = int((likeliest != places).sum())
    if otherwise > count / 2:  # in no order of classes
        return [f"the classes of {otherwise} of {count} images (it gives hard labels by place)"], []
    said = f"{otherwise} of {count} images have a likeliest class other than their place's, by which it gives hard labels."
    return [], [said] if otherwise else []


def _files(synthetic: SyntheticSet, given: Handed) -> dict[str, bytes]:
    files = {"images.pt": saved(given.images), "labels.pt": saved(given.labels)}
    if synthetic.learning_rate is not None:
        files["lr.pt"] = saved_rate(synthetic.learning_rate)
    if synthetic.preprocessing is not None:
        files["zca.pt"] = saved_whitening(synthetic.preprocessing)
    return files


FORM = Form("dd-ranking", "a folder with images.pt, labels.pt and lr.pt, as DD-Ranking's evaluators take them", plan)
