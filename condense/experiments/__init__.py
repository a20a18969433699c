"""Experiments on real images: the same images, networks, training engine and records, and what is theirs alone."""
