"""Data that the parity tests share."""

from typing import Any

import numpy as np

from condense.records import Cost, Record
from condense.versions import Code


def images(count: int, shape: tuple[int, int, int], classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return random.normal(size=(count, *shape)) + y[:, None, None, None] / classes, y


def cause_record(config: dict[str, Any], results: dict[str, Any]) -> Record:
    """A record of a cause, of two networks."""
    return Record("cause", config, [0, 1], {}, Cost(1.0, None, "cpu", 1, "now"), Code("0", None, None, {}), results=results)
