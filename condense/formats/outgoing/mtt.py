"""The files of trajectory matching: MTT's, FTD's and TESLA's images and labels, with the soft labels and rate of DATM."""

from condense.formats.outgoing.consumers import (
    BOTH_CIFARS,
    Consumer,
    Handed,
    handed,
    pixel_values,
    saved,
    saved_rate,
    saved_whitening,
)
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.synthetic_set import SyntheticSet

MTT = Consumer(
    "MTT's code",
    BOTH_CIFARS,
    soft=True,
    rate=True,
    whitens=True,
)


def plan(asked: Asked) -> Plan:
    """images_best.pt, labels_best.pt, where a rate was learned lr_best.pt, of whitened images also their pixels and
    the whitening.
    """
    synthetic, given = asked.first, handed(asked.first, MTT)
    remarks = list(given.remarks)
    if given.labels.is_floating_point():
        remarks.append("Soft labels are written as logits, as DATM's code reads them; MTT's own takes hard ones only.")
    if synthetic.preprocessing is not None:
        remarks.append("The images are whitened: their reader needs --zca.")
    return Plan(lambda: _files(synthetic, given), given.losses, tuple(remarks))


def _files(synthetic: SyntheticSet, given: Handed) -> dict[str, bytes]:
    files = {"images_best.pt": saved(given.images), "labels_best.pt": saved(given.labels)}
    if synthetic.learning_rate is not None:
        files["lr_best.pt"] = saved_rate(synthetic.learning_rate)
    if synthetic.preprocessing is not None:
        pixels = pixel_values(synthetic, given.images).float()
        files[f"images_zca_{synthetic.provenance.iterations}.pt"] = saved(pixels)
        files["zca_best.pt"] = saved_whitening(synthetic.preprocessing)
    return files


FORM = Form("mtt", "a folder with images_best.pt, labels_best.pt and lr_best.pt, as of MTT, FTD, TESLA, DATM, PAD", plan)
