"""How images are changed at random: parameters drawn once by a law, applied to any batch."""
