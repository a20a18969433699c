"""How many outer and inner loops an iteration has."""

import numpy as np

PUBLISHED = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}


def loops_for(images_per_class: int) -> tuple[int, int]:
    """(outer loop, inner loop): image updates an iteration, and passes over the synthetic set between two of them.

    The published values where there are any. For others, outer = min(ipc, 50), as in all published values, and inner is
    interpolated linearly between the published ones and rounded: 50 below 10 images per class, 10 above 50.
    """
    if images_per_class in PUBLISHED:
        return PUBLISHED[images_per_class]
    anchors = [ipc for ipc in PUBLISHED if ipc > 1]
    inner = np.interp(images_per_class, anchors, [PUBLISHED[ipc][1] for ipc in anchors])
    return min(images_per_class, 50), round(float(inner))
