"""A set as a consumer's tensors: what networks are trained on, in the consumer's normalisation, class by class.

A `Consumer` says what its code knows and reads; what of a set it has no place for follows from that.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from condense.decoding import IDENTITY
from condense.errors import shortened
from condense.preprocessing import ZCA
from condense.synthetic_set import SyntheticSet

CIFAR = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
"""Mean and standard deviation of CIFAR-10, which some codes take for CIFAR-100 too."""
CIFAR100 = (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)


@dataclass(frozen=True)
class Known:
    """A data set as a consumer knows it: its spelling, and the mean and standard deviation it normalises test images by."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


BOTH_CIFARS = {"cifar10": Known("CIFAR10", *CIFAR), "cifar100": Known("CIFAR100", *CIFAR)}
"""As codes know them that normalise CIFAR-100 by the statistics of CIFAR-10."""


@dataclass(frozen=True)
class Consumer:
    """Code that trains networks on tensors of images and labels.

    title: how sentences call it; datasets: those it knows, by catalogue name; soft: whether it takes soft labels (as
    logits); rate: whether it takes a learned rate; whitens: whether it fits a whitening of its own to the real images.
    """

    title: str
    datasets: Mapping[str, Known] = field(default_factory=dict)
    soft: bool = False
    rate: bool = False
    whitens: bool = False


@dataclass(frozen=True, eq=False)
class Handed:
    """A set as it is handed to a consumer.

    images: float32 (M, C, H, W), class by class (of soft labels `_order_of_soft`); labels: int64 (M,), or logits
    float32 (M, classes); each: how many of the
    largest class, a soft label counting for its likeliest; dataset: as the consumer spells it.
    """

    images: Tensor
    labels: Tensor
    each: int
    dataset: str
    losses: tuple[str, ...]
    remarks: tuple[str, ...]


def handed(synthetic: SyntheticSet, consumer: Consumer) -> Handed:
    """What the consumer gets, and what of the set is lost on the way.

    Raises `CondenseError` where images must be taken out of a whitening that has no inverse.
    """
    images, labels = synthetic.decoded()
    images, remarks, lost = _as_it_normalises(synthetic, images, consumer)
    hard = hard_labels(labels)
    soft = consumer.soft and labels.is_floating_point()
    order = _order_of_soft(hard, len(synthetic.images), labels.shape[1]) if soft else hard.argsort(stable=True)
    losses = [*lost_decoder(synthetic), *lost]
    losses += [] if consumer.soft else lost_soft_labels(synthetic)
    losses += [] if consumer.rate else lost_rate(synthetic)
    return Handed(
        images=images[order].contiguous(),
        labels=logits(labels)[order].contiguous() if soft else hard[order].contiguous(),
        each=int(torch.bincount(hard).max()),
        dataset=spelled(synthetic.provenance.dataset, consumer),
        losses=tuple(losses),
        remarks=tuple(remarks),
    )


def _order_of_soft(likeliest: Tensor, stored: int, classes: int) -> Tensor:
    """The order of decoded images with soft labels: class by class where these name every class equally often; else as they
    are stored, all that became of one image together, as its place may say more than its label which class it is of.
    """
    if len(set(likeliest.bincount(minlength=classes).tolist())) == 1:
        return likeliest.argsort(stable=True)
    return (torch.arange(len(likeliest)) % stored).argsort(stable=True)


