"""Does another framework compute the same? `check` compares two dumps of training runs; `Recorder` writes one."""

from condense.studies.parity.check import Check, check, nudge
from condense.studies.parity.comparison import Differences, Divergence, differences, first_divergence
from condense.studies.parity.trajectory import Recorder, Trajectory, load_trajectory, sha256, spread_steps

__all__ = [
    "Check",
    "Differences",
    "Divergence",
    "Recorder",
    "Trajectory",
    "check",
    "differences",
    "first_divergence",
    "load_trajectory",
    "nudge",
    "sha256",
    "spread_steps",
]
