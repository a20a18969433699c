"""CutMix (Yun et al., ICCV 2019): a box of each image comes from another image of the batch, labels in proportion."""

import torch
from torch import Tensor


def cutmix(x: Tensor, labels: Tensor, probability: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch (B, C, H, W) with soft labels (B, classes), mixed with this probability, else as it is.

    The share that stays is drawn from Beta(1, 1). The box's sides are floor(side * sqrt(1 - share)); it reaches half of
    that, by whole division, to either side of a centre uniform over the pixels, and ends at the image's edges. One box and
    one order of the images for the whole batch; labels are weighted by the area that really came. Nothing waits for a GPU.
    """
    device = random.device
    happens, share = torch.rand(2, generator=random, device=device, dtype=torch.float64).to(x.device)
    sides = x.shape[2:]
    centres = [torch.randint(side, (), generator=random, device=device).to(x.device) for side in sides]
    order = torch.randperm(len(x), generator=random, device=device).to(x.device)
    rows, columns = (_covered(side, share, centre) for side, centre in zip(sides, centres, strict=True))
    box = rows[:, None] & columns & (happens < probability)
    came = box.to(labels.dtype).mean()
    return torch.where(box, x[order], x), (1 - came) * labels + came * labels[order]


def _covered(side: int, share: Tensor, centre: Tensor) -> Tensor:
    """Which positions along a side (side,) lie in the box that leaves `share` of a square image."""
    half = (side * (1 - share).sqrt()).long() // 2
    position = torch.arange(side, device=share.device)
    return (position >= centre - half) & (position < centre + half)
