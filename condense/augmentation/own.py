"""Augmentations of one's own by name (`condense.own`): functions that draw a case of what `operations` does to images."""

from typing import Any, Protocol

import torch

from condense.augmentation.operations import Draw
from condense.errors import CondenseError, quoted, shortened
from condense.own import Own


class Drawing(Protocol):
    """Draws what is done to images of one size."""

    def __call__(self, count: int, size: tuple[int, int], random: torch.Generator, /) -> Draw:
        """Parameters of `count` images of size (height, width), from the generator alone and on its device."""
        ...


def register_augmentation(name: str, drawing: Drawing) -> None:
    """Makes an augmentation of one's own known by this name, in this process, to protocols and to the methods that draw one
    operation at a time (DSA's law); one that is registered under it is replaced.

    Raises `CondenseError` for a name that is no name, and for what cannot be called.
    """
    AUGMENTATIONS.register(name, drawing)


def drawn(name: str, count: int, size: tuple[int, int], random: torch.Generator) -> Draw:
    """What the augmentation of a name proper draws; raises `CondenseError` where that is no `Draw` of so many images."""
    if name not in _known:  # looking at its code takes longer than drawing, which is done for every batch
        _known[name] = AUGMENTATIONS.code(name)
    found: Any = _known[name](count, size, random)
    nothing = Draw.nothing(count, random.device)
    if not isinstance(found, Draw):
        raise CondenseError(f"Augmentation {quoted(name)} gave {shortened(found)}, which is no Draw.")
    for part, of_nothing in zip(found.parts, nothing.parts, strict=True):
        if part.shape != of_nothing.shape or part.is_floating_point() != of_nothing.is_floating_point():
            raise CondenseError(
                f"Augmentation {quoted(name)} drew parameters {tuple(part.shape)} of {part.dtype} for {count} images, where "
                f"they are {tuple(of_nothing.shape)} of {of_nothing.dtype}."
            )
    return Draw(*(part.to(like.dtype) for part, like in zip(found.parts, nothing.parts, strict=True)))


def _fault(found: object) -> str | None:
    if callable(found):
        return None
    return f"{shortened(found)} is no function of a number of images, their size and a generator"


_known: dict[str, Drawing] = {}
"""By names proper, which say what code it is."""
AUGMENTATIONS: Own[Drawing] = Own("augmentation", _fault, group="condense.augmentations")
