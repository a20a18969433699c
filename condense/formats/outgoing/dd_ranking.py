"""What DD-Ranking's evaluators take: images.pt, labels.pt and lr.pt."""

from condense.formats.outgoing.consumers import CIFAR, Consumer, Handed, Known, handed, saved, saved_rate, saved_whitening
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.synthetic_set import SyntheticSet

DD_RANKING = Consumer(
    "DD-Ranking",
    # CIFAR-100 with the statistics of CIFAR-10, which that code has for both
    {"cifar10": Known("CIFAR10", *CIFAR), "cifar100": Known("CIFAR100", *CIFAR)},
    soft=True,
    rate=True,
    whitens=True,
)


def plan(asked: Asked) -> Plan:
    """Images class by class, labels (hard, or logits of soft ones), and the learned rate where there is one."""
    synthetic, given = asked.first, handed(asked.first, DD_RANKING)
    losses, remarks = list(given.losses), list(given.remarks)
    if given.labels.is_floating_point():
        losses += _lost_classes(given)
        remarks.append("Soft labels are written as logits: its soft cross-entropy takes their softmax, at temperature 1.")
    if synthetic.preprocessing is not None:
        remarks.append("The images are whitened: its configuration needs use_zca: true.")
    return Plan(lambda: _files(synthetic, given), tuple(losses), tuple(remarks))


def _lost_classes(given: Handed) -> list[str]:
    """Beside soft labels DD-Ranking numbers the images itself, equally many of each class in order."""
    classes = given.labels.shape[1]
    of_class = given.labels.argmax(dim=1).bincount(minlength=classes).tolist()
    equal = len(set(of_class)) == 1
    return [] if equal else [f"how many images each class has ({min(of_class)} to {max(of_class)}; it takes equally many)"]


def _files(synthetic: SyntheticSet, given: Handed) -> dict[str, bytes]:
    files = {"images.pt": saved(given.images), "labels.pt": saved(given.labels)}
    if synthetic.learning_rate is not None:
        files["lr.pt"] = saved_rate(synthetic.learning_rate)
    if synthetic.preprocessing is not None:
        files["zca.pt"] = saved_whitening(synthetic.preprocessing)
    return files


FORM = Form("dd-ranking", "a folder with images.pt, labels.pt and lr.pt, as DD-Ranking's evaluators take them", plan)