def _as_it_normalises(synthetic: SyntheticSet, images: Tensor, consumer: Consumer) -> tuple[Tensor, list[str], list[str]]:
    """(Images as the consumer's networks see real ones, remarks, losses) of images in the space of the set."""
    facts, known = synthetic.provenance, consumer.datasets.get(synthetic.provenance.dataset)
    if synthetic.preprocessing is not None and consumer.whitens:
        return images, [], [f"the set's own whitening (its images stay whitened, and {consumer.title} fits one of its own)"]
    lost = lost_whitening(synthetic)
    if known is None:
        stated = ", ".join(f"{name} {_numbers(getattr(facts, name))}" for name in ("mean", "std"))
        lost.append(f"the normalisation ({stated}), as {consumer.title} knows no data set {shortened(facts.dataset)}")
    mean, std = (known.mean, known.std) if known else (tuple(facts.mean), tuple(facts.std))
    if synthetic.preprocessing is None and (mean, std) == (tuple(facts.mean), tuple(facts.std)):
        return images, [], lost
    remark = f"The images are normalised anew as {consumer.title} does, by mean {_numbers(mean)} and std {_numbers(std)}."
    own_mean, own_std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (mean, std))
    return ((pixel_values(synthetic, images) - own_mean) / own_std).float(), [remark], lost


def pixel_values(synthetic: SyntheticSet, images: Tensor) -> Tensor:
    """Images in the space of the set as pixels, where 0 is black and 1 white, beyond which they may go: float64.

    Raises `CondenseError` where the whitening of the set has no inverse.
    """
    if synthetic.preprocessing is not None:
        return synthetic.preprocessing.invert(images)
    facts = synthetic.provenance
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (facts.mean, facts.std))
    return images.double() * std + mean


def hard_labels(labels: Tensor) -> Tensor:
    """Labels as classes, int64 (M,): of soft ones the likeliest."""
    return labels.argmax(dim=1) if labels.is_floating_point() else labels


def logits(probabilities: Tensor) -> Tensor:
    """What softmax makes these probabilities of, float32: their logarithm, and -1000 for 0, of which softmax gives 0."""
    return probabilities.double().log().clamp(min=-1000).float()


def lost_soft_labels(synthetic: SyntheticSet) -> list[str]:
    """Nothing where labels are hard, or written as soft ones of a single class each."""
    labels = synthetic.labels
    hard = not synthetic.soft or torch.equal(labels, one_hot(labels.argmax(dim=1), labels.shape[1]).float())
    return [] if hard else ["soft labels (of each the likeliest class is written)"]


def lost_rate(synthetic: SyntheticSet) -> list[str]:
    """Nothing where no rate was learned."""
    return [] if synthetic.learning_rate is None else [f"the learned rate {synthetic.learning_rate:.6g}"]


def lost_decoder(synthetic: SyntheticSet) -> list[str]:
    """Nothing where images are trained on as they are stored."""
    if synthetic.decoder == IDENTITY:
        return []
    stored, decoder = len(synthetic.images), synthetic.decoder
    return [f"the decoder, {decoder} ({stored * decoder.multiple} decoded images are written in place of {stored})"]


def lost_whitening(synthetic: SyntheticSet) -> list[str]:
    """Nothing where images are not whitened."""
    return [] if synthetic.preprocessing is None else ["the whitening (it is undone)"]


def spelled(dataset: str, consumer: Consumer) -> str:
    """A data set's name as the consumer spells it, or as its own name may stand in a file's."""
    known = consumer.datasets.get(dataset)
    return known.name if known else file_word(re.sub(r"\.(npz|mat|h5|hdf5)$|/$", "", dataset))


def file_word(text: str) -> str:
    """A text as a part of a file's name: letters, digits, points and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip(".-")[:60] or "unnamed"


def saved(content: Any) -> bytes:
    """What `torch.save` writes of tensors, lists, dictionaries and plain numbers; `weights_only` reads it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def saved_whitening(whitening: ZCA) -> bytes:
    """The same of a whitening, mean (C, H, W) and matrix (D, D), for condense: codes that fit their own pass it over."""
    return saved({name: tensor.clone() for name, tensor in whitening.tensors.items()})


def saved_rate(rate: float) -> bytes:
    """The same of a learned rate: a scalar, float32 unless that would round it."""
    exact = torch.tensor(rate, dtype=torch.float32)
    return saved(exact if float(exact) == rate else torch.tensor(rate, dtype=torch.float64))


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.4f}" for value in values)
