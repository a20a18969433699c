"""Random numbers: every draw comes from a generator derived from one seed and a named purpose.

A draw that belongs to a step of a run names that step too, so generators carry no state from one step to the next
and a resumed run needs none of them saved.
"""

import hashlib

import torch

Device = torch.device | str


def derived_seed(seed: int, purpose: str, *steps: int) -> int:
    """A 63-bit seed, statistically independent for each (seed, purpose, steps)."""
    text = ":".join([str(seed), purpose, *map(str, steps)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, purpose: str, *steps: int, device: Device = "cpu") -> torch.Generator:
    """A `torch.Generator` on `device` for one purpose (and one step) of the run with this seed."""
    return torch.Generator(device=device).manual_seed(derived_seed(seed, purpose, *steps))
