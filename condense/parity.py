"""Does another framework compute the same? `check` compares two dumps of training runs; `Recorder` writes one."""

from condense.experiments.framework_parity.check import Check, check, nudge
from condense.experiments.framework_parity.comparison import Differences, Divergence, differences, first_divergence
from condense.experiments.framework_parity.trajectory import Recorder, Trajectory, load_trajectory, sha256, spread_steps

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
