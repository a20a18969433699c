"""IDC's and DREAM's data.pt: [pixels, labels], where each image becomes factor x factor by the reader's own option."""

import torch
from torch import Tensor

from condense.decoding import Tiles
from condense.formats.outgoing.consumers import (
    hard_labels,
    lost_decoder,
    lost_rate,
    lost_soft_labels,
    lost_whitening,
    pixel_values,
    saved,
)
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.synthetic_set import SyntheticSet

NAMES = {"mnist": "mnist", "fashion-mnist": "fashion", "svhn": "svhn", "cifar10": "cifar10", "cifar100": "cifar100"}
"""Data sets as IDC's option -d has them, by catalogue name."""


def plan(asked: Asked) -> Plan:
    """Pixels, where 0 is black and 1 white, not clipped, as its code does not clip them either, and hard labels.

    Raises `CondenseError` where images must be taken out of a whitening that has no inverse.
    """
    synthetic = asked.first
    factor = _factor(synthetic)
    images, labels = synthetic.decoded() if factor is None else (synthetic.images, synthetic.labels)
    hard = hard_labels(labels)
    order = hard.argsort(stable=True)
    pixels = pixel_values(synthetic, images)[order].float()
    losses = [*(lost_decoder(synthetic) if factor is None else []), *lost_whitening(synthetic)]
    losses += [*lost_soft_labels(synthetic), *lost_rate(synthetic), *_lost_images(synthetic, factor)]
    remarks = [*_outside(pixels), _how_to_read(synthetic, factor or 1, int(hard.bincount().max()))]
    return Plan(lambda: {"data.pt": saved([pixels, hard[order]])}, tuple(losses), tuple(remarks))


def _factor(synthetic: SyntheticSet) -> int | None:
    """The factor by which its code decodes the images alike: 1 where they are not decoded; None where it does not."""
    decoder, (height, width) = synthetic.decoder, synthetic.images.shape[2:]
    if not isinstance(decoder, Tiles):
        return 1
    channels = synthetic.images.shape[1]
    grey = torch.tensor(decoder.grey)[:, None, None].expand(channels, height, width)[None]
    padded_alike = height % decoder.factor == 0 or bool(
        ((pixel_values(synthetic, grey.float()) - 0.5).abs() < 1e-6).all()  # its code pads by 0.5
    )
    return decoder.factor if height == width and padded_alike else None


def _lost_images(synthetic: SyntheticSet, factor: int | None) -> list[str]:
    """Its decoding takes equally many images of each class, one class after another."""
    over = len(synthetic.images) % len(synthetic.provenance.class_names)
    return [f"the last {over} images, which its code leaves out as it decodes"] if over and factor not in (None, 1) else []


def _outside(pixels: Tensor) -> list[str]:
    share = float(((pixels < 0) | (pixels > 1)).double().mean())
    return [f"{share:.1%} of the pixels are beyond black and white, and written so."] if share else []


def _how_to_read(synthetic: SyntheticSet, factor: int, each: int) -> str:
    dataset = NAMES.get(synthetic.provenance.dataset)
    data = f"-d {dataset} " if dataset else ""
    unknown = "" if dataset else f" Its code knows no data set {synthetic.provenance.dataset}."
    return f"It is read with {data}-f {factor} --ipc {each} from the folder that its --name names.{unknown}"


FORM = Form("idc", "a folder with data.pt, as the code of IDC and DREAM saves it ([pixels, labels], factor apart)", plan)
