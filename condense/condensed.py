"""What a method of stage C hands over: the made images and all that belongs to them."""

from dataclasses import dataclass

from torch import Tensor

from condense.decoding import IDENTITY, Decoder


@dataclass(frozen=True, eq=False)
class Condensed:
    """A small set as it was learned or selected; `SyntheticSet` adds where it comes from, and checks it.

    images: floating (N, C, H, W) in the space that the real images were given in (normalised); labels: int64 (N,) or
    floating (N, classes), probabilities; decoder: what makes of them what networks are trained on; learning_rate: of
    networks trained on the set, where the method learned one too.
    """

    images: Tensor
    labels: Tensor
    decoder: Decoder = IDENTITY
    learning_rate: float | None = None
