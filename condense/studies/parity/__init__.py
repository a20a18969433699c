"""Does another framework compute the same? Trajectories, their rounding floor, and the cause."""
