"""What `progress=` callbacks are told: enough for a bar, a logger, or an early look at what is being made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from condense.synthetic_set import SyntheticSet


@dataclass(frozen=True, eq=False)
class Step:
    """A step of stage C is done.

    step: how many are done, of `steps`. losses: of this step, by the method's names; loss: that of the iteration it belongs
    to, as far as that is done, as records have it. seconds: of computing so far, those before a resume included. made: gives
    the set as it stands after this step; nothing is computed for it unless it is called.
    """

    step: int
    steps: int
    loss: float
    losses: Mapping[str, float]
    seconds: float
    made: Callable[[], SyntheticSet] = field(repr=False)

    def images(self) -> Tensor:
        """The images as they stand, as sets store them: float32 (N, C, H, W), normalised, on the CPU, a copy."""
        return self.made().images.clone()


@dataclass(frozen=True)
class Epoch:
    """Networks have been trained for one more epoch.

    network: their name; done: epochs over all of them, of `total`; seconds: since this call began with them.
    """

    network: str
    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class NetworkTested:
    """A network of stage T is tested: its seed, and the share of test images that it classifies correctly.

    Of an evaluation that is resumed, those that were tested before are told of as well.
    """

    network: str
    protocol: str
    seed: int
    accuracy: float


OfSteps = Callable[[Step], None]
OfTraining = Callable[[Epoch | NetworkTested], None]


def unheard(event: Step | Epoch | NetworkTested) -> None:
    """Tells nobody."""
