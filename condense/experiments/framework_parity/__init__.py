"""Does another framework compute the same? Trajectories side by side, their rounding floor, and the cause where they part."""
