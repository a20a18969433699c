"""Real images: where they come from, and how they lie in memory."""
