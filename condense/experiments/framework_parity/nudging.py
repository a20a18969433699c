"""Initial weights moved by one unit in the last place: what rounding alone does to a trajectory is measured with them."""

import numpy as np
import torch

from condense.randomness import generator


def nudged(initial: dict[str, np.ndarray], dtype: torch.dtype, nudge: int) -> dict[str, np.ndarray]:
    """Each weight rounded to `dtype`, then one unit up or down, drawn with `nudge`; zeros stay. Returned in float64."""
    found = {}
    for index, (name, value) in enumerate(initial.items()):
        rounded = torch.from_numpy(value).to(dtype)
        up = torch.rand(rounded.shape, generator=generator(nudge, "parity nudge", index)) < 0.5
        away = torch.where(up, torch.inf, -torch.inf).to(dtype)
        found[name] = torch.where(rounded == 0, rounded, torch.nextafter(rounded, away)).double().numpy()
    return found
